/** Groups that change while messages flow, with real members, links and disks: nothing lost, doubled, reordered or delivered by only some. */
import { expect, test } from 'vitest';
import { runPause } from '../../src/sim/epochs/pause.js';
import { searchChanges } from '../../src/sim/epochs/run.js';

test('groups keep all their promises in 12 random runs with crashes, cuts and changes of each kind', () => {
  const failed: number[] = [];
  const sum = searchChanges(0, 12, (seed) => void failed.push(seed));
  expect({ failed, count: sum.failed }).toEqual({ failed: [], count: 0 });
  for (const [kind, count] of Object.entries(sum.changes)) expect(count, kind).toBeGreaterThan(0);
}, 240_000);

test('three members deliver on while a fourth joins and one is removed', () => {
  const [still, changed] = [false, true].map((isChanging) => runPause('test', isChanging));
  expect(still).toMatchObject({ violation: undefined, changes: 0 });
  expect(changed).toMatchObject({ violation: undefined, changes: 2 });
  // The load has a message each 5 ms; who starts again hears nothing for a round trip.
  expect(still.longest).toBeLessThan(20_000);
  expect(changed.longest).toBeGreaterThan(40_000);
  expect(changed.longest).toBeLessThan(200_000);
}, 240_000);
