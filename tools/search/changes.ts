/**
 * Groups that change while they run, at random (`src/sim/epochs`). In: `--start S --seeds N`. Out: a line for each run that broke a promise, and a
 * last one with what all of them did; exit code 1 if one broke any.
 */
import { parseArgs } from 'node:util';
import { runChanges } from '../../src/sim/epochs/run.js';

const { values } = parseArgs({
  options: { start: { type: 'string', default: '0' }, seeds: { type: 'string', default: '100' } },
});
const [start, seeds] = [Number(values.start), Number(values.seeds)];
const sum = { changes: 0, starts: 0, messages: 0 };
let failed = 0;
for (let seed = start; seed < start + seeds; seed++) {
  const { violation, changes, starts, messages } = runChanges(`${seed}`);
  sum.changes += changes;
  sum.starts += starts;
  sum.messages += messages;
  if (violation === undefined) continue;
  failed++;
  process.stdout.write(`${seed}: ${violation}\n`);
}
process.stdout.write(
  `${seeds} seeds from ${start}: ${failed} failed; ${sum.changes} changes, ${sum.starts} starts, ${sum.messages} messages\n`,
);
process.exitCode = failed > 0 ? 1 : 0;
