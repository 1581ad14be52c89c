/** Trees by multicast in the virtual world: each receiver has a loss of its own on the way to it. */

import { afterEach, expect, test } from 'vitest';
import { CONTROLLERS } from '../../../src/congestion/index.js';
import { MILLISECOND, SECOND } from '../../../src/core/time.js';
import { defaultAead } from '../../../src/crypto/aead.js';
import type { LinkOptions } from '../../../src/sim/net/link.js';
import { iid } from '../../../src/sim/net/loss.js';
import { castProbe, sealCast } from '../../../src/wire/cast.js';
import type { StreamId } from '../../../src/wire/symbol.js';
import { Crowd, treeOf } from '../crowd.js';

const MIB = 2 ** 20;
const crowds: Crowd[] = [];

afterEach(() => {
  for (const crowd of crowds.splice(0)) crowd.dispose();
});

function crowdOf(seed: string, members: number, links: LinkOptions | ((to: number) => LinkOptions)): Crowd {
  const of = typeof links === 'function' ? links : () => links;
  const crowd = new Crowd({
    seed,
    members,
    links: (from, to) => of(Math.max(Number(from.split(/[.:]/)[3]), Number(to.split(/[.:]/)[3]))),
    controller: CONTROLLERS.bbr,
    maxDatagram: 1452,
  });
  crowds.push(crowd);
  return crowd;
}

function listener(crowd: Crowd, id: StreamId, member: number) {
  return crowd.status(0, id).cast!.listeners.find((each) => each.member === member);
}

/** From some time on member 4 repeats its last report to member 0, with one more received, and `more` acknowledged. */
function freeze(crowd: Crowd, every: number, more: number): void {
  const { world, members } = crowd.cluster;
  const { casts } = members[0].endpoint.bulk;
  const report = casts.handleReport.bind(casts);
  casts.handleReport = (now, from, frame) => {
    if (from !== 4 || !frame.ack || frame.ack.received < 1000) return report(now, from, frame);
    casts.handleReport = (now, from, frame) => (from === 4 ? undefined : report(now, from, frame));
    let { received } = frame.ack;
    const ranges = [...frame.ack.ranges];
    const say = () => {
      ranges[0] += more;
      report(world.now, 4, {
        ...frame,
        lacking: [],
        ack: { ...frame.ack!, ranges: [...ranges], received: ++received },
      });
      world.at(world.now + every, say);
    };
    say();
  };
}

/** Bytes that went by the paths of the sender, and not to the group. */
function byPaths(crowd: Crowd, id: StreamId): number {
  return crowd.cluster.members[0].endpoint.metrics.sentBytes - crowd.status(0, id).cast!.bytes;
}

function expectSaved(crowd: Crowd, id: StreamId, bytes: Uint8Array, ...members: number[]): void {
  expect(crowd.runUntil(() => crowd.isSaved(id, ...members))).toBe(true);
  for (const member of members) expect(Buffer.compare(crowd.shelf(member, id)!.bytes, bytes)).toBe(0);
}

const LINKS = { delay: 20 * MILLISECOND, loss: iid(0.1), rate: 100e6, overhead: 28 };
const small = treeOf([4 * MIB], 'small', MIB / 4);

test('eight receivers at 10 % loss of their own each get 0.75 of what a link lets through, or more', () => {
  const tree = treeOf([32 * MIB], 'multicast', 2 * MIB);
  const all = [1, 2, 3, 4, 5, 6, 7, 8];
  const crowd = crowdOf('eight', 9, LINKS);
  crowd.take(...all);
  const id = crowd.offer(0, tree, 'multicast');
  // What size of datagrams the links carry is known by then.
  crowd.runUntil(() => crowd.now > 4 * SECOND);
  crowd.startWith(0, id, ...all);
  // From the third slice on: before, it is found out who is reached, and how fast.
  const has = (slices: number) => () => all.every((member) => crowd.shelf(member, id)!.held.size >= slices);
  crowd.runUntil(has(3));
  const [start, before] = [crowd.now, crowd.shelf(1, id)!.held.size];
  expectSaved(crowd, id, tree.bytes, ...all);
  const rate = ((16 - before) * 2 * MIB) / ((crowd.now - start) / SECOND);
  expect(rate / ((100e6 / 8) * 0.9)).toBeGreaterThan(0.75);
  expect(byPaths(crowd, id)).toBeLessThan(tree.bytes.length / 20);
}, 300_000);

