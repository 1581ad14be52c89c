/**
 * The durable store, on LMDB: one data file, `path`, and beside it `path-lock` (LMDB's), and `path-owner`, `path-owner-lock` and
 * `path-closed` (see owner.ts).
 * A commit is one transaction, synced once (LMDB: the pages, then the meta page that makes them count), so it is wholly
 * there after any end of the process or the power, or not at all. Records are as in records.ts.
 */
import { equalBytes, shortHex } from '../core/bytes.js';
import { assertBytes, HeadwaterError } from '../errors.js';
import { pruneMarks, storeClosed, storeFull } from '../store/memory.js';
import {
  ATTEMPT_KEY,
  CHUNK_SIZE,
  chunkKey,
  chunksEnd,
  EPOCHS_KEY,
  FILE_KEY,
  HEADER_KEY,
  HEADS,
  headKey,
  headLength,
  headSize,
  headsEnd,
  isChunk,
  LETTERS,
  letterKey,
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
  retiredKey,
  SENT,
  SESSION_KEY,
  STORE_VERSION,
  STREAMS,
  sentKey,
  streamRecordKey,
  TOTAL_KEY,
  writeAttempt,
  writeEpochs,
  writeFile,
  writeHeader,
  writeLetter,
  writeNumber,
  writeObject,
  writeRetired,
  writeSent,
  writeStream,
} from '../store/records.js';
import {
  type Attempt,
  type Final,
  type Loaded,
  type SentKey,
  type Store,
  type StoredObject,
  type StoreWrite,
  type StreamId,
  type StreamState,
  storedSize,
} from '../store/store.js';
import { HASH_SIZE } from '../wire/limits.js';
import { type ObjectId, streamKey } from '../wire/symbol.js';
import { type Database, damageOf, database, isDamage, storeError, transact } from './database.js';
import {
  assertOurs,
  type Creation,
  create,
  exists,
  fileOf,
  moveAside,
  otherVersion,
  placeOf,
  WrongStoreError,
} from './files.js';
import { readObject } from './objects.js';
import { type Owner, takeOwnership } from './owner.js';

/** Where a store is, and whose. */
export interface StoreOptions {
  /** The data file. */
  path: string;
  /**
   * What is made if it is not there: the store and the folder that it lies in (the default; none above that), the store alone, or
   * nothing, which also leaves a damaged store where it is.
   */
  create?: Creation;
  /** 32 bytes: the group that the store belongs to. */
  groupId: Uint8Array;
  /** 32 bytes: the member's. */
  publicKey: Uint8Array;
  /** That all objects together may take: see `storedSize`. Default: as the disk has room. */
  maxBytes?: number;
}

/** A store in a file: `openStore`. */
export interface DurableStore extends Store {
  /** Where the store that was here has been moved, as it could not be read; `loaded` is that of a new one then. */
  readonly recovered: string | undefined;
}

/**
 * Opens the store, or makes it. One whose file is damaged is moved to `<path>.corrupt-<time>` and begun anew; damage to
 * single objects makes only these absent. Nothing is changed of a file that is no store or is in use.
 *
 * @throws HeadwaterError STORE if it is no store, or not there and not to be made, or another group's or member's, or of another
 *   version, or in use by another process, in whatever container, or the file system refuses; STORE_FULL if there is no room to make it
 * @example
 * await using store = await openStore({ path: 'a.store', groupId: group.id, publicKey });
 * if (store.recovered !== undefined) console.warn(`damaged store kept as ${store.recovered}`);
 */
export async function openStore(options: StoreOptions): Promise<DurableStore> {
  assertBytes('groupId', options.groupId, HASH_SIZE);
  assertBytes('publicKey', options.publicKey, 32);
  const { create = 'folder' } = options;
  let owner: Owner | undefined;
  try {
    const path = placeOf(options.path, create);
    assertOurs(path);
    owner = await takeOwnership(path);
    return await openOwned({ ...options, path }, owner);
  } catch (error) {
    await owner?.release(false);
    throw storeError(error, options.path);
  }
}

async function openOwned(options: StoreOptions, owner: Owner): Promise<DurableStore> {
  const { path } = options;
  let opened: { db: Database; loaded: Loaded } | undefined;
  let recovered: string | undefined;
  if (exists(path)) opened = await openExisting(options, owner.isClean);
  if (opened && !owner.isClean) opened.loaded.crash = { attempt: lastAttempt(opened.db) };
  if (opened === undefined && options.create === 'nothing')
    throw new HeadwaterError('STORE', `store: expected one that can be read, got damage in ${path}`);
  if (opened === undefined) {
    if (exists(path)) recovered = moveAside(path);
    await create(path, options);
    opened = await openExisting(options, true);
  }
  if (opened === undefined)
    throw new HeadwaterError('STORE', `store: expected a new one to be readable, got damage in ${path}`);
  // Who only looks at what a crash has left leaves it for the member to see.
  const closes = options.create !== 'nothing' || owner.isClean;
  return storeOf(opened.db, opened.loaded, recovered, options, () => owner.release(closes));
}

