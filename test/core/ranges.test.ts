/** Ranges of whole numbers, newest first, against the set that they stand for. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { collectRanges, countRanges, inRanges, rangesFault } from '../../src/core/ranges.js';
import { holds } from '../wire/holds.js';

const members = fc.uniqueArray(fc.nat(30), { minLength: 1 });

test('what is collected from a set is sound, and holds its numbers and no others', () =>
  holds(
    'ranges of a set',
    fc.property(members, fc.nat(30), (numbers, low) => {
      const set = new Set(numbers);
      const ranges = collectRanges(30, low, (value) => set.has(value));
      const kept = numbers.filter((number) => number >= low);
      expect(rangesFault(ranges, 30)).toBe(kept.length === 0 ? 'no range' : undefined);
      expect(countRanges(ranges)).toBe(kept.length);
      for (let value = -1; value <= 31; value++)
        expect(inRanges(ranges, value)).toBe(value >= low && set.has(value));
    }),
  ));

test('no more are collected than asked for, the newest', () => {
  const isEven = (value: number): boolean => value % 2 === 0;
  expect(collectRanges(10, 0, isEven, 2)).toEqual([10, 10, 8, 8]);
  expect(collectRanges(10, 0, isEven, 0)).toEqual([]);
});

test.each<[string, number[], string | undefined]>([
  ['none at all', [], 'no range'],
  ['an odd one', [5], 'half a range'],
  ['fractions', [5.5, 5], 'not a whole number'],
  ['fractions below', [5, 4.5], 'not a whole number'],
  ['upside down', [4, 5], 'range upside down'],
  ['of one number', [5, 5], undefined],
  ['up to the maximum', [100, 99], undefined],
  ['beyond it by one', [101, 99], 'above the maximum'],
  ['that touch', [9, 7, 6, 5], 'ranges out of order'],
  ['that overlap', [9, 7, 8, 5], 'ranges out of order'],
  ['with a gap of one', [9, 7, 5, 5], undefined],
  ['in rising order', [2, 1, 9, 8], 'ranges out of order'],
  ['down to zero', [3, 0], undefined],
  ['below zero', [3, -1], 'below zero'],
])('ranges %s are judged so', (_which, ranges, fault) => {
  expect(rangesFault(ranges, 100)).toBe(fault);
});
