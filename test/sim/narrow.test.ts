/** Objects that are cut for what all paths carry, and paths that then carry less: nothing stands still. */
import { expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { type Cluster, createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { ETHERNET_DATAGRAM } from '../../src/wire/limits.js';

const RTT = 40 * MILLISECOND;
/** IP packets: with the headers of IPv4 and UDP. */
const NARROW = 1260;

function group(members: number, loss = 0): Cluster {
  const links = { delay: RTT / 2, loss: iid(loss), rate: 20e6, overhead: 28, mtu: 1480 };
  const { bbr } = CONTROLLERS;
  return createCluster({
    seed: `narrow ${members}`,
    members,
    controller: bbr,
    links,
    maxDatagram: ETHERNET_DATAGRAM,
  });
}

const symbolSizes = ({ members, world }: Cluster, member: number) =>
  members[member].status(world.now).objects.map(({ length, needed }) => Math.ceil(length / needed / 16) * 16);
const mtus = ({ members, world }: Cluster, member: number) =>
  members[member].status(world.now).peers.map(({ mtu }) => mtu);

test('a large object that is sent when the group starts waits until it is known what the paths carry', () => {
  const cluster = group(4);
  cluster.broadcast(0, new Rng('large').bytes(300_000));
  const hasBegun = () => symbolSizes(cluster, 0).length > 0;
  for (let ms = 0; !hasBegun() && ms < 2000; ms += 5)
    cluster.world.runUntil(cluster.world.now + 5 * MILLISECOND);
  expect(symbolSizes(cluster, 0)).toEqual([1408]);
  // A handshake, a probe, and what the others tell of theirs.
  expect(cluster.world.now).toBeLessThan(6 * RTT);
});

test.each([0, 0.1])('a path that becomes narrow in the middle of a transfer, %d lost: it arrives', (loss) => {
  const cluster = group(4, loss);
  const { world } = cluster;
  world.runUntil(2 * SECOND);
  const bytes = new Rng('large').bytes(2_000_000);
  cluster.broadcast(0, bytes);
  world.runUntil(world.now + 400 * MILLISECOND);
  expect(symbolSizes(cluster, 0)).toEqual([1408]);
  const isOn = (from: string, to: string) => [from, to].includes(cluster.members[2].address);
  world.setLinks((from, to) => (isOn(from, to) ? { mtu: NARROW } : {}));
  const isDone = () => cluster.members.every(({ delivered }) => delivered.length === 1);
  for (let s = 0; !isDone() && s < 60; s++) world.runUntil(world.now + SECOND);
  expect(cluster.members.map(({ delivered }) => delivered.length)).toEqual([1, 1, 1, 1]);
  expect(mtus(cluster, 0)).toEqual([1452, 1232, 1452]);
  // What is made from then on is cut for all.
  world.runUntil(world.now + 5 * SECOND);
  cluster.broadcast(0, bytes.subarray(0, 300_000));
  world.runUntil(world.now + 50 * MILLISECOND);
  expect(symbolSizes(cluster, 0)).toEqual([1200]);
});

test('a member that joins over a narrow path later gets what was cut for wide ones', () => {
  const cluster = group(4);
  const { world } = cluster;
  cluster.crash(3);
  world.runUntil(2 * SECOND);
  cluster.broadcast(0, new Rng('large').bytes(1_000_000));
  world.runUntil(4 * SECOND);
  const isOn = (from: string, to: string) => [from, to].includes(cluster.members[3].address);
  world.setLinks((from, to) => (isOn(from, to) ? { mtu: NARROW } : {}));
  cluster.restart(3);
  for (let s = 0; cluster.members[3].delivered.length === 0 && s < 60; s++)
    world.runUntil(world.now + SECOND);
  expect(cluster.members[3].delivered).toHaveLength(1);
});
