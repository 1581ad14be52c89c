/** The edges of the table's API: unusable peers, locators that change, budgets by host. */
import { describe, expect, test } from 'vitest';
import { Budget } from '../../src/core/budget.js';
import { Rng } from '../../src/core/rng.js';
import { SECOND } from '../../src/core/time.js';
import { keyPair } from '../../src/crypto/keys.js';
import { HeadwaterError } from '../../src/errors.js';
import { HostBudgets } from '../../src/session/budget.js';
import { SessionTable } from '../../src/session/table.js';
import { drops, RTT, World } from './world.js';

function tableWith(peers: ConstructorParameters<typeof SessionTable>[0]['peers']): SessionTable {
  const rng = new Rng('table');
  return new SessionTable({
    groupId: new Uint8Array(32),
    keys: keyPair(rng.bytes(32)).exchangeKeys(),
    incarnation: 1,
    entropy: rng,
    peers,
  });
}

describe('peers', () => {
  test('without a locator are not called, until they have signed an address', () => {
    const { publicKey } = keyPair(new Uint8Array(32));
    const table = tableWith([{ publicKey, locators: [] }]);
    table.connect(0, 0);
    const before = [table.pollTransmit(), table.nextTimeout()];
    table.learn(0, ['198.51.100.1:9']);
    table.connect(0, 0);
    expect([before, table.pollTransmit()?.to]).toEqual([
      [undefined, Number.POSITIVE_INFINITY],
      '198.51.100.1:9',
    ]);
  });

  test('with a key of small order, and ourselves, never have a session, and nothing breaks', () => {
    const publicKey = new Uint8Array(32);
    publicKey[0] = 1;
    const table = tableWith([undefined, { publicKey, locators: ['x:1'] }]);
    for (const peer of [0, 1, 2]) {
      expect(table.session(peer)).toBeUndefined();
      expect(table.protect(0, peer, new Uint8Array(1))).toBeUndefined();
      expect(table.protectInPlace(0, peer, new Uint8Array(26))).toBeUndefined();
      table.connect(0, peer);
      table.challenge(0, peer, 'x:1');
      table.moveTo(peer, 'x:1');
      table.setLocators(peer, ['y:1']);
    }
    expect(table.pollTransmit()).toBeUndefined();
    expect(table.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
  });
});

test('locators can be replaced while a session is up', () => {
  const world = new World({ locators: [['m0:1'], ['m1:1', 'm1:2']] });
  const [a, b] = world.nodes;
  world.connect(a, b);
  expect(() => a.table.setLocators(1, [])).toThrow(HeadwaterError);
  a.table.setLocators(1, ['m1:2']);
  expect(a.table.session(1)!.addresses.current).toBe('m1:1');
  b.address = 'm1:2';
  a.table.challenge(world.now, 1, 'm1:2');
  expect(world.run(2 * RTT, () => a.saw('answered'))).toBe(true);
  a.table.moveTo(1, 'm1:2');
  expect(a.table.session(1)!.addresses.current).toBe('m1:2');
});

describe('budgets', () => {
  test('refill with time, to their burst and no further', () => {
    const budget = new Budget(10, 5);
    const take = (now: number, times: number) =>
      Array.from({ length: times }, () => budget.take(now)).filter(Boolean).length;
    expect(take(0, 20)).toBe(5);
    expect(take(SECOND / 10, 20)).toBe(1);
    expect(take(100 * SECOND, 20)).toBe(5);
  });

  test('of hosts are apart, whatever the port', () => {
    const hosts = new HostBudgets(1024, 3, 12345);
    const take = (from: string) =>
      Array.from({ length: 9 }, () => hosts.take(0, from)).filter(Boolean).length;
    expect(take('10.0.0.1:1')).toBe(3);
    expect(take('10.0.0.1:2')).toBe(0);
    expect(take('10.0.0.2:1')).toBe(3);
    expect(take('[2001:db8::1]:5')).toBe(3);
    expect(take('no port')).toBe(3);
  });
});

test('of a locator that has been replaced nobody is known any more', () => {
  const world = new World();
  const [, b] = world.nodes;
  b.table.setLocators(0, ['new:1']);
  const noise = new Rng('noise').bytes(1232);
  noise[0] = 0x34;
  const answered = ['m0:1', 'new:1'].map((from) => {
    b.table.handleDatagram(world.now, from, noise.slice());
    return b.table.pollTransmit()?.to;
  });
  expect(answered).toEqual([undefined, 'new:1']);
});

test('a deadline is over when its time has come, at any fraction of a microsecond', () => {
  const rng = new Rng('fractions');
  for (let i = 0; i < 50; i++) {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    // Nothing comes back: after a while it probes.
    a.table.protect(world.now + rng.float(), b.index, new Uint8Array(1));
    for (let turn = 0; turn < 10; turn++) {
      const now = a.table.nextTimeout();
      a.table.handleTimeout(now);
      while (a.table.pollTransmit());
      expect(a.table.nextTimeout()).toBeGreaterThan(now);
    }
  }
});

test('what finds the queue of the session layer full is dropped, and counted', () => {
  const world = new World();
  const [a, b] = world.nodes;
  world.connect(a, b);
  for (let i = 0; i < 1100; i++) a.table.challenge(world.now, 1, 'm1:1');

  expect([a.table.sizes().outbox, drops(a)['outbox-overflow']]).toEqual([1024, 76]);
});

test('members with other versions of the application are told of each other, once', () => {
  const world = new World({ versions: [3, 4] });
  const [a, b] = world.nodes;
  world.connect(a, b);
  const told = [a, b].map(({ events }) => events.filter(({ type }) => type === 'other-version'));

  expect(told).toMatchObject([[{ member: 1, version: 4 }], [{ member: 0, version: 3 }]]);
});

test('of forged answers to one first message a thousand a second are worked on', () => {
  const world = new World();
  const [a] = world.nodes;
  a.table.connect(world.now, 1);
  const forged = new Uint8Array(92).fill(1);
  forged[0] = 0x32;
  new DataView(forged.buffer).setUint32(5, a.table.session(1)!.pendingIndex!);
  for (let i = 0; i < 1010; i++) a.table.handleDatagram(world.now, 'm1:1', forged.slice());

  expect(drops(a)).toEqual({ 'bad-response': 1000, 'handshake-budget': 10 });
});
