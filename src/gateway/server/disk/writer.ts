/**
 * Keeps what a gateway has applied: at once in a journal, which a crash of this process does not take away, and soon after in the log
 * of revisions, synced, one commit for many. In: a gateway, a journal, a log. Out: word to the gateway, and when all is in the log.
 */
import type { Gateway } from '../../gateway.js';
import type { Writes } from '../../state/state.js';
import type { Journal } from './journal.js';
import type { RevisionLog } from './log.js';

export interface LogWriterOptions {
  gateway: Gateway;
  journal: Journal;
  log: RevisionLog;
  /** Something more is kept. */
  onKept(): void;
  /** How long a commit of the log took, in seconds. */
  onCommit(seconds: number): void;
  /** The log could not be written, and is tried again. */
  onError(error: Error): void;
}

export class LogWriter {
  private readonly options: LogWriterOptions;
  private running: Promise<void> | undefined;
  private timer: NodeJS.Timeout | undefined;
  /** Ends the wait before a commit. */
  private hurry: (() => void) | undefined;
  /** The journal has no room: what it lacks counts as kept once it is in the log, and so does what comes after. */
  private isFull = false;
  private isClosed = false;
  /** Commits that have begun, and that have ended. */
  private begun = 0;
  private done = 0;

  constructor(options: LogWriterOptions) {
    this.options = options;
  }

  /** Something may have been applied. */
  wake(): void {
    const { gateway, journal, onKept } = this.options;
    const entries = gateway.takeEntries();
    if (entries.length > 0 && !this.isFull) {
      if (journal.append(entries)) {
        gateway.handleKept();
        onKept();
      } else this.isFull = true;
    }
    this.running ??= this.run();
    if (this.isFull || gateway.state.backlog >= HURRY) this.hurry?.();
  }

  /** Whether the log has all that was applied. */
  get isSettled(): boolean {
    return this.options.gateway.state.isRecorded;
  }

  /** Resolves once it has all that was applied until now: the commit that begins next has it. */
  async settled(when: 'soon' | 'by itself'): Promise<void> {
    const target = this.begun + 1;
    while (!this.isSettled && this.done < target && !this.isClosed) {
      this.wake();
      if (when === 'soon') this.hurry?.();
      await this.running;
    }
  }

  /** Writes what is left, once. */
  async close(): Promise<void> {
    this.wake();
    this.isClosed = true;
    this.hurry?.();
    await this.running;
  }

  private async run(): Promise<void> {
    // What comes meanwhile goes with it.
    if (!this.isClosed)
      await new Promise<void>((done) => {
        this.hurry = done;
        this.timer = setTimeout(done, GATHER_MS);
      });
    clearTimeout(this.timer);
    const { gateway, journal } = this.options;
    const writes = gateway.pollWrites();
    if (writes) {
      this.begun++;
      journal.turn();
      while (!(await this.write(writes)) && !this.isClosed)
        await new Promise((done) => setTimeout(done, RETRY_MS));
      this.done++;
    }
    // In the same step as the last look, or what comes between the two would be left lying.
    this.hurry = undefined;
    this.running = gateway.state.isRecorded || this.isClosed ? undefined : this.run();
    if (writes) this.options.onKept();
  }

  private async write(writes: Writes): Promise<boolean> {
    const { gateway, journal, log, onCommit, onError } = this.options;
    const startedAt = performance.now();
    try {
      await log.commit(writes);
    } catch (error) {
      onError(error as Error);
      return false;
    }
    onCommit((performance.now() - startedAt) / 1000);
    journal.drop();
    gateway.handleCommitted(writes);
    if (gateway.state.isRecorded) this.isFull = false;
    return true;
  }
}

/** Between what was applied and its commit: the group's store is synced at the same disk meanwhile. */
const GATHER_MS = 200;
/** Revisions that wait, at most: half of what keeps more from being delivered. */
const HURRY = 512;
const RETRY_MS = 1000;
