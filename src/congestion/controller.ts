/**
 * What a path asks of its congestion controller, and the simplest answer: a rate that the operator sets.
 * A controller is told of every send and of every report; it answers with a pacing rate. It never sees what the
 * bytes are: repair symbols count like any other (RFC 9265).
 */
import type { Micros } from '../core/time.js';

/** What the peer's newest report added to what was known of the path. */
export interface RateSample {
  /** Datagrams of ours that arrived since the report before. */
  received: number;
  /** Datagrams of ours that are known not to have arrived since the report before. */
  lost: number;
  /** Round-trip time of this sample, or undefined where the report carried no echo. */
  rtt: Micros | undefined;
}

export interface Controller {
  onSent(now: Micros, bytes: number): void;
  onReport(now: Micros, sample: RateSample): void;
  /** Bytes per second. */
  pacingRate(): number;
}

/** Sends at `bytesPerSecond`, whatever the path does. For networks of one's own. */
export function fixedRate(bytesPerSecond: number): Controller {
  return {
    onSent() {},
    onReport() {},
    pacingRate: () => bytesPerSecond,
  };
}
