/** What the default codec carries comes out as it went in; all else is refused to its sender, by name and place. */
import { inspect } from 'node:util';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { messagePack } from '../../src/network/message-pack.js';
import { openGroup } from './members.js';

const codec = messagePack<unknown>(1000);

class Order {
  number = 1;
}

test.each<[string, unknown, string]>([
  ['a function', () => 1, 'plain data, got a function'],
  ['a method', { orders: [{ cancel() {} }] }, 'plain data, got a function at .orders[0].cancel'],
  ['a symbol', [Symbol('x')], 'plain data, got a symbol at [0]'],
  ['a symbol as key', { a: { [Symbol('x')]: 1 } }, 'plain data, got a symbol as key at .a'],
  ['a map', { names: new Map([[1, 'a']]) }, 'plain data, got an object of class Map at .names'],
  ['a set', new Set([1]), 'plain data, got an object of class Set'],
  ['numbers of 64 bits', { at: Float64Array.of(1.5) }, 'got an object of class Float64Array at .at'],
  ['an ArrayBuffer', new ArrayBuffer(2), 'got an object of class ArrayBuffer'],
  ['an object of a class', [new Order()], 'got an object of class Order at [0]'],
  ['an error', new TypeError('x'), 'got an object of class TypeError'],
  ['a pattern', /x/g, 'got an object of class RegExp'],
  [
    'a promise that nobody waits for',
    { total: Promise.resolve(1) },
    'got an object of class Promise at .total',
  ],
  ['a number in a box', Object(1), 'got an object of class Number'],
  ['a bigint above 64 bits', 2n ** 64n, 'got a bigint of more than 64 bits'],
  ['a bigint below them', [-(2n ** 63n) - 1n], 'got a bigint of more than 64 bits at [0]'],
  ['half a character', { text: 'a\ud83d' }, 'got text with half a surrogate pair at .text'],
  ['half a character in a key', { '\ud83d': 1 }, 'got text with half a surrogate pair at .\ud83d'],
  ['a key that is none everywhere', JSON.parse('{"__proto__":1}'), 'plain data, got the key __proto__'],
  ['more values than there may be', Array(1000).fill(0), 'at most 1000 values, got 1001 or more'],
  ['a few lists, each twice in the next', doubled(40), 'at most 1000 values, got '],
  ['a circle', circle(), 'at most 511 levels, got more, or a circle'],
  ['too many levels', nested(512), 'at most 511 levels, got more'],
])('%s is refused when it is sent', (_, msg, message) => {
  expect(() => codec.encode(msg)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(message) }),
  );
});

test.each<[string, unknown]>([
  ['bigints of 64 bits', [-(2n ** 63n), 5n, 2n ** 64n - 1n]],
  ['an object without a prototype', Object.assign(Object.create(null), { a: 1 })],
  ['an object of another realm', runInNewContext('({ a: [1] })')],
  ['as many levels as there may be', nested(511)],
  ['emojis', { '👍': '👍🏽' }],
  ['the largest and smallest dates', [new Date(8.64e15), new Date(-8.64e15)]],
])('%s: carried', (_, msg) => {
  expect(codec.decode(codec.encode(msg))).toEqual(msg);
});

test('a Buffer arrives as the bytes that it is', () => {
  expect(codec.decode(codec.encode(Buffer.from('ab')))).toEqual(Uint8Array.of(97, 98));
});

test('whatever is not refused comes out as it went in', () => {
  const anything = fc.anything({
    withBigInt: true,
    withBoxedValues: true,
    withDate: true,
    withMap: true,
    withSet: true,
    withTypedArray: true,
    withNullPrototype: true,
    withObjectString: true,
    withSparseArray: false,
  });
  fc.assert(
    fc.property(anything, (msg) => {
      // MessagePack's integers have no -0: it comes out as 0.
      fc.pre(!/-0(?![.\d])/.test(inspect(msg, { depth: null })));
      let bytes: Uint8Array;
      try {
        bytes = codec.encode(msg);
      } catch (error) {
        expect(error).toMatchObject({ code: 'INVALID_ARGUMENT' });
        return;
      }
      expect(codec.decode(bytes)).toEqual(msg);
    }),
    { numRuns: 2000 },
  );
});

test('a message that is refused is not broadcast, and the next one is', async () => {
  const lab = await openGroup(1);
  await using alice = await lab.start<unknown>(0, { deliver: undefined });
  await expect(alice.network.broadcast({ answer: () => {} })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
  });
  await alice.network.broadcast('next');
  for await (const { msg } of alice.network) {
    expect(msg).toBe('next');
    break;
  }
});

function circle(): unknown {
  const msg: unknown[] = [];
  msg.push(msg);
  return msg;
}

function nested(levels: number): unknown {
  return levels === 0 ? 0 : [nested(levels - 1)];
}

/** Small in memory, and 2^n values for who writes it out. */
function doubled(times: number): unknown {
  return times === 0 ? [] : [doubled(times - 1)].flatMap((each) => [each, each]);
}
