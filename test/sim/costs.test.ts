/**
 * What a group takes for its work, on average of some seeds: virtual time until each member has all messages, datagrams sent
 * by all members together, and how often any of them had something to do. What costs more is not wrong; it is late, or dear.
 * Bounds are 10 % above what was measured, 25 % where datagrams are lost.
 */
import { afterEach, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';

const SEEDS = 2;
/** Until all have a session with all. */
const START = SECOND;

interface Cost {
  milliseconds: number;
  datagrams: number;
  /** Arrivals and timers. */
  steps: number;
}

let cluster: Cluster | undefined;
afterEach(() => {
  cluster?.dispose();
  cluster = undefined;
});

/** What it takes on average of the seeds until `act` has returned true, and `idle` more. */
function costOf(
  options: Omit<ClusterOptions, 'seed'>,
  act: (cluster: Cluster) => () => boolean,
  idle: Micros = 0,
): Cost {
  const total: Cost = { milliseconds: 0, datagrams: 0, steps: 0 };
  for (let seed = 0; seed < SEEDS; seed++) {
    cluster = createCluster({ controller: CONTROLLERS.bbr, disk: DISK, ...options, seed: `costs-${seed}` });
    const { world } = cluster;
    world.runUntil(START);
    const isDone = act(cluster);
    const begin = world.now;
    const { sent, events } = world.counters;
    expect(world.runUntil(isDone, begin + 120 * SECOND)).toBe(true);
    total.milliseconds += (world.now - begin) / MILLISECOND / SEEDS;
    world.runUntil(world.now + idle);
    total.datagrams += (world.counters.sent - sent) / SEEDS;
    total.steps += (world.counters.events - events) / SEEDS;
    cluster.dispose();
    cluster = undefined;
  }
  return total;
}

/** All of these members have so many messages. */
function allHave(
  { members }: Cluster,
  count: number,
  who = members.map(({ index }) => index),
): () => boolean {
  return () => who.every((member) => members[member].delivered.length >= count);
}

/** Member 0 broadcasts messages of so many bytes, one each so many µs. */
function broadcasts(cluster: Cluster, count: number, bytes: number, every: Micros): void {
  const { world } = cluster;
  for (let i = 0; i < count; i++)
    world.at(world.now + i * every, () => void cluster.broadcast(0, new Uint8Array(bytes).fill(i)));
}

function sending(cluster: Cluster, count: number, bytes: number, every: Micros): () => boolean {
  broadcasts(cluster, count, bytes, every);
  return allHave(cluster, count);
}

/** Gone while member 0 broadcasts: the last one, with another store or the same. */
function awayFor(cluster: Cluster, count: number, bytes: number, isEmpty: boolean): () => boolean {
  const { world, members } = cluster;
  const away = members.length - 1;
  const others = members.slice(0, -1).map(({ index }) => index);
  cluster.crash(away);
  if (isEmpty) cluster.changeStore(away, 1);
  broadcasts(cluster, count, bytes, 5 * MILLISECOND);
  world.runUntil(allHave(cluster, count, others), world.now + 60 * SECOND);
  world.runUntil(world.now + 2 * SECOND);
  cluster.restart(away);
  return allHave(cluster, count);
}

const DISK = { delay: MILLISECOND, rate: 100e6 };
const calm = { delay: 20 * MILLISECOND, rate: 20e6 };
const lossy = { ...calm, jitter: 2 * MILLISECOND, loss: iid(0.1) };

test.each<
  [
    string,
    Omit<ClusterOptions, 'seed'>,
    (cluster: Cluster) => () => boolean,
    [milliseconds: number, datagrams: number, steps: number],
    Micros?,
  ]
>([
  [
    'one small message to two others, and a second after it',
    { members: 3, links: calm },
    (cluster) => sending(cluster, 1, 500, 0),
    [47, 58, 141],
    SECOND,
  ],
  [
    'one small message where two of seven may lie',
    { members: 7, byzantine: 2, faulty: 2, links: calm },
    (cluster) => sending(cluster, 1, 500, 0),
    [70, 585, 835],
    SECOND,
  ],
  [
    'thirty small ones to four others',
    { members: 5, links: calm },
    (cluster) => sending(cluster, 30, 500, 10 * MILLISECOND),
    [366, 735, 1100],
  ],
  [
    'sixty small ones from three members in turn, side by side',
    { members: 3, links: { delay: 100, rate: 1e9 } },
    ({ world, members, broadcast }) => {
      for (let i = 0; i < 60; i++)
        world.at(world.now + i * 5 * MILLISECOND, () => void broadcast(i % 3, new Uint8Array(500).fill(i)));
      return () => members.every(({ delivered }) => delivered.length >= 60);
    },
    [327, 272, 722],
  ],
  [
    'thirty small ones with a tenth lost',
    { members: 5, links: lossy },
    (cluster) => sending(cluster, 30, 500, 10 * MILLISECOND),
    // The loss is known after a few datagrams, and VECTORs go twice from then on.
    [370, 2870, 3250],
  ],
  [
    'one of 300 kB',
    { members: 5, links: calm },
    (cluster) => sending(cluster, 1, 300_000, 0),
    [217, 2660, 2800],
  ],
  [
    'one of 300 kB with a tenth lost',
    { members: 5, links: lossy },
    (cluster) => sending(cluster, 1, 300_000, 0),
    [286, 2800, 3410],
  ],
  [
    'fifty small ones for who was away',
    { members: 4, links: lossy },
    (cluster) => awayFor(cluster, 50, 500, false),
    [800, 520, 750],
  ],
  [
    'ten of 30 kB for who has lost its store',
    { members: 4, links: lossy },
    (cluster) => awayFor(cluster, 10, 30_000, true),
    [820, 980, 1400],
  ],
  ['nothing for 20 s', { members: 5, links: calm }, () => () => true, [0, 2920, 4800], 20 * SECOND],
  [
    'one at a start of twelve',
    { members: 12, links: lossy },
    (cluster) => sending(cluster, 1, 500, 0),
    [140, 600, 760],
  ],
  [
    'five that the last sees once it is back in the network',
    { members: 3, links: calm },
    (cluster) => {
      const { world, members } = cluster;
      world.partition([[members[2].address]]);
      broadcasts(cluster, 5, 500, 0);
      world.runUntil(world.now + 8 * SECOND);
      world.heal();
      return allHave(cluster, 5);
    },
    [587, 80, 120],
  ],
  [
    'one whose origin is gone once another has it',
    { members: 4, links: lossy },
    (cluster) => {
      const { world, members } = cluster;
      broadcasts(cluster, 1, 5_000, 0);
      world.runUntil(
        () => members.slice(1).some(({ events }) => events.some(({ type }) => type === 'deliver')),
        world.now + 10 * SECOND,
      );
      cluster.crash(0);
      return allHave(cluster, 1, [1, 2, 3]);
    },
    [70, 20, 45],
  ],
])('%s costs no more than it did', (_, options, act, [milliseconds, datagrams, steps], idle) => {
  const cost = costOf(options, act, idle);
  const most: Cost = { milliseconds, datagrams, steps };
  const over = Object.entries(cost).filter(([what, amount]) => amount > most[what as keyof Cost]);
  expect(over).toEqual([]);
});
