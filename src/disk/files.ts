/** The files of a store on LMDB: whether what is there is ours, making it, and moving it out of the way. */
import {
  closeSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { equalBytes } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import {
  FILE_KEY,
  HEADER_KEY,
  parseHeader,
  STORE_VERSION,
  TOTAL_KEY,
  writeFile,
  writeHeader,
  writeNumber,
} from '../store/records.js';
import { damageOf, database, firstRecordOf, transact } from './database.js';
import { hasOwnerFile } from './owner.js';

/** A store that is not one for this key and group, or has no place: to try again changes nothing. */
export class WrongStoreError extends HeadwaterError {
  constructor(message: string) {
    super('STORE', message);
  }
}

/** What may be made where it is not there. */
export type Creation = 'folder' | 'store' | 'nothing';

/**
 * The one name of a store, by whatever links it is reached: what it is locked by lies beside it. Its folder is made if
 * `create` says so, but none above that, which would be a slip more often than not. Throws STORE if something is not there
 * that may not be made.
 */
export function placeOf(path: string, create: Creation): string {
  if (exists(path)) return realpathSync(path);
  if (create === 'nothing') throw new HeadwaterError('STORE', `store: expected one at ${path}, got nothing`);
  const folder = dirname(path);
  if (create === 'folder' && !exists(folder)) make(folder, path);
  if (!exists(folder)) throw nowhere(path);
  return join(realpathSync(folder), basename(path));
}

function make(folder: string, path: string): void {
  try {
    mkdirSync(folder);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw nowhere(path);
    // Another process may have made it.
    if (code !== 'EEXIST') throw error;
  }
}

function nowhere(path: string): HeadwaterError {
  return new WrongStoreError(`store: expected a folder that is there for ${path}, got none`);
}

/**
 * Throws STORE if there is something at `path` that has no sign of being a store of ours: neither our header nor, where the
 * file is damaged, our owner file beside it. Only reads.
 */
export function assertOurs(path: string): void {
  const info = lstatSync(path, { throwIfNoEntry: false });
  if (info === undefined) return;
  if (!info.isFile()) throw foreign(path, info.isDirectory() ? 'a folder' : 'something else');
  if (hasOwnerFile(path)) return;
  // One that is damaged where it begins, too.
  if (damageOf(path) !== undefined && hasHeader(path)) return;
  const first = firstRecordOf(path);
  if (first === undefined) throw foreign(path, kindOf(path));
  if (!equalBytes(first.key, HEADER_KEY) || parseHeader(first.value) === undefined)
    throw foreign(path, 'the LMDB database of something else');
}

/** Whether a record that says whose store it is stands somewhere in the first part of a file, as LMDB lays it out: that of a page no longer in use will do. */
function hasHeader(path: string): boolean {
  const file = openSync(path, 'r');
  try {
    const part = Buffer.alloc(HEADER_WINDOW);
    const length = HEADER_NODE.length + HEADER_SIZE;
    for (let from = 0; from < HEADER_REACH; from += HEADER_WINDOW - length) {
      const bytes = part.subarray(0, readSync(file, part, 0, part.length, from));
      for (let at = bytes.indexOf(HEADER_NODE); at >= 0; at = bytes.indexOf(HEADER_NODE, at + 1))
        if (parseHeader(bytes.subarray(at + HEADER_NODE.length, at + length)) !== undefined) return true;
      if (bytes.length < part.length) return false;
    }
    return false;
  } finally {
    closeSync(file);
  }
}

/** For people: what a file seems to be that is no store. */
function kindOf(path: string): string {
  const file = openSync(path, 'r');
  try {
    const start = new Uint8Array(KIND_WINDOW);
    const text = new TextDecoder().decode(start.subarray(0, readSync(file, start, 0, start.length, 0)));
    if (text === '') return 'an empty file';
    const kind: unknown = text.startsWith('{') ? JSON.parse(text).headwater : undefined;
    return typeof kind === 'string'
      ? `a ${JSON.stringify(kind)} file of headwater`
      : 'a file of another kind';
  } catch {
    return 'a file of another kind';
  } finally {
    closeSync(file);
  }
}

function foreign(path: string, what: string): HeadwaterError {
  return new WrongStoreError(
    `store: expected a store of headwater, or nothing yet, at ${path}, got ${what}; it is left as it is`,
  );
}

/** What tells a file from any copy of it: 16 bytes. To rename it within its file system changes nothing of that. */
export function fileOf(path: string): Uint8Array {
  const { ino, birthtimeNs } = statSync(path, { bigint: true });
  return new Uint8Array(BigUint64Array.of(ino, birthtimeNs).buffer);
}

/** A store whose records are laid out in another way. */
export function otherVersion(version: number, path: string): HeadwaterError {
  return new WrongStoreError(
    `store: expected version ${STORE_VERSION}, got ${version} in ${path}; another version of headwater may read it`,
  );
}

/** Made under another name and then renamed, so that a file at `path` is always a whole store, or one that was damaged. */
export async function create(
  path: string,
  header: { groupId: Uint8Array; publicKey: Uint8Array },
): Promise<void> {
  const part = `${path}.new`;
  for (const file of [part, `${part}-lock`, `${path}-lock`]) rmSync(file, { force: true });
  try {
    const db = await database(part);
    try {
      await transact(db, path, 0, () => {
        db.put(HEADER_KEY, writeHeader({ version: STORE_VERSION, incarnation: Date.now(), ...header }));
        db.put(TOTAL_KEY, writeNumber(TOTAL_KEY, 0));
        db.put(FILE_KEY, writeFile(fileOf(part)));
      });
    } finally {
      await db.close();
    }
    renameSync(part, path);
  } finally {
    for (const file of [part, `${part}-lock`]) rmSync(file, { force: true });
  }
  syncFolder(path);
}

/** Makes the name of a file durable. */
export function syncFolder(path: string): void {
  const folder = openSync(dirname(path), 'r');
  fsyncSync(folder);
  closeSync(folder);
}

/** @returns where it is now */
export function moveAside(path: string): string {
  const to = `${path}.corrupt-${new Date().toISOString().replaceAll(':', '-')}`;
  renameSync(path, to);
  return to;
}

export function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** A group file may be long: that of 512 members has 60 kB. */
const KIND_WINDOW = 1 << 20;
const HEADER_SIZE = 76;
/** Of an LMDB page: the length of the value, no flags, the length of the key, and the key. */
const HEADER_NODE = Buffer.from([HEADER_SIZE, 0, 0, 0, 0, 0, HEADER_KEY.length, 0, ...HEADER_KEY]);
const HEADER_WINDOW = 1 << 20;
/** Pages are given out from the beginning of the file on. */
const HEADER_REACH = 64 * HEADER_WINDOW;
