/**
 * The datagrams of a session, byte for byte. All integers are big-endian; the first byte is version << 4 | kind.
 *
 *   INITIATION 1 | sender index 4 | e 32 | static 32+16
 *                | { incarnation 6, counter 4, next number 6, version 2, dialect 10, more } 28+16 | mac1 16 | mac2 16 = 161
 *   RESPONSE   1 | sender index 4 | receiver index 4 | e 32
 *                | { incarnation 6, next number 6, sender index 4, version 2, counting 6, dialect 10, chosen 1, more } 35+16
 *                                                                                                       = 92
 *   COOKIE     1 | receiver index 4 | nonce 16 | cookie 16+16                                           = 53
 *   DATA       1 | receiver index 4 | packet number 4 | text | tag 16
 *   CONTROL    as DATA, with packet numbers of its own; its text is one frame:
 *              CHALLENGE 1 | data 8   or   ANSWER 2 | data 8
 *
 * The version in a handshake is the application's: two members with different ones have a session all the same. A dialect is
 * what versions and features of the protocol its sender speaks, `chosen` the version that both speak. `more` is what later
 * builds may add: an INITIATION of up to 1232 bytes, a RESPONSE no longer than the INITIATION that it answers.
 *
 * mac1 = HMAC(SHA-256(label, responder's static key), all before it), mac2 = HMAC(cookie, all before it), both cut to 16;
 * mac2 is zero where there is no cookie. The AEAD's additional data of DATA and CONTROL is their header of 9 bytes, its
 * nonce: 0 for DATA or 1 for CONTROL (4 bytes, little-endian), then the full packet number (8 bytes, little-endian).
 */
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES } from '../crypto/aead.js';
import { SHORT_MAC_BYTES } from '../crypto/mac.js';
import { INITIATION_OVERHEAD, RESPONSE_OVERHEAD } from '../crypto/noise.js';
import { DIALECT_SIZE } from '../wire/dialect.js';
import { DATAGRAM_SIZE, PROTECTED_HEADER, PROTECTED_OVERHEAD } from '../wire/limits.js';

export { PROTECTED_HEADER, PROTECTED_OVERHEAD };

/** Of the handshake and of headers. Version 1 had no sessions. It is also inside the prologue of every handshake. */
export const SESSION_VERSION = 3;

export const INITIATION = (SESSION_VERSION << 4) | 1;
export const RESPONSE = (SESSION_VERSION << 4) | 2;
export const COOKIE = (SESSION_VERSION << 4) | 3;
export const DATA = (SESSION_VERSION << 4) | 4;
export const CONTROL = (SESSION_VERSION << 4) | 5;

export const INITIATION_HEADER = 5;
export const INITIATION_PAYLOAD = 18 + DIALECT_SIZE;
/** What we send; the least that an INITIATION has. */
export const INITIATION_SIZE =
  INITIATION_HEADER + INITIATION_OVERHEAD + INITIATION_PAYLOAD + 2 * SHORT_MAC_BYTES;
/** What every path carries. */
export const MAX_INITIATION = DATAGRAM_SIZE;

export const RESPONSE_HEADER = 9;
export const RESPONSE_PAYLOAD = 24 + DIALECT_SIZE + 1;
/** What we send; the least that a RESPONSE has. */
export const RESPONSE_SIZE = RESPONSE_HEADER + RESPONSE_OVERHEAD + RESPONSE_PAYLOAD;

export const COOKIE_HEADER = 5;
export const COOKIE_NONCE = 16;
export const COOKIE_BYTES = 16;
export const COOKIE_SIZE = COOKIE_HEADER + COOKIE_NONCE + COOKIE_BYTES + AEAD_TAG_BYTES;

export const FRAME_CHALLENGE = 1;
export const FRAME_ANSWER = 2;
export const CHALLENGE_BYTES = 8;
export const CONTROL_SIZE = PROTECTED_OVERHEAD + 1 + CHALLENGE_BYTES;

/** Packet numbers stay below 2^48, so that a handshake message can carry one; that is 89 years at 100,000 a second. */
export const MAX_PACKET_NUMBER = 2 ** 48 - 1;

/** Where mac1 of an INITIATION stands: all before it is under it. */
export function mac1At({ length }: Uint8Array): number {
  return length - 2 * SHORT_MAC_BYTES;
}

/** Where mac2 stands, which ends an INITIATION. */
export function mac2At({ length }: Uint8Array): number {
  return length - SHORT_MAC_BYTES;
}

/** mac1 of an INITIATION: a view. */
export function mac1Of(initiation: Uint8Array): Uint8Array {
  return initiation.subarray(mac1At(initiation), mac2At(initiation));
}

export function readU32(bytes: Uint8Array, at: number): number {
  return bytes[at] * 0x1000000 + ((bytes[at + 1] << 16) | (bytes[at + 2] << 8) | bytes[at + 3]);
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** The nonce of a packet number, valid until the next call. */
export function nonceOf(kind: number, packetNumber: number): Uint8Array {
  const high = Math.floor(packetNumber / 0x100000000);
  nonce[0] = kind === CONTROL ? 1 : 0;
  nonce[4] = packetNumber;
  nonce[5] = packetNumber >>> 8;
  nonce[6] = packetNumber >>> 16;
  nonce[7] = packetNumber >>> 24;
  nonce[8] = high;
  nonce[9] = high >>> 8;
  return nonce;
}

const nonce = new Uint8Array(AEAD_NONCE_BYTES);
