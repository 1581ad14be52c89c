/**
 * Sessions coming up: on demand, under loss, from both sides at once, after a restart, and not at all for strangers.
 *
 *   A                           B
 *   | INITIATION  ------------> |
 *   | <------------- RESPONSE   |   A: established
 *   | CONTROL, DATA ----------> |   B: established (these keys took the RESPONSE to make)
 *   | <------- CONTROL, DATA    |
 */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { nodeAead } from '../../src/crypto/aead.js';
import { keyPair } from '../../src/crypto/keys.js';
import { nodeAgreement } from '../../src/crypto/x25519.js';
import { SessionTable } from '../../src/session/table.js';
import { iid } from '../../src/sim/net/loss.js';
import { withSeeds } from '../util/seed.js';
import { DELAY, drops, KIND, kindOf, RTT, World } from './world.js';

describe('a handshake', () => {
  test('takes one round trip, on demand, and both sides learn the incarnation', () => {
    const world = new World();
    const [a, b] = world.nodes;
    expect(world.send(a, b, 'too early')).toBe(false);
    expect(world.run(SECOND, () => a.saw('established'))).toBe(true);
    expect(world.now).toBe(SECOND + RTT);
    expect(world.send(a, b, 'hello')).toBe(true);
    world.run(DELAY);
    expect(b.texts()).toEqual(['hello']);
    expect(world.send(b, a, 'hello too')).toBe(true);
    world.run(DELAY);
    expect(a.texts()).toEqual(['hello too']);
    expect(a.events).toMatchObject([{ type: 'established', peer: 1, incarnation: 1, address: 'm1:1' }]);
    expect(b.events).toMatchObject([{ type: 'established', peer: 0, incarnation: 1, address: 'm0:1' }]);
    expect(a.received[0]).toMatchObject({ peer: 1, packetNumber: 1, from: 'm1:1', incarnation: 1 });
    expect([drops(a), drops(b)]).toEqual([{}, {}]);
  });

  test('between a member with libsodium and one with node:crypto', () => {
    const world = new World();
    const [a, b] = world.nodes;
    b.table = new SessionTable({
      groupId: new Uint8Array(32).fill(7),
      keys: b.keys.exchangeKeys(),
      incarnation: 9,
      entropy: world.rng,
      peers: [{ publicKey: a.keys.publicKey, locators: ['m0:1'] }, undefined],
      suite: { agreement: nodeAgreement(), aead: nodeAead() },
    });
    world.connect(a, b);
    world.send(a, b, 'one');
    world.send(b, a, 'two');
    world.run(RTT);
    expect([a.texts(), b.texts()]).toEqual([['two'], ['one']]);
    expect(a.events).toMatchObject([{ type: 'established', incarnation: 9 }]);
  });

  test('succeeds under 50 % loss with reordering and duplication', () =>
    withSeeds(40, (seed) => {
      const link = { loss: iid(0.5), reorder: 0.3, reorderDelay: 50 * MILLISECOND, duplicate: 0.2 };
      const world = new World({ seed, link });
      const [a, b] = world.nodes;
      a.table.connect(world.now, 1);
      const both = () => a.table.session(1)!.isEstablished && b.table.session(0)!.isEstablished;
      expect(world.run(60 * SECOND, both)).toBe(true);
      expectUsable(world);
    }));

  test('from both sides at once ends in one usable session, whoever has the lower key', () =>
    withSeeds(20, (seed) => {
      for (const offset of [0, 1 * MILLISECOND, DELAY - 1, DELAY, DELAY + 1, RTT]) {
        const world = new World({ seed });
        const [a, b] = world.nodes;
        a.table.connect(world.now, 1);
        world.run(offset);
        b.table.connect(world.now, 0);
        const both = () => a.saw('established') && b.saw('established');
        expect(world.run(3 * RTT, both)).toBe(true);
        world.run(SECOND);
        expect(a.events.length).toBe(1);
        expect(b.events.length).toBe(1);
        expectUsable(world);
        // A handshake too many is forgotten after ten seconds.
        world.run(11 * SECOND);
        expect(a.table.sizes()).toMatchObject({ indices: 1, transports: 1 });
        expect(b.table.sizes()).toMatchObject({ indices: 1, transports: 1 });
      }
    }));

  test('from both sides at once under loss leaves both ends usable', () =>
    withSeeds(40, (seed) => {
      const world = new World({ seed, link: { loss: iid(0.4), reorder: 0.2, duplicate: 0.1 } });
      const [a, b] = world.nodes;
      a.table.connect(world.now, 1);
      b.table.connect(world.now, 0);
      const both = () => a.table.session(1)!.isEstablished && b.table.session(0)!.isEstablished;
      expect(world.run(60 * SECOND, both)).toBe(true);
      expectUsable(world);
      // And it stays so, long after the grace of whatever keys lost.
      for (let i = 0; i < 60; i++) {
        world.send(a, b, 'keep');
        world.send(b, a, 'keep');
        world.run(SECOND);
      }
      expectUsable(world);
    }));

  test('gets through where only one side can reach the other first (NAT)', () => {
    for (const blocked of [0, 1]) {
      const world = new World({ locators: [['m0:1'], ['m1:1']] });
      const [a, b] = world.nodes;
      // The locator of one member is wrong: what is sent there goes nowhere.
      const hidden = world.nodes[blocked];
      hidden.address = 'nat:9';
      a.table.connect(world.now, 1);
      b.table.connect(world.now, 0);
      const both = () => a.table.session(1)!.isEstablished && b.table.session(0)!.isEstablished;
      expect(world.run(10 * SECOND, both)).toBe(true);
      expectUsable(world);
    }
  });

  test('gives up in the end, says so, and starts again when asked', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.links.update({ blocked: true });
    a.table.connect(world.now, 1);
    world.run(200 * SECOND);
    expect(a.events.map(({ type }) => type)).toEqual(['unreachable']);
    expect(a.table.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
    const sent = world.wire.length;
    expect(sent).toBeLessThan(120);
    world.links.update({ blocked: false });
    world.connect(a, b);
    expectUsable(world);
  });

  test('that is asked for again after that is as quick as the first, from the first locator on', () => {
    const world = new World({ locators: [['m0:1'], ['m1:1', 'm1:2']] });
    const [a] = world.nodes;
    world.links.update({ blocked: true });
    const sends = () => {
      const from = world.wire.length;
      a.table.connect(world.now, 1);
      world.run(150 * MILLISECOND);
      return world.wire.slice(from).map(({ to }) => to);
    };
    const first = sends();
    expect(world.run(100 * SECOND, () => a.saw('unreachable'))).toBe(true);
    expect([first, sends()]).toEqual([
      ['m1:1', 'm1:2'],
      ['m1:1', 'm1:2'],
    ]);
  });

  test('repeats the same bytes, so that a late answer still counts', () => {
    const world = new World({ link: { delay: 900 * MILLISECOND } });
    const [a, b] = world.nodes;
    a.table.connect(world.now, 1);
    expect(world.run(4 * SECOND, () => a.saw('established'))).toBe(true);
    world.run(5 * SECOND);
    expect(b.saw('established')).toBe(true);
    const initiations = world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.initiation);
    expect(new Set(initiations.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(1);
    expect(b.table.metrics.handshakesRead).toBeGreaterThan(1);
  });
});

test('every changed byte of an answer is refused, and the true one still counts', () => {
  const world = new World();
  const [a, b] = world.nodes;
  a.table.connect(world.now, 1);
  b.table.handleDatagram(world.now, 'm0:1', a.table.pollTransmit()!.bytes);
  const response = b.table.pollTransmit()!.bytes;
  for (let i = 1; i < response.length; i++) {
    const tampered = response.slice();
    tampered[i] ^= 1 << (i & 7);
    a.table.handleDatagram(world.now, 'm1:1', tampered);
  }
  expect(drops(a)).toEqual({ 'bad-response': response.length - 1 });
  expect(a.table.session(1)!.isEstablished).toBe(false);
  a.table.handleDatagram(world.now, 'm1:1', response);
  expect(a.table.session(1)!.isEstablished).toBe(true);
});

describe('a restart', () => {
  test.each([0, 1])('of member %i is made good within two round trips of the first datagram to it', (who) => {
    const world = new World();
    const restarted = world.nodes[who];
    const other = world.nodes[1 - who];
    world.connect(world.nodes[0], world.nodes[1]);
    world.start(restarted);
    other.events.length = 0;
    const at = world.now;
    world.send(other, restarted, `${'x'.repeat(100)} lost`);
    expect(world.run(SECOND, () => other.saw('established'))).toBe(true);
    expect(world.now - at).toBe(2 * RTT);
    expect(other.events).toMatchObject([{ type: 'reset', incarnation: 2 }, { type: 'established' }]);
    world.run(SECOND);
    expectUsable(world);
    expect(restarted.texts().some((text) => text.endsWith('lost'))).toBe(false);
  });

  test('is noticed under loss, when datagrams keep coming', () =>
    withSeeds(20, (seed) => {
      const world = new World({ seed });
      const [a, b] = world.nodes;
      world.connect(a, b);
      world.links.update({ loss: iid(0.3) });
      world.start(b);
      const at = world.now;
      while (!a.saw('reset') && world.now < at + 20 * SECOND) {
        world.send(a, b, 'x'.repeat(200));
        world.run(10 * MILLISECOND);
      }
      expect(a.saw('reset')).toBe(true);
      expect(world.now - at).toBeLessThan(3 * SECOND);
    }));

  test('behind another address is noticed by silence', () => {
    const world = new World({ locators: [['m0:1'], ['m1:1']] });
    const [a, b] = world.nodes;
    world.connect(a, b);
    a.address = 'nat:1';
    world.run(SECOND);
    world.start(b);
    world.send(a, b, 'x'.repeat(100));
    expect(world.run(5 * SECOND, () => a.saw('reset'))).toBe(true);
    world.run(SECOND);
    expectUsable(world);
  });

  test('of both at once', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.start(a);
    world.start(b);
    world.connect(b, a);
    expectUsable(world);
  });
});

