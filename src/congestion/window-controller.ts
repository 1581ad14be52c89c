/**
 * What controllers that think in windows have in common: the window with its slow-start threshold, and pacing at a window
 * per round trip, a little faster so that it fills. In: a law that moves the window on acks and losses. Out: a `Controller`.
 */
import { type Micros, SECOND } from '../core/time.js';
import {
  type Controller,
  initialWindow,
  type LossEvent,
  MIN_WINDOW_PACKETS,
  type RateSample,
} from './controller.js';

export class Window {
  mtu: number;
  bytes: number;
  threshold = Number.POSITIVE_INFINITY;
  smoothedRtt: Micros = 0;

  constructor(mtu: number) {
    this.mtu = mtu;
    this.bytes = initialWindow(mtu);
  }

  inSlowStart(): boolean {
    return this.bytes < this.threshold;
  }

  minimum(): number {
    return MIN_WINDOW_PACKETS * this.mtu;
  }

  /** Bytes per second. Before the first round-trip time is known the initial window goes out at once. */
  pacingRate(): number {
    if (this.smoothedRtt <= 0) return Number.POSITIVE_INFINITY;
    return ((this.inSlowStart() ? SLOW_START_GAIN : GAIN) * this.bytes * SECOND) / this.smoothedRtt;
  }
}

export interface WindowLaw {
  onAck(now: Micros, sample: RateSample): void;
  onLost(now: Micros, loss: LossEvent): void;
  onPersistentCongestion(): void;
}

export function windowController(name: string, window: Window, law: WindowLaw): Controller {
  return {
    onSent() {},
    onLost: (now, loss) => law.onLost(now, loss),
    onAck(now, sample) {
      window.smoothedRtt = sample.smoothedRtt;
      law.onAck(now, sample);
    },
    onPersistentCongestion() {
      window.bytes = window.minimum();
      law.onPersistentCongestion();
    },
    onMtu(_now, bytes) {
      window.mtu = bytes;
      window.bytes = Math.max(window.bytes, window.minimum());
    },
    window: () => window.bytes,
    pacingRate: () => window.pacingRate(),
    quiet: () => false,
    metrics: () => ({
      name,
      state: window.inSlowStart() ? 'slow-start' : 'avoidance',
      window: window.bytes,
      pacingRate: window.pacingRate(),
      slowStartThreshold: window.threshold,
    }),
  };
}

/** RFC 9002 section 7.7, N. */
const GAIN = 1.25;
/** Slow start doubles each round, so half of the gain is needed only to keep up. */
const SLOW_START_GAIN = 2;
