/**
 * How a store's records look on disk: keys that sort by stream and seq, values that end in a CRC-32 over key and value,
 * so that a torn, flipped or misplaced record is known for what it is. In: what is stored. Out: bytes, and back.
 *
 *   kind 1                                        header: version 2 | incarnation 6 | group id 32 | public key 32 | CRC 4
 *   kind 1                                        total: what all objects take 6 | CRC 4
 *   kind 1                                        session: newest 6 | CRC 4
 *   kind 1 | slot 2                               sent: number 6 | incarnation 6 | seq 4 | index 4 | key size 1 | key | CRC 4
 *                                                 (slot: the number modulo 2^16, so that the last 2^16 are there)
 *   kind 1 | origin 2                             retired: incarnation 6 | count 6 | chain 32 | CRC 4
 *   kind 1                                        attempt: count 4 | ranges, each of origin 2 | incarnation 6 | seq 4 | index 4
 *                                                 | end seq 4 | end index 4 | CRC 4
 *   kind 1                                        epochs: where the member is in a group that changes | CRC 4
 *   kind 1 | origin 2 | incarnation 6             stream: base 6 | delivered 6 | index 6 | chain 32 | base chain 32 | CRC 4
 *                                                 (before the CRC, where there is a READY: count 6 | chain 32)
 *   kind 1 | origin 2 | incarnation 6 | seq 4     head: length 6 | certificate size 2 | certificate | CRC 4 per chunk | CRC 4
 *   kind 1 | origin 2 | incarnation 6 | seq 4 | index 4     dead letter: retry 1 | bytes | CRC 4
 *   kind 1 | origin 2 | incarnation 6 | seq 4 | n 4     chunk n of an object: its bytes as they are
 */
import { crc32 } from 'node:zlib';
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { HASH_SIZE } from '../wire/limits.js';
import type { ObjectId } from '../wire/symbol.js';
import {
  type Attempt,
  type AttemptRange,
  type DeadLetter,
  type Final,
  MAX_SENT_KEYS,
  type MessageRef,
  type SentKey,
  type StoredObject,
  type StreamId,
  type StreamState,
  storedSize,
} from './store.js';

/** Of the records' layout; a store of another one is not touched. */
export const STORE_VERSION = 3;
/**
 * Bytes of an object in one record: 64 pages of 4 KiB less the header of the first. Pieces of one size leave gaps of one
 * size, so a store in a steady state re-uses its pages and does not grow.
 */
export const CHUNK_SIZE = 64 * 4096 - 24;

/** What the header says of a store. */
export interface StoreHeader {
  version: number;
  incarnation: number;
  groupId: Uint8Array;
  publicKey: Uint8Array;
}

/** What is known of an object without its bytes. */
export interface Head {
  length: number;
  certificate: Uint8Array;
  /** Of each chunk. */
  checksums: number[];
}

export const HEADER_KEY = Uint8Array.of(1);
export const TOTAL_KEY = Uint8Array.of(2);
export const SESSION_KEY = Uint8Array.of(6);

export const ATTEMPT_KEY = Uint8Array.of(8);
/** Which file the store is in, so that a copy of it is known for one. */
export const FILE_KEY = Uint8Array.of(13);
/** Of a group that changes. */
export const EPOCHS_KEY = Uint8Array.of(14);
export const SENT = { start: Uint8Array.of(12), end: Uint8Array.of(13) };

/** The keys that all streams, or all heads, lie between. */
export const STREAMS = { start: Uint8Array.of(3), end: Uint8Array.of(4) };
export const RETIRED = { start: Uint8Array.of(7), end: Uint8Array.of(8) };
export const LETTERS = { start: Uint8Array.of(9), end: Uint8Array.of(10) };
export const HEADS = { start: Uint8Array.of(4), end: Uint8Array.of(5) };

export function streamRecordKey(id: StreamId): Uint8Array {
  return new Writer(9).u8(STREAM).u16(id.origin).u48(id.incarnation).finish();
}

