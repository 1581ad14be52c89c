/** Objects as they lie in the database. Apart from lmdb.ts, whose declarations are public and must not name LMDB's. */
import { setImmediate } from 'node:timers/promises';
import { CHUNK_SIZE, chunkKey, headKey, isChunk, parseHead } from '../store/records.js';
import type { StoredObject } from '../store/store.js';
import type { ObjectId } from '../wire/symbol.js';
import type { Database } from './database.js';

/** Undefined if it is not there, or no longer what was written. */
export async function readObject(db: Database, id: ObjectId): Promise<StoredObject | undefined> {
  const { origin, incarnation, seq } = id;
  const key = headKey(id);
  const value = db.getBinary(key);
  const head = value && parseHead(key, value);
  if (head === undefined) return undefined;
  const bytes = new Uint8Array(head.length);
  for (let i = 0; i < head.checksums.length; i++) {
    // A large object is copied and checked in parts, so that the socket is served in between.
    if (i % CHUNKS_AT_ONCE === CHUNKS_AT_ONCE - 1) await setImmediate();
    const chunk = db.getBinary(chunkKey(id, i));
    if (!isChunk(head, i, chunk)) return undefined;
    bytes.set(chunk, i * CHUNK_SIZE);
  }
  return { origin, incarnation, seq, certificate: head.certificate, bytes };
}

/** Chunks read before others get their turn: 4 MiB. */
const CHUNKS_AT_ONCE = 16;
