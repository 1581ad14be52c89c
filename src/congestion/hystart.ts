/**
 * HyStart++ (RFC 9406): leaves slow start when the round-trip time rises, by way of a conservative phase in which a false
 * alarm is noticed. In: acks. Out: how much of the acked bytes may be added to the window, and when slow start is over.
 */
import { MILLISECOND, type Micros } from '../core/time.js';
import type { RateSample } from './controller.js';

export class HyStart {
  private roundEnd = 0;
  private lastRoundMin: Micros = Number.POSITIVE_INFINITY;
  private roundMin: Micros = Number.POSITIVE_INFINITY;
  private samples = 0;
  /** The RTT at which the conservative phase began; undefined outside it. */
  private cssBaseline: Micros | undefined;
  private cssRounds = 0;

  /** @returns the bytes of window growth that this ack is worth, and whether slow start ends here */
  onAck(sample: RateSample): { growth: number; done: boolean } {
    if (sample.priorDelivered >= this.roundEnd) {
      this.startRound(sample);
      if (this.cssBaseline !== undefined && ++this.cssRounds >= CSS_ROUNDS) return { growth: 0, done: true };
    }
    if (sample.rtt !== undefined) {
      this.roundMin = Math.min(this.roundMin, sample.rtt);
      // One ack of ours stands for several packets, each of which a TCP receiver would have let us measure.
      this.samples += Math.max(1, Math.round(sample.ackedPackets / 2));
    }
    if (this.samples >= SAMPLES && Number.isFinite(this.roundMin)) {
      if (this.cssBaseline === undefined) {
        const threshold = Math.max(MIN_THRESHOLD, Math.min(this.lastRoundMin / 8, MAX_THRESHOLD));
        const entry = this.lastRoundMin + threshold;
        if (this.roundMin >= entry) {
          // RFC 9406 takes the RTT met here; then one a little below it, which would lead here again, leads out (neqo #3507).
          this.cssBaseline = entry;
          this.cssRounds = 0;
          this.samples = 0;
        }
      } else if (this.roundMin < this.cssBaseline) {
        this.cssBaseline = undefined;
        this.samples = 0;
      }
    }
    return { growth: this.cssBaseline === undefined ? sample.acked : sample.acked / CSS_GROWTH, done: false };
  }

  private startRound(sample: RateSample): void {
    this.roundEnd = sample.delivered;
    // A round whose acks brought no sample says nothing: keep the round before as the measure.
    if (Number.isFinite(this.roundMin)) this.lastRoundMin = this.roundMin;
    this.roundMin = Number.POSITIVE_INFINITY;
    this.samples = 0;
  }
}

/** RFC 9406 section 4.3. L (the growth limit of an ack) is unlimited, since every sender here paces. */
const MIN_THRESHOLD: Micros = 4 * MILLISECOND;
const MAX_THRESHOLD: Micros = 16 * MILLISECOND;
const SAMPLES = 8;
const CSS_GROWTH = 4;
const CSS_ROUNDS = 5;
