/** Groups of many members. Hundreds of them: `npm run sim -- --members 512`. */
import { expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';

test('64 members that start at once all deliver what one of them broadcasts', () => {
  const cluster = createCluster({
    seed: 'many',
    members: 64,
    links: { delay: 20 * MILLISECOND, loss: iid(0.02) },
  });
  cluster.broadcast(17, new Uint8Array(1000).fill(1));

  cluster.world.runUntil(() => cluster.members.every(({ delivered }) => delivered.length === 1), 10 * SECOND);

  expect(cluster.members.filter(({ delivered }) => delivered.length !== 1)).toEqual([]);
  cluster.dispose();
}, 60_000);

test('a member that never came up costs the others no more than heartbeats and tries, whatever there is to tell it', () => {
  const cluster = createCluster({ seed: 'down', members: 3, links: { delay: 20 * MILLISECOND } });
  cluster.crash(2);
  const { endpoint } = cluster.members[0];
  const handleTimeout = endpoint.handleTimeout.bind(endpoint);
  let woken = 0;
  endpoint.handleTimeout = (now) => {
    woken++;
    handleTimeout(now);
  };
  cluster.broadcast(0, new Uint8Array(1000).fill(1));

  cluster.world.runUntil(5 * SECOND);

  // Two heartbeats, their acks, a look at what is being sent: some 30 a second.
  expect(woken).toBeLessThan(300);
  cluster.dispose();
});
