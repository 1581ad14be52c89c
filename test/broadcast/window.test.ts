/** The window over an origin's objects against the simplest model: sets that forget nothing. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { SeqWindow } from '../../src/broadcast/window.js';
import { holds } from '../wire/holds.js';

const SPAN = 8;

/** Take up the object `ahead` of the newest one so far (or behind it), or finish the i-th of those open. */
type Step = { take: number } | { finish: number };

// Mostly small steps, so that windows fill up; sometimes a leap over several windows.
const ahead = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: -SPAN, max: 3 }) },
  { weight: 1, arbitrary: fc.integer({ min: -3 * SPAN, max: 3 * SPAN }) },
);
const step: fc.Arbitrary<Step> = fc.oneof(fc.record({ take: ahead }), fc.record({ finish: fc.nat(SPAN) }));
const story = fc.array(step, { maxLength: 120, size: 'max' });

test('knows what is open and what is finished, as a model that keeps everything does', () =>
  holds(
    'window model',
    fc.property(story, (steps) => {
      const window = new SeqWindow<string>(SPAN);
      const open = new Set<number>();
      const finished = new Set<number>();
      let newest = 0;
      for (const next of steps) {
        if ('take' in next) {
          const seq = Math.max(0, newest + next.take);
          if (open.has(seq) || isFinished(seq)) continue;
          newest = Math.max(newest, seq);
          const fallen = [...open].filter(isFinished);
          expect(window.add(seq, `object ${seq}`)).toEqual(fallen.map((old) => `object ${old}`));
          for (const old of fallen) open.delete(old);
          open.add(seq);
        } else if (open.size > 0) {
          const seq = [...open][next.finish % open.size];
          window.finish(seq);
          open.delete(seq);
          finished.add(seq);
        }
        const around = Array.from({ length: 3 * SPAN }, (_, i) => Math.max(0, newest + 2 - i));
        expect(around.filter((seq) => window.isFinished(seq))).toEqual(around.filter(isFinished));
        expect(around.filter((seq) => window.get(seq))).toEqual(around.filter((seq) => open.has(seq)));
        expect([...window.values()]).toEqual([...open].map((seq) => `object ${seq}`));
        expect(window.size).toBe(open.size);
      }

      function isFinished(seq: number): boolean {
        return finished.has(seq) || seq <= newest - SPAN;
      }
    }),
    100,
  ));

test('nothing finished is ever open or unfinished again', () =>
  holds(
    'finished for good',
    fc.property(story, (steps) => {
      const window = new SeqWindow<number>(SPAN);
      const over = new Set<number>();
      let newest = 0;
      for (const next of steps) {
        if ('take' in next) {
          const seq = Math.max(0, newest + next.take);
          if (window.get(seq) === undefined && !window.isFinished(seq)) window.add(seq, seq);
          newest = Math.max(newest, seq);
        } else {
          const seq = [...window.values()][next.finish % window.size];
          if (seq !== undefined) window.finish(seq);
        }
        for (let seq = 0; seq <= newest; seq++) if (window.isFinished(seq)) over.add(seq);
        const returned = [...over].filter((seq) => !window.isFinished(seq) || window.get(seq) !== undefined);
        expect(returned).toEqual([]);
      }
    }),
    100,
  ));

test('remembers no more than its span, whatever is never finished and whatever is leapt over', () =>
  holds(
    'bounded window',
    fc.property(story, (steps) => {
      const window = new SeqWindow<number>(SPAN);
      let newest = 0;
      for (const next of steps) {
        if ('take' in next) {
          const seq = Math.max(0, newest + next.take);
          if (window.get(seq) === undefined && !window.isFinished(seq)) window.add(seq, seq);
          newest = Math.max(newest, seq);
        } else {
          const seq = [...window.values()][next.finish % window.size];
          if (seq !== undefined) window.finish(seq);
        }
        expect(remembered(window)).toBeLessThanOrEqual(SPAN);
      }
    }),
    100,
  ));

test('what is finished in order is forgotten at once', () => {
  const window = new SeqWindow<number>(SPAN);
  for (const seq of [0, 1, 2, 3]) window.add(seq, seq);
  for (const seq of [3, 1, 2]) window.finish(seq);
  expect(remembered(window)).toBe(4);
  window.finish(0);
  expect(remembered(window)).toBe(0);
  expect([0, 1, 2, 3, 4].map((seq) => window.isFinished(seq))).toEqual([true, true, true, true, false]);
});

test('finishing one that has fallen out changes nothing', () => {
  const window = new SeqWindow<number>(SPAN);
  window.add(0, 0);
  expect(window.add(100, 100)).toEqual([0]);
  window.finish(0);
  expect([...window.values()]).toEqual([100]);
  expect(remembered(window)).toBe(1);
  expect(window.isFinished(92)).toBe(true);
  expect(window.isFinished(93)).toBe(false);
});

/** How many numbers it keeps, open and finished ones. */
function remembered(window: SeqWindow<number>): number {
  const inside = window as unknown as { open: Map<number, number>; finished: Set<number> };
  return inside.open.size + inside.finished.size;
}
