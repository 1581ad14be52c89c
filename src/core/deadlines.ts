/**
 * The deadlines of a fixed number of slots, and which of them are due: a tournament tree, so that a group of hundreds
 * need not be looked through for each datagram. In: a time for each slot. Out: the earliest, and the slots due by a time.
 */
import { type Micros, NEVER } from './time.js';

/**
 * One time per slot. A change takes O(log n), the earliest time O(1), the next slot that is due O(log n); nothing is
 * allocated.
 *
 * @example
 * const deadlines = new Deadlines(peers.length);
 * deadlines.set(3, now + SECOND);
 * for (let slot = deadlines.firstDue(now); slot >= 0; slot = deadlines.firstDue(now, slot + 1)) handle(slot);
 */
export class Deadlines {
  private readonly leaves: number;
  /** Each node holds the earlier time of its two children, 2i and 2i + 1; the slots are the leaves. */
  private readonly times: Float64Array;

  /** All slots begin at NEVER. */
  constructor(slots: number) {
    this.leaves = 2 ** Math.ceil(Math.log2(Math.max(1, slots)));
    this.times = new Float64Array(2 * this.leaves).fill(NEVER);
  }

  /** The earliest time of all; NEVER if there is none. */
  get earliest(): Micros {
    return this.times[1];
  }

  get(slot: number): Micros {
    return this.times[slot + this.leaves];
  }

  set(slot: number, at: Micros): void {
    const { times } = this;
    let node = slot + this.leaves;
    if (times[node] === at) return;
    times[node] = at;
    for (node >>= 1; node > 0; node >>= 1) {
      const earlier = Math.min(times[2 * node], times[2 * node + 1]);
      if (times[node] === earlier) return;
      times[node] = earlier;
    }
  }

  /** The lowest slot, of those from `from` on, whose time is `now` or earlier; -1 if there is none. */
  firstDue(now: Micros, from = 0): number {
    const { times, leaves } = this;
    if (from >= leaves || times[1] > now) return -1;
    let node = from + leaves;
    while (times[node] > now) {
      // Up to where there is something to the right.
      while ((node & 1) === 1) node >>= 1;
      if (node === 0) return -1;
      node++;
    }
    while (node < leaves) {
      node *= 2;
      if (times[node] > now) node++;
    }
    return node - leaves;
  }
}
