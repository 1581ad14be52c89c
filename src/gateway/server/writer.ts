/** Writes what a gateway wants written, one commit after the other. In: a gateway, a log. Out: word to both sides. */
import type { Micros } from '../../core/time.js';
import type { Gateway } from '../gateway.js';
import type { Writes } from '../state/state.js';
import type { RevisionLog } from './log.js';

export interface LogWriterOptions {
  gateway: Gateway;
  log: RevisionLog;
  now(): Micros;
  /** Something is durable. */
  onCommitted(): void;
  /** It could not be written, and is tried again. */
  onError(error: Error): void;
}

export class LogWriter {
  private readonly options: LogWriterOptions;
  private running: Promise<void> | undefined;
  private isClosed = false;
  /** The commits so far, and how long they took together, in seconds. */
  commits = 0;
  seconds = 0;

  constructor(options: LogWriterOptions) {
    this.options = options;
  }

  /** There may be something to write. */
  wake(): void {
    this.running ??= this.run();
  }

  /** Resolves once all that was applied until now is durable. */
  async settled(): Promise<void> {
    this.wake();
    await this.running;
  }

  /** Gives up what cannot be written. */
  async close(): Promise<void> {
    this.wake();
    this.isClosed = true;
    await this.running;
  }

  private async run(): Promise<void> {
    const { gateway } = this.options;
    // Not before it is kept that this runs.
    await undefined;
    for (let writes = gateway.pollWrites(); writes; writes = gateway.pollWrites())
      if (!(await this.write(writes))) {
        if (this.isClosed) break;
        await new Promise((done) => setTimeout(done, RETRY_MS));
      }
    // In the same step as the last look, or what comes between the two would be left lying.
    this.running = undefined;
  }

  private async write(writes: Writes): Promise<boolean> {
    const { gateway, log, now, onCommitted, onError } = this.options;
    const startedAt = now();
    try {
      await log.commit(writes);
    } catch (error) {
      gateway.handleFailed(writes);
      onError(error as Error);
      return false;
    }
    this.commits++;
    this.seconds += (now() - startedAt) / 1e6;
    gateway.handleCommitted(now(), writes);
    onCommitted();
    return true;
  }
}

const RETRY_MS = 1000;
