/**
 * Where a peer is: addresses that change (NAT), spoofed ones that must not, and locators to fall back on.
 *
 *   A                                B
 *   | DATA, from a new address ---> |
 *   | <-- CHALLENGE, to the new one |   data still goes to the old address
 *   | ANSWER, from the new one ---> |   B: migrated
 */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import { withSeeds } from '../util/seed.js';
import { DELAY, KIND, kindOf, RTT, World } from './world.js';

describe('a new address', () => {
  test('is used once it has answered, and not before', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    a.address = 'nat:7';
    const at = world.now;
    world.send(a, b, 'from elsewhere');
    world.run(DELAY);
    // Taken at once: it is genuine, wherever it comes from.
    expect(b.texts()).toEqual(['from elsewhere']);
    expect(b.received[0].from).toBe('nat:7');
    expect(b.table.session(0)!.addresses.current).toBe('m0:1');
    expect(world.wire.at(-1)).toMatchObject({ to: 'nat:7' });
    expect(kindOf(world.wire.at(-1)!.bytes)).toBe(KIND.control);
    expect(world.run(SECOND, () => b.saw('migrated'))).toBe(true);
    expect(world.now - at).toBe(DELAY + RTT);
    expect(b.events.at(-1)).toMatchObject({ address: 'nat:7', previous: 'm0:1', path: 1 });
    world.send(b, a, 'found you');
    world.run(DELAY);
    expect(a.texts()).toEqual(['found you']);
    // And back again.
    a.address = 'm0:1';
    world.send(a, b, 'home');
    world.run(SECOND);
    expect(b.table.session(0)!.addresses.current).toBe('m0:1');
    expect(b.events.filter(({ type }) => type === 'migrated').length).toBe(2);
  });

  test('is not taken where the answer to its challenge comes from a third one', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    a.address = 'nat:7';
    world.tap = (sent) => [
      sent.from === 'nat:7' && kindOf(sent.bytes) === KIND.control ? { ...sent, from: 'third:9' } : sent,
    ];
    world.send(a, b, 'from elsewhere');
    world.run(SECOND);
    expect(world.wire.some(({ from, to }) => from === 'third:9' && to === 'm1:1')).toBe(true);
    expect(b.saw('migrated')).toBe(false);
    expect(b.table.session(0)!.addresses.current).toBe('m0:1');
  });

  test('is not taken if the address in use has asked for a sign of life since', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 9; i++) world.send(a, b, 'x');
    world.run(RTT);
    const answers: Uint8Array[] = [];
    world.tap = (sent) => {
      if (sent.from !== 'nat:7' || kindOf(sent.bytes) !== KIND.control) return [sent];
      answers.push(sent.bytes.slice());
      return [];
    };
    a.address = 'nat:7';
    world.send(a, b, 'from elsewhere');
    world.run(RTT);
    a.address = 'm0:1';
    a.table.challenge(world.now, 1, 'm1:1');
    world.run(RTT);
    world.tap = (sent) => [sent];
    for (const bytes of answers) world.inject('nat:7', 'm1:1', bytes);
    world.run(SECOND);
    expect([answers.length, b.saw('migrated')]).toEqual([1, false]);
  });

  test('is forgotten with the keys that it came under', () => {
    const world = new World({ limits: { rejectAfter: 3 * SECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.run(2500 * MILLISECOND);
    a.address = 'nat:7';
    world.links.update((_, to) => ({ blocked: to === 'nat:7' }));
    world.send(a, b, 'from elsewhere');
    world.run(SECOND);
    expect(b.table.session(0)).toMatchObject({ isEstablished: false, addresses: { validating: 0 } });
  });

  test('is found under loss while data flows', () =>
    withSeeds(20, (seed) => {
      const world = new World({ seed });
      const [a, b] = world.nodes;
      world.connect(a, b);
      world.links.update({ loss: iid(0.4), reorder: 0.2 });
      a.address = 'nat:7';
      const at = world.now;
      while (b.table.session(0)!.addresses.current !== 'nat:7' && world.now < at + 20 * SECOND) {
        world.send(a, b, 'x');
        world.run(10 * MILLISECOND);
      }
      expect(b.table.session(0)!.addresses.current).toBe('nat:7');
      expect(world.now - at).toBeLessThan(15 * SECOND);
    }));

  test('of both at once is recovered through the configured locators or not at all, without harm', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    a.address = 'nat:7';
    world.run(SECOND);
    world.send(b, a, 'into the void');
    world.send(a, b, 'but this arrives');
    expect(world.run(5 * SECOND, () => b.saw('migrated'))).toBe(true);
  });
});

