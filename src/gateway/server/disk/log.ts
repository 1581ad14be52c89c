/**
 * Revisions, keys and the rest on disk: one LMDB file, which one process has at a time. In: commits of the state. Out: what was
 * there, and records by their number. Records are kept under 0 for the rest, 1 and a revision's number (6 bytes), 2 and the hash of a
 * key (16 bytes): what looks for damage before LMDB opens the file knows keys of up to 17 bytes.
 */
import { existsSync, renameSync } from 'node:fs';
import { toHex, Writer } from '../../../core/bytes.js';
import { sha256 } from '../../../crypto/hash.js';
import { type Database, damageOf, database, storeError, transact } from '../../../disk/database.js';
import { takeOwnership } from '../../../disk/owner.js';
import { HeadwaterError } from '../../../errors.js';
import { bytesOf } from '../../state/bytes.js';
import { type KeyState, parseKey, writeKey, writeRevision } from '../../state/records.js';
import type { Loaded, Records, Rest, Writes } from '../../state/state.js';

export interface RevisionLog extends Records {
  readonly loaded: Loaded;
  /** Where a log that could not be read has been moved; `loaded` is that of a new one then. */
  readonly recovered: string | undefined;
  /** Makes it durable, whole or not at all. @throws HeadwaterError STORE, STORE_FULL */
  commit(writes: Writes): Promise<void>;
  /** Bytes of the file, and of what it holds. */
  size(): { file: number; used: number };
  close(): Promise<void>;
}

/**
 * @param owner what it belongs to: another one's is refused
 * @throws HeadwaterError STORE, STORE_FULL
 */
export async function openLog(path: string, owner: Uint8Array): Promise<RevisionLog> {
  const lock = await takeOwnership(path);
  try {
    let recovered: string | undefined;
    if (existsSync(path) && damageOf(path) !== undefined) {
      recovered = `${path}.corrupt-${Date.now()}`;
      renameSync(path, recovered);
    }
    const db = await database(path);
    const loaded = load(db, path, toHex(owner));
    // Whose it is shows before there is anything in it.
    if (!loaded.rest) await transact(db, path, 0, () => db.put(REST_KEY, restOf(toHex(owner), undefined)));
    return logOf(db, path, toHex(owner), loaded, recovered, () => lock.release(true));
  } catch (error) {
    await lock.release(false);
    throw storeError(error, path);
  }
}

function logOf(
  db: Database,
  path: string,
  owner: string,
  loaded: Loaded,
  recovered: string | undefined,
  release: () => Promise<void>,
): RevisionLog {
  return {
    loaded,
    recovered,
    next(from) {
      for (const { key, value } of db.getRange({ start: recordKey(from), end: RECORDS_END, limit: 1 }))
        return { number: numberOf(key), bytes: value };
      return undefined;
    },
    read: (number) => db.get(recordKey(number)),
    async commit({ revisions, keys, rest, dropped, compact }) {
      const compacted = compact ? compactedKeys(db, compact) : [];
      const isKept = (number: number) => !compact || number >= compact.to || compact.keep.has(number);
      const kept = revisions.filter(({ number }) => isKept(number));
      const records = kept.map((revision) => ({ number: revision.number, bytes: writeRevision(revision) }));
      const size = records.reduce((sum, { bytes }) => sum + bytes.length, 0);
      await transact(db, path, size, () => {
        for (const { number, bytes } of records) db.put(recordKey(number), bytes);
        for (const [key, state] of keys) {
          if (state) db.put(keyKey(key), writeKey(key, state));
          else db.remove(keyKey(key));
        }
        for (const number of dropped) db.remove(recordKey(number));
        for (const key of compacted) db.remove(key);
        db.put(REST_KEY, restOf(owner, rest));
      });
    },
    size() {
      const { lastPageNumber, pageSize, free } = db.getStats() as unknown as Stats;
      const file = (lastPageNumber + 1) * pageSize;
      return { file, used: file - free.treeLeafPageCount * pageSize };
    },
    async close() {
      await db.close();
      await release();
    },
  };
}

interface Stats {
  lastPageNumber: number;
  pageSize: number;
  free: { treeLeafPageCount: number };
}

function restOf(owner: string, rest: Rest | undefined): Uint8Array {
  return Buffer.from(JSON.stringify({ format: FORMAT, owner, rest }));
}

function load(db: Database, path: string, owner: string): Loaded {
  const text = db.get(REST_KEY);
  if (text === undefined) return { keys: [], rest: undefined };
  const {
    format,
    owner: found,
    rest,
  } = JSON.parse(Buffer.from(text).toString('utf8')) as {
    format: number;
    owner: string;
    rest?: Rest;
  };
  if (format !== FORMAT)
    throw new HeadwaterError('STORE', `log: expected format ${FORMAT}, got ${format} in ${path}`);
  if (found !== owner)
    throw new HeadwaterError(
      'STORE',
      `log: expected that of this member and cluster, got another's in ${path}: start it with the --name, --initial-cluster and ` +
        '--initial-cluster-token that it was first started with, or with another --data-dir',
    );
  const keys: [string, KeyState][] = [];
  for (const { value } of db.getRange({ start: KEYS_START, end: KEYS_END })) keys.push(parseKey(value));
  return { keys, rest };
}

function compactedKeys(db: Database, { from, to, keep }: NonNullable<Writes['compact']>): Uint8Array[] {
  const keys: Uint8Array[] = [];
  for (const key of db.getKeys({ start: recordKey(from), end: recordKey(to) }))
    if (!keep.has(numberOf(key))) keys.push(key);
  return keys;
}

function recordKey(number: number): Uint8Array {
  return new Writer(new Uint8Array(7)).u8(1).u48(number).finish();
}

function numberOf(key: Uint8Array): number {
  return Buffer.from(key.buffer, key.byteOffset, key.length).readUIntBE(1, 6);
}

function keyKey(key: string): Uint8Array {
  return Buffer.concat([KEYS_START, sha256(bytesOf(key)).subarray(0, 16)]);
}

const FORMAT = 1;
const REST_KEY = Uint8Array.of(0);
const RECORDS_END = Uint8Array.of(2);
const KEYS_START = Uint8Array.of(2);
const KEYS_END = Uint8Array.of(3);
