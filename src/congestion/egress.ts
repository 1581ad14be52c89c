/**
 * The egress of a node: one token bucket that all its paths share, since N paths that each fill their own share still meet
 * at one network card. In: each peer's wish to send, what was sent. Out: who may send next and when. Control goes first,
 * always; what remains is divided among the peers that want to send in proportion to their weights (start-time fair
 * queueing: Goyal, Vin, Cheng 1996), so that a peer that was idle neither gains nor loses by it.
 */
import { Deadlines } from '../core/deadlines.js';
import { type Micros, NEVER } from '../core/time.js';
import { Pacer } from './pacer.js';

export interface EgressOptions {
  /** Bytes per second of the whole node; Infinity: no limit. */
  rate: number;
  /** Keys are below this. */
  peers: number;
}

/** Names a peer at the egress, by the integer that the node knows it by. */
export type EgressKey = number;

interface Share {
  weight: number;
  /** Virtual time at which its next datagram starts: what it has sent, divided by its weight. */
  virtual: number;
  waiting: boolean;
}

/**
 * @example
 * egress.want(peer, true);
 * const next = egress.next(now);
 * if (next !== undefined) egress.onSent(now, next, send(next));
 */
export class Egress {
  private rate: number;
  private readonly pacer = new Pacer();
  private readonly shares = new Map<EgressKey, Share>();
  /** The virtual times of those that wait. */
  private readonly turns: Deadlines;
  /** Start of the datagram that was sent last: where a peer that wakes up joins in. */
  private virtualNow = 0;

  constructor(options: EgressOptions) {
    this.rate = options.rate;
    this.turns = new Deadlines(options.peers);
  }

  setRate(bytesPerSecond: number): void {
    this.rate = bytesPerSecond;
  }

  /** Adds a peer, or changes its weight. */
  setWeight(key: EgressKey, weight = 1): void {
    const share = this.shares.get(key);
    if (share) share.weight = weight;
    else this.shares.set(key, { weight, virtual: this.virtualNow, waiting: false });
  }

  /** Says whether a peer has something that its own path would let go now. Unknown peers are ignored. */
  want(key: EgressKey, waiting: boolean): void {
    const share = this.shares.get(key);
    if (!share || share.waiting === waiting) return;
    share.waiting = waiting;
    if (waiting) share.virtual = Math.max(share.virtual, this.virtualNow);
    this.turns.set(key, waiting ? share.virtual : NEVER);
  }

  /** Whose turn it is; undefined if nobody wants to send or the bucket is empty (`nextSend` then says until when). */
  next(now: Micros): EgressKey | undefined {
    if (this.nextSend(now) > now) return undefined;
    return this.first();
  }

  /** When `next` may name somebody: `now` or earlier means at once, NEVER that nobody waits. */
  nextSend(now: Micros): Micros {
    return this.first() === undefined ? NEVER : this.pacer.nextSend(now, this.rate);
  }

  /** When anything of one's own may go: `now` or earlier means at once. */
  opensAt(now: Micros): Micros {
    return this.pacer.nextSend(now, this.rate);
  }

  onSent(now: Micros, key: EgressKey, bytes: number): void {
    this.pacer.onSent(now, bytes, this.rate);
    const share = this.shares.get(key);
    if (!share) return;
    this.virtualNow = Math.max(this.virtualNow, share.virtual);
    share.virtual += bytes / share.weight;
    if (share.waiting) this.turns.set(key, share.virtual);
  }

  /** Acks, confirms and the like go at once; the data that follows pays for them. */
  onControl(now: Micros, bytes: number): void {
    this.pacer.onSent(now, bytes, this.rate);
  }

  private first(): EgressKey | undefined {
    const { earliest } = this.turns;
    return earliest === NEVER ? undefined : this.turns.firstDue(earliest);
  }
}
