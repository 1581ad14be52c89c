/** A sender and receivers that are killed at any moment: a short run of `npm run soak -- transfer`. */
import { expect, test } from 'vitest';
import { soak } from '../../tools/search/transfer/main.js';

test('whoever is killed when, no file is wrong or half, and all arrive', async () => {
  const { kills, violations } = await soak({ seed: 'short', kills: 4, files: 40 });
  expect(violations).toEqual([]);
  expect(kills).toBe(4);
}, 300_000);
