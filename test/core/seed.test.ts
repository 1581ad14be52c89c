/** The test helper itself: a failure must name the seed that it failed with, and HEADWATER_SEED must replay just that. */
import { afterEach, expect, test, vi } from 'vitest';
import { seedFor, withSeeds } from '../util/seed.js';

afterEach(() => vi.unstubAllEnvs());

test('a failure names its seed, and keeps its own message', async () => {
  vi.stubEnv('HEADWATER_SEED', undefined);
  const fails = withSeeds(
    5,
    (seed) => {
      if (seed === 'storm-3') throw new Error('lost a symbol');
    },
    'storm',
  );
  await expect(fails).rejects.toThrow(/^lost a symbol\nreplay: HEADWATER_SEED=storm-3 npm test$/);
  await expect(withSeeds(1, () => Promise.reject('text'))).rejects.toThrow(
    'replay: HEADWATER_SEED=headwater-0 npm test',
  );
});

test('HEADWATER_SEED replays one seed; random draws new ones', async () => {
  const seeds: string[] = [];
  const note = (seed: string) => void seeds.push(seed);
  vi.stubEnv('HEADWATER_SEED', 'storm-3');
  await withSeeds(5, note);
  expect(seeds).toEqual(['storm-3']);
  expect(seedFor('any test')).toBe('storm-3');
  vi.stubEnv('HEADWATER_SEED', 'random');
  await withSeeds(3, note);
  expect(new Set(seeds).size).toBe(4);
  vi.stubEnv('HEADWATER_SEED', undefined);
  expect(seedFor('any test: n = 3')).toBe('any-test-n-3');
});
