/**
 * READY, the second phase of a stream's confirms, for groups in which liars could show a quorum to one member and not to
 * the next (Bracha 1987; Cachin, Guerraoui, Rodrigues, section 3.11). In: for how many of the objects that we hold the
 * others are READY, and for how many we can be. Out: for how many we are, to be stored before it is said; and so how many
 * may be delivered.
 */
import type { Group } from '../../group/group.js';
import type { Digest } from './ledger.js';

export class Readiness {
  /** What we are READY for, in our store or on its way there: never taken back. */
  pledge: Digest;
  /** So much of it is in our store, and may be said. */
  durable: number;
  private readonly bounds: Pick<Group, 'byzantine' | 'readyQuorum'>;
  /** By member: for so many of the objects that we hold it is READY. */
  private readonly heard: number[];

  /** @param stored from before a restart */
  constructor(members: number, bounds: Pick<Group, 'byzantine' | 'readyQuorum'>, stored: Digest) {
    this.bounds = bounds;
    this.pledge = stored;
    this.durable = stored.count;
    this.heard = new Array(members).fill(0);
  }

  onHeard(member: number, count: number): void {
    this.heard[member] = Math.max(this.heard[member], count);
  }

  /** For as many objects more members are READY than may lie: so one at least is right. */
  attested(): number {
    return nthLargest(this.heard, this.bounds.byzantine + 1);
  }

  /** Whether what so many members are READY for must be right. */
  isAttested(members: number): boolean {
    return members > this.bounds.byzantine;
  }

  /** For as many objects so many are READY, we for `own`, that more than may lie remain to tell the others, whoever fails. */
  deliverable(own: number): number {
    return nthLargest([own, ...this.heard], this.bounds.readyQuorum);
  }

  /** We have delivered `delivered`, and hold objects below `count` but nothing beyond that others could be READY for. */
  restart(delivered: Digest, count: number): void {
    this.heard.forEach((heard, member) => {
      this.heard[member] = Math.min(heard, count);
    });
    if (this.pledge.count < delivered.count) this.pledge = delivered;
  }
}

/** The largest count that `n` of these reach. */
export function nthLargest(counts: readonly number[], n: number): number {
  return [...counts].sort((a, b) => b - a)[n - 1];
}
