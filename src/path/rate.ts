/**
 * Delivery-rate samples (draft-cheng-iccrg-delivery-rate-estimation, as used by BBR): what arrived between two
 * acknowledgements, over the longer of the time it took to send and the time it took to be acknowledged. In: sends, acks.
 * Out: bytes per second, marked where the application or our own host, and not the path, set the pace.
 */
import { type Micros, SECOND } from '../core/time.js';
import { FLAG_APP_LIMITED, FLAG_HOST_LIMITED, type SentTable } from './sent.js';

export class RateEstimator {
  /** Bytes acknowledged since the start. */
  delivered = 0;
  private deliveredAt: Micros = 0;
  private firstSentAt: Micros = 0;
  /** Samples count as limited until `delivered` passes these marks. */
  private appLimitedUntil = -1;
  private hostLimitedUntil = -1;

  /** Fills in the estimator's columns of the packet at `index`. */
  onSent(now: Micros, table: SentTable, index: number, inFlight: number): void {
    if (inFlight === 0) {
      this.firstSentAt = now;
      this.deliveredAt = now;
    }
    table.delivered[index] = this.delivered;
    table.deliveredAt[index] = this.deliveredAt;
    table.firstSentAt[index] = this.firstSentAt;
    if (this.delivered < this.appLimitedUntil) table.flags[index] |= FLAG_APP_LIMITED;
    if (this.delivered < this.hostLimitedUntil) table.flags[index] |= FLAG_HOST_LIMITED;
  }

  /** There is nothing to send although window and pacer allow it: samples are no measure until the gap has passed. */
  markAppLimited(inFlight: number): void {
    this.appLimitedUntil = this.delivered + Math.max(1, inFlight);
  }

  markHostLimited(inFlight: number): void {
    this.hostLimitedUntil = this.delivered + Math.max(1, inFlight);
  }

  onAcked(now: Micros, bytes: number): void {
    this.delivered += bytes;
    this.deliveredAt = now;
  }

  /**
   * The rate that the newest packet acked now gives, in bytes per second; 0 if the sample is not valid.
   *
   * @param index of that packet
   * @param minRtt a shorter interval is an artefact of compressed acks
   */
  sample(now: Micros, table: SentTable, index: number, minRtt: Micros): number {
    const sendTime = table.sentAt[index] - table.firstSentAt[index];
    const ackTime = now - table.deliveredAt[index];
    this.firstSentAt = table.sentAt[index];
    const interval = Math.max(sendTime, ackTime);
    if (interval <= 0 || interval < minRtt) return 0;
    return ((this.delivered - table.delivered[index]) * SECOND) / interval;
  }
}
