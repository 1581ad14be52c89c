/**
 * npm run bench -- reach [--json] [--only chain,ring,star,nat,pause,changes] [--size 1,8] [--loss 10] [--seed text] [--start S] [--seeds N]: five members that reach only their neighbours, in
 * the simulator, so the same on every machine: when all reach all, how often one link carries an object, and when the last one has it. Sizes are
 * in MB. Bytes are those of IP packets. nat: two members behind boxes of each two kinds, and one that they can call: which reach each other directly,
 * and how long after both have reached the third. pause, changes: a group that changes (`changing.ts`), changes from seed S on (default: any).
 */
import { randomInt } from 'node:crypto';
import { CONTROLLERS } from '../src/congestion/index.js';
import { Rng } from '../src/core/rng.js';
import { MILLISECOND, SECOND } from '../src/core/time.js';
import { addressOf, type Cluster, createCluster, memberAt } from '../src/sim/cluster.js';
import type { SimMember } from '../src/sim/member.js';
import { iid } from '../src/sim/net/loss.js';
import { NAT_KINDS, type NatBox, type NatKind, natsOf } from '../src/sim/net/nat.js';
import { readOptions } from '../tools/options.js';
import { changes, pauses } from './changing.js';
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
      only: { type: 'string', default: 'chain,ring,star,nat,pause,changes' },
      size: { type: 'string', default: '1,8' },
      loss: { type: 'string', default: '10' },
      seed: { type: 'string', default: 'reach' },
      start: { type: 'string' },
      seeds: { type: 'string', default: '30' },
    },
  });
  const { seed } = values;
  const loss = Number(values.loss) / 100;
  const start = values.start === undefined ? randomInt(2 ** 40) : Number(values.start);
  const others: Record<string, () => BenchRow[]> = {
    nat: () => behindBoxes(seed),
    pause: () => pauses(seed),
    changes: () => changes(start, Number(values.seeds)),
  };
  const rows = values.only
    .split(',')
    .flatMap(
      (what) =>
        others[what]?.() ??
        values.size.split(',').flatMap((size) => reach(what, Number(size), { loss, seed })),
    );
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

/** Each two kinds of boxes, in a group of which one member alone can be called; 40 ms there and back between any two. */
function behindBoxes(seed: string): BenchRow[] {
  const pairs = NAT_KINDS.flatMap((a, i) => NAT_KINDS.slice(i).map((b) => [a, b] as const));
  const tried = pairs.map(([a, b]) => ({
    a,
    b,
    ...pairOf(`${seed} ${a} ${b}`, [natsOf(a, 1), natsOf(b, 2)]),
  }));
  const share = (among: typeof tried) =>
    among.filter(({ direct }) => direct !== undefined).length / among.length;
  const isSymmetric = (kind: NatKind) => kind === 'symmetric';
  const times = tried.flatMap(({ direct }) => direct ?? []).sort((a, b) => a - b);
  return [
    row(
      'NAT: pairs that end up direct, of all but symmetric to symmetric, %',
      100 * share(tried.filter(({ a, b }) => !(isSymmetric(a) && isSymmetric(b)))),
      ...(['min', 90] as const),
    ),
    row(
      'NAT: pairs that end up direct, without symmetric boxes, %',
      100 * share(tried.filter(({ a, b }) => !isSymmetric(a) && !isSymmetric(b))),
      ...(['min', 90, 98] as const),
    ),
    row(
      'NAT: pairs that reach each other in some way within 2 s, %',
      (100 * tried.filter(({ joined }) => joined).length) / tried.length,
      ...(['min', 100] as const),
    ),
    row(
      'NAT: seconds to a direct path at 40 ms RTT, the slowest pair',
      times[times.length - 1],
      'max',
      1,
      0.3,
    ),
    row('NAT: seconds to a direct path at 40 ms RTT, median', times[times.length >> 1], 'max', 1, 0.3),
    row(
      'NAT: members that need a reachable address',
      Math.max(...tried.map(({ needed }) => needed)),
      'max',
      1,
    ),
  ];
}

/** What became of two members behind boxes, and one that they call. */
interface PairReach {
  /** Whether they reach each other after 2 s, in some way. */
  joined: boolean;
  /** Members that the group gives an address of, if that was enough; else all. */
  needed: number;
  /** Seconds to a direct path, since both reached the one that they call. */
  direct: number | undefined;
}

function pairOf(seed: string, boxes: readonly NatBox[][]): PairReach {
  const cluster = createCluster({
    ...{ seed, members: 3, unlisted: [1, 2], links: { delay: 20 * MILLISECOND, overhead: IP_UDP } },
    ...{ controller: CONTROLLERS.bbr, nats: new Map(boxes.map((each, i) => [i + 1, each])) },
  });
  const { world } = cluster;
  const [hub, one, other] = cluster.members;
  const isReached = (from: SimMember, to: SimMember, isDirect = true) => {
    const found = from.status(world.now).peers.find(({ member }) => member.index === to.index)!;
    return found.reachable && !(isDirect && found.via);
  };
  const isBoth = (a: SimMember, b: SimMember, isDirect = true) =>
    isReached(a, b, isDirect) && isReached(b, a, isDirect);
  world.runUntil(() => isBoth(hub, one) && isBoth(hub, other), 10 * SECOND);
  const begun = world.now;
  let direct: number | undefined;
  if (world.runUntil(() => isBoth(one, other), 2 * SECOND)) direct = (world.now - begun) / SECOND;
  world.runUntil(Math.max(world.now, 2 * SECOND));
  const joined = isBoth(one, other, false);
  if (direct === undefined && world.runUntil(() => isBoth(one, other), 120 * SECOND))
    direct = (world.now - begun) / SECOND;
  cluster.dispose();
  const listed = cluster.group.members.filter(({ locators }) => locators.length > 0).length;
  return { joined, needed: joined ? listed : cluster.members.length, direct };
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
