/** Token buckets, filled by elapsed time: one, or one for each address and one for all. In: the time, what is spent. Out: what there is. */
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

/** A bucket of one kind for each member that has one. */
export class Budgets {
  private readonly rate: number;
  private readonly burst: number;
  private readonly all = new Map<number, Budget>();

  /** See `Budget`. */
  constructor(rate: number, burst: number) {
    this.rate = rate;
    this.burst = burst;
  }

  of(member: number): Budget {
    const budget = this.all.get(member) ?? new Budget(this.rate, this.burst);
    this.all.set(member, budget);
    return budget;
  }
}

/** Of a bucket: so many at once, and then so many a second. */
export interface Rate {
  burst: number;
  rate: number;
}

/** How often strangers may make us work: a budget for each address and one for all, in bounded memory. */
export class Allowance {
  private readonly each: Rate;
  private readonly all: Budget;
  /** The ones that were used last are the last. */
  private readonly byAddress = new Map<string, Budget>();

  constructor(each: Rate, all: Rate) {
    this.each = each;
    this.all = new Budget(all.rate, all.burst);
  }

  /** Whether to work once more for who is at this address (`host:port`); it counts if so. */
  take(now: Micros, address: string): boolean {
    const key = networkOf(address);
    const own = this.byAddress.get(key) ?? new Budget(this.each.rate, this.each.burst);
    this.byAddress.delete(key);
    this.byAddress.set(key, own);
    // Who is forgotten starts anew, but the one for all has no more for it.
    if (this.byAddress.size > MAX_ADDRESSES) this.byAddress.delete(this.byAddress.keys().next().value!);
    return own.available(now) >= 1 && this.all.take(now) && own.take(now);
  }

  /** Addresses that are remembered. */
  get size(): number {
    return this.byAddress.size;
  }
}

/** The host of an address; of IPv6 its first 64 bits, of which one customer has all. */
export function networkOf(address: string): string {
  const v6 = /^\[([^\]]*)\]/.exec(address);
  if (!v6) return address.slice(0, address.lastIndexOf(':'));
  const [front, back] = v6[1].split('%')[0].split('::');
  const groups = front.split(':').filter(Boolean);
  if (back !== undefined) {
    const rest = back.split(':').filter(Boolean);
    while (groups.length + rest.length < 8) groups.push('0');
  }
  return groups.slice(0, 4).join(':');
}

const MAX_ADDRESSES = 1024;
