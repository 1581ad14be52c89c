/** Trees from one member to others in the virtual world: over loss, with members that come late, fall behind, die or refuse. */

import { afterEach, expect, test } from 'vitest';
import { UNOFFERED } from '../../src/bulk/ports.js';
import { OFFER } from '../../src/bulk/telling.js';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { addressOf, memberAt } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import type { Debt } from '../../src/wire/frames/owed.js';
import type { TransferFrame } from '../../src/wire/frames/transfer.js';
import { type StreamId, TRANSFER_BIT } from '../../src/wire/symbol.js';
import { Crowd, SLICE, treeOf } from './crowd.js';

const LINKS = { delay: 10 * MILLISECOND, loss: iid(0.1) };
const tree = treeOf([3_000_000, 0, 100, 70_000]);
/** Many slices, for who claims to be ahead of them. */
const claimed = treeOf([4_000_000], 'claimed', 2 ** 18);
const SLICES = Math.ceil(tree.bytes.length / SLICE);
const crowds: Crowd[] = [];

afterEach(() => {
  for (const crowd of crowds.splice(0)) crowd.dispose();
});

function crowdOf(...args: ConstructorParameters<typeof Crowd>): Crowd {
  const crowd = new Crowd(...args);
  crowds.push(crowd);
  return crowd;
}

/** All of these have the tree as it is, and the sender knows it. */
function expectSaved(crowd: Crowd, id: StreamId, ...members: number[]): void {
  const isKnown = (member: number) => crowd.standing(0, id, member)?.state === 'saved';
  expect(crowd.runUntil(() => crowd.isSaved(id, ...members) && members.every(isKnown))).toBe(true);
  for (const member of members) expect(Buffer.compare(crowd.shelf(member, id)!.bytes, tree.bytes)).toBe(0);
}

/** `liar` says each 100 ms that it holds what has gone out so far, and some more. */
function claimAll(crowd: Crowd, liar: number, id: StreamId): void {
  const { members, world } = crowd.cluster;
  const { bulk } = members[0].endpoint;
  const { ground } = bulk as unknown as { ground: { transfers: { find(id: StreamId): { sent: number } } } };
  const sending = ground.transfers.find(id);
  const nothing = new Uint8Array(0);
  let version = 1000;
  const say = () => {
    const count = sending.sent + 8;
    const words = { version: version++, heard: OFFER, count, sent: 0, reason: nothing, ahead: nothing };
    bulk.handleFrame(world.now, liar, { kind: 'transfer', ...id, state: 'receiving', ...words });
    world.at(world.now + 100 * MILLISECOND, say);
  };
  say();
}

test('at 10 % loss four members get it, for about twice its bytes', () => {
  const crowd = crowdOf({ seed: 'four', members: 5, links: LINKS });
  crowd.take(1, 2, 3, 4);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2, 3, 4);
  const before = crowd.cluster.members[0].endpoint.metrics.sentBytes;
  expectSaved(crowd, id, 1, 2, 3, 4);
  const sent = crowd.cluster.members[0].endpoint.metrics.sentBytes - before;
  expect(sent / tree.bytes.length).toBeLessThan(2.2);
  for (const member of [1, 2, 3, 4]) expect(crowd.shelf(member, id)!.written).toHaveLength(SLICES);
});

test('where slices follow little is sent in vain: what is lacking of one goes out beside the next', () => {
  const links = { ...LINKS, rate: 50e6, overhead: 28 };
  const crowd = crowdOf({ seed: 'lean', members: 2, links });
  crowd.take(1);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, 1);
  const { metrics } = crowd.cluster.members[1].endpoint;
  const { late = 0 } = metrics.drops;
  expect(late / metrics.usefulSymbols).toBeLessThan(0.075);
});

test('a tree without a byte is saved with its manifest', () => {
  const crowd = crowdOf({ seed: 'empty', members: 2, links: LINKS });
  const empty = treeOf([0]);
  crowd.take(1);
  const id = crowd.offer(0, empty);
  expect(crowd.runUntil(() => crowd.standing(0, id, 1)?.state === 'saved')).toBe(true);
});

test('who joins late gets what it missed, of whoever holds it', () => {
  const crowd = crowdOf({ seed: 'late', members: 4, links: LINKS });
  crowd.cluster.crash(3);
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expect(crowd.runUntil(() => crowd.shelf(1, id)!.held.size > SLICES / 2)).toBe(true);
  crowd.restart(3);
  crowd.take(3);
  expectSaved(crowd, id, 1, 2, 3);
});

