/**
 * What a path tells whoever watches it: measurements after each acknowledgement, losses, and changes of the controller's
 * state. Times in microseconds, rates in bytes of datagrams per second. A path without an observer makes none of it.
 */
import type { ControllerMetrics } from '../congestion/controller.js';
import type { Micros } from '../core/time.js';

export interface PathMetrics {
  latestRtt: Micros;
  smoothedRtt: Micros;
  rttVariation: Micros;
  /** Undefined before the first sample, when the others are assumptions. */
  minRtt: Micros | undefined;
  bytesInFlight: number;
  /** The last valid sample of what arrives, bytes per second; 0 before the first. */
  deliveryRate: number;
  /** Since the path began. */
  deliveredBytes: number;
  sentPackets: number;
  ackedPackets: number;
  lostPackets: number;
  /** Probe timeouts since the last acknowledgement. */
  probeCount: number;
  controller: ControllerMetrics;
}

export type PathEvent =
  | { type: 'metrics'; metrics: PathMetrics }
  | { type: 'lost'; number: number; bytes: number; trigger: 'packets' | 'time' }
  | { type: 'state'; from: string; to: string };

export type PathObserver = (now: Micros, event: PathEvent) => void;
