/** Runs seeds that `sim.ts` hands out, in a thread of its own. */
import { parentPort } from 'node:worker_threads';
import { type RunReport, runScenario } from '../../../src/sim/run.js';
import { randomScenario } from '../../../src/sim/scenario.js';

export interface SwarmResult {
  seed: string;
  violation: string | undefined;
  report: Omit<RunReport, 'lines'>;
}

parentPort!.on('message', ({ from, to }: { from: number; to: number }) => {
  const results: SwarmResult[] = [];
  for (let i = from; i < to; i++) {
    const { lines: _, ...report } = runScenario(randomScenario(String(i)));
    results.push({ seed: String(i), violation: report.violation, report });
  }
  parentPort!.postMessage(results);
});
