/** How fast something comes, as told to who waits for it. */
import { expect, test } from 'vitest';
import { Rates } from '../../src/file/rates.js';

test('a steady rate is what it is', () => {
  const rates = new Rates<string>();
  for (let at = 0; at <= 8000; at += 200) rates.of('ben', at, at * 50);
  expect(rates.of('ben', 8200, 8200 * 50)).toBeCloseTo(50_000);
});

test('what was there before came at no rate, and nothing is said of too short a time', () => {
  const rates = new Rates<string>();
  expect(rates.of('ben', 1000, 5e9)).toBe(0);
  expect(rates.of('ben', 1100, 5e9 + 1000)).toBe(0);
  expect(rates.of('ben', 2000, 5e9 + 2000)).toBeCloseTo(2000);
});

test('who stands still comes to nothing within a few seconds', () => {
  const rates = new Rates<string>();
  for (let at = 0; at <= 3000; at += 200) rates.of('ben', at, at * 50);
  for (let at = 3200; at <= 9000; at += 200) rates.of('ben', at, 150_000);
  expect(rates.of('ben', 9200, 150_000)).toBe(0);
});

test('who has lost what it had starts anew', () => {
  const rates = new Rates<string>();
  rates.of('ben', 0, 1000);
  rates.of('ben', 1000, 2000);
  expect(rates.of('ben', 2000, 0)).toBe(0);
});
