/**
 * Lines for whoever reads our stderr, as etcd writes them: a JSON object each. Hydra-node makes a log entry of every line and reads
 * them one by one from a pipe, to which Node writes synchronously: so they are few, written beside the event loop, and dropped while
 * the reader is behind. In: what happened. Out: lines.
 */
import { write, writeSync } from 'node:fs';

export type Level = 'info' | 'warn' | 'error' | 'fatal';

export interface Logger {
  log(level: Level, msg: string, fields?: Record<string, unknown>): void;
  /** At most once in `ms` for this message. */
  rarely(ms: number, level: Level, msg: string, fields?: Record<string, unknown>): void;
  /** Written before this returns: for last words. */
  last(level: Level, msg: string, fields?: Record<string, unknown>): void;
}

/** @param onLost is called when nobody can read them any more */
export function stderrLogger(onLost: () => void): Logger {
  const waiting: Buffer[] = [];
  let isWriting = false;
  let leftOut = 0;
  const said = new Map<string, number>();
  const next = () => {
    const line = waiting.shift();
    isWriting = line !== undefined;
    if (!line) return;
    const rest = (error: NodeJS.ErrnoException | null, written: number) => {
      if (error?.code === 'EAGAIN') setTimeout(() => write(2, line, rest), RETRY_MS);
      else if (error) onLost();
      else if (written < line.length) waiting.unshift(line.subarray(written));
      if (!error) next();
    };
    write(2, line, rest);
  };
  const logger: Logger = {
    log(level, msg, fields = {}) {
      if (waiting.length >= MAX_WAITING) {
        leftOut++;
        return;
      }
      const lost = leftOut > 0 ? { linesLeftOut: leftOut } : {};
      leftOut = 0;
      waiting.push(lineOf(level, msg, { ...fields, ...lost }));
      if (!isWriting) next();
    },
    rarely(ms, level, msg, fields) {
      const now = performance.now();
      const before = said.get(msg);
      if (before !== undefined && now - before < ms) return;
      said.set(msg, now);
      logger.log(level, msg, fields);
    },
    last(level, msg, fields = {}) {
      try {
        for (const line of [...waiting.splice(0), lineOf(level, msg, fields)]) writeSync(2, line);
      } catch {
        // Nobody reads it.
      }
    },
  };
  return logger;
}

function lineOf(level: Level, msg: string, fields: Record<string, unknown>): Buffer {
  return Buffer.from(`${JSON.stringify({ level, ts: new Date().toISOString(), msg, ...fields })}\n`);
}

const MAX_WAITING = 256;
const RETRY_MS = 50;
