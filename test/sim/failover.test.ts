/**
 * Members with an address in each of two networks: when one network fails, what flows goes on over the other; mere loss
 * moves nothing for long; who comes back is returned to, but not at once. `npm run bench -- failover` has the figures.
 */
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { type Cluster, createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { withSeeds } from '../util/seed.js';

const RTT = 40 * MILLISECOND;

function twoNetworks(seed: string, loss = 0, members = 2): Cluster {
  const links = { delay: RTT / 2, loss: iid(loss), rate: 20e6, overhead: 28 };
  const cluster = createCluster({ seed, members, networks: 2, controller: CONTROLLERS.bbr, links });
  cluster.world.runUntil(3 * SECOND);
  return cluster;
}

/** Cuts or mends a network, towards one address or all. */
function setNetwork({ world }: Cluster, network: number, blocked: boolean, towards?: string): void {
  const isIn = (address: string) => address.startsWith(`10.${network}.`);
  world.setLinks((from, to) =>
    isIn(from) && isIn(to) && (towards === undefined || to === towards) ? { blocked } : {},
  );
}

/** A message from member 0 every 10 ms for a while. */
function load(cluster: Cluster, duration: number): void {
  const { world } = cluster;
  const rng = new Rng('load');
  for (let at = 0; at < duration; at += 10 * MILLISECOND)
    world.at(world.now + at, () => cluster.broadcast(0, rng.bytes(3000)));
}

const inUse = (cluster: Cluster, member: number): (string | undefined)[] =>
  cluster.members[member].status(cluster.world.now).peers.map(({ address }) => address);
const moves = (cluster: Cluster, member: number): number =>
  cluster.members[member].status(cluster.world.now).peers.reduce((sum, { failOvers }) => sum + failOvers, 0);

/** When data first comes to member 1 over the second network. */
function watchArrival(cluster: Cluster): { at: number } {
  const arrival = { at: Number.POSITIVE_INFINITY };
  const { endpoint } = cluster.members[1];
  const handle = endpoint.handleDatagram.bind(endpoint);
  endpoint.handleDatagram = (now, from, bytes) => {
    if (from.startsWith('10.1.') && (bytes[0] & 15) === 4) arrival.at = Math.min(arrival.at, now);
    handle(now, from, bytes);
  };
  return arrival;
}

describe('a network that fails', () => {
  for (const [cut, loss, limit] of [
    ['both ways', 0, 3.5],
    ['both ways', 0.2, 4.5],
    ['one way', 0, 4],
    ['one way', 0.36, 6],
  ] as const)
    test(`${cut} at ${100 * loss} % loss is left within round trips`, () =>
      withSeeds(3, (seed) => {
        const cluster = twoNetworks(seed, loss);
        load(cluster, 3 * SECOND);
        cluster.world.runUntil(cluster.world.now + 2 * SECOND);
        const arrival = watchArrival(cluster);
        const cutAt = cluster.world.now;
        setNetwork(cluster, 0, true, cut === 'one way' ? cluster.members[1].address : undefined);
        cluster.world.runUntil(() => arrival.at < cluster.world.now, cutAt + 10 * SECOND);
        expect((arrival.at - cutAt) / RTT).toBeLessThan(limit);
        expect(inUse(cluster, 0)[0]).toMatch(/^10\.1\./);
        cluster.dispose();
      }));

  test('keeps no message from any member, and none is doubled', () =>
    withSeeds(3, (seed) => {
      const cluster = twoNetworks(seed, 0.2, 4);
      load(cluster, SECOND);
      cluster.world.at(cluster.world.now + SECOND / 2, () => setNetwork(cluster, 0, true));
      const all = () => cluster.members.every(({ delivered }) => delivered.length === 100);
      expect(cluster.world.runUntil(all, 30 * SECOND)).toBe(true);
      expect(new Set(cluster.members.flatMap((_, member) => inUse(cluster, member)))).toEqual(
        new Set(cluster.group.members.map(({ locators }) => locators[1])),
      );
      cluster.dispose();
    }));

  test('is found out without traffic of the application, by heartbeats', () => {
    const cluster = twoNetworks('idle');
    setNetwork(cluster, 0, true);
    cluster.world.runUntil(cluster.world.now + 2 * SECOND);
    expect(inUse(cluster, 0)[0]).toMatch(/^10\.1\./);
    expect(inUse(cluster, 1)[0]).toMatch(/^10\.1\./);
    expect(cluster.members[0].status(cluster.world.now).peers[0].reachable).toBe(true);
    cluster.dispose();
  });

  test('is not left for one that fails as well', () => {
    const cluster = twoNetworks('both');
    setNetwork(cluster, 0, true);
    setNetwork(cluster, 1, true);
    cluster.world.runUntil(cluster.world.now + 20 * SECOND);
    expect(moves(cluster, 0)).toBe(0);
    setNetwork(cluster, 1, false);
    cluster.world.runUntil(cluster.world.now + 5 * SECOND);
    expect(inUse(cluster, 0)[0]).toMatch(/^10\.1\./);
    cluster.dispose();
  });
});

describe('a network that comes back', () => {
  test('is returned to once it has worked for some seconds', () => {
    const cluster = twoNetworks('back');
    setNetwork(cluster, 0, true);
    cluster.world.runUntil(cluster.world.now + 3 * SECOND);
    setNetwork(cluster, 0, false);
    const backAt = cluster.world.now;
    cluster.world.runUntil(backAt + 4 * SECOND);
    expect(inUse(cluster, 0)[0]).toMatch(/^10\.1\./);
    cluster.world.runUntil(backAt + 10 * SECOND);
    expect(
      [...inUse(cluster, 0), ...inUse(cluster, 1)].every((address) => address?.startsWith('10.0.')),
    ).toBe(true);
    cluster.dispose();
  });

  test('and goes again and again is left alone for longer each time', () => {
    const cluster = twoNetworks('flapping');
    const { world } = cluster;
    for (let i = 0; i < 30; i++) {
      world.at(world.now + i * 10 * SECOND, () => setNetwork(cluster, 0, true));
      world.at(world.now + i * 10 * SECOND + 2 * SECOND, () => setNetwork(cluster, 0, false));
    }
    world.runUntil(world.now + 300 * SECOND);
    // It fails thirty times; with 8 s of work in between it would be returned to each time.
    expect(moves(cluster, 0)).toBeLessThanOrEqual(8);
    cluster.dispose();
  });
});

test('mere loss, even of half of all datagrams each way, moves next to nothing', () =>
  withSeeds(2, (seed) => {
    const cluster = twoNetworks(seed, 0.5);
    cluster.world.runUntil(600 * SECOND);
    expect(moves(cluster, 0) + moves(cluster, 1)).toBeLessThanOrEqual(3);
    cluster.dispose();
  }));

test('who crashes as a whole is not looked for by moving', () => {
  const cluster = twoNetworks('crash', 0, 3);
  cluster.crash(1);
  cluster.world.runUntil(cluster.world.now + 30 * SECOND);
  expect(moves(cluster, 0)).toBe(0);
  expect(inUse(cluster, 0).every((address) => address?.startsWith('10.0.'))).toBe(true);
  cluster.dispose();
});
