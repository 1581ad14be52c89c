/** When another stream of ours takes the place of one that is over for the others. */
import { describe, expect, test } from 'vitest';
import { Stream } from '../../../src/broadcast/agreement/stream.js';
import { Succession } from '../../../src/broadcast/agreement/succession.js';
import { SECOND } from '../../../src/core/time.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { boundsOf } from '../bounds.js';

const SESSION = 100;
/** Three of four are a quorum, and one may lie. */
const BOUNDS = { byzantine: 1, quorum: 3 };
const own = new Stream({ origin: 0, incarnation: 10 }, boundsOf(0, 4));
const claim = (incarnation: number, over = false) => ({ ...own.telling.entry(), incarnation, over });

/** `members` name a stream of ours. */
function named(incarnation: number, members: number[], over = false): Succession {
  const succession = new Succession(BOUNDS, SESSION);
  for (const member of members) succession.onClaim(0, member, own, claim(incarnation, over));
  return succession;
}

test.each<[string, Succession, boolean]>([
  ['more members than may lie name a later one', named(11, [1, 2]), true],
  ['as many as may lie name a later one', named(11, [1, 1]), false],
  ['they name the one that we have', named(10, [1, 2]), false],
  ['they say that the one that we have is over', named(10, [1, 2], true), true],
  ['they name one of a process with our key that started later', named(SESSION + 1, [1, 2]), true],
])('if %s', (_, succession, isDue) => {
  expect(succession.isDue).toBe(isDue);
});

test('members that hold more of the present one than we do show that our store is an old copy', () => {
  const entry = { ...claim(10), count: own.count + 1 };
  const [byOne, byTwo] = [[1], [1, 2]].map((members) => {
    const succession = new Succession(BOUNDS, SESSION);
    for (const member of members) succession.onClaim(0, member, own, entry);
    return succession;
  });
  expect([byOne.isDue, byTwo.isDue]).toEqual([false, true]);
});

test('who runs anew while it is about to begin has as long to tell what it holds, once', () => {
  const succession = named(11, [1, 2]);
  succession.onFresh(3);
  const first = [2, 4].map((seconds) => succession.isReady(seconds * SECOND, 3));
  succession.onFresh(3);
  expect([...first, succession.isReady(4 * SECOND, 3)]).toEqual([false, true, true]);
});

test('it waits while fewer than a quorum are there, and two seconds more: they have to tell what they hold', () => {
  const succession = named(11, [1, 2]);
  const ready = [
    [2, 2],
    [10, 2],
    [11, 3],
    [12, 3],
  ].map(([seconds, here]) => succession.isReady(seconds * SECOND, here));
  expect(ready).toEqual([false, false, false, true]);
});

describe('with a copy of a store', () => {
  const withCopy = () => new Succession(BOUNDS, SESSION, true);

  test('nothing goes into the present one until another has begun', () => {
    const succession = withCopy();
    const before = succession.isDue;
    succession.onBegun();
    expect([before, succession.isDue]).toEqual([true, false]);
  });

  test('another begins two seconds after a quorum has told what it holds, ourselves included', () => {
    const succession = withCopy();
    const ready = (now: number) => succession.isReady(now, 3);
    const alone = [ready(0), ready(60 * SECOND)];
    for (const member of [1, 1]) succession.onHeard(member);
    const withOne = [ready(61 * SECOND), ready(70 * SECOND)];
    succession.onHeard(2);
    const withTwo = [ready(71 * SECOND), ready(73 * SECOND - 1), ready(73 * SECOND)];
    expect([...alone, ...withOne, ...withTwo]).toEqual([false, false, false, false, false, false, true]);
  });
});

test('it begins two seconds later, above all that is known', () => {
  const succession = named(11, [1, 2]);
  succession.onSigned(0, own, 200);
  expect([succession.isReady(2 * SECOND - 1, 3), succession.isReady(2 * SECOND, 3)]).toEqual([false, true]);
  expect(succession.next(own)).toBe(201);
});

