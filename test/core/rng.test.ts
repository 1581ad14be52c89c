/** The generator: pinned outputs (a change would void every recorded seed), independence of forks, ranges, uniformity. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';

test('the step is that of xoshiro128**, by the outputs of its authors for the state 1, 2, 3, 4', () => {
  const rng = new Rng(0);
  Object.assign(rng, { a: 1, b: 2, c: 3, d: 4 });
  const published = [11520, 0, 5927040, 70819200, 2031721883, 1637235492, 1287239034, 3734860849, 3729100597];
  expect(draw(rng, 9)).toEqual(published);
});

test('known answers of our own seeding and draws', () => {
  expect(draw(new Rng(0), 4)).toEqual([3809008728, 1133695204, 53579671, 2891528803]);
  expect(draw(new Rng('headwater'), 4)).toEqual([307762514, 2464919559, 3749297316, 327544376]);
  expect(draw(new Rng('headwater').fork('link'), 2)).toEqual([579790563, 4166005253]);
  expect(new Rng('headwater').float()).toBe(0.07165654431215529);
  expect([...new Rng(1).bytes(7)]).toEqual([158, 41, 144, 145, 39, 123, 1]);
  expect(new Rng(42).shuffle([0, 1, 2, 3, 4, 5, 6, 7])).toEqual([2, 1, 4, 3, 7, 6, 0, 5]);
});

test('same seed same stream, other seed other stream', () =>
  withSeeds(5, (seed) => {
    expect(draw(new Rng(seed), 50)).toEqual(draw(new Rng(seed), 50));
    expect(draw(new Rng(seed), 50)).not.toEqual(draw(new Rng(`${seed}.`), 50));
  }));

test('a fork does not notice what is drawn from its parent or its siblings', () =>
  withSeeds(5, (seed) => {
    const quiet = new Rng(seed).fork('link');
    const parent = new Rng(seed);
    const busy = parent.fork('link');
    draw(parent, 100);
    draw(parent.fork('link'), 100);
    expect(draw(busy, 50)).toEqual(draw(quiet, 50));
    expect(draw(new Rng(seed).fork('a'), 4)).not.toEqual(draw(new Rng(seed).fork('b'), 4));
  }));

test('integer stays in its range and reaches both ends', () =>
  withSeeds(1, (seed) => {
    const range = fc.tuple(fc.integer({ min: -1e9, max: 1e9 }), fc.integer({ min: 0, max: 1e9 }));
    const property = fc.property(fc.integer(), range, (number, [min, span]) => {
      const rng = new Rng(number);
      for (let i = 0; i < 20; i++) {
        const value = rng.integer(min, min + span);
        expect(Number.isInteger(value) && value >= min && value <= min + span).toBe(true);
      }
    });
    fc.assert(property, { seed: new Rng(seed).uint32() | 0 });
    const rng = new Rng(seed);
    const counts = [0, 0, 0, 0, 0];
    for (let i = 0; i < 50_000; i++) counts[rng.integer(-2, 2) + 2]++;
    // 10,000 expected in each, standard deviation 90.
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(600);
  }));

test('float is uniform on [0, 1), and chance follows its probability', () =>
  withSeeds(2, (seed) => {
    const rng = new Rng(seed);
    let sum = 0;
    let hits = 0;
    for (let i = 0; i < 100_000; i++) {
      const value = rng.float();
      if (!(value >= 0 && value < 1)) throw new Error(`float gave ${value}`);
      sum += value;
      if (rng.chance(0.3)) hits++;
      if (rng.chance(0) || !rng.chance(1)) throw new Error('chance(0) hit, or chance(1) missed');
    }
    expect(sum / 100_000).toBeCloseTo(0.5, 2);
    expect(hits / 100_000).toBeCloseTo(0.3, 1);
  }));

test('shuffle keeps the items and leaves its input alone', () =>
  withSeeds(5, (seed) => {
    const items = Array.from({ length: 30 }, (_, i) => i);
    const shuffled = new Rng(seed).shuffle(items);
    expect(items[0]).toBe(0);
    expect(shuffled.toSorted((a, b) => a - b)).toEqual(items);
    expect(items).toContain(new Rng(seed).pick(items));
  }));

function draw(rng: Rng, count: number): number[] {
  return Array.from({ length: count }, () => rng.uint32());
}
