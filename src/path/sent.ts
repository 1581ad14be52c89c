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
  fate!: Uint8Array;
  size!: Uint16Array;
  /** Bit 0: application-limited, 1: host-limited, 2: controller quiet, 3: acknowledged in a hurry, 4: it had asked. */
  flags!: Uint8Array;
  sentAt!: Float64Array;
  /** State of the delivery-rate estimator when it was sent (draft-cheng-iccrg-delivery-rate-estimation section 3.2). */
  delivered!: Float64Array;
  deliveredAt!: Float64Array;
  firstSentAt!: Float64Array;
  /** The number that the next packet gets. */
  next: number;
  /** Packets in flight that are to be acknowledged in a hurry. */
  hurried = 0;
  /** Bytes in flight of what had asked whether it may go. */
  asked = 0;
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
    this.allocate(FIRST_SIZE);
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

  /** What is to be known of a packet in flight. */
  mark(index: number, flags: number): void {
    this.flags[index] = flags;
    if ((flags & FLAG_HURRIED) !== 0) this.hurried++;
    if ((flags & FLAG_ASKED) !== 0) this.asked += this.size[index];
  }

  /** A packet is in flight no more. */
  resolve(index: number, fate: Fate): void {
    this.fate[index] = fate;
    if ((this.flags[index] & FLAG_HURRIED) !== 0) this.hurried--;
    if ((this.flags[index] & FLAG_ASKED) !== 0) this.asked -= this.size[index];
  }

  /** Moves `head` over all that is resolved. */
  advance(): void {
    while (this.head < this.next && this.fate[this.index(this.head)] !== Fate.InFlight) this.head++;
  }

  /** To twice the size, with all numbers at their new places. */
  private grow(): void {
    const { fate, size, flags, sentAt, delivered, deliveredAt, firstSentAt } = this;
    const from = fate.length;
    const length = Math.min(this.capacity, 2 * from);
    this.allocate(length);
    for (let number = this.next - from; number < this.next; number++) {
      const [old, index] = [number % from, number % length];
      this.fate[index] = fate[old];
      this.size[index] = size[old];
      this.flags[index] = flags[old];
      this.sentAt[index] = sentAt[old];
      this.delivered[index] = delivered[old];
      this.deliveredAt[index] = deliveredAt[old];
      this.firstSentAt[index] = firstSentAt[old];
    }
  }

  /** All in one piece of memory: with one for each array most of what an idle path takes would be what surrounds them. */
  private allocate(length: number): void {
    const bytes = new ArrayBuffer(length * (4 * 8 + 2 + 1 + 1));
    const times = (i: number) => new Float64Array(bytes, 8 * i * length, length);
    [this.sentAt, this.delivered, this.deliveredAt, this.firstSentAt] = [
      times(0),
      times(1),
      times(2),
      times(3),
    ];
    this.size = new Uint16Array(bytes, 32 * length, length);
    this.fate = new Uint8Array(bytes, 34 * length, length);
    this.flags = new Uint8Array(bytes, 35 * length, length);
  }
}

const FIRST_SIZE = 32;

export const FLAG_APP_LIMITED = 1;
export const FLAG_HOST_LIMITED = 2;
export const FLAG_QUIET = 4;
export const FLAG_HURRIED = 8;
export const FLAG_ASKED = 16;
