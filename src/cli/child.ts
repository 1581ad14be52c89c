/** A headwater command as a child process that speaks JSON lines. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { HeadwaterError } from '../errors.js';

type Event = Record<string, unknown>;

export interface Child {
  /** Undefined while it runs; -1 if a signal ended it. */
  readonly exitCode: number | undefined;
  /** The first event of this name, past or to come. Throws UNREACHABLE if the process ends before, ABORTED on the signal. */
  first(name: string, signal: AbortSignal): Promise<Event>;
  /** The last line on its stderr. */
  lastWords(): string;
  /** Asks it to end, insists after a while, and waits until it has. */
  stop(): Promise<void>;
  /** As a crash would: no last words. */
  kill(): void;
}

export function spawnCommand(args: readonly string[], onEvent: (event: Event) => void): Child {
  const main = fileURLToPath(new URL('./main.js', import.meta.url));
  const process_ = spawn(process.execPath, [main, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, HEADWATER_LOG_FORMAT: 'plain' },
  });
  const seen = new Map<string, Event>();
  const waiters = new Set<() => void>();
  let exitCode: number | undefined;
  let words = '';
  const ended = new Promise<void>((done) => {
    process_.once('close', (code) => {
      exitCode = code ?? -1;
      for (const wake of [...waiters]) wake();
      done();
    });
  });
  createInterface({ input: process_.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as Event;
    if (!seen.has(String(event.event))) seen.set(String(event.event), event);
    onEvent(event);
    for (const wake of [...waiters]) wake();
  });
  createInterface({ input: process_.stderr }).on('line', (line) => {
    words = line;
  });
  return {
    get exitCode() {
      return exitCode;
    },
    async first(name, signal) {
      for (;;) {
        const event = seen.get(name);
        if (event) return event;
        if (signal.aborted) throw new HeadwaterError('ABORTED', 'interrupted, or out of time');
        if (exitCode !== undefined)
          throw new HeadwaterError(
            'UNREACHABLE',
            `${args[0]}: expected it to start, got exit code ${exitCode}: ${words}`,
          );
        await new Promise<void>((done) => {
          const wake = () => {
            waiters.delete(wake);
            signal.removeEventListener('abort', wake);
            done();
          };
          waiters.add(wake);
          signal.addEventListener('abort', wake, { once: true });
        });
      }
    },
    lastWords: () => words || '(nothing on stderr)',
    async stop() {
      if (exitCode !== undefined) return;
      process_.kill('SIGTERM');
      const insist = setTimeout(() => process_.kill('SIGKILL'), PATIENCE);
      await ended;
      clearTimeout(insist);
    },
    kill() {
      process_.kill('SIGKILL');
    },
  };
}

const PATIENCE = 5000;
