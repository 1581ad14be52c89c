/**
 * What a rate is shared among: members, of whom each has a part that is its own, and besides it what is for whoever comes
 * first. So one that takes all it can get leaves each of the others its part. In: who wants how often. Out: whether it may.
 */
import { Budget } from '../../core/budget.js';
import type { Micros } from '../../core/time.js';

/**
 * @example
 * const checks = new SharedRate(4, { common: 4000, own: 500 });
 * if (checks.allows(now, member)) checks.spend(now, member);
 */
export class SharedRate {
  private readonly common: Budget;
  private readonly own: readonly Budget[];

  /** Both a second, `own` for each member; a second's worth may be spent at once. */
  constructor(members: number, { common, own }: { common: number; own: number }) {
    this.common = new Budget(common, Math.max(1, common));
    this.own = Array.from({ length: members }, () => new Budget(own, Math.max(1, own)));
  }

  allows(now: Micros, member: number): boolean {
    return this.common.available(now) >= 1 || this.own[member].available(now) >= 1;
  }

  /** What is common goes first: it is lost to who waits. */
  spend(now: Micros, member: number): void {
    const budget = this.common.available(now) >= 1 ? this.common : this.own[member];
    budget.available(now);
    budget.spend();
  }
}