describe('a spoofed address', () => {
  test('does not move the path, whether copies come first or last, answer or not', () => {
    for (const early of [true, false])
      for (const relays of [true, false]) {
        const world = new World();
        const [a, b] = world.nodes;
        world.connect(a, b);
        // Someone on the way copies every fourth datagram, with a source of its own; its copy may overtake.
        let count = 0;
        world.links.update((from) => (from === 'evil:1' && early ? { delay: DELAY - 1 } : {}));
        world.tap = (datagram) => {
          const copies = [datagram];
          if (datagram.from === 'm0:1' && count++ % 4 === 0)
            copies.push({ ...datagram, from: 'evil:1', bytes: datagram.bytes.slice() });
          // It may even hand on what we ask it, and its victim's answer as its own.
          if (relays && datagram.to === 'evil:1')
            copies.push({ ...datagram, from: 'm1:1', to: 'm0:1', bytes: datagram.bytes.slice() });
          if (relays && kindOf(datagram.bytes) === KIND.control && datagram.from === 'm0:1')
            copies.push({ ...datagram, from: 'evil:1', bytes: datagram.bytes.slice() });
          return copies;
        };
        for (let i = 0; i < 400; i++) {
          world.send(a, b, `a${i}`);
          world.send(b, a, `b${i}`);
          world.run(5 * MILLISECOND);
        }
        world.run(RTT);
        expect(b.table.session(0)!.addresses.current).toBe('m0:1');
        expect(b.saw('migrated')).toBe(false);
        expect(a.texts().length).toBe(400);
        expect(b.texts().length).toBe(400);
        const toEvil = world.wire.filter(({ to }) => to === 'evil:1');
        const fromEvil = world.wire.filter(({ from }) => from === 'evil:1');
        const bytes = (list: typeof toEvil) => list.reduce((sum, datagram) => sum + datagram.bytes.length, 0);
        expect(bytes(toEvil)).toBeLessThanOrEqual(3 * bytes(fromEvil));
        expect(toEvil.length).toBeLessThan(10);
      }
  });

  test('is challenged with no more than three times what came from it', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const { bytes } = a.table.protect(world.now, 1, new Uint8Array(0))!;
    world.inject('victim:1', 'm1:1', bytes);
    world.run(30 * SECOND);
    const sent = world.wire.filter(({ to }) => to === 'victim:1');
    expect(sent.map((datagram) => datagram.bytes.length)).toEqual([34, 34]);
  });

  test('of many kinds leaves a bounded number of candidates', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    let next = 0;
    world.links.update((from) => (from.startsWith('evil') ? { delay: DELAY - 1 } : {}));
    world.tap = (datagram) =>
      datagram.from === 'm0:1'
        ? [datagram, { ...datagram, from: `evil:${next++}`, bytes: datagram.bytes.slice() }]
        : [datagram];
    for (let i = 0; i < 500; i++) {
      world.send(a, b, 'x');
      world.run(MILLISECOND);
    }
    expect(b.table.session(0)!.addresses.validating).toBeLessThanOrEqual(12);
    expect(b.table.session(0)!.addresses.current).toBe('m0:1');
  });
});

