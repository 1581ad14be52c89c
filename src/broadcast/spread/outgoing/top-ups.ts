/**
 * When a block of an object that is sent needs more symbols, for whom, and how many. In: the paths to the peers, and what they
 * report. Out: answers only; `Outgoing` plans by them.
 */
import { MILLISECOND, type Micros, SECOND } from '../../../core/time.js';
import type { Group } from '../../../group/group.js';
import { MAX_REPAIR_SYMBOLS } from '../../../wire/limits.js';
import { copiesFor, type FirstHops, symbolsToReach, WHOLE_UP_TO } from '../plan.js';
import { MAX_LOSS_PLANNED, meanLoss, type Paths, rttOf, typicalRtt, withMargin } from '../rtts.js';
import type { Deficits } from './deficits.js';
import type { Owed } from './owed.js';
import type { Queues } from './queues.js';
import type { LossSince, Shortfall } from './shortfall.js';

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
  /** Who was dealt some of it to relay. */
  readonly relays: Set<number>;
}

/** So many symbols for these peers. */
export interface TopUp {
  count: number;
  /** By peer: how many it should get. */
  demands: ReadonlyMap<number, number>;
  /** Nobody relays them. */
  isDirect: boolean;
}

/** What shows whether all relay. */
interface Seen {
  shortfall: Shortfall;
  /** Since the object began. */
  loss: LossSince;
}

export class TopUps {
  /** The distance that most peers keep, as of the last look. */
  typical: Micros;
  private readonly group: Group;
  private readonly paths: Paths;
  private readonly spare: number | undefined;
  readonly owed: Owed;
  private readonly number: number;
  private readonly deficits: Deficits;
  private readonly queues: Queues;
  private readonly seen: Seen | undefined;
  /** By peer: symbols of the object that it was served. */
  private readonly served = new Map<number, number>();

  /** @param seen undefined: all are taken to relay */
  constructor(
    {
      group,
      paths,
      spare,
      owed,
      number,
    }: { group: Group; paths: Paths; spare: number | undefined; owed: Owed; number: number },
    deficits: Deficits,
    queues: Queues,
    seen?: Seen,
  ) {
    this.group = group;
    this.paths = paths;
    this.spare = spare;
    this.owed = owed;
    this.number = number;
    this.deficits = deficits;
    this.queues = queues;
    this.seen = seen;
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
    // While symbols come it reports each 10 ms: once it has said nothing for longer than a few of them take, no more come.
    const { at, each } = this.deficits.advance(peer, sbn);
    const silence = Math.min(rtt + REPORT_ALLOWANCE, Math.max(SILENCE, SILENT_SYMBOLS * each));
    const patience = Math.min(at + silence, block.sentAt + MAX_PATIENCE);
    return Math.ceil(Math.max(block.sentAt + this.delay(block, rtt), patience));
  }

  /** Those of `unfinished` whom a top-up of a block may be for: while symbols are on their way what is missing is not known yet. */
  asking(now: Micros, block: Block, unfinished: readonly number[]): number[] {
    // Who has fallen silent sets nobody's pace, and gets what the others relay.
    const spoken = unfinished.filter((peer) => this.hasSpoken(peer, block));
    return (spoken.length > 0 ? spoken : unfinished).filter((peer) => !this.isOnItsWay(now, block, peer));
  }

  /** Whether a relay says that it still owes a peer something of a block, and has been given no longer than it may take. */
  private isOnItsWay(now: Micros, { sbn, sentAt, relays }: Block, peer: number): boolean {
    const position = { number: this.number, sbn };
    const movedAt = Math.max(sentAt, this.deficits.advance(peer, sbn).at);
    return this.owed.holdsBack(now, peer, { position, relays, movedAt, until: sentAt + MAX_PATIENCE });
  }