function storeOf(
  db: Database,
  loaded: Loaded,
  recovered: string | undefined,
  { path, groupId, publicKey, maxBytes = Number.POSITIVE_INFINITY }: StoreOptions,
  release: () => Promise<void>,
): DurableStore {
  let bytes = loaded.bytes;
  let closed: Promise<void> | undefined;
  /** The commits so far: each begins when the one before it has ended, and so sees what that one left. */
  let last: Promise<unknown> = Promise.resolve();

  const run = async (writes: readonly StoreWrite[]): Promise<number> => {
    const plan = planOf(db, writes);
    if (plan.objects.size > 0 && bytes + plan.growth > maxBytes) throw storeFull(maxBytes);
    let next = Math.max(0, bytes + plan.put);
    let pruned = takePruned(db, plan.marks, plan.dropped);
    next = Math.max(0, next - pruned.freed);
    await transact(db, path, plan.size, () => {
      for (const key of plan.removed) db.remove(key);
      for (const final of plan.retired) db.put(retiredKey(final.origin), writeRetired(final));
      if (plan.begun !== undefined) {
        const header = { version: STORE_VERSION, incarnation: plan.begun, groupId, publicKey };
        db.put(HEADER_KEY, writeHeader(header));
        db.put(FILE_KEY, writeFile(fileOf(path)));
      }
      for (const { object, keys, oldChunks } of plan.objects.values()) {
        putObject(db, object, oldChunks);
        for (const sent of keys) db.put(sentKey(sent.number), writeSent(sent));
      }
      for (const { key, value } of plan.puts) db.put(key, value);
      for (const state of plan.streams) db.put(streamRecordKey(state), writeStream(state));
      for (const key of pruned.keys) db.remove(key);
      db.put(TOTAL_KEY, writeNumber(TOTAL_KEY, next));
    });
    bytes = next;
    // What is left to prune needs no atomicity: after a crash or an error the next prune of the stream finds it.
    while (pruned.hasMore) {
      pruned = takePruned(db, plan.marks, new Set());
      next = Math.max(0, bytes - pruned.freed);
      await transact(db, path, 0, () => {
        for (const key of pruned.keys) db.remove(key);
        db.put(TOTAL_KEY, writeNumber(TOTAL_KEY, next));
      });
      bytes = next;
    }
    return bytes;
  };
  const close = (): Promise<void> => {
    closed ??= last
      .catch(() => {})
      .then(() => db.close())
      .catch((error) => {
        throw storeError(error, path);
      })
      .finally(release);
    return closed;
  };
  return {
    loaded,
    recovered,
    commit: (writes) => {
      if (closed !== undefined) return Promise.reject(storeClosed());
      const result = last.catch(() => {}).then(() => run(writes));
      last = result;
      return result;
    },
    read: (id) => (closed === undefined ? readObject(db, id) : Promise.reject(storeClosed())),
    deadLetters: async () =>
      [...db.getRange(LETTERS)].map(({ key, value }) => ({ ...parseLetterKey(key), ...letterStatus(value) })),
    deadLetter: async (id) => {
      const value = db.getBinary(letterKey(id));
      return value && parseLetter(letterKey(id), value);
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

interface Plan {
  /** To be put, one per id, and the chunks of what is there under that id. */
  objects: Map<string, { object: StoredObject; keys: readonly SentKey[]; oldChunks: number }>;
  streams: StreamState[];
  /** Records of other kinds. */
  puts: { key: Uint8Array; value: Uint8Array }[];
  /** Keys of what is dropped, before anything is put. */
  removed: Uint8Array[];
  /** Objects that are dropped, though others may be put in their place. */
  dropped: Set<string>;
  retired: Final[];
  /** Where our own stream is another one from now on. */
  begun: number | undefined;
  marks: { stream: StreamId; below: number }[];
  /** What the objects that are put take more, and what all of the writes do. */
  put: number;
  growth: number;
  /** About how many bytes are written. */
  size: number;
}

function planOf(db: Database, writes: readonly StoreWrite[]): Plan {
  const below = pruneMarks(writes);
  const plan: Plan = {
    objects: new Map(),
    streams: [],
    puts: [],
    removed: [],
    dropped: new Set(),
    retired: [],
    begun: undefined,
    marks: [...below.values()],
    put: 0,
    growth: 0,
    size: 0,
  };
  for (const write of writes) {
    if (write.type === 'stream') plan.streams.push(write.state);
    else if (write.type === 'drop') drop(db, plan, write.stream, write.from);
    else if (write.type === 'attempt')
      plan.puts.push({ key: ATTEMPT_KEY, value: writeAttempt(write.attempt) });
    else if (write.type === 'bury') {
      const value = writeLetter(write.letter);
      plan.puts.push({ key: letterKey(write.letter), value });
      plan.size += value.length;
    } else if (write.type === 'epochs') {
      plan.puts.push({ key: EPOCHS_KEY, value: writeEpochs(write.record) });
      plan.size += write.record.length;
    } else if (write.type === 'unbury') plan.removed.push(letterKey(write.id));
    else if (write.type === 'retire' || write.type === 'forget') {
      drop(db, plan, write.stream, 0);
      plan.streams = plan.streams.filter((state) => streamKey(state) !== streamKey(write.stream));
      plan.removed.push(streamRecordKey(write.stream));
      if (write.type === 'retire') plan.retired.push(write.stream);
    } else if (write.type === 'begin') plan.begun = write.incarnation;
    if (write.type !== 'object') continue;
    const stream = streamKey(write.object);
    if (write.object.seq >= (below.get(stream)?.below ?? 0))
      plan.objects.set(`${stream}/${write.object.seq}`, {
        object: write.object,
        keys: write.keys ?? [],
        oldChunks: 0,
      });
  }
  for (const [name, put] of plan.objects) {
    const { object } = put;
    const old = plan.dropped.has(name) ? undefined : db.getBinary(headKey(object));
    put.oldChunks = old === undefined ? 0 : Math.ceil(headLength(old) / CHUNK_SIZE);
    plan.put += storedSize(object.bytes.length) - (old === undefined ? 0 : headSize(old));
    plan.size += object.bytes.length + object.certificate.length;
  }
  plan.growth = plan.put;
  for (const { stream, below } of plan.marks)
    for (const { key, value } of db.getRange(headsBelow(stream, below)))
      if (!plan.dropped.has(headName(key))) plan.growth -= headSize(value);
  return plan;
}

/** Takes back what is to be put of a stream from `from` on, and removes what is there. */
function drop(db: Database, plan: Plan, stream: StreamId, from: number): void {
  const name = streamKey(stream);
  for (const [key, { object }] of plan.objects)
    if (streamKey(object) === name && object.seq >= from) plan.objects.delete(key);
  const heads = { start: headKey({ ...stream, seq: from }), end: headsEnd(stream) };
  for (const { key, value } of db.getRange(heads)) {
    const head = headName(key);
    if (plan.dropped.has(head)) continue;
    plan.dropped.add(head);
    plan.removed.push(key);
    plan.put -= headSize(value);
  }
  const chunks = { start: chunkKey({ ...stream, seq: from }, 0), end: chunksEnd(stream) };
  for (const key of db.getKeys(chunks)) plan.removed.push(key);
}

/** Keys of the first records to prune, a bounded number of them, and what their objects take. */
function takePruned(
  db: Database,
  marks: Plan['marks'],
  dropped: Plan['dropped'],
): { keys: Uint8Array[]; freed: number; hasMore: boolean } {
  const keys: Uint8Array[] = [];
  let freed = 0;
  for (const { stream, below } of marks) {
    let end = below;
    const limit = MAX_PRUNED - keys.length;
    if (limit <= 0) return { keys, freed, hasMore: true };
    let heads = 0;
    for (const { key, value } of db.getRange({ ...headsBelow(stream, below), limit })) {
      keys.push(key);
      if (!dropped.has(headName(key))) freed += headSize(value);
      if (++heads === limit) end = parseHeadKey(key).seq + 1;
    }
    const chunks = { start: chunkKey({ ...stream, seq: 0 }, 0), end: chunkKey({ ...stream, seq: end }, 0) };
    for (const key of db.getKeys(chunks)) keys.push(key);
    if (end < below) return { keys, freed, hasMore: true };
  }
  return { keys, freed, hasMore: false };
}

function headName(key: Uint8Array): string {
  const id = parseHeadKey(key);
  return `${streamKey(id)}/${id.seq}`;
}

function headsBelow(stream: StreamId, below: number): { start: Uint8Array; end: Uint8Array } {
  return { start: headKey({ ...stream, seq: 0 }), end: headKey({ ...stream, seq: below }) };
}

function putObject(db: Database, object: StoredObject, oldChunks: number): void {
  const { head, chunks } = writeObject(object);
  db.put(headKey(object), head);
  for (const [i, chunk] of chunks.entries()) db.put(chunkKey(object, i), chunk);
  for (let i = chunks.length; i < oldChunks; i++) db.remove(chunkKey(object, i));
}

/** Undefined if the file is damaged. */
async function openExisting(
  options: StoreOptions,
  isClean: boolean,
): Promise<{ db: Database; loaded: Loaded } | undefined> {
  const { path } = options;
  if (!isClean && damageOf(path) !== undefined) return undefined;
  const db = await database(path);
  try {
    const loaded = load(db, options);
    if (loaded !== undefined) {
      const { groupId, publicKey } = options;
      const header = { version: STORE_VERSION, incarnation: loaded.incarnation, groupId, publicKey };
      await transact(db, path, 0, () => {
        db.put(HEADER_KEY, writeHeader(header));
        db.put(SESSION_KEY, writeNumber(SESSION_KEY, loaded.session));
      });
      const file = db.getBinary(FILE_KEY);
      if (file && !equalBytes(parseFile(file) ?? file, fileOf(path))) loaded.isCopy = true;
      return { db, loaded };
    }
  } catch (error) {
    const isDamaged = isDamage(error) || (error instanceof HeadwaterError && error.code === 'MALFORMED');
    if (!isDamaged) {
      await db.close();
      throw error;
    }
  }
  await db.close();
  return undefined;
}

function lastAttempt(db: Database): Attempt | undefined {
  const value = db.getBinary(ATTEMPT_KEY);
  return value && parseAttempt(value);
}

/** Undefined if a record that everything else rests on is damaged or missing. */
function load(db: Database, { path, groupId, publicKey }: StoreOptions): Loaded | undefined {
  const stored = db.getBinary(HEADER_KEY);
  const header = stored && parseHeader(stored);
  if (header === undefined) return undefined;
  if (!('incarnation' in header)) throw otherVersion(header.version, path);
  for (const [what, expected, got] of [
    ['group', groupId, header.groupId],
    ['member', publicKey, header.publicKey],
  ] as const)
    if (!equalBytes(expected, got))
      throw new WrongStoreError(
        `store: expected that of ${what} ${shortHex(expected)}, got that of ${shortHex(got)} in ${path}: each member has one for each group`,
      );
  const total = db.getBinary(TOTAL_KEY);
  const bytes = total && parseNumber(TOTAL_KEY, total);
  const streams: StreamState[] = [];
  for (const { key, value } of db.getRange(STREAMS)) {
    const state = parseStream(key, value);
    if (state === undefined) return undefined;
    streams.push(state);
  }
  if (bytes === undefined) return undefined;
  const retired: Final[] = [];
  for (const { key, value } of db.getRange(RETIRED)) {
    const final = parseRetired(key, value);
    if (final === undefined) return undefined;
    retired.push(final);
  }
  const sent: SentKey[] = [];
  for (const { key, value } of db.getRange(SENT)) {
    const parsed = parseSent(key, value);
    if (parsed) sent.push(parsed);
  }
  sent.sort((a, b) => a.number - b.number);
  const newest = db.getBinary(SESSION_KEY);
  const session = Math.max(Date.now(), 1 + ((newest && parseNumber(SESSION_KEY, newest)) ?? 0));
  const { held, unsound } = heldBy(db, streams);
  // What we had sent may be gone, and its number must not be given to something else.
  const isDamaged = unsound.some(({ incarnation }) => incarnation === header.incarnation);
  const incarnation = isDamaged ? Math.max(session, header.incarnation + 1) : header.incarnation;
  const record = db.getBinary(EPOCHS_KEY);
  const epochs = record && parseEpochs(record);
  // What it has sealed must not be forgotten.
  if (record && !epochs) return undefined;
  return { incarnation, session, streams, retired, held, sent, bytes, ...(epochs ? { epochs } : {}) };
}

/** The sound objects not yet delivered. Goes from stream to stream by seeking: what is delivered is not looked at. */
function heldBy(
  db: Database,
  streams: readonly StreamState[],
): { held: Loaded['held']; unsound: ObjectId[] } {
  const delivered = new Map(streams.map((state) => [streamKey(state), state.delivered]));
  const held: Loaded['held'] = [];
  const unsound: ObjectId[] = [];
  let start: Uint8Array = HEADS.start;
  for (;;) {
    const [first] = [...db.getKeys({ start, end: HEADS.end, limit: 1 })];
    if (first === undefined) return { held, unsound };
    const stream = parseHeadKey(first);
    const from = headKey({ ...stream, seq: delivered.get(streamKey(stream)) ?? 0 });
    for (const { key, value } of db.getRange({ start: from, end: headsEnd(stream) })) {
      const head = parseHead(key, value);
      const id = parseHeadKey(key);
      if (head?.checksums.every((_, i) => isChunk(head, i, db.getBinary(chunkKey(id, i)))))
        held.push({ ...id, certificate: head.certificate });
      else unsound.push(id);
    }
    start = headsEnd(stream);
  }
}

/** Heads deleted by one transaction. */
const MAX_PRUNED = 4096;
