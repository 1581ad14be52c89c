/**
 * NewReno after RFC 9002 section 7 and appendix B: the oracle of the test suite, since theory says what it does (Mathis).
 * In: acks and losses. Out: a window, paced at 1.25 windows a round trip.
 */
import type { Micros } from '../core/time.js';
import {
  type Controller,
  type ControllerMetrics,
  initialWindow,
  type LossEvent,
  MIN_WINDOW_PACKETS,
  type RateSample,
} from './controller.js';
import { windowPacing } from './window-pacing.js';

export class NewReno implements Controller {
  private mtu: number;
  private cwnd: number;
  private ssthresh = Number.POSITIVE_INFINITY;
  /** Packets sent up to this time belong to the loss that was answered last. A time, never a packet number. */
  private recoveryStart: Micros = -1;
  /** Bytes acked towards the next datagram of growth: carried over, so that no credit is lost. */
  private credit = 0;
  private smoothedRtt: Micros = 0;

  constructor(mtu: number) {
    this.mtu = mtu;
    this.cwnd = initialWindow(mtu);
  }

  onSent(): void {}

  onAck(_now: Micros, sample: RateSample): void {
    this.smoothedRtt = sample.smoothedRtt;
    if (!sample.windowUsed || sample.sentAt <= this.recoveryStart) return;
    if (this.cwnd < this.ssthresh) {
      this.cwnd += sample.acked;
      return;
    }
    this.credit += sample.acked;
    if (this.credit >= this.cwnd) {
      this.credit -= this.cwnd;
      this.cwnd += this.mtu;
    }
  }

  onLost(now: Micros, loss: LossEvent): void {
    if (loss.sentAt <= this.recoveryStart) return;
    this.recoveryStart = now;
    this.cwnd = Math.max(this.cwnd * REDUCTION, this.minWindow());
    this.ssthresh = this.cwnd;
    this.credit = 0;
  }

  onPersistentCongestion(): void {
    this.cwnd = this.minWindow();
    this.recoveryStart = -1;
  }

  onMtu(_now: Micros, bytes: number): void {
    this.mtu = bytes;
    this.cwnd = Math.max(this.cwnd, this.minWindow());
  }

  window(): number {
    return this.cwnd;
  }

  pacingRate(): number {
    return windowPacing(this.cwnd, this.cwnd < this.ssthresh, this.smoothedRtt);
  }

  quiet(): boolean {
    return false;
  }

  metrics(): ControllerMetrics {
    return {
      name: 'newreno',
      state: this.cwnd < this.ssthresh ? 'slow-start' : 'avoidance',
      window: this.cwnd,
      pacingRate: this.pacingRate(),
      slowStartThreshold: this.ssthresh,
    };
  }

  private minWindow(): number {
    return MIN_WINDOW_PACKETS * this.mtu;
  }
}

/** RFC 9002 appendix B.1, kLossReductionFactor. */
const REDUCTION = 0.5;
