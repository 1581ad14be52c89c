/**
 * An experiment of one's own, on a virtual clock: how long do messages take in a group of MEMBERS when each link delays by 20 ms
 * and loses so many of the datagrams? The same seed gives the same numbers on every machine.
 *
 *   node examples/simulation.mjs [MEMBERS] [SEED]
 */
import { argv, stdout } from 'node:process';
import { createCluster, iid, MILLISECOND, SECOND } from 'headwater/sim';

const MESSAGES = 20;
const members = Number(argv[2] ?? 5);
const seed = argv[3] ?? 'example';

for (const loss of [0, 0.05, 0.2]) {
  const cluster = createCluster({ seed, members, links: { delay: 20 * MILLISECOND, loss: iid(loss) } });
  const { world } = cluster;
  const haveAll = (count) => cluster.members.every(({ delivered }) => delivered.length >= count);
  const times = [];
  // The first one pays for the handshakes.
  for (let i = 0; i <= MESSAGES; i++) {
    const sentAt = world.now;
    cluster.broadcast(0, new Uint8Array(500).fill(i));
    if (!world.runUntil(() => haveAll(i + 1), sentAt + 60 * SECOND)) throw new Error('not delivered');
    if (i > 0) times.push((world.now - sentAt) / MILLISECOND);
  }
  times.sort((a, b) => a - b);
  const datagrams = Math.round(world.counters.sent / (MESSAGES + 1));
  stdout.write(
    `${100 * loss} % loss: with all ${members} after ${times[MESSAGES / 2].toFixed(1)} ms (median), ` +
      `${times[MESSAGES - 1].toFixed(1)} ms (worst); ${datagrams} datagrams a message\n`,
  );
  cluster.dispose();
}
