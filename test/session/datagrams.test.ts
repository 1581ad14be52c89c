/**
 * Datagrams of a session that is up: nothing but the genuine ones gets through, each once, under keys that change; no
 * clock, no tampering and no nonsense breaks it.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { PROTECTED_HEADER, PROTECTED_OVERHEAD } from '../../src/session/wire.js';
import { iid } from '../../src/sim/net/loss.js';
import { withSeeds } from '../util/seed.js';
import { DELAY, drops, KIND, kindOf, RTT, World } from './world.js';

const text = (value: string) => new TextEncoder().encode(value);

describe('protection', () => {
  test('the text is nowhere on the wire, and no two datagrams are alike', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const marker = 'MARKER-that-nobody-may-read';
    for (let i = 0; i < 50; i++) {
      world.send(a, b, marker.repeat(20));
      world.send(b, a, marker);
    }
    world.run(SECOND);
    expect(b.texts().length + a.texts().length).toBe(100);
    const identity = Buffer.from(a.keys.publicKey);
    for (const { bytes } of world.wire) {
      expect(Buffer.from(bytes).includes(marker.slice(0, 8))).toBe(false);
      expect(Buffer.from(bytes).includes(identity.subarray(0, 8))).toBe(false);
    }
    const data = world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.data);
    expect(new Set(data.map(({ bytes }) => Buffer.from(bytes).toString('hex'))).size).toBe(100);
  });

  test('in place gives the same as with a copy, and costs 25 bytes', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const payload = text('in place');
    const datagram = new Uint8Array(payload.length + PROTECTED_OVERHEAD);
    datagram.set(payload, PROTECTED_HEADER);
    const sealed = a.table.protectInPlace(world.now, 1, datagram)!;
    expect(sealed.bytes).toBe(datagram);
    expect(sealed.bytes.length).toBe(payload.length + 25);
    const received = b.table.handleDatagram(world.now, 'm0:1', sealed.bytes)!;
    expect(new TextDecoder().decode(received.payload)).toBe('in place');
    expect(received.payload.buffer).toBe(datagram.buffer);
    expect(received.packetNumber).toBe(sealed.packetNumber);
  });

  test('an empty text and a jumbo one get through', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.send(a, b, '');
    world.send(a, b, 'j'.repeat(8972 - 25));
    world.run(DELAY);
    expect(b.received.map(({ payload }) => payload.length)).toEqual([0, 8947]);
  });

  test('every changed byte makes a counted drop, and the true datagram still arrives', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const sealed = a.table.protect(world.now, 1, text('the text that counts'))!;
    for (let i = 0; i < sealed.bytes.length; i++)
      for (let bit = 0; bit < 8; bit++) {
        const before = total(drops(b));
        const tampered = sealed.bytes.slice();
        tampered[i] ^= 1 << bit;
        expect(b.table.handleDatagram(world.now, 'm0:1', tampered)).toBeUndefined();
        expect(total(drops(b))).toBe(before + 1);
      }
    for (let length = 0; length < sealed.bytes.length; length++)
      expect(b.table.handleDatagram(world.now, 'm0:1', sealed.bytes.slice(0, length))).toBeUndefined();
    expect(b.table.pollTransmit()).toBeUndefined();
    expect(b.table.handleDatagram(world.now, 'm0:1', sealed.bytes)?.packetNumber).toBe(sealed.packetNumber);
  });

  test('sent back to its sender, a datagram is refused', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.send(a, b, 'one');
    world.send(a, b, 'reflected');
    const { bytes } = world.wire.at(-1)!;
    // To the sender's own index, which an observer can read off the other direction.
    world.send(b, a, 'other way');
    const reflected = bytes.slice();
    reflected.set(world.wire.at(-1)!.bytes.subarray(1, 5), 1);
    world.inject('m1:1', 'm0:1', reflected);
    world.run(RTT);
    expect(a.texts()).toEqual(['other way']);
    expect(drops(a)).toMatchObject({ 'bad-tag': 1 });
  });
});

describe('replay', () => {
  test('each datagram is taken once, at both edges of the window', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const sealed = Array.from({ length: 8194 }, () => a.table.protect(world.now, 1, text('x'))!.bytes);
    const give = (i: number) => b.table.handleDatagram(world.now, 'm0:1', sealed[i].slice()) !== undefined;
    expect(give(8193)).toBe(true);
    expect(give(8193)).toBe(false);
    expect(drops(b)).toEqual({ replayed: 1 });
    // The highest is 8193: the window reaches back to 8193 - 8191 = 2.
    expect(give(2)).toBe(true);
    expect(give(2)).toBe(false);
    expect(give(1)).toBe(false);
    expect(give(0)).toBe(false);
    expect(drops(b)).toEqual({ replayed: 2, 'too-old': 2 });
    for (let i = 3; i < 8193; i++) expect(give(i)).toBe(true);
    for (let i = 0; i <= 8193; i++) expect(give(i)).toBe(false);
  });

  test('a forged datagram with a far number does not move the window', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const sealed = a.table.protect(world.now, 1, text('x'))!.bytes;
    const forged = sealed.slice();
    forged[5] = 0x7f;
    expect(b.table.handleDatagram(world.now, 'm0:1', forged)).toBeUndefined();
    expect(b.table.handleDatagram(world.now, 'm0:1', sealed)).toBeDefined();
  });

  test('of a whole conversation, handshake and all, brings nothing twice and breaks nothing', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 20; i++) {
      world.send(a, b, `a${i}`);
      world.send(b, a, `b${i}`);
      world.run(MILLISECOND);
    }
    world.run(RTT);
    const recorded = [...world.wire];
    for (let round = 0; round < 3; round++)
      for (const { from, to, bytes } of recorded) world.inject(from, to, bytes);
    world.run(20 * SECOND);
    expect(a.texts().length).toBe(20);
    expect(b.texts().length).toBe(20);
    expect(a.events.map(({ type }) => type)).toEqual(['established']);
    expect(b.events.map(({ type }) => type)).toEqual(['established']);
    world.send(a, b, 'still here');
    world.run(RTT);
    expect(b.texts().at(-1)).toBe('still here');
  });

  test('of the first message that the session came of makes nothing, and gets no answer', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.run(10 * SECOND);
    const { bytes } = world.wire.find((datagram) => kindOf(datagram.bytes) === KIND.initiation)!;
    const before = b.table.sizes();
    b.table.handleDatagram(world.now, 'm0:1', bytes.slice());
    expect([b.table.pollTransmit(), b.table.sizes()]).toEqual([undefined, before]);
    expect(drops(b)).toEqual({ 'stale-handshake': 1 });
  });

  test('of an old first message to a restarted member gets no session', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const { bytes } = world.wire.find((datagram) => kindOf(datagram.bytes) === KIND.initiation)!;
    world.start(b);
    b.events.length = 0;
    world.links.update((from) => ({ blocked: from === 'm0:1' || from === 'm1:1' }));
    for (let i = 0; i < 5; i++) world.inject('evil:1', 'm1:1', bytes);
    world.run(DELAY);
    expect(b.table.session(0)!.isEstablished).toBe(false);
    expect(b.saw('established')).toBe(false);
    expect(b.table.sizes().transports).toBe(1);
    // Nobody can use the keys that it made: they go.
    world.run(11 * SECOND);
    expect(b.table.sizes()).toMatchObject({ indices: 0, transports: 0 });
    world.links.update({ blocked: false });
    world.connect(b, a);
    world.send(b, a, 'fine');
    world.run(RTT);
    expect(a.texts()).toEqual(['fine']);
  });
});

test('who has answered renews the keys only a fifth later than who began should have', () => {
  const limits = { rekeyAfter: 10 * SECOND, rejectAfter: 30 * SECOND };
  const world = new World({ limits });
  const [a, b] = world.nodes;
  world.connect(a, b);
  const at = world.now;
  world.tap = (sent) => (sent.from === 'm0:1' && kindOf(sent.bytes) === KIND.initiation ? [] : [sent]);
  for (let i = 0; i < 140; i++) {
    world.send(a, b, 'x');
    world.send(b, a, 'x');
    world.run(100 * MILLISECOND);
  }
  const first = world.wire.find((sent) => sent.at > at && kindOf(sent.bytes) === KIND.initiation)!;
  expect(first.from).toBe('m1:1');
  expect(first.at - at).toBeGreaterThan(11.5 * SECOND);
});

describe('new keys', () => {
  test('with traffic in flight both ways nothing is lost and numbers go on', () =>
    withSeeds(5, (seed) => {
      const limits = { rekeyAfter: 2 * SECOND, rejectAfter: 6 * SECOND, grace: SECOND };
      const link = { delay: 100 * MILLISECOND, jitter: 20 * MILLISECOND, reorder: 0.2, reorderDelay: 60_000 };
      const world = new World({ seed, limits, link });
      const [a, b] = world.nodes;
      world.connect(a, b);
      const count = 3000;
      for (let i = 0; i < count; i++) {
        expect(world.send(a, b, `a${i}`)).toBe(true);
        expect(world.send(b, a, `b${i}`)).toBe(true);
        world.run(5 * MILLISECOND);
      }
      world.run(SECOND);
      expect(a.received.length).toBe(count);
      expect(b.received.length).toBe(count);
      const rekeys = a.events.filter(({ type }) => type === 'rekeyed').length;
      expect(rekeys).toBeGreaterThanOrEqual(5);
      expect(rekeys).toBeLessThanOrEqual(8);
      const numbers = b.received.map(({ packetNumber }) => packetNumber).sort((x, y) => x - y);
      expect(numbers).toEqual(Array.from({ length: count }, (_, i) => i + 1));
      // No datagram of the old keys is left over, and no keys beyond the three sets.
      expect(a.table.sizes().transports).toBeLessThanOrEqual(3);
      expect(drops(b)['bad-tag']).toBeUndefined();
    }));

  test.each([
    ['before ten seconds are over', 9, true],
    ['when they are over', 11, false],
  ])('end those before them: a datagram under these that comes %s', (_when, seconds, isTaken) => {
    const world = new World({ limits: { rekeyAfter: 20 * SECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    const late = a.table.protect(world.now, 1, text('late'))!.bytes;
    for (let i = 0; i < 200 && !b.saw('rekeyed'); i++) {
      world.send(b, a, 'x');
      world.run(200 * MILLISECOND);
    }
    expect(b.saw('rekeyed')).toBe(true);
    world.run(seconds * SECOND);
    expect(b.table.handleDatagram(world.now, 'm0:1', late) !== undefined).toBe(isTaken);
    expect(drops(b)).toEqual(isTaken ? {} : { 'unknown-index': 1 });
  });

  test('under loss the session lives on past the life of any keys', () =>
    withSeeds(5, (seed) => {
      const limits = { rekeyAfter: 2 * SECOND, rejectAfter: 20 * SECOND, grace: SECOND };
      const world = new World({ seed, limits, link: { loss: iid(0.4) } });
      const [a, b] = world.nodes;
      world.connect(a, b);
      for (let i = 0; i < 3000; i++) {
        world.send(a, b, 'x');
        world.send(b, a, 'x');
        world.run(10 * MILLISECOND);
      }
      expect(b.received.length).toBeGreaterThan(1600);
      expect(a.saw('expired')).toBe(false);
      expect(drops(b)['unknown-index'] ?? 0).toBeLessThan(50);
    }));

  test('come after so many datagrams too', () => {
    const world = new World({ limits: { rekeyAfterPackets: 100 } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 450; i++) {
      world.send(a, b, 'x');
      world.run(MILLISECOND);
    }
    world.run(RTT);
    expect(b.received.length).toBe(450);
    const rekeys = a.events.filter(({ type }) => type === 'rekeyed').length;
    expect(rekeys).toBeGreaterThanOrEqual(2);
    expect(rekeys).toBeLessThanOrEqual(4);
  });

  test('a session that nobody uses expires, and its memory goes', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const sent = world.wire.length;
    world.run(200 * SECOND);
    expect(a.events.map(({ type }) => type)).toEqual(['established', 'expired']);
    expect(b.events.map(({ type }) => type)).toEqual(['established', 'expired']);
    expect(world.wire.length).toBe(sent);
    expect(a.table.sizes()).toEqual({ indices: 0, transports: 0, outbox: 0, events: 0 });
    expect(world.send(a, b, 'again')).toBe(false);
    world.run(RTT);
    expect(world.send(a, b, 'again')).toBe(true);
    world.run(DELAY);
    expect(b.texts()).toEqual(['again']);
  });
});

describe('clocks', () => {
  test('that go back are held, those that leap forward cost a new handshake at most', () => {
    for (const leap of [-3600, -1, 1, 100, 3600, 1e7]) {
      const world = new World();
      const [a, b] = world.nodes;
      world.connect(a, b);
      world.clockOffset[0] = leap * SECOND;
      let heard = 0;
      for (let i = 0; i < 100; i++) {
        world.send(a, b, 'x');
        world.send(b, a, 'x');
        world.run(20 * MILLISECOND);
        heard = a.received.length;
      }
      expect(heard).toBeGreaterThan(90);
      expect(drops(b)['bad-tag']).toBeUndefined();
    }
  });

  test('going back in the middle of everything throws nothing and loses nothing', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (const at of [world.now, 5, -10, 0, world.now - 1, world.now]) {
      const sealed = a.table.protect(at, 1, text('x'))!;
      expect(b.table.handleDatagram(-at, 'm0:1', sealed.bytes)).toBeDefined();
      a.table.handleTimeout(at);
      b.table.handleTimeout(at);
    }
  });
});

describe('nonsense', () => {
  test('arbitrary bytes never throw and never bring anything', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const kinds = fc.constantFrom(0x31, 0x32, 0x33, 0x34, 0x35, 0x30, 0x36, 0x01);
    const sized = fc.constantFrom(161, 92, 53, 25, 34, 24, 1232, 9000);
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 200 }),
          fc.tuple(kinds, sized, fc.integer()).map(([kind, size, seed]) => {
            const bytes = new Rng(seed).bytes(size);
            bytes[0] = kind;
            return bytes;
          }),
        ),
        fc.constantFrom('m0:1', 'evil:1', '', ':', '[::1]:9'),
        (bytes, from) => {
          expect(b.table.handleDatagram(world.now, from, bytes)).toBeUndefined();
        },
      ),
      { numRuns: 3000, seed: 1 },
    );
    world.send(a, b, 'unharmed');
    world.run(DELAY);
    expect(b.texts()).toEqual(['unharmed']);
  });

  test('mutated, cut, spliced and replayed datagrams in the middle of a conversation break nothing', () =>
    withSeeds(20, (seed) => {
      const world = new World({ seed, limits: { rekeyAfter: SECOND, rejectAfter: 3 * SECOND } });
      const [a, b] = world.nodes;
      const rng = new Rng(`${seed} mutations`);
      const genuine = new Set<string>();
      for (let i = 0; i < 300; i++) {
        for (const [from, to] of [
          [a, b],
          [b, a],
        ]) {
          const value = `${from.index} ${i}`;
          if (world.send(from, to, value)) genuine.add(value);
        }
        for (let j = 0; j < 3 && world.wire.length > 0; j++) {
          const { from, to, bytes } = rng.pick(world.wire);
          let mutated = bytes.slice(0, rng.chance(0.2) ? rng.integer(0, bytes.length) : bytes.length);
          if (rng.chance(0.2)) {
            const other = rng.pick(world.wire).bytes;
            const cut = rng.integer(0, Math.min(other.length, mutated.length));
            mutated = Uint8Array.from([...mutated.subarray(0, cut), ...other.subarray(cut)]);
          }
          for (let k = rng.integer(0, 2); k > 0 && mutated.length > 0; k--)
            mutated[rng.integer(0, mutated.length - 1)] ^= 1 << rng.integer(0, 7);
          world.inject(rng.chance(0.5) ? from : 'evil:1', to, mutated);
        }
        world.run(10 * MILLISECOND);
      }
      world.run(SECOND);
      for (const node of [a, b]) {
        const texts = node.texts();
        expect(new Set(texts).size).toBe(texts.length);
        for (const value of texts) expect(genuine.has(value)).toBe(true);
        expect(texts.length).toBeGreaterThan(250);
        expect(node.table.session(1 - node.index)!.addresses.current).not.toBe('evil:1');
        expect(node.table.sizes().indices).toBeLessThanOrEqual(5);
      }
    }));
});

function total(counts: Record<string, number>): number {
  return Object.values(counts).reduce((sum, count) => sum + count, 0);
}
