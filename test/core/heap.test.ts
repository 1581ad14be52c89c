/** The time heap against a stable sort, over random sequences of pushes and pops. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TimeHeap } from '../../src/core/heap.js';
import { Rng } from '../../src/core/rng.js';
import { NEVER } from '../../src/core/time.js';
import { withSeeds } from '../util/seed.js';

test('comes out by time, and by order of insertion within one time', () =>
  withSeeds(1, (seed) => {
    // null is a pop; few distinct times, so that ties are common.
    const operations = fc.array(fc.oneof(fc.integer({ min: 0, max: 8 }), fc.constant(null)), {
      maxLength: 200,
    });
    const property = fc.property(operations, (sequence) => {
      const heap = new TimeHeap<number>();
      const model: { time: number; id: number }[] = [];
      for (const [id, time] of sequence.entries()) {
        if (time === null) {
          expect(heap.nextTime()).toBe(model[0]?.time ?? NEVER);
          expect(heap.pop()).toBe(model.shift()?.id);
        } else {
          heap.push(time, id);
          model.push({ time, id });
          model.sort((a, b) => a.time - b.time || a.id - b.id);
        }
        expect(heap.size).toBe(model.length);
      }
      while (model.length > 0) expect(heap.pop()).toBe(model.shift()?.id);
      expect(heap.pop()).toBeUndefined();
    });
    fc.assert(property, { numRuns: 300, seed: new Rng(seed).uint32() | 0 });
  }));

test('clear empties it, and it can be used again', () => {
  const heap = new TimeHeap<string>();
  heap.push(1, 'a');
  heap.push(0, 'b');
  heap.clear();
  expect(heap.size).toBe(0);
  expect(heap.nextTime()).toBe(NEVER);
  heap.push(7, 'c');
  expect(heap.nextTime()).toBe(7);
  expect(heap.pop()).toBe('c');
});
