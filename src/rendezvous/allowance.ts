/** How often strangers may make us work: token buckets, one for each address and one for all, in bounded memory. */
import type { Micros } from '../core/time.js';
import { SECOND } from '../core/time.js';

interface Bucket {
  tokens: number;
  at: Micros;
}

export class Allowance {
  private readonly all: Bucket = { tokens: ALL_BURST, at: 0 };
  /** The ones that were used last are the last. */
  private readonly byAddress = new Map<string, Bucket>();

  /** Whether one more exchange may be begun with who is at this address (`host:port`); it counts if so. */
  take(now: Micros, address: string): boolean {
    const key = networkOf(address);
    const own = this.byAddress.get(key) ?? { tokens: ADDRESS_BURST, at: now };
    fill(own, now, ADDRESS_BURST, ADDRESS_RATE);
    fill(this.all, now, ALL_BURST, ALL_RATE);
    this.byAddress.delete(key);
    this.byAddress.set(key, own);
    // Who is forgotten starts anew, but the one for all has no more for it.
    if (this.byAddress.size > MAX_ADDRESSES) this.byAddress.delete(this.byAddress.keys().next().value!);
    if (own.tokens < 1 || this.all.tokens < 1) return false;
    own.tokens--;
    this.all.tokens--;
    return true;
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

function fill(bucket: Bucket, now: Micros, burst: number, rate: number): void {
  bucket.tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / SECOND) * rate);
  bucket.at = now;
}

/** A machine may run some tens of receivers. */
const ADDRESS_BURST = 32;
const ADDRESS_RATE = 4;
/** An exchange takes 0.2 ms: at this rate 0.7 % of a core. */
const ALL_BURST = 128;
const ALL_RATE = 32;
const MAX_ADDRESSES = 1024;
