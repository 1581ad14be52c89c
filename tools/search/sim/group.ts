/** Runs one group of many members in a thread of its own. In: a GroupRun. Out: what it took. */
import { Worker } from 'node:worker_threads';
import type { GroupResult, GroupRun } from './members.js';

export function runGroup(run: GroupRun): Promise<GroupResult> {
  return new Promise((resolve, reject) => {
    new Worker(new URL('./members.js', import.meta.url), { workerData: run, resourceLimits: LARGE_HEAP })
      .on('message', resolve)
      .on('error', reject);
  });
}

/** A group of 512 has a quarter of a million paths. */
const LARGE_HEAP = { maxOldGenerationSizeMb: 12 * 1024, maxYoungGenerationSizeMb: 128 };