export function retiredKey(origin: number): Uint8Array {
  return new Writer(3).u8(RETIRED_KIND).u16(origin).finish();
}

/** Also bounds: the heads of a stream below `seq` are those from seq 0 up to this key. */
export function headKey(id: ObjectId): Uint8Array {
  return new Writer(13).u8(HEAD).u16(id.origin).u48(id.incarnation).u32(id.seq).finish();
}

/** A key behind every chunk of the stream. */
export function chunksEnd({ origin, incarnation }: StreamId): Uint8Array {
  return new Writer(14).u8(CHUNK).u16(origin).u48(incarnation).u32(0xffff_ffff).u8(0xff).finish();
}

/** A key behind every head of the stream, and before those of the next. */
export function headsEnd({ origin, incarnation }: StreamId): Uint8Array {
  return new Writer(14).u8(HEAD).u16(origin).u48(incarnation).u32(0xffff_ffff).u8(0).finish();
}

export function chunkKey(id: ObjectId, chunk: number): Uint8Array {
  return new Writer(17).u8(CHUNK).u16(id.origin).u48(id.incarnation).u32(id.seq).u32(chunk).finish();
}

/** The object that a head's key names. */
export function parseHeadKey(key: Uint8Array): ObjectId {
  const reader = new Reader(key, 1);
  const id = {
    origin: reader.u16('origin'),
    incarnation: reader.u48('incarnation'),
    seq: reader.u32('seq'),
  };
  reader.finish('head key');
  return id;
}

export function writeHeader({ version, incarnation, groupId, publicKey }: StoreHeader): Uint8Array {
  const writer = new Writer(2 + 6 + 32 + 32 + 4).u16(version).u48(incarnation).put(groupId).put(publicKey);
  return sealed(HEADER_KEY, writer);
}

/** Undefined if the record is damaged. Of a later version only the number is known. */
export function parseHeader(value: Uint8Array): StoreHeader | { version: number } | undefined {
  return opened(HEADER_KEY, value, (reader) => {
    const version = reader.u16('version');
    if (version !== STORE_VERSION) {
      reader.take(reader.remaining, 'what a later version keeps');
      return { version };
    }
    const incarnation = reader.u48('incarnation');
    return {
      version,
      incarnation,
      groupId: copy(reader.take(HASH_SIZE, 'group id')),
      publicKey: copy(reader.take(PUBLIC_KEY_SIZE, 'public key')),
    };
  });
}

export function writeRetired({ origin, incarnation, count, chain }: Final): Uint8Array {
  return sealed(retiredKey(origin), new Writer(6 + 6 + HASH_SIZE + 4).u48(incarnation).u48(count).put(chain));
}

/** Undefined if the record is damaged. */
export function parseRetired(key: Uint8Array, value: Uint8Array): Final | undefined {
  return opened(key, value, (reader) => ({
    origin: new Reader(key, 1).u16('origin'),
    incarnation: reader.u48('incarnation'),
    count: reader.u48('count'),
    chain: copy(reader.take(HASH_SIZE, 'chain')),
  }));
}

/** A record that holds one number: the total, or the session. */
export function writeNumber(key: Uint8Array, value: number): Uint8Array {
  return sealed(key, new Writer(6 + 4).u48(value));
}

export function parseNumber(key: Uint8Array, value: Uint8Array): number | undefined {
  return opened(key, value, (reader) => reader.u48('number'));
}

export function writeStream(state: StreamState): Uint8Array {
  const { ready } = state;
  const writer = new Writer(6 + 6 + 6 + 2 * HASH_SIZE + (ready ? 6 + HASH_SIZE + 6 : 0) + 4);
  writer.u48(state.base).u48(state.delivered).u48(state.index).put(state.chain).put(state.baseChain);
  if (ready) writer.u48(ready.count).put(ready.chain);
  if (ready?.from !== undefined) writer.u48(ready.from);
  return sealed(streamRecordKey(state), writer);
}

