/**
 * Which run of a member counts: first messages prove nothing, since anyone may have recorded one, and who holds our own key can
 * forge one of any member (key compromise impersonation); a datagram under the keys of a handshake proves that it is live.
 *
 *   forger (holds B's key)          B                         A
 *   | INITIATION as A, 2^48-1 ----> |   answered, not noted   |
 *   |                               | <-- DATA, session goes on
 */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { defaultSuite } from '../../src/crypto/noise.js';
import { agreementKeyOf } from '../../src/crypto/x25519.js';
import { macKeyOf, writeMacs } from '../../src/session/handshake/guard.js';
import { writeInitiation } from '../../src/session/handshake/messages.js';
import { DIALECT } from '../../src/wire/dialect.js';
import { DELAY, drops, KIND, kindOf, type Node, RTT, World } from './world.js';

const HIGHEST = 2 ** 48 - 1;
const GROUP = new Uint8Array(32).fill(7);

/** A first message as `claimed`, made by who holds the static key of `victim` (and not that of `claimed`). */
function forged(
  claimed: Node,
  victim: Node,
  payload: { incarnation: number; counter: number },
  seed: number,
): Uint8Array {
  const suite = defaultSuite();
  const theirs = agreementKeyOf(victim.keys.publicKey)!;
  const claimedStatic = agreementKeyOf(claimed.keys.publicKey)!;
  const shared = suite.agreement.agree(victim.keys.exchangeKeys().secret, claimedStatic)!;
  const rng = new Rng(`forger ${seed}`);
  const made = writeInitiation(
    // Its own secret is never used for the first message: only the agreement of both statics, which is known.
    {
      suite,
      keys: { secret: rng.bytes(32), publicKey: claimedStatic },
      groupId: GROUP,
      incarnation: 0,
      version: 0,
      dialect: DIALECT,
    },
    { static: theirs, shared },
    rng.uint32(),
    rng.bytes(32),
    { ...payload, nextNumber: 1, version: 0, dialect: DIALECT },
  )!;
  writeMacs(made.datagram, macKeyOf(theirs), undefined);
  return made.datagram;
}

test('a first message that a stranger repeats makes no round trip look shorter than it is', () => {
  const world = new World();
  const [a, b] = world.nodes;
  world.send(a, b, 'hello');
  const recorded = world.wire.find(({ bytes }) => kindOf(bytes) === KIND.initiation)!;
  world.run(SECOND, () => world.wire.some(({ bytes }) => kindOf(bytes) === KIND.response));
  world.run(RTT - DELAY - 2 * MILLISECOND);
  world.inject('m0:9', 'm1:1', recorded.bytes.slice());
  world.run(RTT);
  expect(world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.response).length).toBeGreaterThan(1);
  const [established] = b.events.filter(({ type }) => type === 'established');
  expect(established).toMatchObject({ rtt: RTT, isMost: true });
});

describe('a forged first message with the highest incarnation', () => {
  test('is answered, and takes nothing from the session of the member that it names', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    world.inject('m0:1', 'm1:1', forged(a, b, { incarnation: HIGHEST, counter: 0 }, 1));
    world.run(RTT);
    expect(b.table.session(0)!.run.incarnation).toBe(1);
    world.send(a, b, 'still here');
    world.send(b, a, 'and I');
    world.run(RTT);
    expect([b.texts(), a.texts()]).toEqual([['still here'], ['and I']]);
    expect(b.events.map(({ type }) => type)).toEqual(['established']);
  });

  test('does not keep the member out, neither before its first session nor when it restarts', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.inject('m0:1', 'm1:1', forged(a, b, { incarnation: HIGHEST, counter: 2 ** 32 - 1 }, 1));
    world.run(RTT);
    world.connect(a, b);
    world.inject('m0:1', 'm1:1', forged(a, b, { incarnation: HIGHEST, counter: 2 ** 32 - 1 }, 2));
    world.run(RTT);
    world.start(a);
    world.connect(a, b);
    expect(b.table.session(0)!.run.incarnation).toBe(2);
  });

  test('sent 50 times a second delays the member by a few seconds at most', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.clockOffset[0] = 0;
    const at = world.now + SECOND;
    a.table.connect(at, 1);
    for (let i = 0; i < 1000 && !b.saw('established'); i++) {
      // Of the run that the member is in, or of a later one; each with the highest counter.
      const incarnation = i % 2 === 0 ? 1 : HIGHEST - i;
      world.inject('m0:1', 'm1:1', forged(a, b, { incarnation, counter: 2 ** 32 - 1 }, i));
      world.run(20 * MILLISECOND);
    }
    expect(b.saw('established')).toBe(true);
    expect(world.now - at).toBeLessThan(10 * SECOND);
    expect(b.table.sizes().transports).toBeLessThanOrEqual(25);
  });
});

