/** Calls that a signal may end. */
import { getEventListeners } from 'node:events';
import { expect, test } from 'vitest';
import { Aborts } from '../../src/node/aborts.js';

const listeners = (signal: AbortSignal) => getEventListeners(signal, 'abort').length;

test('any number under one signal cost one listener, which goes with the last of them', () => {
  const { signal } = new AbortController();
  const aborts = new Aborts();
  const ends = Array.from({ length: 100 }, () => aborts.on(signal, () => {}));
  const counts = [listeners(signal)];
  for (const end of ends.slice(1)) end();
  counts.push(listeners(signal));
  ends[0]();
  counts.push(listeners(signal));
  expect(counts).toEqual([1, 1, 0]);
});

test('each that has not ended is told once', () => {
  const controller = new AbortController();
  const aborts = new Aborts();
  const told: string[] = [];
  for (const name of ['a', 'b']) aborts.on(controller.signal, () => told.push(name));
  aborts.on(controller.signal, () => told.push('ended'))();
  controller.abort();
  expect(told).toEqual(['a', 'b']);
});
