/** The round trip that waits for several members go by: who is slower than n - k of them is waited for alone. */
import { expect, test } from 'vitest';
import { MAX_RTT, rttOf, typicalRtt } from '../../../src/broadcast/spread/rtts.js';
import { fixedRate } from '../../../src/congestion/controller.js';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import { Path } from '../../../src/path/path.js';
import { INITIAL_RTT } from '../../../src/path/rtt.js';

function pathOf(rtt: number | undefined): Path {
  const path = new Path({ controller: () => fixedRate(1e6), rng: new Rng('path'), maxDatagram: 1232 });
  if (rtt !== undefined) path.rtt.onSample(rtt);
  return path;
}

test.each([
  ['the slowest of all where none may fail', [10, 20, 300], 0, 300],
  ['not that of the slowest where one may fail', [10, 20, 4000], 1, 20],
  ['that of the only peer, whatever may fail', [10], 1, 10],
  ['of those that are known', [10, undefined, undefined], 1, 10],
  ['a second where most take longer', [3000, 4000, 5000], 1, 1000],
])('is %s', (_what, rtts, faulty, typical) => {
  const paths = [undefined, ...rtts.map((rtt) => pathOf(rtt && rtt * MILLISECOND))];
  expect(typicalRtt(paths, faulty)).toBe(typical * MILLISECOND);
});

test('is the initial one where none is known, and of a single peer a second at most', () => {
  expect(typicalRtt([undefined, pathOf(undefined)], 0)).toBe(INITIAL_RTT);
  expect([rttOf(pathOf(4 * SECOND)), rttOf(pathOf(undefined))]).toEqual([MAX_RTT, 0]);
});
