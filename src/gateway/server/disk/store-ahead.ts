/**
 * A store that has objects durable before they are in its database: a file that is only written to takes them in one synced write,
 * where a transaction takes two and several pages, and the database takes many of them in one transaction a little later. All other
 * writes go to the database at once, once it has the objects that came before them.
 */
import { Reader, Writer } from '../../../core/bytes.js';
import { type DurableStore, openStore, type StoreOptions } from '../../../disk/lmdb.js';
import type { SentKey, StoredObject, StoreWrite } from '../../../store/store.js';
import { storedSize } from '../../../store/store.js';
import { type ObjectId, objectKey } from '../../../wire/symbol.js';
import { AheadFile } from './ahead-file.js';

type ObjectWrite = Extract<StoreWrite, { type: 'object' }>;

/** Opens a store, with what a crash has left beside it. @throws HeadwaterError STORE, STORE_FULL */
export async function openStoreAhead(options: StoreOptions): Promise<DurableStore> {
  let store = await openStore(options);
  let file: AheadFile | undefined;
  try {
    const paths = [`${options.path}-ahead`, `${options.path}-ahead-2`] as const;
    const opened = AheadFile.open(paths, store.loaded.incarnation);
    file = opened.file;
    const left = opened.left.flatMap(parseObjects);
    if (left.length > 0) {
      const { crash } = store.loaded;
      await store.commit(left);
      await store.close();
      store = await openStore(options);
      if (crash) store.loaded.crash = crash;
    }
    await file.drop('all');
    return storeAhead(store, file);
  } catch (error) {
    file?.close();
    await store.close();
    throw error;
  }
}

/** @param file empty */
export function storeAhead(store: DurableStore, file: AheadFile): DurableStore {
  /** In the file and not in the database, by the file that they are in. */
  let waiting: ObjectWrite[] = [];
  let moving: ObjectWrite[] = [];
  const objects = new Map<string, StoredObject>();
  let bytes = store.loaded.bytes;
  let running: Promise<void> | undefined;
  let timer: NodeJS.Timeout | undefined;
  /** What is written went wrong: what the file holds of it is not known, and nothing more goes there until it is empty. */
  let isBroken = false;
  /** The write that is on its way to the file. */
  let appending: Promise<void> | undefined;

  const commit = async (writes: readonly StoreWrite[]): Promise<number> => {
    if (writes.length > 0 && writes.every(isObject) && !isBroken) {
      const record = writeObjects(writes);
      if (record.length <= MAX_RECORD && file.hasRoom(record.length)) return append(writes, record);
    }
    await moveAll();
    bytes = await store.commit(writes);
    for (const one of writes) if (one.type === 'begin') await file.drop('all', one.incarnation);
    return bytes;
  };
  const append = async (writes: readonly ObjectWrite[], record: Uint8Array): Promise<number> => {
    appending = file
      .append(record)
      .then(() => {
        for (const write of writes) {
          waiting.push(write);
          objects.set(objectKey(write.object), write.object);
          bytes += storedSize(write.object.bytes.length);
        }
      })
      .finally(() => {
        appending = undefined;
      });
    try {
      await appending;
    } catch (error) {
      isBroken = true;
      throw error;
    }
    if (file.size > HURRY) void move().catch(() => {});
    else timer ??= setTimeout(() => void move().catch(() => {}), GATHER_MS);
    return bytes;
  };
  /** Takes what is in the file into the database. */
  const move = (): Promise<void> => {
    running ??= moveNow().finally(() => {
      running = undefined;
    });
    return running;
  };
  const moveNow = async (): Promise<void> => {
    // What is on its way belongs with what its file has, or it would be emptied with that and be in neither.
    while (appending) await appending.catch(() => {});
    clearTimeout(timer);
    timer = undefined;
    if (moving.length === 0) {
      if (waiting.length === 0) return;
      moving = waiting;
      waiting = [];
      file.turn();
    }
    try {
      const stored = await store.commit(moving);
      await file.drop('other');
      for (const { object } of moving)
        if (objects.get(objectKey(object)) === object) objects.delete(objectKey(object));
      moving = [];
      bytes = stored + sizeOf(waiting);
    } catch (error) {
      timer ??= setTimeout(() => void move().catch(() => {}), RETRY_MS);
      throw error;
    }
  };
  const moveAll = async (): Promise<void> => {
    while (waiting.length > 0 || moving.length > 0) await move();
    if (!isBroken) return;
    await file.drop('all');
    isBroken = false;
  };
  const close = async (): Promise<void> => {
    // What does not get into the database is in the file for the next start.
    await moveAll().catch(() => {});
    clearTimeout(timer);
    file.close();
    await store.close();
  };
  return {
    loaded: store.loaded,
    recovered: store.recovered,
    commit,
    read: (id: ObjectId) => {
      const object = objects.get(objectKey(id));
      return object ? Promise.resolve(object) : store.read(id);
    },
    deadLetters: () => store.deadLetters(),
    deadLetter: (id) => store.deadLetter(id),
    close,
    [Symbol.asyncDispose]: close,
  };
}

