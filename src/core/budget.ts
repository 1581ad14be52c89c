/** A token bucket, filled by elapsed time. In: the time, what is spent. Out: what there is. */
import { type Micros, SECOND } from './time.js';

export class Budget {
  private readonly rate: number;
  private readonly burst: number;
  private tokens: number;
  private filledAt: Micros = 0;

  /**
   * @param rate tokens per second
   * @param burst tokens at most, and at the start
   */
  constructor(rate: number, burst = rate) {
    this.rate = rate;
    this.burst = burst;
    this.tokens = burst;
  }

  /** Tokens that there are; less than 0 after more has been spent. */
  available(now: Micros): number {
    this.tokens = Math.min(this.burst, this.tokens + ((now - this.filledAt) * this.rate) / SECOND);
    this.filledAt = now;
    return this.tokens;
  }

  /** So many are gone, though there may be fewer; below 0, they are given back. */
  spend(tokens = 1): void {
    this.tokens = Math.min(this.burst, this.tokens - tokens);
  }

  /** Spends one if there is one. */
  take(now: Micros): boolean {
    if (this.available(now) < 1) return false;
    this.spend();
    return true;
  }
}
