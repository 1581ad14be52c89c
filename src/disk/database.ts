/**
 * LMDB as the store uses it: opening without being ended by a damaged file, one transaction at a time, errors with our codes.
 *
 * lmdb-js is used with `overlappingSync: false`, since with it a commit resolves before it is synced, and with
 * `eventTurnBatching: false`, since with it a failed commit also rejects a promise that nobody can reach, which ends the process.
 */
import {
  accessSync,
  closeSync,
  constants,
  fstatSync,
  linkSync,
  openSync,
  readSync,
  rmSync,
  statfsSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { RootDatabase } from 'lmdb';
import { HeadwaterError } from '../errors.js';
import { findDamage, firstRecord, type ReadFile } from './pages.js';

export type Database = RootDatabase<Uint8Array, Uint8Array>;

/**
 * Opens or makes a database, for this user alone. Throws STORE if something else is in its place. Ends the process if the file
 * is damaged: see `damageOf`.
 */
export async function database(path: string, mapSize = MAP_SIZE): Promise<Database> {
  // LMDB ends the process at a lock that it cannot open.
  for (const file of [path, `${path}-lock`]) {
    const info = statSync(file, { throwIfNoEntry: false });
    if (info?.isFile() === false)
      throw new HeadwaterError('STORE', `store: expected a plain file at ${file}, got something else`);
    if (info) accessSync(file, constants.R_OK | constants.W_OK);
  }
  // Not before it is needed: without it a node in memory has a fifth less for the garbage collector to mark.
  const { open } = await import('lmdb');
  allocate(`${path}-lock`);
  const options = {
    path,
    noSubdir: true,
    encoding: 'binary',
    keyEncoding: 'binary',
    overlappingSync: false,
    eventTurnBatching: false,
    mapSize,
    permissionsMode: 0o600,
  } as const;
  return open<Uint8Array, Uint8Array>(options);
}

/**
 * Makes LMDB's lock file with room on the disk for all of it, if it is not there: LMDB maps it, and where the disk is full a
 * write to a page that has no room ends the process (SIGBUS). It appears whole, so that who opens it meanwhile is not hurt.
 */
function allocate(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) !== undefined) return;
  const part = `${file}.${process.pid}.${Math.random().toString(36).slice(2)}`;
  try {
    writeFileSync(part, new Uint8Array(LOCK_FILE_SIZE), { mode: 0o600 });
    linkSync(part, file);
  } catch (error) {
    // Another one has made it, or the file system has no links: LMDB makes it then.
    if (isNoRoom((error as NodeJS.ErrnoException).code)) throw error;
  } finally {
    rmSync(part, { force: true });
  }
}

/**
 * Runs one transaction: all that `writes` puts and removes, or nothing. Durable when it returns.
 *
 * @param size about how many bytes it writes
 */
export async function transact(db: Database, path: string, size: number, writes: () => void): Promise<void> {
  if (!hasRoom(db, path, 2 * size + OVERHEAD)) throw noRoom(path);
  try {
    await db.batch(writes);
  } catch (error) {
    const cause = await causeOf(error);
    // LMDB gives EIO for a write that was cut short, which is how a full disk shows first.
    const full = isNoRoom(cause.code) || (cause.code === EIO && (await hasNoRoom(path, 2 * size + MARGIN)));
    throw full ? noRoom(path, cause) : storeError(cause, path);
  }
}

/**
 * Whether so many bytes have room on the disk, or in what the file has free. LMDB would find out too, but it and lmdb-js print
 * each write that fails to stderr; what only a quota forbids they still do.
 */
function hasRoom(db: Database, path: string, size: number): boolean {
  try {
    const { bavail, bsize } = statfsSync(dirname(path));
    if (bavail * bsize >= size) return true;
  } catch {
    return true;
  }
  const { used, pages, pageSize } = pageUse(db);
  return (pages - used) * pageSize >= size;
}

/** The pages of the file that have been in use, and how many of them are. */
export function pageUse(db: Database): { used: number; pages: number; pageSize: number } {
  const { root, free, lastPageNumber, pageSize } = db.getStats() as unknown as Stats;
  return { used: META_PAGES + pagesOf(root) + pagesOf(free), pages: lastPageNumber + 1, pageSize };
}

function pagesOf(tree: TreeStats): number {
  return tree.treeBranchPageCount + tree.treeLeafPageCount + tree.overflowPages;
}

interface TreeStats {
  treeBranchPageCount: number;
  treeLeafPageCount: number;
  overflowPages: number;
}

interface Stats {
  root: TreeStats;
  free: TreeStats;
  lastPageNumber: number;
  pageSize: number;
}

function noRoom(path: string, cause?: Error): HeadwaterError {
  return new HeadwaterError('STORE_FULL', `store: expected room on the disk, got none for ${path}`, {
    cause,
  });
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
    return isNoRoom((error as NodeJS.ErrnoException).code);
  } finally {
    await rm(file, { force: true }).catch(() => {});
  }
}

/** Why the file cannot be opened; undefined if it can. */
export function damageOf(path: string): string | undefined {
  return onPages(path, findDamage);
}

/** The file's record with the lowest key, without opening it as a database; undefined if it has none that can be read. */
export function firstRecordOf(path: string): { key: Uint8Array; value: Uint8Array } | undefined {
  return onPages(path, firstRecord);
}

function onPages<T>(path: string, look: (size: number, read: ReadFile) => T): T {
  const file = openSync(path, 'r');
  try {
    const window = new Uint8Array(READ_WINDOW);
    let from = 0;
    let to = 0;
    return look(fstatSync(file).size, (at, length) => {
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

/** The processes that read the database, without those that have ended, by the numbers that they have in their containers. */
export function readers(db: Database): number[] {
  db.readerCheck();
  return [...db.readerList().matchAll(/^\s*(\d+)\s/gm)].map((match) => Number(match[1]));
}

/** Whether an error of LMDB's says that the file is not what it should be. */
export function isDamage(error: unknown): boolean {
  return DAMAGED.has((error as { code?: unknown }).code);
}

function isNoRoom(code: unknown): boolean {
  return NO_ROOM.has(code) || NO_ROOM_NAMES.has(code);
}

export function storeError(error: unknown, path: string): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const { code, message } = error as { code?: unknown; message: string };
  const kind = isNoRoom(code) ? 'STORE_FULL' : 'STORE';
  return new HeadwaterError(kind, `store: expected to use ${path}, got ${message}`, { cause: error });
}

/** Of address space, to begin with; LMDB maps anew when the file outgrows it. */
const MAP_SIZE = 1 << 30;
/** More than LMDB's header and table of readers: 126 of 64 bytes. */
const LOCK_FILE_SIZE = 16_384;
const READ_WINDOW = 65_536;
/** Of bytes: what a transaction writes beside its objects. */
const MARGIN = 1 << 20;
/** The same of one that writes no object: some pages of the trees. */
const OVERHEAD = 128 * 1024;
const META_PAGES = 2;
/** errno(3), and lmdb.h. */
const EIO = 5;
const NO_ROOM: ReadonlySet<unknown> = new Set([
  28, // ENOSPC
  122, // EDQUOT
  27, // EFBIG
  -30792, // MDB_MAP_FULL
]);
/** The same as Node names them. */
const NO_ROOM_NAMES: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);
const DAMAGED: ReadonlySet<unknown> = new Set([
  -30797, // MDB_PAGE_NOTFOUND
  -30796, // MDB_CORRUPTED
  -30794, // MDB_VERSION_MISMATCH
  -30793, // MDB_INVALID
]);