test('who carries a twentieth of what the others do is left to the overlay, and gets all in the end', () => {
  const crowd = crowdOf('slow', 5, (member) => (member === 4 ? { ...LINKS, rate: 5e6 } : LINKS));
  const tree = treeOf([16 * MIB], 'slow', MIB);
  crowd.take(1, 2, 3, 4);
  const id = crowd.offer(0, tree, 'multicast');
  crowd.startWith(0, id, 1, 2, 3, 4);
  expectSaved(crowd, id, tree.bytes, 1, 2, 3);
  expect(crowd.shelf(4, id)!.held.size).toBeLessThan(16);
  expect(crowd.status(0, id).cast!.left).toEqual([
    { member: 4, reason: expect.stringContaining('less than a quarter') },
  ]);
  expectSaved(crowd, id, tree.bytes, 4);
}, 300_000);

test('who cannot join a group, or takes no multicast, gets all by the overlay, and its sender knows why', () => {
  const crowd = crowdOf('deaf', 4, LINKS);
  crowd.deaf.set(3, 'it cannot join 239.255.0.1 (ENODEV)');
  crowd.take(1, 2, 3);
  const id = crowd.offer(0, small, 'multicast');
  crowd.startWith(0, id, 1, 2, 3);
  expect(crowd.runUntil(() => crowd.shelf(1, id)!.held.size > 8)).toBe(true);
  expect(listener(crowd, id, 3)).toMatchObject({ state: 'off', reason: expect.stringContaining('ENODEV') });
  expectSaved(crowd, id, small.bytes, 1, 2, 3);
});

test('where nobody is reached all goes by the overlay, as if nothing had been asked', () => {
  const crowd = crowdOf('nobody', 4, LINKS);
  for (const member of [1, 2, 3]) crowd.deaf.set(member, 'no interface');
  crowd.take(1, 2, 3);
  const id = crowd.offer(0, small, 'auto');
  crowd.startWith(0, id, 1, 2, 3);
  expectSaved(crowd, id, small.bytes, 1, 2, 3);
  expect(crowd.status(0, id).cast!.datagrams).toBe(0);
});

test('auto sends to one receiver by its path', () => {
  const crowd = crowdOf('one', 2, LINKS);
  crowd.take(1);
  const id = crowd.offer(0, small, 'auto');
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, small.bytes, 1);
  expect(crowd.status(0, id).cast!.bytes).toBeLessThan(100_000);
});

test('who has lost its membership joins again, and the others go on meanwhile', () => {
  const crowd = crowdOf('asleep', 4, { ...LINKS, rate: 3e6 });
  crowd.take(1, 2, 3);
  const id = crowd.offer(0, small, 'multicast');
  crowd.startWith(0, id, 1, 2, 3);
  expect(crowd.runUntil(() => crowd.shelf(1, id)!.held.size > 2)).toBe(true);
  crowd.leave(3, id);
  expect(crowd.runUntil(() => listener(crowd, id, 3)?.state === 'silent')).toBe(true);
  const held = crowd.shelf(1, id)!.held.size;
  expect(crowd.runUntil(() => listener(crowd, id, 3)?.state === 'hearing')).toBe(true);
  expect(crowd.shelf(1, id)!.held.size).toBeGreaterThan(held);
  expectSaved(crowd, id, small.bytes, 1, 2, 3);
});

