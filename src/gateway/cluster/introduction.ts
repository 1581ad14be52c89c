/**
 * How members of a cluster learn each other's keys before there are sessions: one asks at the address of the other, who tells its
 * key, signed with it. PROTOCOL 12 has the datagrams and what this is worth.
 *
 *   ASK   1 | nonce 16 | cluster 32 | index 2 | key 32 | zeros to 160
 *   TELL  1 | nonce 16 | cluster 32 | index 2 | key 32 | verdict 1 | signature 64   = 148
 */
import { Reader, Writer } from '../../core/bytes.js';
import { defaultProvider, isAdmissiblePublicKey } from '../../crypto/ed25519.js';
import type { KeyPair } from '../../crypto/keys.js';
import { HASH_SIZE } from '../../wire/limits.js';

/** Kinds of the session's version that its own datagrams leave free. */
export const ASK = 0x3e;
export const TELL = 0x3f;
export const NONCE_SIZE = 16;
/** Not less than an answer: whoever asks in another's name makes us send no more than it sent. */
export const ASK_SIZE = 160;
export const TELL_SIZE = 1 + NONCE_SIZE + HASH_SIZE + 2 + 32 + 1 + 64;

/** What the one who tells thinks of who has asked. */
export const VERDICT = {
  /** It has the key that we know it by, or the first one that we hear of. */
  fine: 0,
  /** We know it by another key. */
  otherKey: 1,
  /** It is of another cluster. */
  otherCluster: 2,
} as const;

export interface Ask {
  nonce: Uint8Array;
  cluster: Uint8Array;
  /** Of who asks, in its cluster. */
  index: number;
  key: Uint8Array;
}

export interface Tell extends Ask {
  verdict: number;
}

export function writeAsk({ nonce, cluster, index, key }: Ask): Uint8Array {
  const bytes = new Uint8Array(ASK_SIZE);
  new Writer(bytes).u8(ASK).put(nonce).put(cluster).u16(index).put(key);
  return bytes;
}

/** Undefined if it is none. What it holds are copies. */
export function parseAsk(bytes: Uint8Array): Ask | undefined {
  if (bytes.length !== ASK_SIZE || bytes[0] !== ASK) return undefined;
  return read(new Reader(bytes, 1));
}

export function writeTell(tell: Tell, keys: KeyPair): Uint8Array {
  const body = bodyOf(tell);
  return new Writer(TELL_SIZE)
    .u8(TELL)
    .put(body)
    .put(keys.sign(signed(body)))
    .finish();
}

/** Undefined if it is none, or is not signed with the key in it. */
export function parseTell(bytes: Uint8Array): Tell | undefined {
  if (bytes.length !== TELL_SIZE || bytes[0] !== TELL) return undefined;
  const reader = new Reader(bytes, 1);
  const fields = read(reader);
  const verdict = reader.u8('verdict');
  const signature = reader.take(64, 'signature');
  if (!isAdmissiblePublicKey(fields.key)) return undefined;
  const tell = { ...fields, verdict };
  return defaultProvider().verify(fields.key, signed(bodyOf(tell)), signature) ? tell : undefined;
}

function read(reader: Reader): Ask {
  return {
    nonce: reader.take(NONCE_SIZE, 'nonce').slice(),
    cluster: reader.take(HASH_SIZE, 'cluster').slice(),
    index: reader.u16('index'),
    key: reader.take(32, 'key').slice(),
  };
}

function bodyOf({ nonce, cluster, index, key, verdict }: Tell): Uint8Array {
  const writer = new Writer(TELL_SIZE - 1 - 64);
  return writer.put(nonce).put(cluster).u16(index).put(key).u8(verdict).finish();
}

function signed(body: Uint8Array): Uint8Array {
  return new Writer(LABEL.length + body.length).put(LABEL).put(body).finish();
}

const LABEL = new TextEncoder().encode('headwater introduction v1\0');