describe('recorded first messages', () => {
  test('replayed 50 times a second at a restarted member delay its sessions by nothing', () => {
    const world = new World({ limits: { rekeyAfter: 2 * SECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 40; i++) {
      world.send(a, b, 'x');
      world.send(b, a, 'x');
      world.run(500 * MILLISECOND);
    }
    const recorded = world.wire.filter(({ bytes, to }) => kindOf(bytes) === KIND.initiation && to === 'm1:1');
    expect(recorded.length).toBeGreaterThan(5);
    world.start(b);
    // Of the first messages only the replayed ones arrive, so that all hangs on the restarted member's own.
    let isReplay = false;
    world.tap = (sent) =>
      kindOf(sent.bytes) === KIND.initiation && sent.to === 'm1:1' && !isReplay ? [] : [sent];
    const replay = (i: number) => {
      isReplay = true;
      world.inject('m0:1', 'm1:1', recorded[i % recorded.length].bytes);
      isReplay = false;
    };
    for (let i = 0; i < 15; i++) {
      replay(i);
      world.run(20 * MILLISECOND);
    }
    expect(b.table.sizes().transports).toBeGreaterThan(3);
    b.events.length = 0;
    const at = world.now;
    b.table.connect(world.now, 0);
    for (let i = 0; i < 100 && !b.saw('established'); i++) {
      replay(i);
      world.run(20 * MILLISECOND, () => b.saw('established'));
    }
    expect(world.now - at).toBe(RTT);
    world.run(SECOND);
    expect(world.send(b, a, 'at once')).toBe(true);
    world.run(RTT);
    expect(a.texts()).toContain('at once');
  });

  test('replayed at once are answered once, and again, twice, after 60 ms', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.links.update((from) => ({ blocked: from === 'm1:1' }));
    a.table.connect(world.now, 1);
    world.run(DELAY);
    const [recorded] = world.wire;
    const answers = () => world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.response).length;
    for (let i = 0; i < 20; i++) world.inject('m0:1', 'm1:1', recorded.bytes);
    world.run(DELAY);
    expect([answers(), drops(b)]).toEqual([1, { 'handshake-budget': 20 }]);
    world.run(60 * MILLISECOND - DELAY);
    for (let i = 0; i < 20; i++) world.inject('m0:1', 'm1:1', recorded.bytes);
    world.run(DELAY);
    expect(answers()).toBe(3);
  });

  test('at a restarted member do not keep it from telling a peer that still takes it for up', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const [recorded] = world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.initiation);
    world.start(b);
    world.inject('m0:1', 'm1:1', recorded.bytes);
    world.run(RTT);
    expect(b.table.sizes().transports).toBe(1);
    const at = world.now;
    world.send(a, b, 'x'.repeat(200));
    expect(world.run(5 * SECOND, () => a.saw('reset'))).toBe(true);
    expect(world.now - at).toBeLessThanOrEqual(2 * RTT);
  });

  test('of the present run are not answered once a later one of it counts', () => {
    const world = new World({ limits: { rekeyAfter: 2 * SECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 20; i++) {
      world.send(a, b, 'x');
      world.send(b, a, 'x');
      world.run(500 * MILLISECOND);
    }
    world.run(4 * RTT);
    const recorded = world.wire.filter(({ bytes, to }) => kindOf(bytes) === KIND.initiation && to === 'm1:1');
    expect(recorded.length).toBeGreaterThan(2);
    const before = world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.response).length;
    for (const { bytes } of recorded) world.inject('m0:1', 'm1:1', bytes);
    world.run(RTT);
    expect(world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.response)).toHaveLength(before);
    expect(drops(b)['stale-handshake']).toBe(recorded.length);
  });

  test('of a former run, however many, take no turn from the first message of the present one', () => {
    const world = new World({ limits: { rekeyAfter: SECOND } });
    const [a, b] = world.nodes;
    world.connect(a, b);
    for (let i = 0; i < 80; i++) {
      world.send(a, b, 'x');
      world.send(b, a, 'x');
      world.run(500 * MILLISECOND);
    }
    const recorded = world.wire.filter(({ bytes, to }) => kindOf(bytes) === KIND.initiation && to === 'm1:1');
    expect(recorded.length).toBeGreaterThan(20);
    world.start(b);
    world.start(a);
    a.events.length = 0;
    for (const { bytes } of recorded.toReversed()) world.inject('m0:1', 'm1:1', bytes);
    world.run(RTT);
    expect(drops(b)['handshake-budget']).toBeGreaterThan(5);
    const at = world.now;
    a.table.connect(world.now, 1);
    expect(world.run(5 * SECOND, () => a.saw('established'))).toBe(true);
    expect(world.now - at).toBe(RTT);
  });

  test('of a former run do nothing to the present one', () => {
    const world = new World();
    const [a, b] = world.nodes;
    world.connect(a, b);
    const [recorded] = world.wire.filter(({ bytes }) => kindOf(bytes) === KIND.initiation);
    world.start(a);
    world.connect(a, b);
    b.events.length = 0;
    for (let i = 0; i < 20; i++) {
      world.inject('m0:1', 'm1:1', recorded.bytes);
      world.run(SECOND);
      world.send(a, b, `${i}`);
      world.send(b, a, `${i}`);
    }
    world.run(RTT);
    expect([a.texts().length, b.texts().length]).toEqual([20, 20]);
    expect(b.table.session(0)!.run.incarnation).toBe(2);
    expect(drops(b)['stale-handshake']).toBe(20);
    // Said once a minute, with both runs.
    expect(b.events).toMatchObject([{ type: 'older-run', member: 0, incarnation: 1, counting: 2 }]);
  });
});

