/**
 * The window curve of CUBIC (RFC 9438) without anything around it: a value that answers losses by a cut and then grows
 * towards where it was, and past it. In: acked bytes with the time, cuts. Out: the window in bytes.
 */
import { type Micros, SECOND } from '../core/time.js';

export class CubicCurve {
  private max = 0;
  private estimate = 0;
  /** Start of the curve; undefined after idleness or before the first cut, until the next ack. */
  private epoch: Micros | undefined;
  private plateau = 0;
  /** Seconds from the start of the epoch to the plateau. */
  private k = 0;

  /**
   * The window one ack later (section 4.2 to 4.4).
   *
   * @param window now, bytes
   * @returns bytes
   */
  grow(now: Micros, window: number, acked: number, smoothedRtt: Micros, mtu: number): number {
    const packets = window / mtu;
    if (this.epoch === undefined) {
      this.epoch = now;
      this.plateau = Math.max(this.max, packets);
      this.k = Math.cbrt((this.plateau - packets) / C);
      this.estimate = packets;
    }
    const t = (now - this.epoch + smoothedRtt) / SECOND;
    // Section 4.2: no more than half a window more per round trip, never less than now.
    const target = Math.min(1.5 * packets, Math.max(packets, C * (t - this.k) ** 3 + this.plateau));
    const ackedPackets = acked / mtu;
    // Section 4.3: with alpha of 1 once the Reno-friendly estimate has reached the window before the cut.
    this.estimate += ((this.estimate >= this.max ? 1 : ALPHA) * ackedPackets) / packets;
    const cubic = packets + ((target - packets) * ackedPackets) / packets;
    return Math.max(cubic, Math.min(this.estimate, 1.5 * packets)) * mtu;
  }

  /** Answers a loss: returns the window after the cut (sections 4.6 and 4.7). */
  cut(window: number, mtu: number): number {
    const packets = window / mtu;
    this.max = packets < this.max ? (packets * (1 + BETA)) / 2 : packets;
    this.epoch = undefined;
    return window * BETA;
  }

  /** Time that passes unused must not count as growth (section 5.8): the curve goes on where it was. */
  shift(idle: Micros): void {
    if (this.epoch !== undefined) this.epoch += idle;
  }

  reset(): void {
    this.max = 0;
    this.epoch = undefined;
  }
}

/** RFC 9438 section 4.1 and 5. */
const C = 0.4;
const BETA = 0.7;
const ALPHA = (3 * (1 - BETA)) / (1 + BETA);
