/**
 * LMDB as the store uses it: opening without being ended by a damaged file, one transaction at a time, errors with our codes.
 *
 * lmdb-js is used with `overlappingSync: false`, since with it a commit resolves before it is synced, and with
 * `eventTurnBatching: false`, since with it a failed commit also rejects a promise that nobody can reach, which ends the process.
 */
import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import type { RootDatabase } from 'lmdb';
import { HeadwaterError } from '../errors.js';
import { findDamage } from './pages.js';

export type Database = RootDatabase<Uint8Array, Uint8Array>;

/** Opens or makes a database. Ends the process if the file is damaged: see `damageOf`. */
export async function database(path: string): Promise<Database> {
  // Not before it is needed: without it a node in memory has a fifth less for the garbage collector to mark.
  const { open } = await import('lmdb');
  return open<Uint8Array, Uint8Array>({
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    mapSize: MAP_SIZE,
  });
}

/**
 * Runs one transaction: all that `writes` puts and removes, or nothing. Durable when it returns.
 *
 * @param size about how many bytes it writes
 */
export async function transact(db: Database, path: string, size: number, writes: () => void): Promise<void> {
  try {
    await db.batch(writes);
  } catch (error) {
    const cause = await causeOf(error);
    // LMDB gives EIO for a write that was cut short, which is how a full disk shows first.
    const full =
      NO_ROOM.has(cause.code) || (cause.code === EIO && (await hasNoRoom(path, 2 * size + MARGIN)));
    throw full
      ? new HeadwaterError('STORE_FULL', `store: expected room on the disk, got none for ${path}`, { cause })
      : storeError(cause, path);
  }
}

/** lmdb-js rejects a commit with an error that holds a promise of the real one. */
async function causeOf(error: unknown): Promise<Error & { code?: unknown }> {
  const { commitError } = error as { commitError?: Promise<never> };
  if (commitError === undefined) return error as Error;
  return commitError.catch((cause: Error) => cause);
}

async function hasNoRoom(path: string, size: number): Promise<boolean> {
  const file = `${path}.room`;
  try {
    await writeFile(file, new Uint8Array(size));
    return false;
  } catch (error) {
    return ['ENOSPC', 'EDQUOT', 'EFBIG'].includes((error as NodeJS.ErrnoException).code ?? '');
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}

/** Why the file cannot be opened; undefined if it can. */
export function damageOf(path: string): string | undefined {
  const file = openSync(path, 'r');
  try {
    const window = new Uint8Array(READ_WINDOW);
    let from = 0;
    let to = 0;
    return findDamage(fstatSync(file).size, (at, length) => {
      if (length > window.length) {
        const large = new Uint8Array(length);
        return large.subarray(0, readSync(file, large, 0, length, at));
      }
      if (at < from || at + length > to) {
        from = at;
        to = at + readSync(file, window, 0, window.length, at);
      }
      return window.subarray(at - from, Math.min(at - from + length, to - from));
    });
  } finally {
    closeSync(file);
  }
}

/** The processes that have the database open: LMDB drops the entries of those that have ended. */
export function readers(db: Database): number[] {
  db.readerCheck();
  return [...db.readerList().matchAll(/^\s*(\d+)\s/gm)].map((match) => Number(match[1]));
}

/** Whether an error of LMDB's says that the file is not what it should be. */
export function isDamage(error: unknown): boolean {
  return DAMAGED.has((error as { code?: unknown }).code);
}

export function storeError(error: unknown, path: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  const kind = NO_ROOM.has(code) || code === 'ENOSPC' || code === 'EDQUOT' ? 'STORE_FULL' : 'STORE';
  return new HeadwaterError(kind, `store: expected to use ${path}, got ${message}`, { cause: error });
}

/** Of address space, to begin with; LMDB maps anew when the file outgrows it. */
const MAP_SIZE = 1 << 30;
const READ_WINDOW = 65_536;
/** Of bytes: what a transaction writes beside its objects. */
const MARGIN = 1 << 20;
/** errno(3), and lmdb.h. */
const EIO = 5;
const NO_ROOM: ReadonlySet<unknown> = new Set([
  28, // ENOSPC
  122, // EDQUOT
  27, // EFBIG
  -30792, // MDB_MAP_FULL
]);
const DAMAGED: ReadonlySet<unknown> = new Set([
  -30797, // MDB_PAGE_NOTFOUND
  -30796, // MDB_CORRUPTED
  -30794, // MDB_VERSION_MISMATCH
  -30793, // MDB_INVALID
]);
