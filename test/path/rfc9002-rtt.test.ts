/** Round-trip times after RFC 9002 section 5 and its appendix A.7, by hand; the peer's delay is already subtracted. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { Rtt } from '../../src/path/rtt.js';
import { holds } from '../wire/holds.js';

test('before the first sample: 333 ms, half of it as variation, no minimum (section 6.2.2)', () => {
  const rtt = new Rtt();
  expect([rtt.smoothed, rtt.variation, rtt.min]).toEqual([333 * MILLISECOND, 166.5 * MILLISECOND, undefined]);
});

test('the first sample is taken as it is, half of it as variation', () => {
  const rtt = new Rtt();
  rtt.onSample(100_000);
  expect([rtt.smoothed, rtt.variation, rtt.min]).toEqual([100_000, 50_000, 100_000]);
});

test('later ones count an eighth, their distance from the mean before them a quarter', () => {
  const rtt = new Rtt();
  rtt.onSample(100_000);
  rtt.onSample(200_000);
  // 3/4 * 50,000 + 1/4 * 100,000 and 7/8 * 100,000 + 1/8 * 200,000
  expect([rtt.variation, rtt.smoothed, rtt.min]).toEqual([62_500, 112_500, 100_000]);
  rtt.onSample(60_500);
  // 3/4 * 62,500 + 1/4 * 52,000 and 7/8 * 112,500 + 1/8 * 60,500
  expect([rtt.variation, rtt.smoothed, rtt.min]).toEqual([59_875, 106_000, 60_500]);
});

test('stays between the least and the greatest sample, and min is the least', () =>
  holds(
    'rtt range',
    fc.property(fc.array(fc.nat(60_000_000), { minLength: 1 }), (samples) => {
      const rtt = new Rtt();
      for (const sample of samples) rtt.onSample(sample);
      const [least, greatest] = [Math.min(...samples), Math.max(...samples)];
      expect(rtt.min).toBe(least);
      expect(rtt.smoothed).toBeGreaterThanOrEqual(least - 0.001);
      expect(rtt.smoothed).toBeLessThanOrEqual(greatest + 0.001);
      expect(rtt.variation).toBeGreaterThanOrEqual(0);
      expect(rtt.variation).toBeLessThanOrEqual(Math.max(greatest / 2, greatest - least) + 0.001);
    }),
  ));

test('a probe timeout is at least a millisecond beyond the round trip, however even that is', () => {
  const rtt = new Rtt();
  for (let i = 0; i < 100; i++) rtt.onSample(20_000);
  expect(rtt.probeTimeout(0)).toBe(21_000);
});

test('a bound of the round trip that is known before the first sample is no more than what is taken without one', () => {
  const [short, long] = [20 * MILLISECOND, SECOND].map((most) => {
    const rtt = new Rtt();
    rtt.seed(most, true);
    return rtt.smoothed;
  });
  expect([short, long]).toEqual([20 * MILLISECOND, 333 * MILLISECOND]);
});
