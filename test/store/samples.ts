/** Objects, streams and stores for the tests of this folder. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { Reader, toHex } from '../../src/core/bytes.js';
import { Rng } from '../../src/core/rng.js';
import { sha256 } from '../../src/crypto/hash.js';
import { database } from '../../src/disk/database.js';
import type { StoreOptions } from '../../src/disk/lmdb.js';
import { CHUNK_SIZE, chunkKey, chunksEnd, headKey, headLength } from '../../src/store/records.js';
import type { StoredObject, StoreWrite, StreamState } from '../../src/store/store.js';

export const INCARNATION = 1_700_000_000_000;
export const stream = { origin: 3, incarnation: INCARNATION };

/** An object whose bytes are told by its id and size. */
export function sampleObject(
  seq: number,
  size = 100,
  { origin, incarnation }: { origin: number; incarnation: number } = stream,
): StoredObject {
  const rng = new Rng(`${origin}/${incarnation}/${seq}/${size}`);
  const first = rng.uint32();
  const bytes = new Uint8Array(size).map((_, i) => Math.imul(first + i, 0x9e3779b1) >>> 24);
  const certificate = new Uint8Array(160).map(() => rng.uint32());
  return { origin, incarnation, seq, certificate, bytes };
}

/** An object with its bytes as their hash: comparing arrays one by one takes seconds. */
export function digest(object: StoredObject | undefined): object | undefined {
  return object && { ...object, certificate: toHex(object.certificate), bytes: toHex(sha256(object.bytes)) };
}

export const put = (object: StoredObject): StoreWrite => ({ type: 'object', object });
export const prune = (below: number, of = stream): StoreWrite => ({ type: 'prune', stream: of, below });

export function state(change: Partial<StreamState> = {}): StreamState {
  return {
    ...stream,
    base: 0,
    delivered: 0,
    index: 0,
    chain: new Uint8Array(32).fill(7),
    baseChain: new Uint8Array(32).fill(6),
    ...change,
  };
}

/** Makes the options of a store in a folder of its own, which is gone after the test. */
export async function storeOptions(change: Partial<StoreOptions> = {}): Promise<StoreOptions> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-store-'));
  folders.push(folder);
  return {
    path: join(folder, 'member.store'),
    groupId: new Uint8Array(32).fill(1),
    publicKey: new Uint8Array(32).fill(2),
    ...change,
  };
}

/** How many pieces there are in a store that is closed which belong to no object. */
export async function strays(path: string): Promise<number> {
  const db = await database(path);
  const start = chunkKey({ origin: 0, incarnation: 0, seq: 0 }, 0);
  const end = chunksEnd({ origin: 0xffff, incarnation: 2 ** 48 - 1 });
  const found = [...db.getKeys({ start, end })].filter((key) => {
    const reader = new Reader(key, 1);
    const [origin, incarnation, seq] = [reader.u16('origin'), reader.u48('incarnation'), reader.u32('seq')];
    const head = db.getBinary(headKey({ origin, incarnation, seq }));
    return !head || reader.u32('chunk') * CHUNK_SIZE >= headLength(head);
  });
  await db.close();
  return found.length;
}

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});
