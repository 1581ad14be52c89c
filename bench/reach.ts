/**
 * npm run bench -- reach [--json] [--only chain,ring,star] [--size 1,8] [--loss 10] [--seed text]: five members that reach only their neighbours, in
 * the simulator, so the same on every machine: when all reach all, how often one link carries an object, and when the last one has it. Sizes are
 * in MB. Bytes are those of IP packets.
 */
import { CONTROLLERS } from '../src/congestion/index.js';
import { Rng } from '../src/core/rng.js';
import { MILLISECOND, SECOND } from '../src/core/time.js';
import { addressOf, type Cluster, createCluster, memberAt } from '../src/sim/cluster.js';
import { iid } from '../src/sim/net/loss.js';
import { readOptions } from '../tools/options.js';
import { type BenchRow, report, row } from './report.js';

const MEMBERS = 5;
/** IPv4 20, UDP 8. */
const IP_UDP = 28;

/** Whether two members reach each other. */
const GRAPHS: Record<string, (a: number, b: number) => boolean> = {
  chain: (a, b) => Math.abs(a - b) === 1,
  ring: (a, b) => Math.abs(a - b) === 1 || Math.abs(a - b) === MEMBERS - 1,
  star: (a, b) => a === 0 || b === 0,
};

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      json: { type: 'boolean', default: false },
      only: { type: 'string', default: 'chain,ring,star' },
      size: { type: 'string', default: '1,8' },
      loss: { type: 'string', default: '10' },
      seed: { type: 'string', default: 'reach' },
    },
  });
  const { seed } = values;
  const loss = Number(values.loss) / 100;
  const rows = values.only
    .split(',')
    .flatMap((graph) => values.size.split(',').flatMap((size) => reach(graph, Number(size), { loss, seed })));
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

function reach(graph: string, size: number, { loss, seed }: { loss: number; seed: string }): BenchRow[] {
  const link = { delay: 10 * MILLISECOND, rate: 20e6, overhead: IP_UDP, loss: iid(loss) };
  const isLinked = GRAPHS[graph];
  const cluster = createCluster({
    ...{ seed, members: MEMBERS, controller: CONTROLLERS.bbr, maxDatagram: 1452 },
    links: (from, to) => ({ ...link, blocked: !isLinked(memberAt(from), memberAt(to)) }),
  });
  const { world, members } = cluster;
  const isJoined = () =>
    members.every((each) => each.status(world.now).peers.every(({ reachable }) => reachable));
  world.runUntil(isJoined, 60 * SECOND);
  const joined = world.now / SECOND;
  world.runUntil(world.now + 5 * SECOND);
  const [begun, before] = [world.now, carried(cluster)];
  cluster.broadcast(0, new Rng('object').bytes(size * 1e6));
  const isDone = world.runUntil(
    () => members.every(({ delivered }) => delivered.length > 0),
    begun + 600 * SECOND,
  );
  const worst = Math.max(...carried(cluster).map((bytes, i) => bytes - before[i])) / (size * 1e6);
  const name = `${graph} of five, ${100 * loss} % of a link, ${size} MB:`;
  cluster.dispose();
  return [
    row(`${name} all delivered`, isDone ? 1 : 0, 'min', 1),
    row(`${name} the busiest link carries it so often`, worst, 'max', 1.5, 1.2),
    row(`${name} virtual seconds until the last has it`, (world.now - begun) / SECOND, 'info'),
    row(`${name} virtual seconds until all reach all`, joined, 'max', 10, 3),
  ];
}

/** Bytes that went into each link, one way. */
function carried({ world, members }: Cluster): number[] {
  return members.flatMap(({ index: from }) =>
    members.map(({ index: to }) => {
      const { bytes, sent } = world.link(addressOf(from), addressOf(to)).counters;
      return bytes + IP_UDP * sent;
    }),
  );
}
