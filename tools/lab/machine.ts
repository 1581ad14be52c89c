/** How busy this machine is, by anyone: measurements on a shared one mean little without it. */
import { cpus } from 'node:os';
import { performance } from 'node:perf_hooks';

/** Begins to measure. Out: the share of all cores that was in use since, 0 to 1. */
export function measureBusy(): () => number {
  const start = performance.now();
  const idleBefore = idleTime();
  return () => 1 - (idleTime() - idleBefore) / ((performance.now() - start) * cpus().length);
}

function idleTime(): number {
  return cpus().reduce((sum, { times }) => sum + times.idle, 0);
}
