/** The clock that all of a member goes by. */
import { MILLISECOND, type Micros } from '../core/time.js';

export function monotonic(): Micros {
  return Math.floor(performance.now() * MILLISECOND);
}
