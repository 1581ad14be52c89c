/**
 * Small files, many at a time: each call that waits for a thread takes longer than to open, read or write one that is in memory.
 * So they are done here and now, a millisecond at a time, between which everything else has its turn.
 */
import {
  type BigIntStats,
  closeSync,
  constants,
  fchmodSync,
  fstatSync,
  futimesSync,
  openSync,
  readSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import type { Entry } from '../bulk/manifest.js';

/** Whether a file is done here. */
export function isSmall({ kind, size }: Pick<Entry, 'kind' | 'size'>): boolean {
  return kind === 'file' && size > 0 && size <= SMALL;
}

/** One after the other, with turns for others in between. */
export async function inTurns<T>(all: Iterable<T>, act: (one: T) => void): Promise<void> {
  const turns = new Turns();
  for (const one of all) {
    act(one);
    if (turns.isOver) await turns.next();
  }
}

/** Time for others, now and then. */
export class Turns {
  private since = performance.now();

  /** Whether it is the others' turn. */
  get isOver(): boolean {
    return performance.now() - this.since >= TURN_MS;
  }

  async next(): Promise<void> {
    await setImmediate();
    this.since = performance.now();
  }
}

/** Fills `target` from the start of a file that must be no link; says how much that was. Throws what the file system says. */
export function readSmall(path: string, target: Uint8Array): number {
  const file = openSync(path, constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0));
  try {
    let done = 0;
    while (done < target.length) {
      const read = readSync(file, target, done, target.length - done, done);
      if (read === 0) break;
      done += read;
    }
    return done;
  } finally {
    closeSync(file);
  }
}

/** Writes a whole file, with its mode and time, in place of what a former run has left there. It is not durable yet. Tells which it is. */
export function writeSmall(path: string, bytes: Uint8Array, { mode, modified }: Entry): BigIntStats {
  const file = create(path);
  try {
    for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done, bytes.length - done, done);
    futimesSync(file, secondsOf(modified), secondsOf(modified));
    fchmodSync(file, mode);
    return fstatSync(file, { bigint: true });
  } finally {
    closeSync(file);
  }
}

/** As a number of seconds a time in ms may be a little less than it is, and is cut off. */
export function secondsOf(milliseconds: number): number {
  return (milliseconds + 0.001) / 1000;
}

function create(path: string): number {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL;
  try {
    return openSync(path, flags, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // It may be one that we may not write to.
    rmSync(path);
    return openSync(path, flags, 0o600);
  }
}

/** Bytes. */
const SMALL = 64 * 1024;
const TURN_MS = 1;
