/** The pacing rate of a controller that thinks in windows: a window per round trip, a little faster so that it fills. */
import { type Micros, SECOND } from '../core/time.js';

/** Bytes per second. Before the first round-trip time is known the initial window goes out at once. */
export function windowPacing(window: number, slowStart: boolean, smoothedRtt: Micros): number {
  if (smoothedRtt <= 0) return Number.POSITIVE_INFINITY;
  return ((slowStart ? SLOW_START_GAIN : GAIN) * window * SECOND) / smoothedRtt;
}

/** RFC 9002 section 7.7, N. */
const GAIN = 1.25;
/** Slow start doubles each round, so half of the gain is needed only to keep up. */
const SLOW_START_GAIN = 2;
