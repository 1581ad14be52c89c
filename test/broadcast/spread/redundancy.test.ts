import { describe, expect, it } from 'vitest';
import { CONTROLLERS } from '../../../src/congestion/index.js';
import { SECOND } from '../../../src/core/time.js';
import { createCluster } from '../../../src/sim/cluster.js';
import { iid } from '../../../src/sim/net/loss.js';

const LOSS = 0.3;
const MEBIBYTE = 1024 * 1024;

/** How many times its size the origin of an object sends until all have it, with links of 5 Mbit/s that lose 30 %. */
function timesSent(members: number, seed: string): number {
  const links = { delay: 20_000, loss: iid(LOSS), rate: 5e6, overhead: 28 };
  const cluster = createCluster({ seed, members, links, controller: CONTROLLERS.bbr });
  try {
    const { world } = cluster;
    world.runUntil(SECOND);
    const { metrics } = cluster.members[0].endpoint;
    const before = metrics.sentBytes;
    cluster.broadcast(
      0,
      new Uint8Array(2 * MEBIBYTE).map((_, i) => (i * 7919) >> 5),
    );
    const isOver = () => cluster.members.every(({ delivered }) => delivered.length === 1);
    if (!world.runUntil(isOver, 60 * SECOND))
      throw new Error(`seed ${seed}: expected the message everywhere within 60 s`);
    return (metrics.sentBytes - before) / (2 * MEBIBYTE);
  } finally {
    cluster.dispose();
  }
}

/** A seed decides much of one run. */
const mean = (members: number) =>
  ['a', 'b', 'c'].map((seed) => timesSent(members, seed)).reduce((sum, x) => sum + x, 0) / 3;

describe('Where 30 % are lost, an origin sends', () => {
  it('to 7 peers less than half of what a copy for each would take', () => {
    const copies = 7 / (1 - LOSS);
    expect(mean(8)).toBeLessThan(copies / 2);
  });

  it('to 2 peers less than a copy for each would take', () => {
    const copies = 2 / (1 - LOSS);
    expect(mean(3)).toBeLessThan(copies);
  });
});
