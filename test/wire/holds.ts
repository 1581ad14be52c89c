/** Runs a fast-check property from the suite's own seed, so that a failure is replayed by pasting one command. */
import fc from 'fast-check';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';

export function holds<T>(name: string, property: fc.IRawProperty<T>, numRuns = 200): Promise<void> {
  const run = async (seed: string) => fc.assert(property, { seed: new Rng(seed).uint32() | 0, numRuns });
  return withSeeds(1, run, name);
}
