/**
 * Who uses a store: one process at a time, whatever container or, where the file system has locks for all of its hosts,
 * whatever host it runs in. The kernel keeps it: LMDB holds a lock on a byte of `<path>-owner-lock` (fcntl(2)) for as long as
 * a process has the database `<path>-owner` open, in which there is nothing. Such a lock ends with its process and knows no
 * process numbers, which mean nothing in another container.
 *
 * That lock is shared. Who has entered itself in LMDB's table of readers and finds nobody else there is alone: of two that
 * come at once at least one sees the other. LMDB empties the table for who comes when nobody holds the lock.
 *
 * `<path>-closed` says what the data file was like when it was last closed, so that the next start can tell whether it is
 * still that. It is read and written by the owner alone.
 */
import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { HeadwaterError } from '../errors.js';
import { damageOf, database, readers } from './database.js';

export interface Owner {
  /** The data file is as the last owner left it when it closed it. */
  readonly isClean: boolean;
  /** Gives the store up; with `closed` as the last to have written it. Throws nothing: a full disk does not keep it. */
  release(closed: boolean): Promise<void>;
}

/** Takes the store at `path`. Throws STORE if a live process has it. */
export async function takeOwnership(path: string): Promise<Owner> {
  const lock = await enter(path);
  const note = `${path}-closed`;
  const mark = stateOf(path);
  const isClean = mark !== undefined && JSON.stringify(closedAs(note)) === JSON.stringify(mark);
  rmSync(note, { force: true });
  return {
    isClean,
    release: async (closed) => {
      const state = closed ? stateOf(path) : isClean ? mark : undefined;
      if (state !== undefined) write(note, state);
      await lock.leave();
    },
  };
}

/** Whether a store of ours has been at `path`. */
export function hasOwnerFile(path: string): boolean {
  try {
    return statSync(`${path}-owner`).isFile();
  } catch {
    return false;
  }
}

/** Held by this process alone. */
export interface Lock {
  /** Gives it up. */
  leave(): Promise<void>;
}

async function enter(path: string): Promise<Lock> {
  const lock = await takeLock(`${path}-owner`);
  if (typeof lock === 'string') throw inUse(path, lock);
  return lock;
}

/**
 * Makes the file of a lock if it is not there, and takes it for this process.
 *
 * @returns who has it, for people, if somebody else does
 */
export async function takeLock(file: string): Promise<Lock | string> {
  for (let attempt = 1; ; attempt++) {
    // To close any other handle of the file would give up this process's lock (fcntl(2)), so it is not even opened.
    if (isOpenHere(`${file}-lock`)) return 'this process';
    const lock = await tryToEnter(file);
    if (typeof lock === 'object') return lock;
    if (attempt === ATTEMPTS) return `process ${lock} (its number in its container)`;
    await setTimeout(Math.random() * STEP_BACK_MS);
  }
}

/** @returns the process that is there, by the number that it has in its container, unless we are alone now */
async function tryToEnter(file: string): Promise<Lock | number> {
  // It holds nothing, so one that an end of the power has cut off is as good as none.
  if ((statSync(file, { throwIfNoEntry: false })?.size ?? 0) > 0 && damageOf(file) !== undefined)
    rmSync(file);
  const db = await database(file, LOCK_MAP_SIZE);
  // Before we enter: where the other one has our number, LMDB waits for it, for ten seconds.
  const [before] = readers(db);
  if (before !== undefined) {
    await db.close();
    return before;
  }
  // Held on to: with it our entry stays in the table.
  const entry = db.useReadTransaction();
  const leave = async () => {
    entry.done();
    await db.close();
  };
  let there = readers(db);
  // Of those that come at once the first in the table waits until the others have stepped back.
  for (let look = 1; there.length > 1 && there[0] === process.pid && look < LOOKS; look++) {
    await setTimeout(LOOK_MS);
    there = readers(db);
  }
  if (there.length === 1) return { leave };
  await leave();
  return there.find((pid) => pid !== process.pid) ?? process.pid;
}

/** Whether any part of this process, other threads included, has the file open. */
function isOpenHere(file: string): boolean {
  const sought = statSync(file, { throwIfNoEntry: false });
  if (sought === undefined) return false;
  let open: string[];
  try {
    open = readdirSync('/dev/fd');
  } catch {
    // Not there on Windows, where to close another handle takes no lock away: LMDB's table tells then.
    return false;
  }
  return open.some((number) => {
    const info = statSync(`/dev/fd/${number}`, { throwIfNoEntry: false });
    return info?.ino === sought.ino && info.dev === sought.dev;
  });
}

function inUse(path: string, who: string): HeadwaterError {
  const cause = Object.assign(new Error(`${who} has it open`), { code: 'EBUSY' });
  return new HeadwaterError(
    'STORE',
    `store: expected one that nobody uses, got ${path}, which ${who} has open`,
    { cause },
  );
}

interface FileState {
  size: number;
  mtimeMs: number;
}

function closedAs(note: string): unknown {
  try {
    return JSON.parse(readFileSync(note, 'utf8'));
  } catch {
    return undefined;
  }
}

/** Whole or not at all; without it the next start looks at the whole file. */
function write(note: string, state: FileState): void {
  const part = `${note}.new`;
  try {
    writeFileSync(part, JSON.stringify(state), { mode: 0o600 });
    renameSync(part, note);
  } catch {
    rmSync(part, { force: true });
  }
}

function stateOf(path: string): FileState | undefined {
  const info = statSync(path, { throwIfNoEntry: false });
  return info === undefined ? undefined : { size: info.size, mtimeMs: info.mtimeMs };
}

const ATTEMPTS = 6;
const STEP_BACK_MS = 100;
const LOOKS = 10;
const LOOK_MS = 10;
/** Two pages hold nothing. */
const LOCK_MAP_SIZE = 1 << 16;
