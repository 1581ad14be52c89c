/** Round-trip time of a path after RFC 9002 section 5: smoothed, variation, minimum. */
import { MILLISECOND, type Micros } from '../core/time.js';

export class Rtt {
  smoothed: Micros = INITIAL_RTT;
  variation: Micros = INITIAL_RTT / 2;
  min: Micros | undefined;

  onSample(sample: Micros): void {
    if (this.min === undefined) {
      this.min = sample;
      this.smoothed = sample;
      this.variation = sample / 2;
      return;
    }
    this.min = Math.min(this.min, sample);
    this.variation += (Math.abs(this.smoothed - sample) - this.variation) / 4;
    this.smoothed += (sample - this.smoothed) / 8;
  }
}

/** RFC 9002 section 6.2.2. */
export const INITIAL_RTT: Micros = 333 * MILLISECOND;
