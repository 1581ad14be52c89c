/** A member that was away has everything again within seconds, though each fifth datagram is lost. */
import { expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';

const AWAY = 4;
const MESSAGES = 2000;

test('of five members, one that was away while 2,000 small objects were broadcast', () => {
  const cluster = createCluster({
    seed: 'catch-up',
    members: 5,
    controller: CONTROLLERS.bbr,
    links: { delay: 10 * MILLISECOND, jitter: 5 * MILLISECOND, rate: 20e6, loss: iid(0.2) },
    disk: { delay: MILLISECOND },
  });
  try {
    const { world, members } = cluster;
    world.runUntil(SECOND);
    cluster.crash(AWAY);
    for (let i = 0; i < MESSAGES; i++)
      world.at(world.now + 4 * i * MILLISECOND, () => void cluster.broadcast(0, new Uint8Array(20)));
    const has = (member: number) => members[member].delivered.length === MESSAGES;
    world.runUntil(() => [0, 1, 2, 3].every(has), 60 * SECOND);

    cluster.restart(AWAY);

    // Asking anew only when time was up, and for 64 at a time, took 26 s for 2,500 of them.
    expect(world.runUntil(() => has(AWAY), world.now + 5 * SECOND)).toBe(true);
  } finally {
    cluster.dispose();
  }
});
