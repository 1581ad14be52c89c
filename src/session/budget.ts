/**
 * Token buckets for hosts in a table of fixed size, so that a stranger costs no memory. In: `take` with the time. Out: whether
 * it may.
 */
import { type Micros, SECOND } from '../core/time.js';

/** Budgets by host. Hosts that share a slot share its budget: `salt` keeps others from choosing to. */
export class HostBudgets {
  private readonly rate: number;
  private readonly salt: number;
  private readonly tokens: Float64Array;
  private readonly filledAt: Float64Array;

  constructor(slots: number, rate: number, salt: number) {
    this.rate = rate;
    this.salt = salt;
    this.tokens = new Float64Array(slots).fill(rate);
    this.filledAt = new Float64Array(slots);
  }

  /** @param from `host:port`; the port does not count */
  take(now: Micros, from: string): boolean {
    const slot = this.slotOf(from);
    const filled = this.tokens[slot] + ((now - this.filledAt[slot]) * this.rate) / SECOND;
    this.tokens[slot] = Math.min(this.rate, filled);
    this.filledAt[slot] = now;
    if (this.tokens[slot] < 1) return false;
    this.tokens[slot] -= 1;
    return true;
  }

  private slotOf(from: string): number {
    const end = from.lastIndexOf(':');
    let hash = this.salt | 0;
    for (let i = 0; i < (end < 0 ? from.length : end); i++)
      hash = Math.imul(hash ^ from.charCodeAt(i), 0x01000193) ^ (hash >>> 15);
    return (hash >>> 0) % this.tokens.length;
  }
}