function isObject(write: StoreWrite): write is ObjectWrite {
  return write.type === 'object';
}

function sizeOf(writes: readonly ObjectWrite[]): number {
  return writes.reduce((sum, { object }) => sum + storedSize(object.bytes.length), 0);
}

/** `object`s: origin 2 | incarnation 6 | seq 6 | certificate and bytes, each behind 4 of length | keys 2 | keys. */
function writeObjects(writes: readonly ObjectWrite[]): Uint8Array {
  const size = writes.reduce((sum, { object: { bytes, certificate }, keys = [] }) => {
    const ofKeys = keys.reduce((all, { key }) => all + KEY_FIELDS + key.length, 0);
    return sum + OBJECT_FIELDS + certificate.length + bytes.length + ofKeys;
  }, 0);
  const writer = new Writer(size);
  for (const { object, keys = [] } of writes) {
    const { origin, incarnation, seq, certificate, bytes } = object;
    writer.u16(origin).u48(incarnation).u48(seq).u32(certificate.length).put(certificate);
    writer.u32(bytes.length).put(bytes).u16(keys.length);
    for (const { number, key, incarnation: of, seq: at, index } of keys)
      writer.u48(number).u48(of).u48(at).u32(index).u8(key.length).put(key);
  }
  return writer.finish();
}

function parseObjects(record: Uint8Array): ObjectWrite[] {
  const reader = new Reader(record);
  const writes: ObjectWrite[] = [];
  while (reader.remaining > 0) {
    const id = {
      origin: reader.u16('origin'),
      incarnation: reader.u48('incarnation'),
      seq: reader.u48('seq'),
    };
    const certificate = reader.take(reader.u32('certificate length'), 'certificate');
    const object = { ...id, certificate, bytes: reader.take(reader.u32('length'), 'bytes') };
    const keys: SentKey[] = [];
    for (let left = reader.u16('keys'); left > 0; left--)
      keys.push({
        number: reader.u48('number'),
        incarnation: reader.u48('incarnation'),
        seq: reader.u48('seq'),
        index: reader.u32('index'),
        key: reader.take(reader.u8('key length'), 'key'),
      });
    writes.push({ type: 'object', object, keys });
  }
  return writes;
}

const OBJECT_FIELDS = 2 + 6 + 6 + 4 + 4 + 2;
const KEY_FIELDS = 6 + 6 + 6 + 4 + 1;
/** What is larger gains nothing by being written twice. */
const MAX_RECORD = 64 * 1024;
/** Between an object and its transaction: others go with it. */
const GATHER_MS = 250;
/** The file is to have room for what comes meanwhile. */
const HURRY = 512 * 1024;
const RETRY_MS = 1000;
