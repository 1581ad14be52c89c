/** The default codec: plain data goes through, and what a member may send otherwise costs nothing and makes nothing. */
import { Packr } from 'msgpackr';
import { expect, test } from 'vitest';
import { messagePack } from '../../src/network/message-pack.js';

const codec = messagePack<unknown>(1000);
/** As a member may have it that uses all of MessagePack's extensions. */
const packr = new Packr({ useRecords: false, moreTypes: true });

test.each<[string, unknown]>([
  ['nothing', null],
  ['undefined', undefined],
  ['numbers', [0, -1, 127, 128, -33, 65_536, 2 ** 40, -(2 ** 40), 1.5, Number.NaN]],
  ['texts', ['', 'x', 'y'.repeat(40), 'z'.repeat(300), 'ä'.repeat(70_000)]],
  ['bytes', { short: Uint8Array.of(1, 2), long: new Uint8Array(70_000).fill(1) }],
  ['dates', [new Date(0), new Date(1_700_000_000_123), new Date(-1e12)]],
  ['objects in lists in objects', { a: [{ b: [{ c: true }] }], d: {}, e: [] }],
  ['a long list', Array.from({ length: 900 }, (_, i) => i)],
  ['an object of many members', Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`k${i}`, i]))],
])('%s come out as they went in', (_, msg) => {
  expect(codec.decode(codec.encode(msg))).toEqual(msg);
});

const many = (token: number[], count: number, each: number): Uint8Array => {
  const bytes = new Uint8Array(5 + count * token.length).fill(each);
  bytes.set([0xdd, count >>> 24, count >>> 16, count >>> 8, count]);
  return bytes;
};

test.each<[string, Uint8Array | number[]]>([
  ['16 MiB of empty maps', many([0x80], 1 << 24, 0x80)],
  ['16 MiB of empty lists', many([0x90], 1 << 24, 0x90)],
  ['a list that says it has 2^32 - 1 elements', [0xdd, 255, 255, 255, 255]],
  ['a map that says it has 2^32 - 1 members', [0xdf, 255, 255, 255, 255]],
  ['lists in lists, 100,000 deep', new Uint8Array(100_000).fill(0x91)],
  ['the class of an error by any name', packr.pack(new TypeError('x'))],
  ['a pattern', packr.pack(/(a+)+$/)],
  ['a set', packr.pack(new Set([1]))],
  ['a typed array', packr.pack(Float64Array.of(1))],
  [
    'a record definition, of which the decoder would compile code',
    [0xd4, 0x72, 0x40, 0x91, 0xa1, 0x61, 0x01],
  ],
  ['a reference', [0xd6, 0x69, 0, 0, 0, 1, 0x90]],
  ['bundled strings', [0xd6, 0x62, 0, 0, 0, 10, 0xa1, 0x61]],
  ['an extension that nobody knows', [0xd4, 0x05, 0]],
  ['a large bigint', [0xc9, 0, 16, 0, 0, 0x42, ...new Uint8Array(1 << 20)]],
  ['a list as key', [0x81, 0x91, 1, 1]],
  ['a map as key', [0x81, 0x80, 1]],
  ['the byte that is no MessagePack', [0xc1]],
  ['nothing at all', []],
  ['a text that ends early', [0xa5, 0x61]],
  ['a number that ends early', [0xcf, 1]],
  ['an extension that ends early', [0xc7]],
  ['a map without its last value', [0x81, 1]],
  ['two values', [1, 2]],
])('%s from another member is malformed', (_, bytes) => {
  expect(() => codec.decode(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code: 'MALFORMED' }));
});

test('the bound is on all values, keys and members counted, however they are spread', () => {
  const bound = messagePack<unknown>(8);
  expect(bound.encode([[1, 2], { a: 3 }, 4])).toBeInstanceOf(Uint8Array);
  expect(() => bound.encode([[1, 2], { a: 3 }, 4, 5])).toThrow('at most 8 values, got 9 or more');
});

test.each<[string, (values: number) => unknown]>([
  ['a list', (values) => new Array(values - 1).fill(1)],
  ['objects in a list', (values) => [...new Array((values - 1) / 3).fill({ a: 1 })]],
])('%s of as many values as a message may have goes, one with more does not', (_, make) => {
  const small = messagePack<unknown>(13);
  const larger = new Packr({ useRecords: false }).pack(make(16));
  expect(small.decode(small.encode(make(13)))).toEqual(make(13));
  expect(() => small.encode(make(16))).toThrow(/at most 13 values/);
  expect(() => small.decode(Uint8Array.from(larger))).toThrow(/at most 13 values/);
});
