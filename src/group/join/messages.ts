/**
 * How a member that has no group file yet asks another one for it (PROTOCOL 2.2), on the socket of the sessions:
 *
 *   DESCRIPTOR_ASK   0x3c | nonce 16 | group id 32 | identity 32 | piece 2 | zeros to 1232
 *   DESCRIPTOR       0x3d | nonce 16 | 0 | identity 32 | salt 16 | piece 2 | sealed: pieces 2, bytes; tag 16
 *                    0x3d | nonce 16 | 1                              the group has no such member
 *
 * Sealed with a key that takes the secret of one of the two identities: who asks in a member's name gets what only that can open.
 */
import { Reader, Writer } from '../../core/bytes.js';
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, defaultAead } from '../../crypto/aead.js';
import { hmac } from '../../crypto/mac.js';
import { DATAGRAM_SIZE } from '../../wire/limits.js';

/** Kinds of the sessions' version that their own datagrams leave free. */
export const DESCRIPTOR_ASK = 0x3c;
export const DESCRIPTOR = 0x3d;
export const JOIN_NONCE_SIZE = 16;
export const SALT_SIZE = 16;

export interface Question {
  nonce: Uint8Array;
  groupId: Uint8Array;
  /** Of who asks. */
  identity: Uint8Array;
  piece: number;
}

export type Answer = ToldAnswer | { verdict: 'no-member'; nonce: Uint8Array };

export interface ToldAnswer {
  verdict: 'told';
  nonce: Uint8Array;
  /** Of who tells. */
  identity: Uint8Array;
  salt: Uint8Array;
  piece: number;
  /** The whole datagram. */
  datagram: Uint8Array;
}

/** One piece of a group file, opened. */
export interface Piece {
  pieces: number;
  bytes: Uint8Array;
}

export function writeQuestion({ nonce, groupId, identity, piece }: Question): Uint8Array {
  const bytes = new Uint8Array(DATAGRAM_SIZE);
  new Writer(bytes).u8(DESCRIPTOR_ASK).put(nonce).put(groupId).put(identity).u16(piece);
  return bytes;
}

/** Undefined if it is none. What it holds are copies. */
export function parseQuestion(bytes: Uint8Array): Question | undefined {
  if (bytes.length !== DATAGRAM_SIZE || bytes[0] !== DESCRIPTOR_ASK) return undefined;
  const reader = new Reader(bytes, 1);
  return {
    nonce: reader.take(JOIN_NONCE_SIZE, 'nonce').slice(),
    groupId: reader.take(32, 'group id').slice(),
    identity: reader.take(32, 'identity').slice(),
    piece: reader.u16('piece'),
  };
}

export function writeRefusal(nonce: Uint8Array): Uint8Array {
  return new Writer(new Uint8Array(REFUSAL_SIZE)).u8(DESCRIPTOR).put(nonce).u8(1).finish();
}

/**
 * @param shared the agreement of both identities' static keys
 * @param salt random, never the same
 */
export function writeAnswer(
  question: Question,
  teller: Uint8Array,
  shared: Uint8Array,
  salt: Uint8Array,
  { pieces, bytes }: Piece,
): Uint8Array {
  const datagram = new Uint8Array(ANSWER_HEADER + 2 + bytes.length + AEAD_TAG_BYTES);
  new Writer(datagram).u8(DESCRIPTOR).put(question.nonce).u8(0).put(teller).put(salt);
  new Writer(datagram.subarray(ANSWER_HEADER - 2)).u16(question.piece).u16(pieces).put(bytes);
  const cipher = defaultAead().cipher(keyOf(question, shared, salt));
  cipher.seal(ZEROS, datagram.subarray(0, ANSWER_HEADER), datagram.subarray(ANSWER_HEADER));
  return datagram;
}

/** Undefined if it is none. What it holds are views. */
export function parseAnswer(bytes: Uint8Array): Answer | undefined {
  if (bytes[0] !== DESCRIPTOR || bytes.length < REFUSAL_SIZE) return undefined;
  const nonce = bytes.subarray(1, 1 + JOIN_NONCE_SIZE);
  const verdict = bytes[1 + JOIN_NONCE_SIZE];
  if (verdict === 1) return bytes.length === REFUSAL_SIZE ? { verdict: 'no-member', nonce } : undefined;
  if (verdict !== 0 || bytes.length < ANSWER_HEADER + 2 + AEAD_TAG_BYTES || bytes.length > DATAGRAM_SIZE)
    return undefined;
  const reader = new Reader(bytes, REFUSAL_SIZE);
  const identity = reader.take(32, 'identity');
  const salt = reader.take(SALT_SIZE, 'salt');
  return { verdict: 'told', nonce, identity, salt, piece: reader.u16('piece'), datagram: bytes };
}

/** What an answer to this question holds; undefined if it is not genuine. It is overwritten. */
export function openAnswer(
  question: Question,
  { salt, datagram }: ToldAnswer,
  shared: Uint8Array,
): Piece | undefined {
  const cipher = defaultAead().cipher(keyOf(question, shared, salt));
  const text = cipher.open(ZEROS, datagram.subarray(0, ANSWER_HEADER), datagram.subarray(ANSWER_HEADER));
  if (!text) return undefined;
  const reader = new Reader(text);
  return { pieces: reader.u16('pieces'), bytes: reader.take(reader.remaining, 'bytes').slice() };
}

/** Of one answer: the salt is never used again. */
function keyOf({ nonce, groupId, piece }: Question, shared: Uint8Array, salt: Uint8Array): Uint8Array {
  const message = new Writer(LABEL.length + nonce.length + groupId.length + 2 + salt.length);
  return hmac(shared, message.put(LABEL).put(nonce).put(groupId).u16(piece).put(salt).finish());
}

const ZEROS = new Uint8Array(AEAD_NONCE_BYTES);
const REFUSAL_SIZE = 1 + JOIN_NONCE_SIZE + 1;
const ANSWER_HEADER = REFUSAL_SIZE + 32 + SALT_SIZE + 2;
const LABEL = new TextEncoder().encode('headwater descriptor v1\0');
/** Bytes of a group file in one answer, which is smaller than the question. */
export const PIECE_SIZE = 1024;
/** 512 members with 8 long addresses each have some 400. */
export const MAX_DESCRIPTOR_PIECES = 1024;
