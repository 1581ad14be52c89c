/**
 * CUBIC (RFC 9438) with HyStart++ (RFC 9406): what most of the Internet runs, the competitor in the simulator, and a
 * safe choice on a network that loses nothing but by congestion. In: acks and losses. Out: a window, paced.
 */
import type { Micros } from '../core/time.js';
import type { Controller, LossEvent, RateSample } from './controller.js';
import { CubicCurve } from './cubic-curve.js';
import { HyStart } from './hystart.js';
import { Window, type WindowLaw, windowController } from './window-controller.js';

export function cubic(mtu: number): Controller {
  const window = new Window(mtu);
  return windowController('cubic', window, new CubicLaw(window));
}

class CubicLaw implements WindowLaw {
  private readonly window: Window;
  private hystart = new HyStart();
  private readonly curve = new CubicCurve();
  private recoveryStart: Micros = -1;
  private lastAckAt: Micros | undefined;
  /** State before the latest cut, to be restored if its losses were only reordering. */
  private undo: { bytes: number; threshold: number; lost: number } | undefined;

  constructor(window: Window) {
    this.window = window;
  }

  onAck(now: Micros, sample: RateSample): void {
    const { window } = this;
    const since = this.lastAckAt === undefined ? 0 : now - this.lastAckAt;
    this.lastAckAt = now;
    if (sample.spuriousPackets > 0) this.onSpurious(sample.spuriousPackets);
    if (!sample.windowUsed) {
      this.curve.shift(since);
      return;
    }
    if (sample.sentAt <= this.recoveryStart) return;
    if (window.inSlowStart()) {
      const { growth, done } = this.hystart.onAck(sample);
      window.bytes += growth;
      if (done) window.threshold = window.bytes;
      return;
    }
    window.bytes = this.curve.grow(now, window.bytes, sample.acked, sample.smoothedRtt, window.mtu);
  }

  onLost(now: Micros, loss: LossEvent): void {
    const { window } = this;
    if (loss.sentAt <= this.recoveryStart) {
      if (this.undo !== undefined) this.undo.lost += loss.packets;
      return;
    }
    this.recoveryStart = now;
    this.undo = { bytes: window.bytes, threshold: window.threshold, lost: loss.packets };
    window.bytes = Math.max(this.curve.cut(window.bytes, window.mtu), window.minimum());
    window.threshold = window.bytes;
  }

  onPersistentCongestion(): void {
    this.curve.reset();
    this.recoveryStart = -1;
    this.undo = undefined;
    this.hystart = new HyStart();
  }

  /** RFC 9438 section 4.9: if all that the cut answered has arrived after all, it is taken back. */
  private onSpurious(packets: number): void {
    const { undo, window } = this;
    if (undo === undefined) return;
    undo.lost -= packets;
    if (undo.lost > 0) return;
    window.bytes = Math.max(window.bytes, undo.bytes);
    window.threshold = undo.threshold;
    this.curve.reset();
    this.undo = undefined;
  }
}
