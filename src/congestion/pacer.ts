/**
 * Spreads datagrams over time: a token bucket filled by elapsed time, never by ticks, and allowed to go into debt by one
 * datagram, so that its rate is exact whatever the sizes. In: the rate, each send. Out: when the next datagram may go,
 * and whether the host woke up too late to use what it was owed. A flow that was idle may send a small burst; a flow that
 * waited for the pacer and was woken late by a coarse timer gets all it is owed, up to 20 ms. What goes without asking is
 * paid for by at most half of what comes in: were it all, nothing else would go where it comes to more than the rate.
 */
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';

export class Pacer {
  /** True since a wake-up that came so late that credit was lost; the path clears it by `takeHostLimited`. */
  private late = false;
  private tokens = MIN_BURST;
  private filledAt: Micros | undefined;
  /** Bytes that went without asking and are not paid for yet. */
  private unpaid = 0;
  /** A datagram waits for the pacer: what elapses now is owed to it. */
  private waiting = false;

  /** When the next datagram may go: `now` or earlier means at once. */
  nextSend(now: Micros, bytesPerSecond: number): Micros {
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return now;
    this.fill(now, bytesPerSecond);
    if (this.tokens > 0) return now;
    this.waiting = true;
    // Wait for a whole quantum: at high rates one wake-up then sends several datagrams.
    const wanted = Math.min(MAX_QUANTUM, (bytesPerSecond * QUANTUM_TIME) / SECOND);
    return now + Math.ceil(((Math.max(1, wanted) - this.tokens) * SECOND) / bytesPerSecond);
  }

  /** @param hasAsked it went since `nextSend` said so */
  onSent(now: Micros, bytes: number, bytesPerSecond: number, hasAsked = true): void {
    if (bytesPerSecond === Number.POSITIVE_INFINITY) return;
    this.fill(now, bytesPerSecond);
    if (!hasAsked) {
      this.unpaid = Math.min(MIN_BURST, this.unpaid + bytes);
      return;
    }
    this.tokens -= bytes;
    this.waiting = false;
  }

  /** Whether credit was lost to a late wake-up since the last call. */
  takeHostLimited(): boolean {
    const { late } = this;
    this.late = false;
    return late;
  }

  private fill(now: Micros, bytesPerSecond: number): void {
    // A clock that jumps back gives no credit and takes none.
    const elapsed = Math.max(0, now - (this.filledAt ?? now));
    this.filledAt = Math.max(now, this.filledAt ?? now);
    const credit = (elapsed * bytesPerSecond) / SECOND;
    const paid = Math.min(this.unpaid, credit / 2);
    this.unpaid -= paid;
    const filled = this.tokens + credit - paid;
    const depth = Math.max(MIN_BURST, Math.min(MAX_BURST, (bytesPerSecond * BURST_TIME) / SECOND));
    const owed = Math.max(depth, (bytesPerSecond * LATE_TIME) / SECOND);
    if (this.waiting && filled > owed) this.late = true;
    this.tokens = Math.min(this.waiting ? owed : Math.max(depth, this.tokens), filled);
  }
}

/** Bucket depth for a flow that was idle: 2 ms of its rate (quinn's target), at least two datagrams. */
const BURST_TIME: Micros = 2 * MILLISECOND;
const MIN_BURST = 2 * 1232;
const MAX_BURST = 64 * 1024;
/** The coarsest timer in use ticks every 15.6 ms; a JS timer of 1 ms fires after 2.1 ms at p99. */
const LATE_TIME: Micros = 20 * MILLISECOND;
/** BBR draft section 5.6.3 (BBRSetSendQuantum): 1 ms of the rate, at most 64 kB; here half, as the timer adds its own. */
const QUANTUM_TIME: Micros = MILLISECOND / 2;
const MAX_QUANTUM = 32 * 1024;
