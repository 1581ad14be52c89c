/** Packet trains on long paths: what the arrivals of one row of packets release, and where they are not asked. */
import { describe, expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import { initialWindow, type RateSample } from '../../src/congestion/controller.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { MTU, sample } from './sample.js';

/** One row of packets, sent at once over a path of this length, acknowledged one by one as they arrive over a line of this rate (bytes a second). */
function row(bbr: Bbr, { packets, rate, rtt }: { packets: number; rate: number; rtt: Micros }): void {
  for (let i = 0; i < packets; i++) {
    const late = Math.round((i * MTU * SECOND) / rate);
    const at: Partial<RateSample> = {
      sentAt: SECOND,
      rtt: rtt + late,
      smoothedRtt: rtt,
      minRtt: rtt,
      rate: 0,
    };
    bbr.onAck(SECOND + rtt + late, sample({ ...at, delivered: (i + 1) * MTU, priorDelivered: 0 }));
  }
}

describe('a row of ten packets over a round trip of a second', () => {
  const rtt = SECOND;

  test('releases up to 32 times itself, at the rate of its arrivals', () => {
    const bbr = new Bbr(MTU);
    row(bbr, { packets: 10, rate: 5e6, rtt });
    expect(bbr.window()).toBe(32 * 9 * MTU);
    expect(bbr.pacingRate()).toBeCloseTo(5e6, -5);
  });

  test('never more than the line carries in a round trip', () => {
    const bbr = new Bbr(MTU);
    row(bbr, { packets: 10, rate: 50_000, rtt });
    expect(bbr.window()).toBeLessThan(1.1 * 50_000);
  });

  test('nor faster than a part of a round trip takes, however dense it arrives', () => {
    const bbr = new Bbr(MTU);
    row(bbr, { packets: 10, rate: 1e9, rtt });
    expect(bbr.pacingRate()).toBeLessThanOrEqual((32 * 32 * 10 * MTU * SECOND) / rtt);
  });
});

test('on a path of 40 ms a row only doubles', () => {
  const bbr = new Bbr(MTU);
  row(bbr, { packets: 10, rate: 5e6, rtt: 40 * MILLISECOND });
  expect(bbr.window()).toBeLessThanOrEqual(2 * initialWindow(MTU) + MTU);
});
