/**
 * Groups that change while they run, at random (`src/sim/epochs`). In: `--start S --seeds N`. Out: a line for each run that broke a promise, and a
 * last one with what all of them did; exit code 1 if one broke any.
 */
import { parseArgs } from 'node:util';
import { countChanges, searchChanges } from '../../src/sim/epochs/run.js';

const { values } = parseArgs({
  options: { start: { type: 'string', default: '0' }, seeds: { type: 'string', default: '100' } },
});
const [start, seeds] = [Number(values.start), Number(values.seeds)];
const { failed, changes, starts, messages } = searchChanges(
  start,
  seeds,
  (seed, violation) => void process.stdout.write(`${seed}: ${violation}\n`),
);
const kinds = Object.entries(changes).map(([kind, count]) => `${kind} ${count}`);
process.stdout.write(
  `${seeds} seeds from ${start}: ${failed} failed; ${countChanges(changes)} changes (${kinds.join(', ')}), ${starts} starts, ${messages} messages\n`,
);
process.exitCode = failed > 0 ? 1 : 0;
