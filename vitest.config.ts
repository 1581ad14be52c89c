import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

const major = process.versions.node.split('.')[0];

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    setupFiles: ['test/setup.ts'],
    // By itself vitest leaves one processor to itself, of two half.
    maxWorkers: availableParallelism(),
    testTimeout: 120_000,
    hookTimeout: 120_000,
    reporters: process.env.HEADWATER_TEST_REPORT
      ? ['default', ['json', { outputFile: `build/test-node${major}.json` }]]
      : ['default'],
  },
});
