import { expect, test } from 'vitest';
import { fixedRate } from '../../../src/congestion/controller.js';
import { MILLISECOND, type Micros, SECOND } from '../../../src/core/time.js';
import { createCluster } from '../../../src/sim/cluster.js';
import type { Lie } from '../../../src/sim/lies/byzantine.js';
import { iid } from '../../../src/sim/net/loss.js';

const DELAY: Micros = 10 * MILLISECOND;
const OBJECTS = 20;
const EVERY: Micros = 300 * MILLISECOND;
/** The first ones show what is lost, and who relays. */
const LEARNT = 14;
/** One alone is anything from 1.3 to 2 times as slow, as chance will have it. */
const SEEDS = ['a', 'b', 'c', 'd', 'e', 'f'];

/** How long objects of 100 kB take, in one run, to three of four members, on average, where a twentieth is lost and the fourth lies so, ms. */
function timeTaken(lies: readonly Lie[], seed: string): number {
  const cluster = createCluster({
    seed,
    members: 4,
    byzantine: 1,
    links: { delay: DELAY, loss: iid(0.05) },
    controller: () => fixedRate(2.5e6),
    liars: new Map([[3, lies]]),
  });
  const { world, members } = cluster;
  try {
    let total = 0;
    for (let i = 0; i < OBJECTS; i++) {
      const at = SECOND + i * EVERY;
      world.runUntil(at);
      cluster.broadcast(0, new Uint8Array(100_000).fill(i));
      const hasAll = () => [0, 1, 2].every((member) => members[member].delivered.length > i);
      if (!world.runUntil(hasAll, at + SECOND)) throw new Error(`object ${i}: expected within a second`);
      if (i >= LEARNT) total += world.now - at;
    }
    return total / (OBJECTS - LEARNT) / MILLISECOND;
  } finally {
    cluster.dispose();
  }
}

test('A member that relays nothing makes large objects less than twice as slow, once that shows', () => {
  const total = (lies: readonly Lie[]) => SEEDS.reduce((sum, seed) => sum + timeTaken(lies, seed), 0);
  expect(total(['mute']) / total([])).toBeLessThan(1.8);
});
