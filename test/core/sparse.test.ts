/** Collections that mostly stay empty, against those that they stand for. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ByMember, SparseMap, SparseSet } from '../../src/core/sparse.js';

const step = fc.record({
  key: fc.integer({ min: 0, max: 5 }),
  value: fc.option(fc.integer({ min: 0, max: 3 })),
});

test('a sparse map and set hold what a Map and a Set hold, in the same order', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [map, set] = [new SparseMap<number, number>(), new SparseSet<number>()];
      const [plainMap, plainSet] = [new Map<number, number>(), new Set<number>()];
      for (const { key, value } of steps)
        if (value === null) {
          expect(map.delete(key)).toBe(plainMap.delete(key));
          expect(set.delete(key)).toBe(plainSet.delete(key));
        } else {
          map.set(key, value);
          plainMap.set(key, value);
          set.add(key);
          plainSet.add(key);
        }

      expect([map.size, [...map], [...map.keys()], [...map.values()]]).toEqual([
        plainMap.size,
        [...plainMap],
        [...plainMap.keys()],
        [...plainMap.values()],
      ]);
      expect([set.size, [...set]]).toEqual([plainSet.size, [...plainSet]]);
      for (let key = 0; key < 6; key++) {
        expect([map.get(key), map.has(key)]).toEqual([plainMap.get(key), plainMap.has(key)]);
        expect(set.has(key)).toBe(plainSet.has(key));
      }
      map.clear();
      set.clear();
      expect([map.size, [...map], set.size, [...set]]).toEqual([0, [], 0, []]);
    }),
  );
});

test('all may be taken off in a loop over them', () => {
  const set = new SparseSet<number>();
  for (const item of [1, 2, 3]) set.add(item);
  const seen: number[] = [];
  for (const item of set) {
    seen.push(item);
    set.delete(item);
  }

  expect([seen, set.size]).toEqual([[1, 2, 3], 0]);
});

test('something of each member is what an array of all of them says', () => {
  fc.assert(
    fc.property(fc.array(step), (steps) => {
      const [mine, plain] = [new ByMember(6, 0), new Array<number>(6).fill(0)];
      for (const { key, value } of steps) {
        mine.set(key, value ?? 0);
        plain[key] = value ?? 0;
        expect(mine.values()).toEqual(plain);
        expect(plain.map((_, member) => mine.get(member))).toEqual(plain);
      }
    }),
  );
});
