/**
 * NewReno after RFC 9002 section 7 and appendix B: the oracle of the test suite, since theory says what it does (Mathis).
 * In: acks and losses. Out: a window, paced at 1.25 windows a round trip.
 */
import type { Micros } from '../core/time.js';
import type { Controller, LossEvent, RateSample } from './controller.js';
import { Window, type WindowLaw, windowController } from './window-controller.js';

export function newReno(mtu: number): Controller {
  const window = new Window(mtu);
  return windowController('newreno', window, new NewRenoLaw(window));
}

class NewRenoLaw implements WindowLaw {
  private readonly window: Window;
  /** Packets sent up to this time belong to the loss that was answered last. A time, never a packet number. */
  private recoveryStart: Micros = -1;
  /** Bytes acked towards the next datagram of growth: carried over, so that no credit is lost. */
  private credit = 0;

  constructor(window: Window) {
    this.window = window;
  }

  onAck(_now: Micros, sample: RateSample): void {
    const { window } = this;
    if (!sample.windowUsed || sample.sentAt <= this.recoveryStart) return;
    if (window.inSlowStart()) {
      window.bytes += sample.acked;
      return;
    }
    this.credit += sample.acked;
    if (this.credit >= window.bytes) {
      this.credit -= window.bytes;
      window.bytes += window.mtu;
    }
  }

  onLost(now: Micros, loss: LossEvent): void {
    const { window } = this;
    if (loss.sentAt <= this.recoveryStart) return;
    this.recoveryStart = now;
    window.bytes = Math.max(window.bytes * REDUCTION, window.minimum());
    window.threshold = window.bytes;
    this.credit = 0;
  }

  onPersistentCongestion(): void {
    this.recoveryStart = -1;
  }
}

/** RFC 9002 appendix B.1, kLossReductionFactor. */
const REDUCTION = 0.5;