  /** How many symbols of a block should leave in all, dealt to these peers, so that each probably gets enough. */
  symbolsToReach(now: Micros, { sourceSymbols }: Block, peers: readonly number[]): number {
    const hops = this.firstHops(now, peers);
    // Who is left out relays nothing either.
    const absent = Math.max(0, (this.seen?.shortfall.take() ?? 0) - (peers.length - hops.peers));
    return symbolsToReach(sourceSymbols, {
      ...hops,
      absent: Math.min(absent, hops.peers - 1),
      spare: this.spare,
    });
  }

  /** What a peer still lacks of the first symbols shows whether all relay: who says nothing of a block relays nothing of it. */
  learn(now: Micros, block: Block, peer: number): void {
    const { sbn, sourceSymbols, made } = block;
    if (!this.seen || sourceSymbols <= WHOLE_UP_TO || !this.hasSpoken(peer, block)) return;
    const held = sourceSymbols - (this.deficits.reported(peer, sbn) ?? sourceSymbols);
    const hops = this.firstHops(now, this.deficits.peers);
    const arrival = Math.min(hops.arrival, 1 - this.seen.loss.share);
    this.seen.shortfall.onShort(held, made, { ...hops, arrival });
  }

  /**
   * Fresh symbols of a block. Who lacks few gets its own, which nobody relays: all together that is no more than what relays would
   * send, it takes one hop, and no relay can keep it. What others lack is dealt to them, as much as the neediest wants.
   *
   * @param unfinished how many lack the block
   */
  plan(
    block: Block,
    {
      needy,
      asking,
      unfinished,
    }: { needy: readonly number[]; asking: readonly number[]; unfinished: number },
  ): TopUp[] {
    let room = block.sourceSymbols + MAX_REPAIR_SYMBOLS - block.made;
    // Copies of a whole object would be lost together: they go in one datagram.
    let few = block.sourceSymbols > WHOLE_UP_TO ? FEW : 0;
    const topUps: TopUp[] = [];
    const rest: number[] = [];
    for (const peer of asking) {
      const count = this.demand(peer, block, 1);
      if (count > Math.min(room, few) || !this.mayServe(peer, count)) rest.push(peer);
      else {
        this.onServed(peer, count);
        topUps.push({ count, demands: new Map([[peer, count]]), isDirect: true });
        room -= count;
        few -= count;
      }
    }
    const demands = new Map(
      rest.map((peer) => [peer, needy.includes(peer) ? this.demand(peer, block, rest.length) : 0]),
    );
    const count = Math.min(room, Math.max(0, ...demands.values()));
    if (count === 0) return topUps;
    const isDirect = unfinished - topUps.length === 1 && rest.every((peer) => this.mayServe(peer, count));
    if (isDirect) for (const peer of rest) this.onServed(peer, count);
    topUps.push({ count, demands, isDirect });
    return topUps;
  }

  /** Who gets more than few past the relays has to think that others get none: see `Unrelayed`. */
  private mayServe(peer: number, count: number): boolean {
    const { members, byzantine } = this.group;
    if (byzantine === 0 || members.length === 2) return true;
    return (this.served.get(peer) ?? 0) + count <= MAX_UNRELAYED;
  }

  private onServed(peer: number, count: number): void {
    this.served.set(peer, (this.served.get(peer) ?? 0) + count);
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
  private demand(peer: number, block: Block, needy: number): number {
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

  private firstHops(now: Micros, peers: readonly number[]): FirstHops {
    const hops = peers.filter((peer) => this.paths[peer]!.isNear(now) && !this.isLate(peer));
    return { peers: hops.length || peers.length, arrival: 1 - meanLoss(this.paths) };
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
/** Two reports of symbols that come in, and some for the way: one may be lost. */
const SILENCE: Micros = 25 * MILLISECOND;
/** Datagrams overtake each other (RFC 9002, 6.1.1: by three at most). */
const SILENT_SYMBOLS = 3;
/** Symbols that are served where few are wanted. */
const FEW = 32;
/** Symbols of an object that an origin serves one of several unasked, where members may lie. */
export const MAX_UNRELAYED = 32;
/** Of a block goes to one peer in top-ups, over 1 - p: so many times K, and so many symbols besides. */
export const TOP_UP_TIMES = 4;
export const TOP_UP_BESIDES = 16;
