/** The virtual world, with small echo nodes: one seed is one run, faults do what they say, and runaways are named. */
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import { type SimNode, World, type WorldOptions } from '../../src/sim/world.js';
import { withSeeds } from '../util/seed.js';

/** Sends a ping to `peer` every `interval`, answers pings, and notes what it got and when. */
interface Pinger extends SimNode {
  readonly pings: Micros[];
  readonly pongs: Micros[];
  say(to: string, bytes: Uint8Array): void;
}

const PING = 1;
const PONG = 2;

function pinger(peer?: string, interval: Micros = 10 * MILLISECOND): Pinger {
  const outbox: { to: string; bytes: Uint8Array }[] = [];
  const pings: Micros[] = [];
  const pongs: Micros[] = [];
  let next = peer === undefined ? NEVER : 0;
  return {
    pings,
    pongs,
    say: (to, bytes) => void outbox.push({ to, bytes }),
    handleDatagram(now, from, bytes) {
      if (bytes[0] === PONG) pongs.push(now);
      if (bytes[0] === PING) {
        pings.push(now);
        outbox.push({ to: from, bytes: Uint8Array.of(PONG, bytes[1]) });
      }
    },
    handleTimeout(now) {
      if (now < next) throw new Error(`woken at ${now}, before ${next}`);
      outbox.push({ to: peer!, bytes: Uint8Array.of(PING, next & 255) });
      next += interval;
    },
    pollTransmit: () => outbox.shift(),
    nextTimeout: () => next,
  };
}

function pair(seed: string, options: WorldOptions = {}) {
  const world = new World(seed, options);
  const a = pinger('b');
  const b = pinger();
  world.addNode('a', a);
  world.addNode('b', b);
  return { world, a, b };
}

test('a node with several addresses hears on all, and sends from the one in the network of the other end', () => {
  const world = new World('networks');
  const heard: string[] = [];
  const a = pinger();
  world.addNode('a0', a, ['a1']);
  const b = { ...pinger(), handleDatagram: (_: Micros, from: string) => void heard.push(from) };
  world.addNode('b0', b, ['b1', 'b2']);
  for (const to of ['b0', 'b1', 'b2']) a.say(to, Uint8Array.of(PING, 0));
  world.runUntil(SECOND);
  expect(heard).toEqual(['a0', 'a1', 'a0']);
  expect(() => world.addNode('c', pinger(), ['b2'])).toThrow("got 'b2'");
  world.removeNode('b0');
  world.addNode('b2', pinger());
});

const LOSSY: WorldOptions = {
  links: {
    delay: 5_000,
    jitter: 3_000,
    loss: iid(0.2),
    reorder: 0.1,
    duplicate: 0.1,
    corrupt: 0.1,
    rate: 1e6,
  },
};

test('timers ring on time, and datagrams take the delay of their link', () => {
  const { world, a, b } = pair('times', { links: { delay: 3_000 } });
  world.link('b', 'a').update({ delay: 500 });
  expect(world.runUntil(25_000)).toBe(true);
  expect(world.now).toBe(25_000);
  expect(b.pings).toEqual([3_000, 13_000, 23_000]);
  expect(a.pongs).toEqual([3_500, 13_500, 23_500]);
  expect(world.counters).toEqual({ events: 9, sent: 6, delivered: 6, dropped: 0 });
});

test('the same seed gives the same log, byte for byte; another seed another one', () =>
  withSeeds(5, (seed) => {
    const run = (of: string) => {
      const { world } = pair(of, { ...LOSSY, keepLines: 10_000 });
      world.runUntil(2 * SECOND);
      return { hash: world.logHash(), lines: world.lines };
    };
    expect(run(seed)).toEqual(run(seed));
    expect(run(seed).hash).not.toBe(run(`${seed}.`).hash);
  }));

test('the hash of a fixed run is the same on every machine and version', () => {
  const { world } = pair('pinned', LOSSY);
  world.runUntil(2 * SECOND);
  world.log('done');
  expect(world.logHash()).toBe('cb08b9489a980b62037f07488b4475c288b51bdf7da0f6d2c67655ff6d57f139');
});

