/** What an ack brings a controller: one datagram, on a path of 50 ms; with what the test changes. */
import type { RateSample } from '../../src/congestion/controller.js';
import { MILLISECOND } from '../../src/core/time.js';

export const MTU = 1200;

export function sample(change: Partial<RateSample> = {}): RateSample {
  return {
    acked: MTU,
    ackedPackets: 1,
    lost: 0,
    lostPackets: 0,
    quietAckedPackets: 0,
    quietLostPackets: 0,
    quietLostSince: Number.POSITIVE_INFINITY,
    rate: 1e6,
    appLimited: false,
    hostLimited: false,
    rtt: 50 * MILLISECOND,
    smoothedRtt: 50 * MILLISECOND,
    minRtt: 50 * MILLISECOND,
    priorInFlight: 10 * MTU,
    inFlight: 9 * MTU,
    delivered: MTU,
    priorDelivered: 0,
    sentAt: 1,
    spuriousPackets: 0,
    windowUsed: true,
    ...change,
  };
}