describe('strangers', () => {
  test('of another group get no answer', () => {
    const world = new World({ groupIds: [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)] });
    const [a, b] = world.nodes;
    a.table.connect(world.now, 1);
    world.run(5 * SECOND);
    expect(drops(b)['handshake-mismatch']).toBeGreaterThan(1);
    expect(Object.keys(drops(b))).toEqual(['handshake-mismatch']);
    expect(world.wire.every(({ to }) => to === 'm1:1')).toBe(true);
    expect(b.table.sizes()).toEqual({ indices: 0, transports: 0, outbox: 0, events: 0 });
  });

  test('with a key that is no member get no answer', () => {
    const world = new World();
    const [, b] = world.nodes;
    const outsider = new SessionTable({
      groupId: new Uint8Array(32).fill(7),
      keys: keyPair(world.rng.bytes(32)).exchangeKeys(),
      incarnation: 1,
      entropy: world.rng,
      peers: [{ publicKey: b.keys.publicKey, locators: ['m1:1'] }],
    });
    outsider.connect(world.now, 0);
    const initiation = outsider.pollTransmit()!;
    world.inject('evil:1', 'm1:1', initiation.bytes);
    world.run(SECOND);
    expect(drops(b)).toEqual({ 'unknown-key': 1 });
    expect(world.wire.length).toBe(1);
    expect(b.table.sizes()).toEqual({ indices: 0, transports: 0, outbox: 0, events: 0 });
  });

  test('who do not know our key get no answer', () => {
    const world = new World();
    const [a, b] = world.nodes;
    a.table.connect(world.now, 1);
    const { bytes } = a.table.pollTransmit()!;
    for (let i = 0; i < bytes.length - 16; i++) {
      const tampered = bytes.slice();
      tampered[i] ^= 1 << world.rng.integer(0, 7);
      world.inject('evil:1', 'm1:1', tampered);
    }
    world.run(RTT);
    expect(world.wire.filter(({ to }) => to === 'evil:1')).toEqual([]);
    const { 'bad-mac': badMac, ...others } = drops(b);
    // The first byte is the kind: changed, it is another kind of nonsense.
    expect(badMac).toBe(bytes.length - 16 - 1);
    expect(Object.values(others)).toEqual([1]);
    expect(b.table.metrics.handshakesRead).toBe(0);
  });
});

/** Both ends can send to and hear the other, now. */
function expectUsable(world: World): void {
  const [a, b] = world.nodes;
  for (const [from, to] of [
    [a, b],
    [b, a],
  ]) {
    const text = `usable ${world.now} ${from.index}`;
    // Under loss one datagram says nothing; twenty lost in a row would.
    let heard = false;
    for (let i = 0; i < 40 && !heard; i++) {
      expect(world.send(from, to, text)).toBe(true);
      heard = world.run(200 * MILLISECOND, () => to.texts().includes(text));
    }
    expect(heard).toBe(true);
  }
}