test('the hash covers contents and log lines, and may be read in between', () => {
  const hash = (contents: number[], line: string) => {
    const world = new World('contents');
    const node = pinger();
    world.addNode('a', node);
    node.say('b', Uint8Array.from(contents));
    world.runUntil(SECOND);
    world.logHash();
    world.log(line);
    return world.logHash();
  };
  const nine = [9, 9, 9, 9, 9, 9, 9, 9, 9];
  const original = hash(nine, 'x');
  expect(hash(nine, 'x')).toBe(original);
  expect(hash(nine, 'y')).not.toBe(original);
  for (let i = 0; i < nine.length; i++) expect(hash(nine.with(i, 8), 'x')).not.toBe(original);
  // The top bits of two words must not cancel each other.
  expect(hash(nine.with(3, 137).with(7, 137), 'x')).not.toBe(original);
});

test('links have generators of their own: a third node does not change the fate of the first two', () =>
  withSeeds(3, (seed) => {
    const fates = (crowded: boolean) => {
      const { world, a } = pair(seed, LOSSY);
      if (crowded) world.addNode('c', pinger('b'));
      // At 1 Mbit/s these few bytes never queue, and links are per pair.
      world.runUntil(SECOND);
      return a.pongs;
    };
    expect(fates(true)).toEqual(fates(false));
  }));

test('partition and heal', () => {
  const { world, b } = pair('cut', { links: { delay: 1_000 }, keepLines: 100 });
  const c = pinger('b');
  world.addNode('c', c);
  world.at(15_000, () => world.partition([['a', 'x'], ['b']]));
  world.at(35_000, () => world.partition([['a']]));
  world.at(45_000, () => world.heal());
  world.runUntil(55_500);
  // Pings come from a and from c at 0, 10 ms, 20 ms ...; c is in no group, hence apart from b in the first cut only.
  expect(b.pings).toEqual([1_000, 1_000, 11_000, 11_000, 41_000, 51_000, 51_000]);
  expect(world.counters.dropped).toBe(5);
  expect(world.lines.filter((line) => line.endsWith(' partition'))).toHaveLength(5);
  expect(world.lines).toContain('45000 heal');
});

test('what is under way when the partition comes still arrives', () => {
  const { world, b } = pair('late cut', { links: { delay: 5_000 } });
  world.at(2_000, () => world.partition([['a'], ['b']]));
  world.runUntil(30_000);
  expect(b.pings).toEqual([5_000]);
});

test('a blocked link is blocked in one direction', () => {
  const { world, a, b } = pair('one way');
  world.link('b', 'a').update({ blocked: true });
  world.runUntil(35_000);
  expect(b.pings).toHaveLength(4);
  expect(a.pongs).toEqual([]);
  expect(world.link('b', 'a').counters.blocked).toBe(4);
});

test('crash and restart: datagrams to a node that is gone vanish, its timers too', () => {
  const { world, a, b } = pair('crash', { links: { delay: 1_000 } });
  const reborn = pinger();
  world.at(15_000, () => world.removeNode('b'));
  world.at(30_500, () => world.addNode('b', reborn));
  world.at(45_000, () => world.removeNode('a'));
  world.runUntil(100_000);
  expect(b.pings).toEqual([1_000, 11_000]);
  // The ping of 30 ms was under way when the address came back.
  expect(reborn.pings).toEqual([31_000, 41_000]);
  expect(a.pongs).toEqual([2_000, 12_000, 32_000, 42_000]);
  expect(world.counters.dropped).toBe(1);
  expect(world.step()).toBe(false);
  // Its alarm of 50 ms has passed without a call.
  expect(a.nextTimeout(world.now)).toBe(50_000);
});

test('setLinks changes links old and new; pairs may differ', () => {
  const { world, b } = pair('rules', { links: { delay: 1_000 } });
  const c = pinger('b');
  world.runUntil(5_000);
  world.setLinks((from) => (from === 'c' ? { delay: 4_000 } : { loss: iid(1) }));
  world.addNode('c', c);
  world.runUntil(19_000);
  // c's first ping was due at 0, before it was there: it goes out at once, at 5 ms.
  expect(b.pings).toEqual([1_000, 9_000, 14_000]);
  expect(world.link('a', 'b').counters.lost).toBe(1);
});

