/**
 * Deals symbols to their first hops: those that are to be relayed in shares, symbols in a row for each, which one manifest lists;
 * those of small objects one by one. In: how many there are, who may have some and what waits for each. Out: how many for whom.
 */
import { MILLISECOND, type Micros, SECOND } from '../../../core/time.js';
import { treeDepth } from '../../../crypto/merkle.js';
import { MAX_BATCH, MAX_INLINE_BATCH, MAX_SHARE } from '../../../wire/limits.js';
import type { Paths } from '../rtts.js';

/** Whom symbols are dealt to: those that may be first hops, what they have by peer, and places of the batch. */
interface Table {
  /** It has none, and gets the first. */
  hungry: number;
  peers: readonly number[];
  /** By peer; counts what is dealt. */
  pending: number[];
  places: number;
}

/** For whom how many in a row, in this order; and places of the batch that are left for others. */
interface Hands {
  hops: { peer: number; count: number }[];
  left: number;
}

export class Dealer {
  private readonly paths: Paths;
  private readonly symbolSize: number;
  private readonly isSingle: boolean;
  private turn = 0;

  /** @param isSingle one by one */
  constructor(paths: Paths, symbolSize: number, isSingle: boolean) {
    this.paths = paths;
    this.symbolSize = symbolSize;
    this.isSingle = isSingle;
  }

  /** Of a new batch. */
  get places(): number {
    return this.isSingle ? MAX_INLINE_BATCH : MAX_BATCH;
  }

  /** Deals up to `count` symbols of one block. */
  deal(count: number, table: Table): Hands {
    return this.isSingle ? this.singly(count, table) : this.inShares(count, table);
  }

  private singly(count: number, { hungry, peers, pending, places }: Table): Hands {
    const hops: Hands['hops'] = [];
    while (hops.length < Math.min(count, places)) {
      const peer = pending[hungry] === 0 ? hungry : this.shortest(peers, pending);
      if (pending[peer] >= MAX_QUEUED) return { hops, left: 0 };
      pending[peer]++;
      hops.push({ peer, count: 1 });
    }
    return { hops, left: places - hops.length };
  }

  /** To those that have few left, as many to each as its path takes in a short while. */
  private inShares(count: number, { hungry, peers, pending, places }: Table): Hands {
    const low = peers.filter((peer) => peer !== hungry && pending[peer] <= MAX_QUEUED / 4);
    const start = low.length > 0 ? this.turn++ % low.length : 0;
    const takers = [hungry, ...low.slice(start), ...low.slice(0, start)].slice(0, places / FEWEST_PLACES);
    const most = Math.min(MAX_SHARE, 2 ** Math.floor(Math.log2(places / takers.length)));
    const hops = takers.map((peer) => ({ peer, count: 0 }));
    const limits = takers.map((peer) => Math.min(most, this.quantum(peer), MAX_QUEUED - pending[peer]));
    let rest = count;
    for (; rest > 0; rest--) {
      let best = -1;
      for (let i = 0; i < takers.length; i++)
        if (hops[i].count < limits[i] && (best < 0 || pending[takers[i]] < pending[takers[best]])) best = i;
      if (best < 0) break;
      hops[best].count++;
      pending[takers[best]]++;
    }
    const dealt = hops.filter((hop) => hop.count > 0);
    const left = dealt.reduce((sum, hop) => sum - 2 ** treeDepth(hop.count), places);
    // Where all have enough, or what is left would be too little for each, the rest is for another time.
    return { hops: dealt, left: rest > 0 || left < FEWEST_PLACES ? 0 : left };
  }

  /** How many symbols a path takes in a short while: a slow one must not hold what a faster one could carry. */
  private quantum(peer: number): number {
    const { deliveryRate } = this.paths[peer]!.recovery;
    const symbols = (deliveryRate * SHARE_TIME) / SECOND / this.symbolSize;
    return Math.floor(Math.max(LEAST_SHARE, Math.min(MAX_SHARE, symbols)));
  }

  /** The peer with the shortest queue, in turn among equals. */
  private shortest(peers: readonly number[], pending: readonly number[]): number {
    this.turn++;
    let best = peers[this.turn % peers.length];
    for (let i = 1; i < peers.length && pending[best] > 0; i++) {
      const peer = peers[(this.turn + i) % peers.length];
      if (pending[peer] < pending[best]) best = peer;
    }
    return best;
  }
}

/** Symbols made ahead of the pacer of one path, at most: a slow path must not hold what a faster one could carry. */
export const MAX_QUEUED = 32;
/** Symbols of a share where that many are left: what its path takes in SHARE_TIME, but not fewer than this. */
const LEAST_SHARE = 16;
const SHARE_TIME: Micros = 20 * MILLISECOND;
/** Places of a batch that are worth a share. */
const FEWEST_PLACES = 8;
