/**
 * A store of a member that does not run, looked at by who is not that member: no key is needed, and nothing in it is changed but by
 * `compact`. In: a path. Out: what it holds, what is wrong with it.
 */
import { closeSync, fsyncSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { setImmediate } from 'node:timers/promises';
import { equalBytes } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import {
  ATTEMPT_KEY,
  EPOCHS_KEY,
  FILE_KEY,
  HEADER_KEY,
  HEADS,
  headLength,
  headSize,
  headsEnd,
  LETTERS,
  letterStatus,
  parseAttempt,
  parseEpochs,
  parseFile,
  parseHead,
  parseHeader,
  parseHeadKey,
  parseLetter,
  parseLetterKey,
  parseNumber,
  parseRetired,
  parseSent,
  parseStream,
  RETIRED,
  SENT,
  SESSION_KEY,
  STREAMS,
  type StoreHeader,
  TOTAL_KEY,
  writeFile,
} from '../store/records.js';
import type { MessageRef, StoredObject, StreamState } from '../store/store.js';
import { type ObjectId, streamKey } from '../wire/symbol.js';
import { type Database, damageOf, database, isDamage, pageUse, storeError, transact } from './database.js';
import { assertOurs, fileOf, otherVersion, placeOf, syncFolder } from './files.js';
import { readObject } from './objects.js';
import { takeOwnership } from './owner.js';

/** A record that is not what was written, or is not there. */
export interface Fault {
  /** Which one. */
  what: string;
  problem: string;
}

/** How far the member has come in a stream. */
export type StoredStream = Pick<StreamState, 'origin' | 'incarnation' | 'base' | 'delivered' | 'index'>;

/** A store that is held open, so that its member cannot start meanwhile. */
export interface Inspection extends AsyncDisposable {
  /** Its one name, by whatever links it was reached. */
  readonly path: string;
  readonly header: StoreHeader;
  /** Whether the process that had it last has closed it. */
  readonly isClosed: boolean;
  /** Bytes of the file, and how many of them are in pages that hold nothing. */
  readonly file: { bytes: number; free: number };
  /** When it was opened last, in milliseconds; undefined if that is not known. */
  readonly session: number | undefined;
  /** Of all objects, as the store's bound counts them. */
  readonly storedBytes: number;
  readonly streams: readonly StoredStream[];
  /** Messages sent under a key of the application's, which it still knows. */
  readonly sentKeys: number;
  readonly letters: readonly (MessageRef & { length: number; retry: boolean })[];
  /** All objects, in order of origin, incarnation and seq; `length` as the head says. */
  objects(): AsyncIterable<ObjectId & { length: number }>;
  /** Undefined if it is not there, or no longer what was written. */
  read(id: ObjectId): Promise<StoredObject | undefined>;
  /** Each record that is not sound but for objects, which `read` looks at. */
  faults(): AsyncIterable<Fault>;
  /** Copies what is used to a new file, which takes the place of the old one. Nothing else may be asked after that. */
  compact(): Promise<{ before: number; after: number }>;
}

/**
 * @throws HeadwaterError STORE if there is none, if a live process has it, if it is of another version, or so damaged that it cannot be
 *   opened: what is there is left as it is
 */
export async function inspectStore(path: string): Promise<Inspection> {
  let release: ((closed: boolean) => Promise<void>) | undefined;
  let db: Database | undefined;
  try {
    const place = placeOf(path, 'nothing');
    assertOurs(place);
    const owner = await takeOwnership(place);
    release = owner.release;
    const damage = damageOf(place);
    if (damage !== undefined) throw damaged(place, damage);
    db = await database(place);
    return inspectionOf(db, place, owner);
  } catch (error) {
    await db?.close();
    await release?.(false);
    throw isDamage(error) ? damaged(path, (error as Error).message) : storeError(error, path);
  }
}

function inspectionOf(
  db: Database,
  path: string,
  { isClean, release }: Awaited<ReturnType<typeof takeOwnership>>,
): Inspection {
  const stored = db.getBinary(HEADER_KEY);
  const header = stored && parseHeader(stored);
  if (header === undefined) throw damaged(path, 'the record that says whose it is does not hold');
  if (!('incarnation' in header)) throw otherVersion(header.version, path);
  const bytes = statSync(path).size;
  const { used, pageSize } = pageUse(db);
  const close = async () => {
    await db.close();
    await release(isClean);
  };
  return {
    path,
    header,
    isClosed: isClean,
    file: { bytes, free: Math.max(0, bytes - used * pageSize) },
    session: numberAt(db, SESSION_KEY),
    storedBytes: numberAt(db, TOTAL_KEY) ?? 0,
    streams: streamsOf(db),
    // A copy: it writes into what it is given.
    sentKeys: db.getKeysCount({ ...SENT }),
    letters: [...db.getRange(LETTERS)].map(({ key, value }) => ({
      ...parseLetterKey(key),
      ...letterStatus(value),
    })),
    objects: () => objectsOf(db),
    read: (id) => readObject(db, id),
    faults: () => faultsOf(db),
    compact: () => compact(db, path),
    [Symbol.asyncDispose]: close,
  };
}

/** Those of which there are objects alone have nothing delivered yet. */
function streamsOf(db: Database): StoredStream[] {
  const streams = new Map<string, StoredStream>();
  for (const { key, value } of db.getRange(STREAMS)) {
    const state = parseStream(key, value);
    if (state) streams.set(streamKey(state), state);
  }
  for (let start: Uint8Array = HEADS.start; ; ) {
    const [first] = [...db.getKeys({ start, end: HEADS.end, limit: 1 })];
    if (first === undefined) break;
    const { seq, ...stream } = parseHeadKey(first);
    if (!streams.has(streamKey(stream)))
      streams.set(streamKey(stream), { ...stream, base: seq, delivered: seq, index: 0 });
    start = headsEnd(stream);
  }
  return [...streams.values()];
}

async function* objectsOf(db: Database): AsyncGenerator<ObjectId & { length: number }> {
  for await (const { key, value } of heads(db)) yield { ...parseHeadKey(key), length: headLength(value) };
}

/** In parts, each read by a transaction of its own: what is done with them may take long. */
async function* heads(db: Database): AsyncGenerator<{ key: Uint8Array; value: Uint8Array }> {
  let start = HEADS.start;
  for (;;) {
    const part = [...db.getRange({ start, end: HEADS.end, limit: AT_ONCE })].map(({ key, value }) => ({
      key: new Uint8Array(key),
      value: new Uint8Array(value),
    }));
    yield* part;
    const last = part.at(-1);
    if (last === undefined || part.length < AT_ONCE) return;
    // The next key there can be.
    start = Uint8Array.of(...last.key, 0);
    await setImmediate();
  }
}

async function* faultsOf(db: Database): AsyncGenerator<Fault> {
  const unsound = 'it is not what was written';
  for (const [key, what] of [
    [TOTAL_KEY, 'the total of all objects'],
    [SESSION_KEY, 'the last session'],
  ] as const) {
    const value = db.getBinary(key);
    if (value === undefined) yield { what, problem: 'it is missing' };
    else if (parseNumber(key, value) === undefined) yield { what, problem: unsound };
  }
  for (const [range, what, parse] of [
    [STREAMS, 'a stream', parseStream],
    [RETIRED, 'a stream that is over', parseRetired],
    [SENT, 'a key under which a message was sent', parseSent],
    [LETTERS, 'a dead letter', parseLetter],
  ] as const)
    for (const { key, value } of db.getRange(range))
      if (parse(key, value) === undefined)
        yield { what: `${what}, record ${Buffer.from(key).toString('hex')}`, problem: unsound };
  const attempt = db.getBinary(ATTEMPT_KEY);
  if (attempt && parseAttempt(attempt) === undefined)
    yield { what: 'what was being delivered', problem: unsound };
  const epochs = db.getBinary(EPOCHS_KEY);
  if (epochs && parseEpochs(epochs) === undefined)
    yield { what: 'where it is in a group that changes', problem: unsound };
  let sum = 0;
  for await (const { key, value } of heads(db)) {
    sum += headSize(value);
    if (parseHead(key, value) === undefined)
      yield { what: `the head of object ${Buffer.from(key).toString('hex')}`, problem: unsound };
  }
  const total = numberAt(db, TOTAL_KEY);
  if (total !== undefined && total !== sum)
    yield { what: 'the total of all objects', problem: `it says ${total} bytes, and they take ${sum}` };
}

/** The copy is whole and on the disk before it gets the name; a crash leaves the store as it was, and at most a file `.compact`. */
/** Whether the store is in the file that it was made in, as far as it says. */
function isOriginal(db: Database, path: string): boolean {
  const stored = db.getBinary(FILE_KEY);
  const file = stored && parseFile(stored);
  return file !== undefined && equalBytes(file, fileOf(path));
}

/** Makes the copy at `path` the file that its store is in. */
async function adopt(path: string): Promise<void> {
  const db = await database(path);
  try {
    await transact(db, path, 0, () => db.put(FILE_KEY, writeFile(fileOf(path))));
  } finally {
    await db.close();
    rmSync(`${path}-lock`, { force: true });
  }
}

async function compact(db: Database, path: string): Promise<{ before: number; after: number }> {
  const part = `${path}.compact`;
  const before = statSync(path).size;
  try {
    rmSync(part, { force: true });
    const mask = process.umask(0o177);
    try {
      await db.backup(part, true);
    } finally {
      process.umask(mask);
    }
    if (isOriginal(db, path)) await adopt(part);
    const file = openSync(part, 'r');
    fsyncSync(file);
    closeSync(file);
    const damage = damageOf(part);
    if (damage !== undefined) throw damaged(part, damage);
    renameSync(part, path);
    syncFolder(path);
    return { before, after: statSync(path).size };
  } catch (error) {
    throw storeError(error, path);
  } finally {
    rmSync(part, { force: true });
  }
}

function numberAt(db: Database, key: Uint8Array): number | undefined {
  const value = db.getBinary(key);
  return value && parseNumber(key, value);
}

function damaged(path: string, damage: string): HeadwaterError {
  return new HeadwaterError(
    'STORE',
    `store: expected one that can be read, got damage in ${path}: ${damage}`,
  );
}

/** Heads read by one transaction. */
const AT_ONCE = 1024;
