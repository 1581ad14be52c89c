/** Slots that have changed, each named once. */
import { expect, test } from 'vitest';
import { Marks } from '../../src/core/marks.js';

function takeAll(marks: Marks): number[] {
  const taken: number[] = [];
  for (let slot = marks.take(); slot >= 0; slot = marks.take()) taken.push(slot);
  return taken;
}

test('gives each marked slot once, in the order of the first marks', () => {
  const marks = new Marks(5);
  for (const slot of [3, 1, 3, 0, 1]) marks.mark(slot);

  expect(takeAll(marks)).toEqual([3, 1, 0]);
});

test('gives a slot again that is marked while the others are taken', () => {
  const marks = new Marks(3);
  marks.mark(2);
  marks.mark(1);
  const first = marks.take();
  marks.mark(2);

  expect([first, ...takeAll(marks)]).toEqual([2, 1, 2]);
});

test('marks all slots there are', () => {
  const marks = new Marks(3);
  marks.mark(1);
  marks.markAll();

  expect(takeAll(marks)).toEqual([1, 0, 2]);
});
