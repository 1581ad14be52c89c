/**
 * What a path tells whoever watches it: measurements after each acknowledgement, losses, and changes of the controller's
 * state. Times in microseconds, rates in bytes of datagrams per second. A path without an observer makes none of it.
 */
import type { Controller, ControllerMetrics } from '../congestion/controller.js';
import type { Micros } from '../core/time.js';
import type { Rtt } from './rtt.js';

/** A path as it stands: times in microseconds, sizes in bytes of UDP payload. */
export interface PathMetrics {
  /** The last sample. */
  latestRtt: Micros;
  /** RFC 9002's. */
  smoothedRtt: Micros;
  /** RFC 9002's. */
  rttVariation: Micros;
  /** Undefined before the first sample, when the others are assumptions. */
  minRtt: Micros | undefined;
  /** Sent, and neither acknowledged nor found lost. */
  bytesInFlight: number;
  /** The last valid sample of what arrives, bytes per second; 0 before the first. */
  deliveryRate: number;
  /** Since the path began. */
  deliveredBytes: number;
  /** Since the path began. */
  sentPackets: number;
  /** Since the path began. */
  ackedPackets: number;
  /** Since the path began; of reordered packets too, for a while. */
  lostPackets: number;
  /** Probe timeouts since the last acknowledgement. */
  probeCount: number;
  /** Of its congestion control. */
  controller: ControllerMetrics;
}

export type PathEvent =
  | { type: 'metrics'; metrics: PathMetrics }
  | { type: 'lost'; number: number; bytes: number; trigger: 'packets' | 'time' }
  | { type: 'state'; from: string; to: string };

export type PathObserver = (now: Micros, event: PathEvent) => void;

interface Measured {
  readonly rtt: Rtt;
  readonly stats: Readonly<Record<'sentPackets' | 'ackedPackets' | 'lostPackets', number>>;
  readonly inFlight: number;
  readonly deliveryRate: number;
  readonly controller: Controller;
}

/** What is measured of a path, as it stands. */
export function metricsOf(
  { rtt, stats, inFlight, deliveryRate, controller }: Measured,
  rest: Pick<PathMetrics, 'deliveredBytes' | 'probeCount'>,
): PathMetrics {
  return {
    latestRtt: rtt.latest,
    smoothedRtt: rtt.smoothed,
    rttVariation: rtt.variation,
    minRtt: rtt.min,
    bytesInFlight: inFlight,
    deliveryRate,
    sentPackets: stats.sentPackets,
    ackedPackets: stats.ackedPackets,
    lostPackets: stats.lostPackets,
    ...rest,
    controller: controller.metrics(),
  };
}
