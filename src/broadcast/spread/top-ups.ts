/**
 * When a block of an object that is sent needs more symbols, for whom, and how many. In: the paths to the peers, and what they
 * report. Out: answers only; `Outgoing` plans by them.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import type { Group } from '../../group/group.js';
import type { Deficits } from './deficits.js';
import { copiesFor } from './plan.js';
import type { Queues } from './queues.js';
import { MAX_LOSS_PLANNED, type Paths, rttOf, typicalRtt, withMargin } from './rtts.js';

export interface Block {
  sbn: number;
  sourceSymbols: number;
  /** Symbols made so far: the next one has this number. */
  made: number;
  /** Symbols planned but not yet made. */
  planned: number;
  topUpAt: Micros;
  /** When the last symbol went that was waited for. */
  sentAt: Micros;
  /** Top-ups since a peer last reported to hold more of it. */
  backoff: number;
  /** Drawn for the wait that began then. */
  jitter: number;
  /** By peer: symbols of top-ups on its account. */
  readonly granted: Map<number, number>;
}

export class TopUps {
  /** The distance that most peers keep, as of the last look. */
  typical: Micros;
  private readonly group: Group;
  private readonly paths: Paths;
  private readonly deficits: Deficits;
  private readonly queues: Queues;

  constructor(group: Group, paths: Paths, deficits: Deficits, queues: Queues) {
    this.group = group;
    this.paths = paths;
    this.deficits = deficits;
    this.queues = queues;
    this.typical = this.typicalRtt();
  }

  /** Looks at the paths again. */
  look(): void {
    this.typical = this.typicalRtt();
  }

  /** Of top-ups with a queue that does not move: a symbol would have been there and back. */
  get patience(): Micros {
    return this.typical + REPORT_ALLOWANCE;
  }

  /** Much farther than most peers: more than what a report may be held back. */
  isLate(peer: number): boolean {
    return rttOf(this.paths[peer], withMargin) > 2 * this.typical + REPORT_ALLOWANCE;
  }

  /**
   * A symbol, its relay and the report take three one-way delays: RTT + RTT/2. With no progress the wait for more
   * grows from RTT/2, doubling slowly, with jitter.
   */
  delay(block: Block, rtt = this.typical): Micros {
    const grown = (rtt / 2) * BACKOFF_BASE ** Math.min(block.backoff, MAX_BACKOFF_STEPS);
    return Math.ceil(Math.min(MAX_TOP_UP_DELAY, rtt + grown * block.jitter + REPORT_ALLOWANCE));
  }

  /** When nothing more of a block is to be expected at a peer of what has been sent: that one's distance counts, no other's. */
  quietAt(now: Micros, block: Block, peer: number): Micros {
    const { sbn } = block;
    const rtt = Math.max(this.typical, rttOf(this.paths[peer], withMargin));
    // What waits for its path is on its way to it as it is.
    if (this.queues.holds(peer, sbn)) return now + this.delay(block, rtt);
    const advanced = this.deficits.advancedAt(peer, sbn) + rtt + REPORT_ALLOWANCE;
    const patience = Math.min(advanced, block.sentAt + MAX_PATIENCE);
    return Math.ceil(Math.max(block.sentAt + this.delay(block, rtt), patience));
  }

  /** Whether a peer has had so much of a block that it has to ask for the rest: it may never be content. */
  isSpent(peer: number, { sourceSymbols, granted }: Block): boolean {
    const allowed = TOP_UP_TIMES * sourceSymbols + TOP_UP_BESIDES;
    const arrival = 1 - Math.min(MAX_LOSS_PLANNED, this.paths[peer]!.loss);
    return (granted.get(peer) ?? 0) >= allowed / arrival;
  }

  /** Whether there has been a word from a peer since the last symbols of a block went. */
  hasSpoken(peer: number, { sentAt }: Block): boolean {
    const { heardAt, rtt } = this.paths[peer]!;
    return heardAt >= sentAt + rtt.smoothed / 2;
  }

  /** How many fresh symbols should leave so that `peer` probably gets all it misses of a block. */
  demand(peer: number, block: Block, needy: number): number {
    const { sbn, sourceSymbols, made } = block;
    const path = this.paths[peer]!;
    // It may be down, so little has to do until it speaks.
    if (!this.hasSpoken(peer, block)) return copiesFor(path.loss);
    const reported = this.deficits.reported(peer, sbn);
    const loss = Math.min(MAX_LOSS_PLANNED, path.loss);
    // A lone peer that has not spoken of a block yet has what comes through; elsewhere much depends on the relays.
    const probable = this.deficits.peers.length === 1 ? sourceSymbols - made * (1 - loss) : sourceSymbols;
    const missing = Math.max(1, Math.min(Math.ceil(reported ?? probable), sourceSymbols));
    // With several in need most symbols come by a relay and meet loss twice.
    const arrival = needy > 1 ? (1 - loss) ** 2 : 1 - loss;
    const margin = missing > this.group.pessimism ? this.group.pessimism : 0;
    return Math.ceil(missing / arrival) + margin;
  }

  private typicalRtt(): Micros {
    return typicalRtt(this.paths, this.group.faulty, withMargin);
  }
}

/** How long top-ups of a block wait for symbols that are still on their way through relays. */
const MAX_PATIENCE: Micros = 10 * SECOND;
const BACKOFF_BASE = 1.5;
const MAX_BACKOFF_STEPS = 12;
const MAX_TOP_UP_DELAY: Micros = SECOND;
/** Peers report their deficits at intervals of this order. */
const REPORT_ALLOWANCE: Micros = 15 * MILLISECOND;
/** Of a block goes to one peer in top-ups, over 1 - p: so many times K, and so many symbols besides. */
export const TOP_UP_TIMES = 4;
export const TOP_UP_BESIDES = 16;
