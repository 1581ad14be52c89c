/**
 * Seeded simulations of whole groups: random sizes, links, faults and objects. Each ends with every live member holding
 * every object exactly once, byte for byte. HEADWATER_SEEDS sets how many are run; a failure prints its seed.
 */
import { describe, expect, test } from 'vitest';
import { type ControllerFactory, fixedRate } from '../../src/congestion/controller.js';
import { CONTROLLERS, type ControllerName } from '../../src/congestion/index.js';
import { equalBytes } from '../../src/core/bytes.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { type Cluster, createCluster } from '../../src/sim/cluster.js';
import type { LinkOptions } from '../../src/sim/link.js';
import { gilbertElliott, iid } from '../../src/sim/loss.js';
import { withSeeds } from '../util/seed.js';

const SEEDS = Number(process.env.HEADWATER_SEEDS ?? 300);

interface Scenario {
  members: number;
  links: LinkOptions;
  controller: ControllerName | 'fixed';
  maxDatagram: number;
  mute: number[];
  crashes: { member: number; at: number }[];
  partition: { from: number; until: number; side: number[] } | undefined;
  objects: { origin: number; at: number; bytes: Uint8Array }[];
}

/** Faults stay within what the group is built for: a majority lives, and at most k members crash or are mute. */
function randomScenario(rng: Rng): Scenario {
  // Mostly small groups: what a run costs goes with the square.
  const members = rng.integer(3, rng.chance(0.2) ? 16 : 9);
  const faulty = Math.floor((members - 1) / 3);
  const controller = rng.pick<Scenario['controller']>(['bbr', 'bbr', 'cubic', 'newreno', 'fixed']);
  // Those that take every loss for congestion crawl at two datagrams a round trip beyond a few per cent.
  const loss = rng.float() * (controller === 'cubic' || controller === 'newreno' ? 0.25 : 0.4);
  const links: LinkOptions = {
    delay: rng.integer(0, 60) * MILLISECOND,
    jitter: rng.chance(0.5) ? rng.integer(0, 20) * MILLISECOND : 0,
    // A burst ends with traffic, not with time: on a link that carries a heartbeat now and then it is an outage of seconds.
    loss: rng.chance(0.3)
      ? gilbertElliott({ meanLoss: Math.min(0.2, loss), meanBurst: 1 + 8 * rng.float() })
      : iid(loss),
    reorder: rng.chance(0.3) ? rng.float() * 0.2 : 0,
    duplicate: rng.chance(0.3) ? rng.float() * 0.2 : 0,
    corrupt: rng.chance(0.3) ? rng.float() * 0.1 : 0,
    rate: rng.chance(0.8) ? rng.integer(2, 50) * 1e6 : 0,
    overhead: 28,
  };
  const maxDatagram = rng.chance(0.2) ? 8952 : 1232;
  const order = rng.shuffle(Array.from({ length: members }, (_, i) => i));
  const bad = order.slice(0, rng.integer(0, faulty));
  const good = order.slice(faulty);
  const mute = bad.filter(() => rng.chance(0.5));
  const crashes = bad
    .filter((member) => !mute.includes(member))
    .map((member) => ({ member, at: rng.integer(0, 1500) * MILLISECOND }));
  const partition = rng.chance(0.2)
    ? {
        from: rng.integer(0, 1000) * MILLISECOND,
        until: 5 * SECOND,
        side: order.slice(0, rng.integer(1, members - 1)),
      }
    : undefined;
  const objects = Array.from({ length: rng.integer(1, 4) }, () => ({
    origin: rng.pick(good),
    at: rng.integer(500, 1500) * MILLISECOND,
    // Up to 60 kB, small ones as often as large ones.
    bytes: rng.bytes(Math.ceil(10 ** (4.78 * rng.float()))),
  }));
  return { members, links, controller, maxDatagram, mute, crashes, partition, objects };
}

/** The fixed rate is what no congestion control would send: more than most of the links carry. */
function factoryOf({ controller }: Scenario): ControllerFactory {
  return controller === 'fixed' ? () => fixedRate(2.5e6) : CONTROLLERS[controller];
}

/** Runs it until every live member has delivered everything, or gives up after two virtual minutes. */
export function run(seed: string): { cluster: Cluster; scenario: Scenario; finished: boolean } {
  const scenario = randomScenario(new Rng(`${seed} scenario`));
  const { members, links, maxDatagram, mute, crashes, partition, objects } = scenario;
  const controller = factoryOf(scenario);
  const cluster = createCluster({ seed, members, links, controller, maxDatagram, mute });
  const { world } = cluster;
  for (const { origin, at, bytes } of objects) world.at(at, () => cluster.broadcast(origin, bytes));
  for (const { member, at } of crashes) world.at(at, () => cluster.crash(member));
  if (partition) {
    const side = partition.side.map((member) => cluster.members[member].address);
    world.at(partition.from, () => world.partition([side]));
    world.at(partition.until, () => world.heal());
  }
  const isDone = () =>
    world.now > 1600 * MILLISECOND &&
    cluster.members.every(
      ({ delivered }, index) => !cluster.isLive(index) || delivered.length >= objects.length,
    );
  const finished = world.runUntil(isDone, 120 * SECOND);
  // Whatever comes later must not deliver anything twice.
  world.runUntil(world.now + 2 * SECOND);
  return { cluster, scenario, finished };
}

describe('a group in the simulator', () => {
  test(`delivers every object once to every live member, in ${SEEDS} random runs`, async () => {
    await withSeeds(
      SEEDS,
      (seed) => {
        const { cluster, scenario, finished } = run(seed);
        try {
          expect(finished, `finished under ${scenario.controller}`).toBe(true);
          cluster.members.forEach(({ delivered }, index) => {
            if (!cluster.isLive(index)) return;
            expect(delivered.length, `objects delivered at member ${index}`).toBe(scenario.objects.length);
            for (const { origin, bytes } of scenario.objects) {
              const copies = delivered.filter((d) => d.origin === origin && equalBytes(d.bytes, bytes));
              expect(copies.length, `copies of an object of member ${origin} at member ${index}`).toBe(1);
            }
          });
        } finally {
          cluster.dispose();
        }
      },
      'broadcast',
    );
  }, 3_600_000);

  test('does the same thing again from the same seed, event for event', () => {
    const first = run('again');
    const second = run('again');
    expect(second.cluster.world.logHash()).toBe(first.cluster.world.logHash());
  });

  test('does another thing from another seed', () => {
    expect(run('one').cluster.world.logHash()).not.toBe(run('another').cluster.world.logHash());
  });
});