describe('locators', () => {
  const locators = [
    ['m0:1', 'm0:2'],
    ['m1:1', 'm1:2', 'm1:3'],
  ];

  test('that are asked answer after one round trip, and nothing has moved', () => {
    const world = new World({ locators });
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.links.update((from, to) => ({ blocked: to === 'm1:1' || from === 'm1:1' }));
    // b is still heard at its other addresses, and answers from the one it uses.
    b.address = 'm1:2';
    for (const locator of locators[1]) a.table.challenge(world.now, 1, locator);
    world.run(SECOND);
    const answers = a.events.filter(({ type }) => type === 'answered');
    expect(answers).toMatchObject(['m1:2', 'm1:3'].map((address) => ({ address, rtt: RTT })));
    expect(a.table.session(1)!.addresses.current).toBe('m1:1');
    expect(a.saw('migrated') || b.saw('migrated')).toBe(false);
    a.table.moveTo(1, 'm1:2');
    world.send(a, b, 'found');
    world.run(DELAY);
    expect(b.texts()).toEqual(['found']);
  });

  test('count as alive whatever address the answer comes from', () => {
    const world = new World({ locators });
    const [a, b] = world.nodes;
    world.connect(a, b);
    // One socket on all interfaces: what it says leaves by the default route.
    world.tap = (datagram) => [datagram.from === 'm1:1' ? { ...datagram, from: 'm1:3' } : datagram];
    world.links.update((_, to) => ({ blocked: to === 'm1:1' || to === 'm1:3' }));
    for (const locator of locators[1]) a.table.challenge(world.now, 1, locator);
    world.run(SECOND);
    expect(a.events.filter(({ type }) => type === 'answered')).toMatchObject([{ address: 'm1:2' }]);
  });

  test('an answer counts once, and only for what was asked', () => {
    const world = new World({ locators });
    const [a, b] = world.nodes;
    world.connect(a, b);
    // b answers challenges of its own making, and each answer comes twice.
    world.tap = (datagram) => [datagram, { ...datagram, bytes: datagram.bytes.slice() }];
    a.table.challenge(world.now, 1, 'm1:2');
    world.run(SECOND);
    expect(a.events.filter(({ type }) => type === 'answered').length).toBe(1);
  });

  test('data from another one moves nothing: that is told, now and then', () => {
    const world = new World({ locators });
    const [a, b] = world.nodes;
    world.connect(a, b);
    b.address = 'm1:2';
    for (let i = 0; i < 30; i++) {
      world.send(b, a, `${i}`);
      world.run(100 * MILLISECOND);
    }
    expect(a.texts().length).toBe(30);
    expect(a.table.session(1)!.addresses).toMatchObject({ current: 'm1:1', validating: 0 });
    expect(a.events.filter(({ type }) => type === 'elsewhere').length).toBe(3);
  });

  test('new keys, over whichever one they come, leave the one in use', () => {
    const limits = { rekeyAfter: 2 * SECOND, rejectAfter: 30 * SECOND };
    const world = new World({ locators, limits });
    const [a, b] = world.nodes;
    world.connect(a, b);
    // Handshakes get through over the second locator only.
    world.links.update((_, to) => ({ blocked: to === 'm1:1' || to === 'm0:1' }));
    a.address = 'm0:2';
    b.address = 'm1:2';
    for (let i = 0; i < 20; i++) {
      world.send(a, b, `${i}`);
      world.run(500 * MILLISECOND);
    }
    expect(a.saw('rekeyed')).toBe(true);
    expect(a.table.session(1)!.addresses.current).toBe('m1:1');
  });

  test('are left alone where the path in use is just slow', () => {
    const limits = { rekeyAfter: 5 * SECOND, rejectAfter: 30 * SECOND };
    const world = new World({ locators, limits, link: { delay: 400 * MILLISECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 40; i++) {
      // Sparse, so that each one goes unanswered for long enough to be asked after.
      world.send(a, b, `${i}`);
      world.run(2 * SECOND);
    }
    expect(b.texts().length).toBe(40);
    expect(a.saw('rekeyed')).toBe(true);
    expect(a.saw('migrated') || b.saw('migrated')).toBe(false);
  });

  test('a first handshake tries them all', () => {
    const world = new World({ locators });
    const [a, b] = world.nodes;
    b.address = 'm1:3';
    world.links.update((_, to) => ({ blocked: to === 'm1:1' || to === 'm1:2' }));
    a.table.connect(world.now, 1);
    expect(world.run(5 * SECOND, () => a.saw('established'))).toBe(true);
    expect(a.table.session(1)!.addresses.current).toBe('m1:3');
    expect(b.texts()).toEqual([]);
  });
});
