/**
 * READY, the second phase of a stream's confirms, for groups in which liars could show a quorum to one member and not to
 * the next (Bracha 1987; Cachin, Guerraoui, Rodrigues, section 3.11). In: for how many of the objects that we hold the
 * others are READY, and for how many we can be. Out: for how many we are, to be stored before it is said; and so how many
 * may be delivered.
 */
import type { Digest } from './ledger.js';
import type { Bounds } from './standing.js';

/** Of these objects `from` is the first in place of which another one is to come, if that is so. */
export interface Pledge extends Digest {
  from?: number | undefined;
}

export class Readiness {
  /** What we are READY for, in our store or on its way there: never taken back. */
  pledge: Pledge;
  /** So much of it is in our store, and may be said. */
  durable: number;
  private readonly bounds: Bounds;
  /** By member: for so many of the objects that we hold it is READY. */
  private readonly readyCounts: number[];

  /** @param stored from before a restart */
  constructor(bounds: Bounds, stored: Pledge) {
    this.bounds = bounds;
    this.pledge = stored;
    this.durable = stored.count;
    this.readyCounts = new Array(bounds.members).fill(0);
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    return this.durable > this.pledge.count ? `READY for ${this.durable} not pledged` : undefined;
  }

  /** `member` is READY for the first `count` of the objects that we hold. */
  onReady(member: number, count: number): void {
    this.readyCounts[member] = Math.max(this.readyCounts[member], count);
  }

  /** The number of objects for which more members are READY than may lie: so one at least is right. */
  attested(): number {
    return nthLargest(this.readyCounts, this.bounds.byzantine + 1);
  }

  /** Whether what so many members are READY for must be right. */
  isAttested(members: number): boolean {
    return members > this.bounds.byzantine;
  }

  /** The number of objects for which `readyQuorum` members, ourselves included (`own`), are READY. */
  deliverable(own: number): number {
    return nthLargest([own, ...this.readyCounts], this.bounds.readyQuorum);
  }

  /** We have delivered `delivered`, and hold objects below `count` but nothing beyond that others could be READY for. */
  restart(delivered: Digest, count: number): void {
    this.readyCounts.forEach((ready, member) => {
      this.readyCounts[member] = Math.min(ready, count);
    });
    if (this.pledge.count < delivered.count) this.pledge = delivered;
  }
}

/** The largest count that `n` of these reach; 0 if there are fewer. */
export function nthLargest(counts: readonly number[], n: number): number {
  return [...counts].sort((a, b) => b - a)[n - 1] ?? 0;
}
