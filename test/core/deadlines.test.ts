/** The tree of deadlines against a list that is looked through. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Deadlines } from '../../src/core/deadlines.js';
import { NEVER } from '../../src/core/time.js';

test('names the same slots as a look at all of them, after any changes', () => {
  const change = fc.tuple(fc.nat(), fc.oneof(fc.integer({ min: -5, max: 20 }), fc.constant(NEVER)));
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 20 }), fc.array(change), fc.nat(20), (slots, changes, now) => {
      const deadlines = new Deadlines(slots);
      const times = new Array<number>(slots).fill(NEVER);
      for (const [at, time] of changes) {
        deadlines.set(at % slots, time);
        times[at % slots] = time;
      }

      const due: number[] = [];
      for (let slot = deadlines.firstDue(now); slot >= 0; slot = deadlines.firstDue(now, slot + 1))
        due.push(slot);

      expect(due).toEqual(times.flatMap((time, slot) => (time <= now ? [slot] : [])));
    }),
  );
});

test('knows the earliest time, and NEVER where there is none', () => {
  const deadlines = new Deadlines(5);
  const empty = deadlines.earliest;
  deadlines.set(4, 70);
  deadlines.set(2, 30);
  deadlines.set(2, 90);

  expect([empty, deadlines.earliest]).toEqual([NEVER, 70]);
});

test('has room for no slots at all', () => {
  expect(new Deadlines(0).firstDue(0)).toBe(-1);
});
