/** Who is asked for objects of a stream, and for how long it is waited for. */
import { expect, test } from 'vitest';
import { Keepers } from '../../../src/broadcast/agreement/keepers.js';
import { SECOND } from '../../../src/core/time.js';

/** All hold everything, and keep it from 10 on. */
const HOLDERS = {
  hasLetGo: (_: number, seq: number) => seq < 10,
  keeps: (_: number, seq: number) => seq >= 10,
};
const [ONE, OTHER] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];

test('a member that was asked is waited for three seconds from the first question', () => {
  const keepers = new Keepers(HOLDERS);
  for (const at of [0, 2 * SECOND]) keepers.onAsked(at, 2);
  const times = [0, 3 * SECOND - 1, 3 * SECOND];
  expect(times.map((now) => keepers.isKeptBy(now, 2, 10))).toEqual([true, true, false]);
});

test('a member that serves at a decent rate is waited for as long as it does', () => {
  const keepers = new Keepers(HOLDERS);
  keepers.onAsked(0, 2);
  for (let at = SECOND; at <= 60 * SECOND; at += SECOND) keepers.onServed(at, 2, 5000);
  expect([keepers.isAsked(2), keepers.isKeptBy(60 * SECOND, 2, 10)]).toEqual([false, true]);
});

test('a member that serves one symbol now and then is not waited for longer than one that serves nothing', () => {
  const keepers = new Keepers(HOLDERS);
  for (let at = 0; at < 16 * SECOND; at += 8 * SECOND) {
    keepers.onAsked(at, 2);
    keepers.onServed(at + SECOND, 2, 1180);
    keepers.onAsked(at + 2 * SECOND, 2);
  }
  expect([2, 5].map((at) => keepers.isKeptBy(at * SECOND, 2, 10))).toEqual([true, false]);
});

test('what has come fast buys no more than ten seconds', () => {
  const keepers = new Keepers(HOLDERS);
  keepers.onAsked(0, 2);
  keepers.onServed(SECOND, 2, 1_000_000);
  keepers.onAsked(2 * SECOND, 2);
  const times = [11 * SECOND - 1, 11 * SECOND];
  expect(times.map((now) => keepers.isKeptBy(now, 2, 10))).toEqual([true, false]);
});

test('who has served a whole object owes nothing until it is asked again, and then has ten seconds', () => {
  const keepers = new Keepers(HOLDERS);
  keepers.onAsked(0, 2);
  keepers.onServed(SECOND, 2, 300, true);
  expect(keepers.isKeptBy(3600 * SECOND, 2, 10)).toBe(true);
  keepers.onAsked(3600 * SECOND, 2);
  const times = [3610 * SECOND - 1, 3610 * SECOND];
  expect(times.map((now) => keepers.isKeptBy(now, 2, 10))).toEqual([true, false]);
});

test('only a member that was asked lately may serve', () => {
  const keepers = new Keepers(HOLDERS);
  keepers.onAsked(0, 2);
  expect([keepers.mayServe(9 * SECOND, 2), keepers.mayServe(10 * SECOND, 2)]).toEqual([true, false]);
  expect(keepers.mayServe(0, 3)).toBe(false);
});

test('members that keep nothing below the same base are counted', () => {
  const keepers = new Keepers(HOLDERS);
  const votes = [keepers.onGone(2, 5, ONE), keepers.onGone(3, 5, OTHER), keepers.onGone(4, 5, ONE)];
  expect([...votes, keepers.onGone(4, 5, ONE)]).toEqual([1, 1, 2, 2]);
  expect([keepers.saysGone(2, 4), keepers.saysGone(2, 5), keepers.saysGone(0, 0)]).toEqual([
    true,
    false,
    false,
  ]);
});

test('what a member said and was asked in its former run counts no more', () => {
  const keepers = new Keepers(HOLDERS);
  keepers.onAsked(0, 2);
  keepers.onGone(2, 5, ONE);

  keepers.onFresh(2);

  expect([keepers.isAsked(2), keepers.saysGone(2, 0), keepers.onGone(3, 5, ONE)]).toEqual([false, false, 1]);
});

test('a member that keeps an object no more may say so, unless it has', () => {
  const keepers = new Keepers(HOLDERS);
  expect([keepers.isKeptBy(0, 2, 9), keepers.mayTell(2, 9), keepers.mayTell(2, 10)]).toEqual([
    false,
    true,
    false,
  ]);

  keepers.onGone(2, 10, ONE);

  expect(keepers.mayTell(2, 9)).toBe(false);
});
