/**
 * A group that changes while it runs, in the simulator: for how long nothing is delivered, and whether anything is lost, doubled or reordered.
 * In: seeds. Out: rows of `npm run bench -- reach`.
 */
import { MILLISECOND } from '../src/core/time.js';
import { type PauseReport, runPause } from '../src/sim/epochs/pause.js';
import { countChanges, searchChanges } from '../src/sim/epochs/run.js';
import { type BenchRow, row } from './report.js';

/** Each seed once with changes and once without: what the same load gives anyway is no pause. */
export function pauses(seed: string): BenchRow[] {
  const pairs = Array.from({ length: PAUSES }, (_, i) =>
    ([true, false] as const).map((isChanging) => kept(`${seed} ${i}`, isChanging)),
  );
  const sorted = (of: (report: PauseReport) => number) =>
    pairs.map(([changed, still]) => (of(changed) - of(still)) / MILLISECOND).sort((a, b) => a - b);
  const longest = sorted((report) => report.longest);
  const ofOrigin = sorted((report) => report.longestOfOrigin);
  const name = 'pause of delivery at a change, 3 -> 4 -> 3 members, 20 ms one way';
  return [
    row(`${name}: ms, median of ${PAUSES}`, longest[PAUSES >> 1], 'max', 200, 50),
    row(`${name}: ms, the worst`, longest[PAUSES - 1], 'info'),
    row(`${name}: ms, of one origin alone, median`, ofOrigin[PAUSES >> 1], 'info'),
  ];
}

/** The runs of `npm run changes`. */
export function changes(start: number, seeds: number): BenchRow[] {
  const sum = searchChanges(
    start,
    seeds,
    (seed, violation) => void console.error(`seed ${seed}: ${violation}`),
  );
  const name = 'add, remove, replace, rotate under load: messages lost, doubled, reordered';
  return [
    row(
      `${name} in ${countChanges(sum.changes)} random changes, seeds ${start} to ${start + seeds - 1}`,
      sum.failed,
      'max',
      0,
    ),
  ];
}

function kept(seed: string, isChanging: boolean): PauseReport {
  const report = runPause(seed, isChanging);
  const { violation, changes: made } = report;
  if (violation !== undefined) throw new Error(`pause, seed ${seed}: ${violation}`);
  if (made !== (isChanging ? 2 : 0))
    throw new Error(`pause, seed ${seed}: ${made} changes were over in time`);
  return report;
}

const PAUSES = 5;
