/** A thread of CodecPool: takes codec jobs as messages, one at a time, and answers each with its result. */

import { parentPort } from 'node:worker_threads';
import { type CodecJob, type CodecResult, runJob } from '../../codec/job.js';
import { HeadwaterError } from '../../errors.js';

/** What comes back for each job, in the order of the jobs. */
export type WorkerReply = { result: CodecResult } | { code: HeadwaterError['code']; message: string };

parentPort?.on('message', (job: CodecJob) => {
  try {
    const result = runJob(job);
    reply({ result }, result ? [result.buffer] : []);
  } catch (error) {
    if (!(error instanceof HeadwaterError)) throw error;
    reply({ code: error.code, message: error.message });
  }
});

function reply(message: WorkerReply, transfer: ArrayBuffer[] = []): void {
  parentPort?.postMessage(message, transfer);
}
