/** The heap of deadlines against a list that is looked through. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Alarms } from '../../src/core/heap.js';
import { NEVER } from '../../src/core/time.js';

test('names the same items as a look at all of them, the earliest first, after any changes', () => {
  const time = fc.oneof(fc.integer({ min: 0, max: 20 }), fc.constant(NEVER));
  const change = fc.record({ item: fc.integer({ min: 0, max: 9 }), at: fc.option(time, { nil: undefined }) });
  fc.assert(
    fc.property(fc.array(change, { maxLength: 60 }), fc.nat(20), (changes, now) => {
      const alarms = new Alarms<number>();
      const times = new Map<number, number>();
      for (const { item, at } of changes)
        if (at === undefined) {
          alarms.delete(item);
          times.delete(item);
        } else {
          alarms.bringForward(item, at);
          const sooner = Math.min(at, times.get(item) ?? NEVER);
          if (sooner < NEVER) times.set(item, sooner);
        }
      expect(alarms.size).toBe(times.size);
      expect(alarms.earliest).toBe(Math.min(NEVER, ...times.values()));

      const due = alarms.takeDue(now);

      const expected = [...times].filter(([, at]) => at <= now);
      expect(due.toSorted()).toEqual(expected.map(([item]) => item).toSorted());
      expect(due.map((item) => times.get(item))).toEqual(
        expected.map(([, at]) => at).toSorted((a, b) => a - b),
      );
      expect(alarms.size).toBe(times.size - due.length);
      expect(due.map((item) => alarms.get(item))).toEqual(due.map(() => NEVER));
    }),
  );
});

test('an item that goes leaves nothing behind', () => {
  const alarms = new Alarms<object>();
  for (let i = 0; i < 1000; i++) {
    const item = {};
    alarms.bringForward(item, i);
    alarms.bringForward(item, i - 10);
    alarms.delete(item);
  }

  expect(alarms.size).toBe(0);
});