export function parseStream(key: Uint8Array, value: Uint8Array): StreamState | undefined {
  return opened(key, value, (reader) => {
    const id = new Reader(key, 1);
    const state: StreamState = {
      origin: id.u16('origin'),
      incarnation: id.u48('incarnation'),
      base: reader.u48('base'),
      delivered: reader.u48('delivered'),
      index: reader.u48('index'),
      chain: copy(reader.take(HASH_SIZE, 'chain')),
      baseChain: copy(reader.take(HASH_SIZE, 'base chain')),
    };
    if (reader.remaining === 0) return state;
    const count = reader.u48('ready');
    const ready = { count, chain: copy(reader.take(HASH_SIZE, 'ready chain')) };
    if (reader.remaining === 0) return { ...state, ready };
    return { ...state, ready: { ...ready, from: reader.u48('ready from') } };
  });
}

/** @param file 16 bytes: what tells it from other files */
export function writeFile(file: Uint8Array): Uint8Array {
  return sealed(FILE_KEY, new Writer(FILE_SIZE + 4).put(file));
}

/** Undefined if the record is damaged. */
export function parseFile(value: Uint8Array): Uint8Array | undefined {
  return opened(FILE_KEY, value, (reader) => copy(reader.take(FILE_SIZE, 'file')));
}

export function writeAttempt({ ranges, count }: Attempt): Uint8Array {
  const writer = new Writer(4 + RANGE_SIZE * ranges.length + 4).u32(count);
  for (const { origin, incarnation, seq, index, endSeq, endIndex } of ranges)
    writer.u16(origin).u48(incarnation).u32(seq).u32(index).u32(endSeq).u32(endIndex);
  return sealed(ATTEMPT_KEY, writer);
}

/** Undefined if it is damaged, or of one message alone, as builds before this layout wrote it: that one is attempted anew. */
export function parseAttempt(value: Uint8Array): Attempt | undefined {
  return opened(ATTEMPT_KEY, value, (reader) => {
    const count = reader.u32('count');
    const ranges: AttemptRange[] = [];
    while (reader.remaining > 0)
      ranges.push({
        origin: reader.u16('origin'),
        incarnation: reader.u48('incarnation'),
        seq: reader.u32('seq'),
        index: reader.u32('index'),
        endSeq: reader.u32('end seq'),
        endIndex: reader.u32('end index'),
      });
    return { ranges, count };
  });
}

export function writeEpochs(record: Uint8Array): Uint8Array {
  return sealed(EPOCHS_KEY, new Writer(record.length + 4).put(record));
}

/** Undefined if the record is damaged. */
export function parseEpochs(value: Uint8Array): Uint8Array | undefined {
  return opened(EPOCHS_KEY, value, (reader) => copy(reader.take(reader.remaining, 'epochs')));
}

export function letterKey({ origin, incarnation, seq, index }: MessageRef): Uint8Array {
  return new Writer(17).u8(LETTER).u16(origin).u48(incarnation).u32(seq).u32(index).finish();
}

export function parseLetterKey(key: Uint8Array): MessageRef {
  const reader = new Reader(key, 1);
  return {
    origin: reader.u16('origin'),
    incarnation: reader.u48('incarnation'),
    seq: reader.u32('seq'),
    index: reader.u32('index'),
  };
}

export function writeLetter(letter: DeadLetter): Uint8Array {
  const { retry, bytes } = letter;
  return sealed(letterKey(letter), new Writer(1 + bytes.length + 4).u8(retry ? 1 : 0).put(bytes));
}

export function parseLetter(key: Uint8Array, value: Uint8Array): DeadLetter | undefined {
  return opened(key, value, (reader) => {
    const retry = reader.u8('retry') === 1;
    return { ...parseLetterKey(key), retry, bytes: copy(reader.take(reader.remaining, 'bytes')) };
  });
}

/** What a list of dead letters says of one, without a look at its bytes. */
export function letterStatus(value: Uint8Array): { length: number; retry: boolean } {
  return { length: Math.max(0, value.length - 5), retry: value[0] === 1 };
}

