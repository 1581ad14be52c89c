/**
 * Worker threads for codec jobs that would hold the event loop (Decoder.nextJob, Encoder.prepareJob). In: jobs. Out: their
 * results, in the order of the jobs. Threads start with the first job, and do not keep the process alive while idle.
 */

import { Worker } from 'node:worker_threads';
import { type CodecJob, type CodecResult, transferOf } from '../../codec/job.js';
import { assertInteger, HeadwaterError } from '../../errors.js';
import type { WorkerReply } from './codec-worker.js';

/** How many threads, and what may wait for them. */
export interface CodecPoolOptions {
  /** Default 1: enough for one event loop's traffic. */
  readonly threads?: number;
  /** Most bytes of symbols in jobs that have not been answered; a job alone may be larger. Default 128 MiB. */
  readonly maxQueuedBytes?: number;
  /** @internal For tests that run from the sources: the compiled worker. */
  readonly worker?: URL;
}

interface Task {
  readonly job: CodecJob;
  readonly size: number;
  readonly resolve: (result: CodecResult) => void;
  readonly reject: (error: Error) => void;
  /** Set when the job is done; called when those before it are too. */
  settle?: () => void;
}

interface Thread {
  readonly worker: Worker;
  task: Task | undefined;
}

/**
 * Worker threads for blocks that would hold the event loop for long: see `isHeavy` of `headwater/codec`.
 *
 * @example
 * await using pool = new CodecPool();
 * using decoder = new Decoder(new Oti({ transferLength: 9_000_000, symbolSize: 1280, sourceBlocks: 1 }), { deferHeavy: true });
 * // for each symbol that comes: decoder.add(sbn, esi, symbol), then
 * const job = decoder.nextJob(0);
 * if (job) decoder.finishJob(job, await pool.run(job));
 */
export class CodecPool {
  readonly #limit: number;
  readonly #maxThreads: number;
  readonly #url: URL;
  readonly #threads: Thread[] = [];
  /** Not yet given to a thread. */
  readonly #waiting: Task[] = [];
  /** Not yet settled, in order. */
  readonly #order: Task[] = [];
  #bytes = 0;
  #closed = false;

  /** Starts no thread yet. @throws HeadwaterError INVALID_ARGUMENT */
  constructor(options: CodecPoolOptions = {}) {
    const { threads = 1, maxQueuedBytes = DEFAULT_QUEUE, worker } = options;
    assertInteger('threads', threads, 1, 64);
    assertInteger('maxQueuedBytes', maxQueuedBytes, 1, Number.MAX_SAFE_INTEGER);
    this.#maxThreads = threads;
    this.#limit = maxQueuedBytes;
    this.#url = worker ?? new URL('./codec-worker.js', import.meta.url);
  }

  /** Jobs not yet answered. */
  get pending(): number {
    return this.#order.length;
  }

  /**
   * Runs a job in a thread. Its arrays are transferred: they are empty afterwards. Promises settle in the order of calls.
   * @throws (rejects) HeadwaterError BUSY if the queue is full, and then the job is still the caller's; OUT_OF_MEMORY if it
   * does not fit a thread's codec memory; CLOSED if the pool was closed, or the thread died of this job.
   */
  run(job: CodecJob): Promise<CodecResult> {
    if (this.#closed) return Promise.reject(closed('pool closed'));
    const size = job.symbols.byteLength;
    if (this.#bytes > 0 && this.#bytes + size > this.#limit)
      return Promise.reject(
        new HeadwaterError('BUSY', `codec pool: ${this.#bytes} bytes queued of at most ${this.#limit}`),
      );
    return new Promise((resolve, reject) => {
      const task: Task = { job, size, resolve, reject };
      this.#bytes += size;
      this.#order.push(task);
      this.#waiting.push(task);
      this.#dispatch();
    });
  }

  /** Stops the threads. Jobs not answered by now are rejected with CLOSED. Closing again does nothing. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#waiting.length = 0;
    for (const task of this.#order.splice(0)) task.reject(closed('pool closed'));
    this.#bytes = 0;
    await Promise.all(this.#threads.splice(0).map(({ worker }) => worker.terminate()));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #dispatch(): void {
    while (this.#waiting.length > 0) {
      const thread = this.#threads.find(({ task }) => !task) ?? this.#spawn();
      if (!thread) return;
      const task = this.#waiting.shift() as Task;
      thread.task = task;
      thread.worker.ref();
      thread.worker.postMessage(task.job, transferOf(task.job));
    }
  }

  #spawn(): Thread | undefined {
    if (this.#threads.length >= this.#maxThreads) return undefined;
    const thread: Thread = { worker: new Worker(this.#url), task: undefined };
    thread.worker.on('message', (reply: WorkerReply) =>
      this.#done(thread, (task) =>
        'code' in reply
          ? task.reject(new HeadwaterError(reply.code, reply.message))
          : task.resolve(reply.result),
      ),
    );
    const lost = (cause?: unknown) => {
      const at = this.#threads.indexOf(thread);
      if (at < 0) return;
      // The thread is gone, and its job with it; the next job starts another one.
      this.#threads.splice(at, 1);
      this.#done(thread, (task) => task.reject(closed('its thread died', cause)));
    };
    thread.worker.on('error', lost);
    thread.worker.on('exit', () => lost());
    this.#threads.push(thread);
    return thread;
  }

  #done(thread: Thread, settle: (task: Task) => void): void {
    const task = thread.task;
    thread.task = undefined;
    thread.worker.unref();
    if (task) task.settle = () => settle(task);
    while (this.#order[0]?.settle) {
      const first = this.#order.shift() as Task;
      this.#bytes -= first.size;
      first.settle?.();
    }
    if (!this.#closed) this.#dispatch();
  }
}

function closed(what: string, cause?: unknown): HeadwaterError {
  return new HeadwaterError('CLOSED', `codec pool: ${what}`, { cause });
}

const DEFAULT_QUEUE = 128 * 2 ** 20;