describe('a member whose clock was put back', () => {
  test.each([
    ['by a while', 5],
    ['from the end of time', HIGHEST],
  ])('%s is refused and hears why, until its former run has been silent for ten seconds', (_how, former) => {
    const world = new World();
    const [a, b] = world.nodes;
    b.incarnation = former - 1;
    world.start(b);
    world.connect(a, b);
    b.incarnation = 1;
    b.events.length = 0;
    world.start(b);
    const at = world.now;
    b.table.connect(world.now, 0);
    world.run(5 * SECOND);
    expect(b.table.session(0)!.isEstablished).toBe(false);
    expect(drops(a)['stale-handshake']).toBeGreaterThan(0);
    expect(b.events).toMatchObject([{ type: 'superseded', member: 0, counting: former }]);
    expect(a.events.at(-1)).toMatchObject({ type: 'older-run', member: 1, incarnation: 2, counting: former });
    expect(world.run(20 * SECOND, () => b.saw('established'))).toBe(true);
    expect(world.now - at).toBeLessThan(15 * SECOND);
    world.run(RTT);
    expect(a.events.at(-2)).toMatchObject({ type: 'reset', incarnation: 2 });
    world.send(b, a, 'back');
    world.run(RTT);
    expect(a.texts()).toEqual(['back']);
  });

  test('and asked by the other side is refused for as long, too', () => {
    const world = new World();
    const [a, b] = world.nodes;
    b.incarnation = 5;
    world.start(b);
    world.connect(a, b);
    b.incarnation = 1;
    world.start(b);
    a.events.length = 0;
    world.send(a, b, 'x'.repeat(200));
    world.run(5 * SECOND);
    expect(a.saw('reset')).toBe(false);
    expect(world.run(30 * SECOND, () => a.saw('established'))).toBe(true);
  });
});

describe('one key in two processes', () => {
  test('the later run counts, both sides of the other are told, and it takes over when the later one ends', () => {
    const world = new World({ members: 2 });
    const [a, b] = world.nodes;
    world.connect(a, b);
    // The same key elsewhere, a later run.
    const twin = Object.assign(Object.create(Object.getPrototypeOf(b)), b, {
      address: 'twin:1',
      events: [],
      received: [],
    }) as Node;
    world.start(twin);
    world.nodes.push(twin);
    world.clockOffset.push(0);
    twin.table.connect(world.now, 0);
    world.run(SECOND);
    expect(a.table.session(1)!.run.incarnation).toBe(2);
    a.events.length = 0;
    for (let i = 0; i < 100; i++) {
      world.send(b, a, 'first');
      world.send(twin, a, 'second');
      world.run(300 * MILLISECOND);
    }
    expect(a.texts().filter((text) => text === 'second').length).toBeGreaterThan(90);
    expect(a.events.filter(({ type }) => type === 'older-run')).toMatchObject([
      { incarnation: 1, counting: 2 },
    ]);
    expect(a.saw('reset')).toBe(false);
    expect(b.events.filter(({ type }) => type === 'superseded')).toMatchObject([{ counting: 2 }]);
    expect(twin.saw('superseded')).toBe(false);
    // The later one ends.
    world.links.update((from) => ({ blocked: from === 'twin:1' }));
    for (let i = 0; i < 100 && !a.saw('reset'); i++) {
      world.send(b, a, 'first again');
      world.run(300 * MILLISECOND);
    }
    world.send(b, a, 'first again');
    world.run(SECOND);
    expect(a.texts().at(-1)).toBe('first again');
  });
});

test('a peer that does not hear us is told of after ten seconds, once a minute, and not when it is well', () => {
  const world = new World();
  const [a, b] = world.nodes;
  world.links.update((from) => ({ blocked: from === 'm1:1' }));
  a.table.connect(world.now, 1);
  world.run(9 * SECOND);
  expect(b.events).toEqual([]);
  world.run(50 * SECOND);
  expect(b.events).toMatchObject([{ type: 'unheard', member: 0 }]);
  world.links.update({ blocked: false });
  world.connect(a, b);
  for (let i = 0; i < 300; i++) {
    world.send(a, b, 'x');
    world.send(b, a, 'x');
    world.run(SECOND);
  }
  expect(b.events.filter(({ type }) => type === 'unheard')).toHaveLength(1);
});

test('that it does not hear us is not said of a member that has heard us meanwhile', () => {
  const world = new World();
  const [a, b] = world.nodes;
  const cut = (blocked: boolean) => world.links.update((from) => ({ blocked: blocked && from === 'm1:1' }));
  cut(true);
  a.table.connect(world.now, 1);
  world.run(9 * SECOND);
  cut(false);
  world.connect(a, b);
  world.start(a);
  cut(true);
  a.table.connect(world.now, 1);
  world.run(5 * SECOND);
  expect(b.saw('unheard')).toBe(false);
});
