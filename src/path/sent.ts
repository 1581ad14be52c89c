/**
 * What became of each packet number sent lately: a ring of typed arrays, so that a packet costs no object. In: sends,
 * fates. Out: the fate and the facts of any number of the last `capacity`. Bounded: while the oldest unresolved number is
 * a whole ring behind, nothing more may be sent (`isFull`).
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
  readonly fate: Uint8Array;
  readonly size: Uint16Array;
  /** Bit 0: application-limited, 1: host-limited, 2: controller quiet. */
  readonly flags: Uint8Array;
  readonly sentAt: Float64Array;
  /** State of the delivery-rate estimator when it was sent (draft-cheng-iccrg-delivery-rate-estimation section 3.2). */
  readonly delivered: Float64Array;
  readonly deliveredAt: Float64Array;
  readonly firstSentAt: Float64Array;
  /** The number that the next packet gets. */
  next: number;
  /** All numbers below are resolved: acked, lost, skipped or silent. */
  head: number;
  private readonly mask: number;
  private readonly first: number;

  /** @param capacity a power of two */
  constructor(capacity: number, first = 0) {
    this.mask = capacity - 1;
    this.first = first;
    this.next = first;
    this.head = first;
    this.fate = new Uint8Array(capacity);
    this.size = new Uint16Array(capacity);
    this.flags = new Uint8Array(capacity);
    this.sentAt = new Float64Array(capacity);
    this.delivered = new Float64Array(capacity);
    this.deliveredAt = new Float64Array(capacity);
    this.firstSentAt = new Float64Array(capacity);
  }

  /** Two numbers of reserve: one that is skipped, and the packet after it. */
  get isFull(): boolean {
    return this.next - this.head > this.mask - 2;
  }

  /** The oldest number that is not forgotten. */
  get oldest(): number {
    return Math.max(this.first, this.next - this.mask - 1);
  }

  index(number: number): number {
    // Not `&`: numbers pass 2^32 on a long-lived path.
    return number % (this.mask + 1);
  }

  fateOf(number: number): Fate {
    if (number >= this.next || number < this.oldest) return Fate.Unknown;
    return this.fate[this.index(number)] as Fate;
  }

  /** Takes the next number and returns its index. */
  push(now: Micros, size: number, fate: Fate): number {
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
}

export const FLAG_APP_LIMITED = 1;
export const FLAG_HOST_LIMITED = 2;
export const FLAG_QUIET = 4;
