/** What two members speak with each other: a version and features that both have, and what becomes of those without any. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { DIALECT, type Dialect } from '../../src/wire/dialect.js';
import { drops, KIND, kindOf, World } from './world.js';

const speaking = (lowest: number, highest: number): Dialect => ({
  ...DIALECT,
  versions: { lowest, highest },
});
/** What this build has. */
const ALL = [...DIALECT.features];
const PLAIN: Dialect = { ...DIALECT, features: new Set() };

describe('two members', () => {
  test.each([
    ['both with a feature', DIALECT, DIALECT, 3, ALL],
    ['one with a feature', DIALECT, PLAIN, 3, []],
    ['the other with a feature', PLAIN, DIALECT, 3, []],
    ['one of a later build', DIALECT, speaking(3, 5), 3, ALL],
    ['both of later builds', speaking(1, 4), speaking(3, 5), 4, ALL],
  ] as const)('%s speak what both do', (_, ours, theirs, version, features) => {
    const world = new World({ dialects: [ours, theirs] });
    const [a, b] = world.nodes;
    world.connect(a, b);
    const agreed = [a.table.session(1)!.agreed, b.table.session(0)!.agreed];
    const same = { version, features: new Set(features) };
    expect(agreed).toEqual([same, same]);
  });

  test('with no version in common have no session, and both are told so', () => {
    const world = new World({ dialects: [speaking(1, 3), speaking(4, 5)] });
    const [a, b] = world.nodes;
    world.send(a, b, 'hello');
    world.run(5 * SECOND);
    const told = [a, b].map(({ events }) => events.map(({ at, ...event }) => event));

    const [old, young] = [speaking(1, 3).versions, speaking(4, 5).versions];
    expect([a.table.session(1)!.isEstablished, b.table.session(0)!.isEstablished]).toEqual([false, false]);
    // Though the first message is repeated: each hears of it once a minute.
    expect(told).toEqual([
      [{ type: 'foreign-version', member: 1, theirs: young, ours: old }],
      [{ type: 'foreign-version', member: 0, theirs: old, ours: young }],
    ]);
    expect(drops(b)['foreign-version']).toBeGreaterThan(3);
    expect(b.table.sizes()).toMatchObject({ indices: 0, transports: 0 });
  });

  test('with a version in common after one was upgraded have a session at once', () => {
    const dialects = [speaking(3, 3), speaking(2, 2)];
    const world = new World({ dialects });
    const [a, b] = world.nodes;
    world.send(a, b, 'hello');
    world.run(2 * SECOND);
    dialects[1] = speaking(2, 3);
    world.start(b);
    const isUp = () => a.table.session(1)!.isEstablished;
    expect([isUp(), world.run(5 * SECOND, isUp)]).toEqual([false, true]);
  });

  test('that had a session speak anew after a restart', () => {
    const dialects = [DIALECT, PLAIN];
    const world = new World({ dialects });
    const [a, b] = world.nodes;
    world.connect(a, b);
    dialects[1] = DIALECT;
    world.start(b);
    world.connect(b, a);
    world.run(SECOND);
    expect(a.table.session(1)!.agreed!.features).toEqual(DIALECT.features);
  });
});

test('a datagram of another version from the address of a member is told with both versions', () => {
  const world = new World();
  const [a] = world.nodes;
  world.inject('m1:1', 'm0:1', new Uint8Array(151).fill(0x21));
  world.inject('stranger:1', 'm0:1', new Uint8Array(151).fill(0x41));
  world.run(100 * MILLISECOND);
  expect(drops(a)).toEqual({ 'foreign-version': 2 });
  expect(a.events).toMatchObject([
    {
      type: 'foreign-version',
      member: 1,
      theirs: { lowest: 2, highest: 2 },
      ours: { lowest: 3, highest: 3 },
    },
  ]);
});

describe('who changes a handshake on its way', () => {
  /** Where the version range and the features stand, before encryption. */
  const [inInitiation, inResponse] = [5 + 32 + 48 + 18, 9 + 32 + 24];

  test.each([
    ['the first byte of an INITIATION', KIND.initiation, 0, 'foreign-version'],
    ['the versions in an INITIATION', KIND.initiation, inInitiation, 'bad-mac'],
    ['the features in an INITIATION', KIND.initiation, inInitiation + 2, 'bad-mac'],
    ['the first byte of a RESPONSE', KIND.response, 0, 'foreign-version'],
    ['the versions in a RESPONSE', KIND.response, inResponse, 'bad-response'],
    ['the features in a RESPONSE', KIND.response, inResponse + 2, 'bad-response'],
    ['the version chosen', KIND.response, inResponse + 10, 'bad-response'],
  ])('%s gets no session out of it', (_, kind, at, reason) => {
    const world = new World({ seed: `changed ${at}` });
    const [a, b] = world.nodes;
    world.tap = (datagram) => {
      if (kindOf(datagram.bytes) !== kind) return [datagram];
      const bytes = datagram.bytes.slice();
      bytes[at] ^= at === 0 ? 0x70 : 1;
      return [{ ...datagram, bytes }];
    };
    world.send(a, b, 'hello');
    world.run(3 * SECOND);
    expect([a.table.session(1)!.isEstablished, b.table.session(0)!.isEstablished]).toEqual([false, false]);
    expect(Object.keys({ ...drops(a), ...drops(b) })).toContain(reason);
  });
});
