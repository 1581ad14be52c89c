/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406): what most of the Internet runs, the competitor in the simulator, and a
 * safe choice on a network that loses nothing but by congestion. In: acks and losses. Out: a window, paced.
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
import { CubicCurve } from './cubic-curve.js';
import { HyStart } from './hystart.js';
import { windowPacing } from './window-pacing.js';

export class Cubic implements Controller {
  private mtu: number;
  private cwnd: number;
  private ssthresh = Number.POSITIVE_INFINITY;
  private hystart = new HyStart();
  private readonly curve = new CubicCurve();
  private recoveryStart: Micros = -1;
  private lastAckAt: Micros | undefined;
  private smoothedRtt: Micros = 0;
  /** State before the latest cut, to be restored if its losses were only reordering. */
  private undo: { cwnd: number; ssthresh: number; lost: number } | undefined;

  constructor(mtu: number) {
    this.mtu = mtu;
    this.cwnd = initialWindow(mtu);
  }

  onSent(): void {}

  onAck(now: Micros, sample: RateSample): void {
    this.smoothedRtt = sample.smoothedRtt;
    const since = this.lastAckAt === undefined ? 0 : now - this.lastAckAt;
    this.lastAckAt = now;
    if (sample.spuriousPackets > 0) this.onSpurious(sample.spuriousPackets);
    if (!sample.windowUsed) {
      this.curve.shift(since);
      return;
    }
    if (sample.sentAt <= this.recoveryStart) return;
    if (this.cwnd < this.ssthresh) {
      const { growth, done } = this.hystart.onAck(sample);
      this.cwnd += growth;
      if (done) this.ssthresh = this.cwnd;
      return;
    }
    this.cwnd = this.curve.grow(now, this.cwnd, sample.acked, sample.smoothedRtt, this.mtu);
  }

  onLost(now: Micros, loss: LossEvent): void {
    if (loss.sentAt <= this.recoveryStart) {
      if (this.undo !== undefined) this.undo.lost += loss.packets;
      return;
    }
    this.recoveryStart = now;
    this.undo = { cwnd: this.cwnd, ssthresh: this.ssthresh, lost: loss.packets };
    this.cwnd = Math.max(this.curve.cut(this.cwnd, this.mtu), this.minWindow());
    this.ssthresh = this.cwnd;
  }

  onPersistentCongestion(): void {
    this.cwnd = this.minWindow();
    this.curve.reset();
    this.recoveryStart = -1;
    this.undo = undefined;
    this.hystart = new HyStart();
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
      name: 'cubic',
      state: this.cwnd < this.ssthresh ? 'slow-start' : 'avoidance',
      window: this.cwnd,
      pacingRate: this.pacingRate(),
      slowStartThreshold: this.ssthresh,
    };
  }

  /** RFC 9438 section 4.9: if all that the cut answered has arrived after all, it is taken back. */
  private onSpurious(packets: number): void {
    const { undo } = this;
    if (undo === undefined) return;
    undo.lost -= packets;
    if (undo.lost > 0) return;
    this.cwnd = Math.max(this.cwnd, undo.cwnd);
    this.ssthresh = undo.ssthresh;
    this.curve.reset();
    this.undo = undefined;
  }

  private minWindow(): number {
    return MIN_WINDOW_PACKETS * this.mtu;
  }
}