export function sentKey(number: number): Uint8Array {
  return new Writer(3)
    .u8(SENT_KIND)
    .u16(number % MAX_SENT_KEYS)
    .finish();
}

export function writeSent({ number, key, incarnation, seq, index }: SentKey): Uint8Array {
  const writer = new Writer(6 + 6 + 4 + 4 + 1 + key.length + 4);
  writer.u48(number).u48(incarnation).u32(seq).u32(index).u8(key.length).put(key);
  return sealed(sentKey(number), writer);
}

/** Undefined if the record is damaged. */
export function parseSent(key: Uint8Array, value: Uint8Array): SentKey | undefined {
  return opened(key, value, (reader) => ({
    number: reader.u48('number'),
    incarnation: reader.u48('incarnation'),
    seq: reader.u32('seq'),
    index: reader.u32('index'),
    key: copy(reader.take(reader.u8('key size'), 'key')),
  }));
}

/** The head of an object and its bytes cut to chunks: views, no copies. */
export function writeObject(object: StoredObject): { head: Uint8Array; chunks: Uint8Array[] } {
  const { bytes, certificate } = object;
  const chunks = Array.from({ length: Math.ceil(bytes.length / CHUNK_SIZE) }, (_, i) =>
    bytes.subarray(i * CHUNK_SIZE, (i + 1) * CHUNK_SIZE),
  );
  const writer = new Writer(6 + 2 + certificate.length + 4 * chunks.length + 4);
  writer.u48(bytes.length).u16(certificate.length).put(certificate);
  for (const chunk of chunks) writer.u32(crc32(chunk));
  return { head: sealed(headKey(object), writer), chunks };
}

/** Undefined if the record is damaged. */
export function parseHead(key: Uint8Array, value: Uint8Array): Head | undefined {
  return opened(key, value, (reader) => {
    const length = reader.u48('length');
    const certificate = copy(reader.take(reader.u16('certificate size'), 'certificate'));
    const checksums = Array.from({ length: Math.ceil(length / CHUNK_SIZE) }, () => reader.u32('checksum'));
    return { length, certificate, checksums };
  });
}

/** What an object takes, as its head says, damaged or not: for accounts, which must not stop at a bad record. */
export function headSize(value: Uint8Array): number {
  return storedSize(headLength(value));
}

/** The bytes that a head says its object has, damaged or not. */
export function headLength(value: Uint8Array): number {
  return value.length < 6 ? 0 : new Reader(value).u48('length');
}

/** Whether `bytes` are what chunk `index` held when it was written. */
export function isChunk(head: Head, index: number, bytes: Uint8Array | undefined): bytes is Uint8Array {
  return (
    bytes !== undefined &&
    bytes.length === Math.min(CHUNK_SIZE, head.length - index * CHUNK_SIZE) &&
    crc32(bytes) === head.checksums[index]
  );
}

/** Not `slice`, which for a Buffer gives a view. */
function copy(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes);
}

function sealed(key: Uint8Array, writer: Writer): Uint8Array {
  return writer.u32(crc32(writer.finish(), crc32(key))).finish();
}

function opened<T>(key: Uint8Array, value: Uint8Array, parse: (reader: Reader) => T): T | undefined {
  const end = value.length - 4;
  if (end < 0 || new Reader(value, end).u32('CRC') !== crc32(value.subarray(0, end), crc32(key)))
    return undefined;
  try {
    const reader = new Reader(value, 0, end);
    const result = parse(reader);
    reader.finish('record');
    return result;
  } catch (error) {
    if (error instanceof HeadwaterError) return undefined;
    throw error;
  }
}

const STREAM = 3;
const HEAD = 4;
const CHUNK = 5;
const RETIRED_KIND = 7;
const LETTER = 9;
const SENT_KIND = 12;
const PUBLIC_KEY_SIZE = 32;
const FILE_SIZE = 16;
/** Of an attempt. */
const RANGE_SIZE = 2 + 6 + 4 * 4;
