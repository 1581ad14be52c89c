/**
 * CPACE-X25519-SHA512 (draft-irtf-cfrg-cpace-21), a password-authenticated key exchange, in its initiator-responder setting, sans-IO:
 * secret scalars come in as arguments. In: a password, what both sides know, the other side's message. Out: one message, a key, and
 * a tag for each direction that proves the key.
 *
 *   A -> B   Ya, ADa      Ya = ya g, with g made of the password
 *   A <- B   Yb, ADb
 *   A -> B   Ta           HMAC over (Ya, ADa), under a key made of the shared one
 *   A <- B   Tb           the same over (Yb, ADb)
 *
 * Who does not know the password learns nothing of it from Y and cannot make T: each run of the exchange is one guess. X25519 is
 * libsodium's or OpenSSL's; only the map to the curve is in big integers.
 */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import { Writer } from '../core/bytes.js';
import { hmac } from './mac.js';
import { type AgreementProvider, defaultAgreement, X25519_BYTES } from './x25519.js';

/** Bytes of a message Y. */
export const CPACE_SHARE_BYTES = X25519_BYTES;

/** What both sides must have alike. */
export interface CpaceInputs {
  /** PRS: the password. */
  password: Uint8Array;
  /** CI: what the key is for, and who the two are. Not sent. */
  channel: Uint8Array;
  /** sid: of this run alone, known to both before it. */
  session: Uint8Array;
}

/** One side's message. */
export interface CpaceMessage {
  /** Y, 32 bytes. */
  share: Uint8Array;
  /** AD: sent in the clear beside it, and proven with the key. */
  associated: Uint8Array;
}

/** What a run gives, if the password was the same; if not, nothing of it fits what the other side has. */
export interface CpaceKeys {
  /** ISK, 64 bytes: to be put through a key derivation. */
  readonly key: Uint8Array;
  /** Ta, 32 bytes, of the initiator. */
  readonly initiatorTag: Uint8Array;
  /** Tb, 32 bytes, of the responder. */
  readonly responderTag: Uint8Array;
}

/**
 * Y: what to send.
 *
 * @param scalar 32 secret random bytes, used for nothing else
 * @example
 * const share = cpaceShare({ password, channel, session }, scalar);
 */
export function cpaceShare(
  inputs: CpaceInputs,
  scalar: Uint8Array,
  agreement: AgreementProvider = defaultAgreement(),
): Uint8Array {
  // A hash that maps to a point of small order is found by nobody.
  return agreement.agree(scalar, generator(inputs)) ?? new Uint8Array(X25519_BYTES);
}

/**
 * The keys of a run.
 *
 * @param scalar the one that our own share was made with
 * @returns undefined if the other side's share is of small order (the draft's abort)
 * @example
 * const keys = cpaceKeys({ session, scalar, received: theirs.share, initiator: ours, responder: theirs });
 * if (keys && equalSecrets(tag, keys.responderTag)) use(keys.key);
 */
export function cpaceKeys(run: {
  session: Uint8Array;
  scalar: Uint8Array;
  received: Uint8Array;
  initiator: CpaceMessage;
  responder: CpaceMessage;
  agreement?: AgreementProvider;
}): CpaceKeys | undefined {
  const { session, scalar, received, initiator, responder, agreement = defaultAgreement() } = run;
  const secret = agreement.agree(scalar, received);
  if (!secret) return undefined;
  const ours = lvCat(initiator.share, initiator.associated);
  const theirs = lvCat(responder.share, responder.associated);
  const key = sha512(lvCat(ISK_DOMAIN, session, secret), ours, theirs);
  const macKey = sha512(MAC_DOMAIN, session, key);
  return { key, initiatorTag: hmac(macKey, ours), responderTag: hmac(macKey, theirs) };
}

/** calculate_generator (draft, section 7.2): the u coordinate of a point that only who knows the password can name. */
export function generator({ password, channel, session }: CpaceInputs): Uint8Array {
  const padding = Math.max(0, SHA512_BLOCK - 1 - prefixed(password) - prefixed(DSI));
  const text = lvCat(DSI, password, new Uint8Array(padding), channel, session);
  const hash = sha512(text).subarray(0, X25519_BYTES);
  return littleEndian(elligator2(fromLittleEndian(hash)));
}

/** The u coordinate alone of map_to_curve_elligator2 for Curve25519 (RFC 9380, 6.7.1; Z = 2, J = 486662). */
function elligator2(input: bigint): bigint {
  const r = Fp.create(input);
  const denominator = Fp.add(Fp.ONE, Fp.mul(2n, Fp.sqr(r)));
  // 1 + 2 r^2 is never 0: -1/2 is no square.
  const u = Fp.mul(Fp.neg(J), Fp.inv(denominator));
  const square = Fp.mul(u, Fp.add(Fp.sqr(u), Fp.add(Fp.mul(J, u), Fp.ONE)));
  const isSquare = !Fp.eql(Fp.pow(square, (Fp.ORDER - 1n) / 2n), Fp.neg(Fp.ONE));
  return isSquare ? u : Fp.neg(Fp.add(u, J));
}

/** lv_cat of the draft: each part with its length, as LEB128, before it. */
export function lvCat(...parts: readonly Uint8Array[]): Uint8Array {
  const writer = new Writer(parts.reduce((sum, part) => sum + prefixed(part), 0));
  for (const part of parts) {
    let length = part.length;
    for (; length >= 0x80; length >>>= 7) writer.u8((length & 0x7f) | 0x80);
    writer.u8(length).put(part);
  }
  return writer.finish();
}

/** Bytes of a part with its length before it. */
function prefixed({ length }: Uint8Array): number {
  let bytes = length + 1;
  for (let rest = length >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash('sha512');
  for (const part of parts) hash.update(part);
  return new Uint8Array(hash.digest());
}

/** decodeUCoordinate (RFC 7748, 5): the top bit does not count. */
function fromLittleEndian(bytes: Uint8Array): bigint {
  let value = 0n;
  for (let i = 31; i >= 0; i--) value = (value << 8n) | BigInt(i === 31 ? bytes[i] & 0x7f : bytes[i]);
  return value;
}

function littleEndian(value: bigint): Uint8Array {
  const bytes = new Uint8Array(X25519_BYTES);
  let rest = value;
  for (let i = 0; i < X25519_BYTES; i++) {
    bytes[i] = Number(rest & 0xffn);
    rest >>= 8n;
  }
  return bytes;
}

const { Fp } = ed25519.Point;
const J = 486662n;
/** SHA-512 works on blocks of 128 bytes (FIPS 180-4). */
const SHA512_BLOCK = 128;
const DSI = new TextEncoder().encode('CPace255');
const ISK_DOMAIN = new TextEncoder().encode('CPace255_ISK');
const MAC_DOMAIN = new TextEncoder().encode('CPaceMac');
