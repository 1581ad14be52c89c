/** Round-trip time of a path after RFC 9002 section 5: smoothed, variation, minimum, and the probe timeout made of them. */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';

export class Rtt {
  latest: Micros = INITIAL_RTT;
  smoothed: Micros = INITIAL_RTT;
  variation: Micros = INITIAL_RTT / 2;
  min: Micros | undefined;
  /** When the first sample was taken by `measure`. */
  firstAt: Micros = NEVER;

  /**
   * Takes the sample that an acknowledgement gives; undefined if it gives none. `ackDelay` as for `onSample`.
   *
   * @returns the round trip without the peer's delay
   */
  measure(now: Micros, sentAt: Micros, ackDelay: Micros): Micros | undefined {
    const sample = now - sentAt;
    // Neither a clock that was put back nor one that leapt has measured anything.
    if (!(sample > 0 && sample < MAX_RTT)) return undefined;
    this.onSample(sample, ackDelay);
    if (this.firstAt === NEVER) this.firstAt = now;
    return sample >= (this.min ?? 0) + ackDelay ? sample - ackDelay : sample;
  }

  /**
   * Something else has measured about so much, before the first sample.
   *
   * @param isMost it is no more than that
   */
  seed(rtt: Micros, isMost = false): void {
    if (this.min !== undefined || !(rtt > 0 && rtt < MAX_RTT)) return;
    this.latest = this.smoothed = isMost ? Math.min(rtt, INITIAL_RTT) : rtt;
    this.variation = this.smoothed / 2;
  }

  /** @param ackDelay how long the peer says it held the acknowledgement back, already limited to what it may claim */
  onSample(sample: Micros, ackDelay: Micros = 0): void {
    this.latest = sample;
    if (this.min === undefined) {
      this.min = sample;
      this.smoothed = sample;
      this.variation = sample / 2;
      return;
    }
    // Section 5.2: the minimum ignores the delay, which the peer could lie about.
    this.min = Math.min(this.min, sample);
    const adjusted = sample >= this.min + ackDelay ? sample - ackDelay : sample;
    this.variation += (Math.abs(this.smoothed - adjusted) - this.variation) / 4;
    this.smoothed += (adjusted - this.smoothed) / 8;
  }

  /** Section 6.2.1, without backoff. */
  probeTimeout(maxAckDelay: Micros): Micros {
    return this.smoothed + Math.max(4 * this.variation, GRANULARITY) + maxAckDelay;
  }

  /** Section 6.1.2: a packet sent this long before one that is acknowledged is lost. */
  lossDelay(): Micros {
    return Math.max((Math.max(this.latest, this.smoothed) * 9) / 8, GRANULARITY);
  }

  /** After persistent congestion (section 5.2) or on a new path the minimum starts afresh. */
  forgetMin(): void {
    this.min = undefined;
  }
}

/** RFC 9002 section 6.2.2. */
export const INITIAL_RTT: Micros = 333 * MILLISECOND;
/** RFC 9002 section 6.1.2, kGranularity. */
export const GRANULARITY: Micros = MILLISECOND;
/** No path is so long; one sample of an hour would slow a window-paced sender down for minutes. */
const MAX_RTT: Micros = 10 * SECOND;