test('a receiver that crashes writes no slice twice, and is done soon after', () => {
  const crowd = crowdOf({ seed: 'crash', members: 3, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expect(crowd.runUntil(() => crowd.shelf(2, id)!.held.size > SLICES / 2)).toBe(true);
  crowd.cluster.crash(2);
  crowd.runUntil(() => false, SECOND);
  crowd.restart(2);
  crowd.take(2);
  expectSaved(crowd, id, 1, 2);
  expect(crowd.shelf(2, id)!.written).toHaveLength(SLICES);
});

test('a sender that crashes goes on where it was', () => {
  const crowd = crowdOf({ seed: 'origin', members: 3, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expect(crowd.runUntil(() => crowd.shelf(2, id)!.held.size > SLICES / 2)).toBe(true);
  crowd.cluster.crash(0);
  crowd.runUntil(() => false, SECOND);
  crowd.restart(0);
  expect(crowd.offer(0, tree)).toEqual(id);
  crowd.startWith(0, id, 1, 2);
  const sent = () => crowd.cluster.members[0].endpoint.metrics.sentBytes;
  expectSaved(crowd, id, 1, 2);
  expect(sent()).toBeLessThan(1.5 * tree.bytes.length);
  for (const member of [1, 2]) expect(crowd.shelf(member, id)!.written).toHaveLength(SLICES);
});

test('without its sender those that hold slices complete each other', () => {
  const crowd = crowdOf({ seed: 'alone', members: 4, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expect(crowd.runUntil(() => crowd.isSaved(id, 1, 2))).toBe(true);
  crowd.cluster.crash(0);
  crowd.take(3);
  expect(crowd.runUntil(() => crowd.isSaved(id, 3))).toBe(true);
});

test('a member on a slow link holds up nobody, and gets all in the end', () => {
  const slow = { ...LINKS, rate: 1e6 };
  const fast = { ...LINKS, rate: 20e6 };
  const seconds = (links: (from: string, to: string) => object) => {
    const crowd = crowdOf({ seed: 'slow', members: 4, links });
    crowd.take(1, 2, 3);
    const id = crowd.offer(0, tree);
    crowd.startWith(0, id, 1, 2, 3);
    const start = crowd.now;
    expect(crowd.runUntil(() => crowd.isSaved(id, 1, 2))).toBe(true);
    const took = (crowd.now - start) / SECOND;
    expectSaved(crowd, id, 1, 2, 3);
    return took;
  };
  const alike = seconds(() => fast);
  const mixed = seconds((_from, to) => (to.includes('.3:') ? slow : fast));
  expect(mixed).toBeLessThan(alike + 3);
});

test('why a member refuses is known to the sender, and the others get it', () => {
  const crowd = crowdOf({ seed: 'refuse', members: 4, links: LINKS });
  crowd.refusals.set(2, 'its disk is full (ENOSPC)');
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, 1);
  expect(crowd.standing(0, id, 2)).toMatchObject({ state: 'failed', reason: 'its disk is full (ENOSPC)' });
  expect(crowd.standing(0, id, 3)).toMatchObject({
    state: 'failed',
    reason: 'it saves no files (headwater receive is not what it runs)',
  });
});

test('what a member does not take from others alone it takes once its sender offers it', () => {
  const crowd = crowdOf({ seed: 'unoffered', members: 3, links: LINKS });
  crowd.refusals.set(2, UNOFFERED);
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  expect(crowd.runUntil(() => crowd.standing(0, id, 2)?.state === 'failed')).toBe(true);
  crowd.refusals.clear();
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, 1, 2);
});

test('a source that changes ends the transfer everywhere, and the file is named', () => {
  const crowd = crowdOf({ seed: 'change', members: 3, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.gone.add('0 30');
  crowd.startWith(0, id, 1, 2);
  const reason = 'its source has changed since it was offered: file-0';
  const hasFailed = (member: number) => crowd.status(member, id).state === 'failed';
  expect(crowd.runUntil(() => [0, 1, 2].every(hasFailed))).toBe(true);
  expect(crowd.status(0, id).reason).toBe(reason);
  expect(crowd.status(1, id).reason).toBe(`its sender gave up: ${reason}`);
});

test('a sender that gives up tells all at once, who go on with what they have once it offers it again', () => {
  const crowd = crowdOf({ seed: 'stopped', members: 3, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  crowd.runUntil(() => crowd.shelf(1, id)!.written.length > SLICES / 4);
  crowd.cluster.members[0].endpoint.bulk.files.fail(crowd.now, id, 'it was told to stop');
  const hasFailed = (member: number) => crowd.status(member, id).state === 'failed';
  expect(crowd.runUntil(() => [1, 2].every(hasFailed), SECOND)).toBe(true);
  expect(crowd.status(1, id).reason).toBe('its sender gave up: it was told to stop');
  crowd.cluster.crash(0);
  crowd.restart(0);
  crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expectSaved(crowd, id, 1, 2);
  expect(crowd.shelf(1, id)!.written.length).toBe(SLICES);
});

test('slices whose bytes are not what the manifest says are written nowhere', () => {
  const crowd = crowdOf({ seed: 'bent', members: 3, links: LINKS });
  crowd.take(1, 2);
  const bent = tree.bytes.slice();
  bent[2 * SLICE + 5] ^= 1;
  const id = crowd.offer(0, { manifest: tree.manifest, bytes: bent });
  crowd.startWith(0, id, 1, 2);
  crowd.runUntil(() => false, 10 * SECOND);
  for (const member of [1, 2]) {
    const { written, isSaved } = crowd.shelf(member, id)!;
    expect(written.length).toBeGreaterThan(SLICES / 2);
    expect(written).not.toContain(3);
    expect(isSaved).toBe(false);
  }
});

test('a member that always claims all does not make the sender serve each of the others by itself', () => {
  const liar = 7;
  const links = { delay: 10 * MILLISECOND, rate: 1e6, overhead: 28 };
  const seconds = [false, true].map((lies) => {
    const crowd = crowdOf({
      seed: 'claims',
      members: 8,
      faulty: 2,
      byzantine: 1,
      links,
      controller: CONTROLLERS.bbr,
      ...(lies && { liars: new Map([[liar, ['mute']]]) }),
    });
    const honest = [1, 2, 3, 4, 5, 6];
    crowd.take(...honest, ...(lies ? [liar] : []));
    const id = crowd.offer(0, claimed);
    crowd.startWith(0, id, ...honest);
    if (lies) claimAll(crowd, liar, id);
    const start = crowd.now;
    expect(crowd.runUntil(() => crowd.isSaved(id, ...honest), 200 * SECOND)).toBe(true);
    return (crowd.now - start) / SECOND;
  });
  expect(seconds[1]).toBeLessThan(2 * seconds[0]);
}, 120_000);

test('a slow disk slows the sender, not the memory', () => {
  const crowd = crowdOf({ seed: 'disk', members: 2, links: LINKS }, () => 200 * MILLISECOND);
  crowd.take(1);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, 1);
});

test('a slice that is lost while others still come is taken again', () => {
  const crowd = crowdOf({ seed: 'lost', members: 3, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  const { held } = crowd.shelf(1, id)!;
  crowd.runUntil(() => held.has(1));

  held.delete(1);
  crowd.cluster.members[1].endpoint.bulk.files.handleRead(crowd.now, { ...id, seq: 1 }, undefined);

  expect(crowd.runUntil(() => crowd.isSaved(id, 1, 2), 20 * SECOND)).toBe(true);
  expect(held.has(1)).toBe(true);
});

test('slices that its holder can no longer read are lost to it, and come from another', () => {
  const crowd = crowdOf({ seed: 'rot', members: 4, links: LINKS });
  crowd.take(1, 2);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1, 2);
  expectSaved(crowd, id, 1, 2);
  crowd.cluster.crash(0);
  for (let seq = 1; seq <= 10; seq++) crowd.gone.add(`1 ${seq}`);
  crowd.take(3);
  expect(crowd.runUntil(() => crowd.isSaved(id, 3))).toBe(true);
});

test.each([
  [1, 3],
  [2, 5],
])('%i of %i members on slow links hold up nobody else', (slow, members) => {
  const fast = members - slow;
  const isSlow = (address: string) => !range(fast).some((member) => addressOf(member) === address);
  const crowd = crowdOf({
    seed: 'one slow',
    members,
    controller: CONTROLLERS.bbr,
    links: (from, to) => ({
      delay: 10 * MILLISECOND,
      overhead: 28,
      rate: isSlow(from) || isSlow(to) ? 1e6 : 50e6,
    }),
  });
  const receivers = range(members).slice(1);
  crowd.take(...receivers);
  const large = treeOf([12_000_000], 'large', 2 ** 19);
  const id = crowd.offer(0, large);
  crowd.startWith(0, id, ...receivers);

  // At the pace of the slow one it would take 95 s.
  const others = receivers.filter((member) => member < fast);
  expect(crowd.runUntil(() => crowd.isSaved(id, ...others), 5 * SECOND)).toBe(true);
});

/**
 * How long four members take for a tree where the last one relays nothing, and says so of what it owes, each 20 ms for `most` in a
 * row, and then that it owes nothing; seconds.
 */
function timeBeside(debtOf?: (member: number) => Omit<Debt, 'member'>, most: Micros = NEVER): number {
  const liar = 4;
  const crowd = crowdOf({
    seed: 'owes for ever',
    members: 5,
    controller: CONTROLLERS.bbr,
    links: { delay: 10 * MILLISECOND, rate: 20e6, overhead: 28, loss: iid(0.05) },
    liars: new Map([[liar, ['mute']]]),
  });
  const { world, members } = crowd.cluster;
  const large = treeOf([4_000_000], 'large', 2 ** 19);
  crowd.take(1, 2, 3, 4);
  const id = crowd.offer(0, large);
  crowd.startWith(0, id, 1, 2, 3, 4);
  const start = crowd.now;
  const lie = () => {
    const owes = (world.now - start) % (most + 60 * MILLISECOND) < most;
    const debts = owes ? [1, 2, 3].map((member) => ({ member, ...debtOf!(member) })) : [];
    members[0].endpoint.bulk.handleOwed(world.now, liar, { kind: 'owed', files: true, debts });
    world.at(world.now + 20 * MILLISECOND, lie);
  };
  if (debtOf) lie();
  expect(crowd.runUntil(() => crowd.isSaved(id, 1, 2, 3), 60 * SECOND)).toBe(true);
  return (crowd.now - start) / SECOND;
}

let alone: number | undefined;
/** Where the last one says nothing: the same for each of what it may say. */
const timeAlone = (): number => (alone ??= timeBeside());

const UNKNOWN = { incarnation: 1, seq: 0, sbn: 0 };

test.each([
  { symbols: 40, delay: 60 },
  // More than it can ever pass on.
  { symbols: 0xffff, delay: 0xffff },
])('a relay that says for ever that it owes all holds up a transfer once, for a second (%o)', (debt) => {
  const control = timeAlone();
  expect(timeBeside(() => ({ ...UNKNOWN, ...debt }))).toBeLessThan(control + 1.5);
});

test('a relay that takes its word back just before a second has passed holds up a transfer no longer', () => {
  const control = timeAlone();
  const debt = { ...UNKNOWN, symbols: 40, delay: 60 };
  expect(timeBeside(() => debt, 900 * MILLISECOND)).toBeLessThan(control + 1.5);
});

/** Of a transfer that is none, as if it were one of `origin`. */
function named(origin: number, number: number): TransferFrame {
  const none = new Uint8Array(0);
  const stands = { state: 'saved', count: 1, sent: 0, reason: none, ahead: none } as const;
  const [incarnation, version, heard] = [TRANSFER_BIT + number, 1, 0];
  return { kind: 'transfer', origin, incarnation, version, heard, ...stands };
}

function knows(crowd: Crowd, member: number, id: StreamId): boolean {
  return crowd.cluster.members[member].endpoint.bulk.files.status(id) !== undefined;
}

test.each([
  ['take nothing', false],
  ['take what is offered', true],
])('transfers that one member makes up are passed on to nobody, whether members %s', (_, takes) => {
  const crowd = crowdOf({ seed: 'made up', members: 5, links: { delay: 10 * MILLISECOND } });
  const { world, members } = crowd.cluster;
  world.runUntil(SECOND);
  if (takes) crowd.take(1, 2, 3);
  for (const to of [1, 2, 3])
    for (let i = 0; i < 20; i++) members[to].endpoint.bulk.handleFrame(world.now, 4, named(0, 100 * to + i));
  world.runUntil(3 * SECOND);
  const all = [1, 2, 3].flatMap((to) => range(20).map((i) => named(0, 100 * to + i)));
  const known = [0, 1, 2, 3].map((index) => all.filter((id) => knows(crowd, index, id)).length);
  expect(known).toEqual([0, 20, 20, 20]);
});

test('a transfer of which a member has heard from another first is passed on once its origin speaks', () => {
  const crowd = crowdOf({ seed: 'heard of', members: 4, links: { delay: 10 * MILLISECOND } });
  const { world, members } = crowd.cluster;
  world.runUntil(SECOND);
  crowd.take(1, 2);
  members[1].endpoint.bulk.handleFrame(world.now, 2, named(3, 7));
  world.runUntil(world.now + SECOND);
  expect([knows(crowd, 1, named(3, 7)), knows(crowd, 0, named(3, 7))]).toEqual([true, false]);
  members[1].endpoint.bulk.handleFrame(world.now, 3, { ...named(3, 7), state: 'offered' });
  world.runUntil(world.now + SECOND);
  expect(knows(crowd, 0, named(3, 7))).toBe(true);
});

function range(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i);
}

test('members of a chain get it one from the other, and nobody else carries it', () => {
  const links = (from: string, to: string) => ({
    ...LINKS,
    blocked: Math.abs(memberAt(from) - memberAt(to)) > 1,
  });
  const crowd = crowdOf({ seed: 'chain', members: 4, links, controller: CONTROLLERS.bbr });
  const { world } = crowd.cluster;
  crowd.take(1, 2, 3);
  world.runUntil(3 * SECOND);
  const id = crowd.offer(0, tree);
  crowd.startWith(0, id, 1);
  expectSaved(crowd, id, 1, 2, 3);
  for (const [from, to] of [
    [0, 1],
    [1, 2],
    [2, 3],
  ] as const) // prettier-ignore
    expect(world.link(addressOf(from), addressOf(to)).counters.bytes).toBeLessThan(1.5 * tree.bytes.length);
});
