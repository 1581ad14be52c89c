/**
 * What a rate is shared among: members, of whom each has a part that is its own, and besides it what is for whoever comes
 * first. So one that takes all it can get leaves each of the others its part. In: who wants how often. Out: whether it may.
 */
import { type Micros, SECOND } from '../../core/time.js';

/** So many at once, and so many a second. */
class Bucket {
  private readonly rate: number;
  private tokens: number;
  private at: Micros | undefined;

  constructor(rate: number) {
    this.rate = rate;
    this.tokens = Math.max(1, rate);
  }

  fill(now: Micros): number {
    const elapsed = now - (this.at ?? now);
    this.at = now;
    this.tokens = Math.min(Math.max(1, this.rate), this.tokens + (elapsed / SECOND) * this.rate);
    return this.tokens;
  }

  take(): void {
    this.tokens--;
  }
}

/**
 * @example
 * const checks = new SharedRate(4, { common: 4000, own: 500 });
 * if (checks.allows(now, member)) checks.spend(now, member);
 */
export class SharedRate {
  private readonly common: Bucket;
  private readonly own: readonly Bucket[];

  /** Both a second, `own` for each member; a second's worth may be spent at once. */
  constructor(members: number, { common, own }: { common: number; own: number }) {
    this.common = new Bucket(common);
    this.own = Array.from({ length: members }, () => new Bucket(own));
  }

  allows(now: Micros, member: number): boolean {
    return this.common.fill(now) >= 1 || this.own[member].fill(now) >= 1;
  }

  /** What is common goes first: it is lost to who waits. */
  spend(now: Micros, member: number): void {
    const bucket = this.common.fill(now) >= 1 ? this.common : this.own[member];
    bucket.fill(now);
    bucket.take();
  }
}
