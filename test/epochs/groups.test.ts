/** Groups that change while messages flow, with real members, links and disks: nothing lost, doubled, reordered or delivered by only some. */
import { expect, test } from 'vitest';
import { runChanges } from '../../src/sim/epochs/run.js';

test('groups keep all their promises in 25 random runs with crashes, cuts and changes', () => {
  let changes = 0;
  for (let seed = 0; seed < 25; seed++) {
    const { violation, changes: made } = runChanges(`test ${seed}`);
    expect(violation, `seed test ${seed}`).toBeUndefined();
    changes += made;
  }
  expect(changes).toBeGreaterThan(25);
}, 240_000);
