/** The bit set against a Set of numbers, and its bytes against `bitAt`. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Bitset, bitAt } from '../../src/core/bitset.js';
import { holds } from '../wire/holds.js';

const indices = fc.array(fc.oneof(fc.nat(70), fc.nat(5000)));

test('holds what was added and nothing else', () =>
  holds(
    'bitset model',
    fc.property(indices, (added) => {
      const set = new Bitset();
      const model = new Set<number>();
      for (const index of added) {
        expect(set.add(index)).toBe(!model.has(index));
        model.add(index);
        expect(set.size).toBe(model.size);
      }
      for (let index = 0; index < 5100; index++)
        if (set.has(index) !== model.has(index)) expect.fail(`bit ${index}`);
    }),
  ));

test('its bytes hold its first bits, and bitAt reads them', () =>
  holds(
    'bitset bytes',
    fc.property(indices, fc.nat(200), (added, count) => {
      const set = new Bitset();
      for (const index of added) set.add(index);
      const bytes = set.toBytes(count);
      expect(bytes).toHaveLength(Math.ceil(count / 8));
      for (let index = 0; index < count + 20; index++)
        expect(bitAt(bytes, index)).toBe(index < count && added.includes(index));
    }),
  ));

test('the first bit is the least significant of the first byte', () => {
  const set = new Bitset();
  for (const index of [0, 9, 31, 32]) set.add(index);
  expect([...set.toBytes(33)]).toEqual([1, 2, 0, 0x80, 1]);
});

test('takes the largest ESI, 2^24 - 1', () => {
  const set = new Bitset();
  expect([set.add(0xffffff), set.add(0xffffff), set.has(0xffffff), set.has(0xfffffe)]).toEqual([
    true,
    false,
    true,
    false,
  ]);
});