test('it is above the stream of a process that started later', () => {
  expect(named(SESSION + 50, [1, 2]).next(own)).toBe(SESSION + 51);
});

test('it has the name of none that anybody has heard of', () => {
  const succession = named(SESSION + 50, [1, 2]);
  succession.onClaim(0, 3, own, claim(SESSION + 51));
  expect(succession.next(own)).toBe(SESSION + 52);
});

test('one that a member alone names as the last there can be is not passed', () => {
  const succession = named(11, [1, 2]);
  succession.onClaim(0, 3, own, claim(2 ** 48 - 1));
  expect(succession.next(own)).toBe(SESSION);
});

test('what was named before it began is not forgotten', () => {
  const succession = named(11, [1, 2]);
  succession.onClaim(0, 3, own, claim(SESSION + 50));
  const next = new Stream({ origin: 0, incarnation: succession.next(own) }, boundsOf(0, 4));
  succession.onBegun();
  succession.onClaim(3 * SECOND, 1, next, claim(SESSION + 50));
  expect(succession.isDue).toBe(true);
});

test('it is not due any more once it has begun', () => {
  const succession = named(11, [1, 2]);
  succession.onBegun();
  expect(succession.isDue).toBe(false);
});

test('what a signature of ours shows makes it due, and one of an earlier stream does not', () => {
  const isDue = [9, 10, 11, 2 ** 48 - 1].map((incarnation) => {
    const succession = new Succession(BOUNDS, SESSION);
    succession.onSigned(0, own, incarnation);
    return succession.isDue;
  });
  expect(isDue).toEqual([false, false, true, false]);
});

test('what is known later does not put it off', () => {
  const succession = named(11, [1, 2]);
  succession.onClaim(SECOND, 3, own, claim(12));
  succession.onSigned(SECOND, own, 12);
  succession.onRefused(SECOND, 0);
  expect(succession.isReady(2 * SECOND, 3)).toBe(true);
});

describe('said again is what is not delivered', () => {
  /** Six of ours: two delivered, `index` messages of the next consumed, `held` by two others. */
  const withSix = (index: number, held: number) => {
    const stream = new Stream({ origin: 0, incarnation: 10 }, boundsOf(0, 4));
    const other = new Stream({ origin: 0, incarnation: 10 }, boundsOf(2, 4));
    for (let seq = 0; seq < 6; seq++) stream.hold(seq, sha256(Uint8Array.of(seq)));
    for (let seq = 0; seq < held; seq++) other.hold(seq, sha256(Uint8Array.of(seq)));
    for (const member of [2, 3]) stream.onClaim(member, other.telling.entry());
    for (let i = 0; i < 2; i++) stream.onDelivered();
    stream.ledger.index = index;
    return stream;
  };

  test('from where the others hold something else, as it becomes known', () => {
    const succession = new Succession(BOUNDS, SESSION);
    for (const known of [2, 4, 5]) succession.onRefused(0, known);
    expect(succession.abandoned(withSix(0, 6))).toBe(5);
  });

  test.each<[string, number, number, number | undefined, number]>([
    ['from the first on, if nobody holds it', 0, 0, undefined, 2],
    ['but for the one being consumed, which a quorum holds', 1, 0, undefined, 3],
    ['and not held by more than may lie', 0, 4, undefined, 4],
    ['nothing, if they hold all of it', 0, 6, undefined, 6],
    ['or is refused, though held', 0, 6, 3, 3],
    ['however much is refused', 0, 6, 0, 2],
  ])('%s', (_, index, heldByOthers, refusedFrom, from) => {
    const succession = new Succession(BOUNDS, SESSION);
    if (refusedFrom !== undefined) succession.onRefused(0, refusedFrom);
    expect(succession.abandoned(withSix(index, heldByOthers))).toBe(from);
  });
});
