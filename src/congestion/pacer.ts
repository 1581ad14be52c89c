/**
 * Spreads datagrams over time: a token bucket filled by elapsed time, never by ticks, so that late wake-ups lose no
 * credit, and allowed to go into debt by one datagram, so that its rate is exact whatever the sizes.
 */
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';

export class Pacer {
  private tokens: number;
  private filledAt: Micros | undefined;

  constructor() {
    this.tokens = MIN_BURST;
  }

  /** When the next datagram may go: `now` or earlier means at once. */
  nextSend(now: Micros, bytesPerSecond: number): Micros {
    this.fill(now, bytesPerSecond);
    return this.tokens > 0 ? now : now + Math.ceil(((1 - this.tokens) * SECOND) / bytesPerSecond);
  }

  onSent(now: Micros, bytes: number, bytesPerSecond: number): void {
    this.fill(now, bytesPerSecond);
    this.tokens -= bytes;
  }

  private fill(now: Micros, bytesPerSecond: number): void {
    const elapsed = now - (this.filledAt ?? now);
    this.filledAt = now;
    const depth = Math.max(MIN_BURST, Math.min(MAX_BURST, (bytesPerSecond * BURST_TIME) / SECOND));
    this.tokens = Math.min(depth, this.tokens + (elapsed * bytesPerSecond) / SECOND);
  }
}

/** A JS timer of 1 ms fires after 2.1 ms at p99, and later on a busy machine; the bucket must span that. */
const BURST_TIME: Micros = 10 * MILLISECOND;
const MIN_BURST = 2 * 1232;
const MAX_BURST = 64 * 1024;
