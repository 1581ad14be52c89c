/** The addresses of one peer as they are counted and asked, one call after the other. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import { Addresses } from '../../src/session/reach/addresses.js';

const data = (byte: number) => new Uint8Array(8).fill(byte);
const LOCATORS = ['a:1', 'b:1'];

/** A datagram of so many bytes comes from an address: the newest so far, with data. */
function hear(addresses: Addresses, from: string, size = 100, byte = 1, now = 0): boolean {
  return addresses.onHeard(now, { from, size, kind: 'data', isNewest: true }, () => data(byte));
}

describe('an address that was asked', () => {
  test('has answered once, however often that answer comes, and from wherever', () => {
    const addresses = new Addresses(LOCATORS);
    addresses.ask(10, 'b:1', data(5));
    const answers = [1, 2].map((i) => addresses.onAnswer(10 + 30 * i, 'x:9', data(5)));
    expect(answers).toEqual([{ address: 'b:1', rtt: 30 }, undefined]);
  });

  test('is forgotten once 64 others have been asked since', () => {
    const addresses = new Addresses(LOCATORS);
    for (let i = 0; i <= 64; i++) addresses.ask(i, 'b:1', data(i));
    const answers = [0, 1].map((i) => addresses.onAnswer(100, 'b:1', data(i)));
    expect(answers).toEqual([undefined, { address: 'b:1', rtt: 99 }]);
  });

  test('in a former life of the peer has not answered', () => {
    const addresses = new Addresses(LOCATORS);
    addresses.ask(0, 'b:1', data(5));
    addresses.forgetCandidates();
    expect(addresses.onAnswer(1, 'b:1', data(5))).toBeUndefined();
  });
});

describe('a way by others', () => {
  const WAY = '~1:2';

  test('does not take the place of an address of a socket because data comes by it: that is said, and the caller looks', () => {
    const addresses = new Addresses([]);
    addresses.moveTo('a:1');
    expect(hear(addresses, WAY)).toBe(true);
    expect(addresses.validating).toBe(0);
    expect(addresses.isForCaller(WAY)).toBe(true);
  });

  test('is left for an address of a socket that data comes from, once that has answered', () => {
    const addresses = new Addresses([]);
    addresses.moveTo(WAY);
    expect(hear(addresses, 'a:1')).toBe(false);
    expect(addresses.takeDue(0)?.address).toBe('a:1');
    expect(addresses.onAnswer(1, 'a:1', data(1))).toEqual({ move: 'a:1' });
  });
});

describe('a new address', () => {
  test('is challenged at once, and again after 300 and 600 ms; then it rests for five seconds, and is forgotten', () => {
    const addresses = new Addresses(['a:1']);
    hear(addresses, 'new:1', 1000);
    const times: number[] = [];
    for (let now = 0; now !== NEVER; now = addresses.dueAt)
      if (addresses.takeDue(now)) times.push(now / MILLISECOND);
    expect([times, addresses.validating]).toEqual([[0, 300, 900], 0]);
  });

  test('is not challenged with more than three times what has come from it', () => {
    const addresses = new Addresses(['a:1']);
    hear(addresses, 'new:1', 34 / 3 - 1);
    const early = addresses.takeDue(0);
    hear(addresses, 'new:1', 34 / 3 + 1);
    expect([early, addresses.takeDue(SECOND)?.address]).toEqual([undefined, 'new:1']);
  });

  test('that has not been challenged cannot have answered', () => {
    const addresses = new Addresses(['a:1']);
    hear(addresses, 'new:1');
    const early = addresses.onAnswer(0, 'new:1', data(1));
    addresses.takeDue(0);
    expect([early, addresses.onAnswer(1, 'new:1', data(1))]).toEqual([undefined, { move: 'new:1' }]);
  });

  test('begins with data that is the newest, with nothing else', () => {
    const addresses = new Addresses(['a:1']);
    addresses.onHeard(0, { from: 'x:1', size: 100, kind: 'answer', isNewest: true }, () => data(1));
    addresses.onHeard(0, { from: 'x:2', size: 100, kind: 'challenge', isNewest: true }, () => data(1));
    addresses.onHeard(0, { from: 'x:3', size: 100, kind: 'data', isNewest: false }, () => data(1));
    expect(addresses.validating).toBe(0);
  });

  test('that is taken makes another path, unless it is the one in use', () => {
    const addresses = new Addresses(LOCATORS);
    const moves = ['b:1', 'b:1', 'a:1'].map((address) => addresses.moveTo(address));
    expect([moves, addresses.current, addresses.path]).toEqual([[true, false, true], 'a:1', 2]);
  });
});

test('no more than eight locators are kept, the one in use comes first, and each comes once', () => {
  const addresses = new Addresses(Array.from({ length: 9 }, (_, i) => `m${i}:1`));
  addresses.moveTo('m3:1');
  const tried = Array.from({ length: 9 }, (_, i) => addresses.next(0, i));
  expect(tried).toEqual([3, 0, 1, 2, 4, 5, 6, 7, 3].map((i) => `m${i}:1`));
});

test('addresses that the peer has signed come after its locators, eight times each and then once a minute', () => {
  const addresses = new Addresses(['a:1']);
  addresses.learn(['s:1', 'a:1']);
  const tried = (now: Micros) => Array.from({ length: 40 }, (_, i) => addresses.next(now, i));
  const signed = (now: Micros) => tried(now).filter((address) => address === 's:1').length;
  expect(tried(0).slice(0, 4)).toEqual(['a:1', 's:1', 'a:1', 's:1']);
  expect([signed(SECOND), signed(59 * SECOND), signed(61 * SECOND)]).toEqual([0, 0, 1]);
});

test('a peer of which no address is known has none to try, until it has signed one', () => {
  const addresses = new Addresses([]);
  const before = [addresses.isKnown, addresses.next(0, 0), addresses.current];
  addresses.learn(['s:1']);
  expect([before, addresses.isKnown, addresses.next(0, 0)]).toEqual([
    [false, undefined, undefined],
    true,
    's:1',
  ]);
});

test('data from another locator says that the peer may be there, and begins nothing', () => {
  const addresses = new Addresses(LOCATORS);
  expect([hear(addresses, 'b:1'), hear(addresses, 'a:1'), addresses.validating]).toEqual([true, false, 0]);
});

test('an address that has sent too little to be challenged is looked at again after 300 ms', () => {
  const addresses = new Addresses(['a:1']);
  addresses.onHeard(1000, { from: 'b:1', size: 5, kind: 'data', isNewest: true }, () => new Uint8Array(8));

  expect([addresses.takeDue(1000), addresses.dueAt]).toEqual([undefined, 301_000]);
});
