/**
 * Traffic that never fills a path: messages of 500 bytes among three members, each sending its next once its last has come
 * back. What control of congestion adds to the latency: against the same cluster, the same seeds, without any control.
 */
import { type ControllerFactory, fixedRate } from '../../src/congestion/controller.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';

export function thin(controller: ControllerFactory): BenchRow[] {
  const free = () => fixedRate(RATE / 8);
  return [0.36, 0.75].map((loss) =>
    row(
      `messages of 500 B, ${100 * loss} % path loss, 20 ms: p99 of the latency against no control`,
      latency99(controller, loss) / latency99(free, loss),
      'max',
      1.5,
      1.1,
    ),
  );
}

/** Over all seeds. */
function latency99(controller: ControllerFactory, loss: number): number {
  const latencies = ['one', 'two'].flatMap((seed) => latenciesOf(seed, controller, loss));
  return latencies.sort((a, b) => a - b)[Math.floor(0.99 * latencies.length)];
}

/** From the broadcast of each message to each of its deliveries. */
function latenciesOf(seed: string, controller: ControllerFactory, loss: number): number[] {
  const cluster = createCluster({
    seed: `thin ${seed}`,
    members: 3,
    links: { delay: 20 * MILLISECOND, loss: iid(loss), rate: RATE },
    controller,
  });
  const { world, members } = cluster;
  const allMet = () =>
    members.every((member) => member.status(world.now).peers.every((peer) => peer.reachable));
  if (!world.runUntil(allMet, world.now + 120 * SECOND)) throw new Error('expected all members to meet');
  const sentAt = members.map((): number[] => []);
  const seen = members.map(() => 0);
  const latencies: number[] = [];
  const send = (member: number) => {
    if (sentAt[member].length === MESSAGES) return;
    const text = `${member} ${sentAt[member].length} `.padEnd(500, '.');
    sentAt[member].push(world.now);
    cluster.broadcast(member, new TextEncoder().encode(text));
  };
  for (const member of members.keys()) send(member);
  const isDone = () => {
    for (const [member, { delivered }] of members.entries())
      for (; seen[member] < delivered.length; seen[member]++) {
        const [origin, index] = new TextDecoder()
          .decode(delivered[seen[member]].bytes)
          .split(' ')
          .map(Number);
        latencies.push(world.now - sentAt[origin][index]);
        if (origin === member) send(member);
      }
    return latencies.length === members.length ** 2 * MESSAGES;
  };
  if (!world.runUntil(isDone, world.now + 600 * SECOND)) throw new Error('expected all to be delivered');
  cluster.dispose();
  return latencies;
}

const MESSAGES = 60;
/** Bits per second: far more than is needed. */
const RATE = 100e6;