test('runUntil: predicate, limit, and a world that has gone quiet', () => {
  const { world, a } = pair('goals', { links: { delay: 1_000 } });
  expect(world.runUntil(() => a.pongs.length === 2)).toBe(true);
  expect(world.now).toBe(12_000);
  expect(world.runUntil(() => false, 30_500)).toBe(false);
  expect(world.now).toBe(30_500);
  const quiet = new World('quiet');
  quiet.addNode('a', pinger());
  expect(quiet.runUntil(() => false)).toBe(false);
  expect(quiet.now).toBe(0);
  expect(quiet.runUntil(7_000)).toBe(true);
  expect(quiet.now).toBe(7_000);
  expect(quiet.runUntil(NEVER)).toBe(true);
  expect(quiet.now).toBe(7_000);
});

test('commands between events are seen: by poll, and at the start of a run', () => {
  const { world, a, b } = pair('commands');
  world.removeNode('a');
  const c = pinger();
  world.addNode('c', c);
  c.say('b', Uint8Array.of(PING, 1));
  world.poll('c');
  expect(world.counters.sent).toBe(1);
  world.at(5_000, () => c.say('b', Uint8Array.of(PING, 2)));
  world.runUntil(SECOND);
  expect(b.pings).toEqual([0, 5_000]);
  expect(c.pongs).toEqual([0, 5_000]);
  expect(a.pongs).toEqual([]);
});

// A deadline that moves back with each datagram, and one that jumps to the front, must both be kept.
test('deadlines may move in both directions', () =>
  withSeeds(5, (seed) => {
    const rng = new Rng(seed);
    const world = new World(seed);
    let deadline = 50_000;
    const rung: Micros[] = [];
    const expected: Micros[] = [];
    world.addNode('a', {
      handleDatagram: () => {},
      handleTimeout(now) {
        rung.push(now);
        expected.push(deadline);
        deadline = now + rng.integer(1, 90_000);
      },
      pollTransmit: () => undefined,
      nextTimeout: () => deadline,
    });
    for (let at = 0; at < SECOND; at += 7_001)
      world.at(at, () => {
        deadline = at + rng.integer(1, 60_000);
      });
    world.runUntil(SECOND);
    expect(rung.length).toBeGreaterThan(5);
    expect(rung).toEqual(expected);
  }));

test('lines keeps the latest ones only, and none by default', () => {
  const world = new World('lines', { keepLines: 3 });
  for (let i = 0; i < 11; i++) world.log(String(i));
  expect(world.lines).toEqual(['0 log 8', '0 log 9', '0 log 10']);
  const { world: silent } = pair('none');
  silent.runUntil(SECOND);
  expect(silent.lines).toEqual([]);
});

test('a node that never stops at one instant is named', () => {
  const still: SimNode = {
    handleDatagram: () => {},
    handleTimeout: () => {},
    pollTransmit: () => undefined,
    nextTimeout: () => NEVER,
  };
  const options = { instantLimit: 1_000 };
  const sender = new World('stuck', options);
  const talks = { ...still, pollTransmit: () => ({ to: 'b', bytes: new Uint8Array(1) }) };
  expect(() => sender.addNode('chatty', talks)).toThrow(
    "node 'chatty' transmits more than 1000 times at 0 µs",
  );
  const timer = new World('stuck', options);
  timer.addNode('nervous', { ...still, nextTimeout: () => 5 });
  expect(() => timer.runUntil(SECOND)).toThrow("node 'nervous' times out more than 1000 times at 5 µs");
});

test('refuses an address that is taken, and one that is unknown', () => {
  const { world } = pair('names');
  const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  expect(() => world.addNode('a', pinger())).toThrowError(refused);
  expect(() => world.removeNode('z')).toThrowError(refused);
});