test('a member that reports to have got next to nothing does not hold up the others for long', () => {
  const honest = crowdOf('liar', 5, LINKS);
  const liars = crowdOf('liar', 5, LINKS);
  const tree = treeOf([10 * MIB], 'liar', MIB);
  const seconds = [honest, liars].map((crowd) => {
    crowd.take(1, 2, 3, 4);
    const id = crowd.offer(0, tree, 'multicast');
    if (crowd === liars) understate(crowd);
    crowd.startWith(0, id, 1, 2, 3, 4);
    const start = crowd.now;
    expectSaved(crowd, id, tree.bytes, 1, 2, 3);
    return (crowd.now - start) / SECOND;
  });
  expect(seconds[1]).toBeLessThan(4 * seconds[0]);
}, 300_000);

test.each([
  ['acknowledges nothing new, and says of how many it has got one more each time', 100, 0],
  ['acknowledges one datagram more each 900 ms', 900, 1],
])('a member that %s does not hold up the others for long', (_, every, more) => {
  const crowd = crowdOf('frozen', 5, { delay: 20 * MILLISECOND, rate: 20e6, overhead: 28 });
  const tree = treeOf([8 * MIB], 'frozen', MIB);
  crowd.take(1, 2, 3, 4);
  const id = crowd.offer(0, tree, 'multicast');
  crowd.startWith(0, id, 1, 2, 3, 4);
  freeze(crowd, every * MILLISECOND, more);
  // At 20 Mbit/s it takes 4 s, and who holds it up 2 s more.
  expect(crowd.runUntil(() => crowd.isSaved(id, 1, 2, 3), 16 * SECOND)).toBe(true);
});

test('a member with the key that forges symbols, or sends true ones again, changes no byte', () => {
  const crowd = crowdOf('forger', 4, LINKS);
  crowd.take(1, 2, 3);
  const id = crowd.offer(0, small, 'multicast');
  crowd.startWith(0, id, 1, 2, 3);
  const { world } = crowd.cluster;
  const casting = crowd.cluster.members[0].endpoint.bulk.casts;
  const seen: Uint8Array[] = [];
  // It has the key as any other receiver has, and its datagrams look as if they came from the sender.
  const forge = () => {
    if (crowd.isSaved(id, 1, 2, 3)) return;
    const cipher = defaultAead().cipher(keyOf(casting, id));
    for (let i = 0; i < 20; i++) {
      const wrong = castProbe(1439);
      wrong.set([2, ...world.rng.bytes(1200)], 7);
      const number = world.rng.integer(1, 10_000);
      for (const to of [1, 2])
        crowd.cluster.members[to].handleCast(
          world.now,
          crowd.groupKey(0, id),
          sealCast(cipher, number, wrong.slice()),
        );
    }
    for (const old of seen.splice(0, 20))
      for (const to of [1, 2])
        crowd.cluster.members[to].handleCast(world.now, crowd.groupKey(0, id), old.slice());
    world.at(world.now + 5 * MILLISECOND, forge);
  };
  const { casts } = crowd.cluster.members[3].endpoint.bulk;
  const { handleDatagram } = casts;
  casts.handleDatagram = function (now, key, bytes) {
    seen.push(bytes.slice());
    handleDatagram.call(this, now, key, bytes);
  };
  world.at(world.now + MILLISECOND, forge);
  expectSaved(crowd, id, small.bytes, 1, 2, 3);
  expect(crowd.cluster.members[1].endpoint.metrics.drops).toHaveProperty('no-manifest');
});

/** Member 4 acknowledges one datagram in twenty. */
function understate(crowd: Crowd): void {
  const { casts } = crowd.cluster.members[4].endpoint.bulk;
  const { handleDatagram } = casts;
  let count = 0;
  casts.handleDatagram = function (now, key, bytes) {
    if (++count % 20 === 0) handleDatagram.call(this, now, key, bytes);
  };
}

/** What every receiver is told in its session. */
function keyOf(casts: unknown, id: StreamId): Uint8Array {
  const { castings } = casts as { castings: Map<StreamId, { key: Uint8Array }> };
  return [...castings].find(([{ incarnation }]) => incarnation === id.incarnation)![1].key;
}
