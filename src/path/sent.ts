/**
 * What became of each packet number sent lately: a ring of typed arrays, so that a packet costs no object. It grows when it is
 * full and half of it is in flight, for most paths carry little. In: sends, fates. Out: the fate and the facts of any number that
 * is not forgotten. Bounded: while `capacity` numbers are unresolved nothing more may be sent (`isFull`).
 */
import type { Micros } from '../core/time.js';

/** What is known of a packet number. */
export const Fate = {
  /** Never sent, or so long ago that it is forgotten. */
  Unknown: 0,
  InFlight: 1,
  Acked: 2,
  Lost: 3,
  /** Never to be sent: an acknowledgement of it is a lie. */
  Skipped: 4,
  /** Sent, but asks for no ack and counts for nothing. */
  Silent: 5,
} as const;
export type Fate = (typeof Fate)[keyof typeof Fate];

export class SentTable {
  fate = new Uint8Array(FIRST_SIZE);
  size = new Uint16Array(FIRST_SIZE);
  /** Bit 0: application-limited, 1: host-limited, 2: controller quiet. */
  flags = new Uint8Array(FIRST_SIZE);
  sentAt = new Float64Array(FIRST_SIZE);
  /** State of the delivery-rate estimator when it was sent (draft-cheng-iccrg-delivery-rate-estimation section 3.2). */
  delivered = new Float64Array(FIRST_SIZE);
  deliveredAt = new Float64Array(FIRST_SIZE);
  firstSentAt = new Float64Array(FIRST_SIZE);
  /** The number that the next packet gets. */
  next: number;
  /** All numbers below are resolved: acked, lost, skipped or silent. */
  head: number;
  private readonly capacity: number;
  private readonly first: number;

  /** @param capacity a power of two, of 32 or more */
  constructor(capacity: number, first = 0) {
    this.capacity = capacity;
    this.first = first;
    this.next = first;
    this.head = first;
  }

  /** Two numbers of reserve: one that is skipped, and the packet after it. */
  get isFull(): boolean {
    return this.next - this.head > this.capacity - 3;
  }

  /** The oldest number that is not forgotten. */
  get oldest(): number {
    return Math.max(this.first, this.next - this.fate.length);
  }

  index(number: number): number {
    // Not `&`: numbers pass 2^32 on a long-lived path.
    return number % this.fate.length;
  }

  fateOf(number: number): Fate {
    if (number >= this.next || number < this.oldest) return Fate.Unknown;
    return this.fate[this.index(number)] as Fate;
  }

  /** Takes the next number and returns its index. */
  push(now: Micros, size: number, fate: Fate): number {
    const { length } = this.fate;
    // Half of it stays for what is resolved: an ack may still show that a loss was none.
    const isUsed = this.next - this.first >= length && this.next - this.head >= length / 2;
    if (isUsed && length < this.capacity) this.grow();
    const index = this.index(this.next);
    this.next++;
    this.fate[index] = fate;
    this.size[index] = size;
    this.sentAt[index] = now;
    return index;
  }

  /** Moves `head` over all that is resolved. */
  advance(): void {
    while (this.head < this.next && this.fate[this.index(this.head)] !== Fate.InFlight) this.head++;
  }

  /** To twice the size, with all numbers at their new places. */
  private grow(): void {
    const from = this.fate.length;
    const length = Math.min(this.capacity, 2 * from);
    const moved = <Ring extends Uint8Array | Uint16Array | Float64Array>(ring: Ring, grown: Ring): Ring => {
      for (let number = this.next - from; number < this.next; number++)
        grown[number % length] = ring[number % from];
      return grown;
    };
    this.fate = moved(this.fate, new Uint8Array(length));
    this.size = moved(this.size, new Uint16Array(length));
    this.flags = moved(this.flags, new Uint8Array(length));
    this.sentAt = moved(this.sentAt, new Float64Array(length));
    this.delivered = moved(this.delivered, new Float64Array(length));
    this.deliveredAt = moved(this.deliveredAt, new Float64Array(length));
    this.firstSentAt = moved(this.firstSentAt, new Float64Array(length));
  }
}

const FIRST_SIZE = 32;

export const FLAG_APP_LIMITED = 1;
export const FLAG_HOST_LIMITED = 2;
export const FLAG_QUIET = 4;
