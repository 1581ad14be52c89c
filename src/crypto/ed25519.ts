/**
 * Ed25519 behind one small interface, twice: libsodium (`sodium-native`) and, where that cannot load, node:crypto.
 * All nodes must accept and reject the same signatures, or one forged with care splits the group. The one rule is
 * libsodium's, which leaves the signer no choice of encoding, with keys of prime order only:
 *
 *   s < L; A decodes, is canonical (y < p), not the neutral element, and [L]A is it; R is not of small order;
 *   R equals the canonical encoding of [s]B - [k]A byte for byte, k = SHA-512(R || A || M) mod L   (no cofactor).
 *
 * The last line is what libsodium and OpenSSL both compute. The others are checked here, in front of either: OpenSSL 3.0
 * lets small orders and some non-canonical keys pass, 3.5 does not, and the rule must not hang on how a library was
 * built. Under a key with a part of small order [k]A is another point for a reader that does not reduce k, and such keys no
 * honest seed gives. test/crypto/ed25519-rule.test.ts pins it.
 */
import { createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { Point } from '@noble/ed25519';
import { assertBytes } from '../errors.js';
import { loadSodium, trySodium } from './sodium.js';

export const SEED_BYTES = 32;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** One implementation of Ed25519. Inputs are read and not kept; results are arrays of their own. */
export interface SignatureProvider {
  /** For logs: 'sodium-native' or 'node:crypto'. */
  readonly name: string;
  /** The 32-byte public key of a 32-byte seed. Throws INVALID_ARGUMENT for another length. */
  publicKey(seed: Uint8Array): Uint8Array;
  /** A function that signs: any message in, 64 bytes out. Throws INVALID_ARGUMENT for a seed of another length. */
  signer(seed: Uint8Array): (message: Uint8Array) => Uint8Array;
  /** Whether the signature holds under the one rule. Never throws: wrong lengths are just not valid. */
  verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean;
}

/**
 * The provider to use: libsodium if its native module loads on this machine, node:crypto otherwise.
 *
 * @example
 * const ok = defaultProvider().verify(publicKey, message, signature);
 */
export function defaultProvider(): SignatureProvider {
  chosen ??= sodiumProvider() ?? nodeProvider();
  return chosen;
}

/**
 * Ed25519 by libsodium, or undefined where the native module is missing, built for another machine, or broken.
 *
 * @param load how to get at the module; given by tests that want it to fail
 */
export function sodiumProvider(load: () => unknown = loadSodium): SignatureProvider | undefined {
  const sodium = trySodium<Sodium>(load, [
    'crypto_sign_seed_keypair',
    'crypto_sign_detached',
    'crypto_sign_verify_detached',
  ]);
  if (!sodium) return undefined;

  function keyPair(seed: Uint8Array): { publicKey: Uint8Array; secretKey: Uint8Array } {
    assertBytes('seed', seed, SEED_BYTES);
    const publicKey = new Uint8Array(PUBLIC_KEY_BYTES);
    const secretKey = new Uint8Array(SEED_BYTES + PUBLIC_KEY_BYTES);
    sodium!.crypto_sign_seed_keypair(publicKey, secretKey, seed);
    return { publicKey, secretKey };
  }

  return {
    name: 'sodium-native',
    publicKey: (seed) => keyPair(seed).publicKey,
    signer(seed) {
      const { secretKey } = keyPair(seed);
      return (message) => {
        const signature = new Uint8Array(SIGNATURE_BYTES);
        sodium.crypto_sign_detached(signature, message, secretKey);
        return signature;
      };
    },
    verify: (publicKey, message, signature) =>
      admissible(publicKey, signature) && sodium.crypto_sign_verify_detached(signature, message, publicKey),
  };
}

/**
 * Ed25519 by node:crypto (OpenSSL), which every Node has. Measured: 8 k verifications a second where libsodium does 20 k.
 *
 * @example
 * const sign = nodeProvider().signer(seed);
 */
export function nodeProvider(): SignatureProvider {
  // Making a KeyObject of 32 bytes costs nearly as much as a verification (90 us of 120), and a group has few keys.
  const keys = new Map<string, KeyObject>();

  function keyObject(publicKey: Uint8Array): KeyObject {
    const id = Buffer.from(publicKey.buffer, publicKey.byteOffset, publicKey.length).toString('binary');
    let key = keys.get(id);
    if (!key) {
      key = createPublicKey({ key: Buffer.concat([SPKI_PREFIX, publicKey]), format: 'der', type: 'spki' });
      if (keys.size >= MAX_CACHED_KEYS) keys.delete(keys.keys().next().value!);
      keys.set(id, key);
    }
    return key;
  }

  return {
    name: 'node:crypto',
    publicKey(seed) {
      const der = createPublicKey(privateKey(seed)).export({ format: 'der', type: 'spki' });
      return new Uint8Array(der.subarray(SPKI_PREFIX.length));
    },
    signer(seed) {
      const key = privateKey(seed);
      return (message) => new Uint8Array(sign(null, message, key));
    },
    verify(publicKey, message, signature) {
      if (!admissible(publicKey, signature)) return false;
      try {
        return verify(null, message, keyObject(publicKey), signature);
      } catch {
        return false; // OpenSSL versions differ in when they notice a key that is not on the curve; none of them may throw here.
      }
    },
  };
}

/**
 * Whether 32 bytes can be a public key at all under the rule: the canonical encoding of a point of order L. Where libsodium
 * does not load this takes some milliseconds, once for each key.
 */
export function isAdmissiblePublicKey(key: Uint8Array): boolean {
  if (key.length !== PUBLIC_KEY_BYTES || !isCanonicalPoint(key) || hasSmallOrder(key)) return false;
  const id = Buffer.from(key.buffer, key.byteOffset, key.length).toString('latin1');
  let isOfPrimeOrder = admitted.get(id);
  if (isOfPrimeOrder === undefined) {
    primeOrder ??= sodiumPrimeOrder() ?? noblePrimeOrder;
    isOfPrimeOrder = primeOrder(key);
    if (admitted.size >= MAX_ADMITTED) admitted.delete(admitted.keys().next().value!);
    admitted.set(id, isOfPrimeOrder);
  }
  return isOfPrimeOrder;
}

/** Whether a canonical encoding is that of a point of order L, by libsodium; undefined where it does not load. */
export function sodiumPrimeOrder(load: () => unknown = loadSodium): PrimeOrder | undefined {
  const sodium = trySodium<SodiumPoints>(load, ['crypto_core_ed25519_is_valid_point']);
  return sodium && ((key) => sodium.crypto_core_ed25519_is_valid_point(key));
}

/** The same by @noble/ed25519. */
export const noblePrimeOrder: PrimeOrder = (key) => {
  try {
    const point = Point.fromBytes(key);
    return !point.isSmallOrder() && point.isTorsionFree();
  } catch {
    return false; // Its way to say that no point has this encoding.
  }
};

type PrimeOrder = (key: Uint8Array) => boolean;

/** The part of the rule that is about encodings. */
function admissible(publicKey: Uint8Array, signature: Uint8Array): boolean {
  return (
    signature.length === SIGNATURE_BYTES &&
    isAdmissiblePublicKey(publicKey) &&
    isReducedScalar(signature) &&
    !hasSmallOrder(signature)
  );
}

/** s < L, where s is the second half of the signature, little-endian. */
function isReducedScalar(signature: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const byte = signature[32 + i];
    if (byte !== L[i]) return byte < L[i];
  }
  return false;
}

/** y < p = 2^255 - 19, the top bit (the sign of x) aside. */
function isCanonicalPoint(point: Uint8Array): boolean {
  if ((point[31] & 0x7f) !== 0x7f) return true;
  for (let i = 30; i >= 1; i--) if (point[i] !== 0xff) return true;
  return point[0] < 0xed;
}

/**
 * Whether the first 32 bytes of `point` encode one of the eight points whose order divides the cofactor, in whatever
 * way: their y is 0, 1, -1 or one of two others; 0 and 1 also fit in as p and p + 1; either sign bit may be set.
 */
function hasSmallOrder(point: Uint8Array): boolean {
  for (const y of SMALL_ORDER_Y) {
    if (point[0] !== y[0] || (point[31] & 0x7f) !== y[31]) continue;
    let i = 1;
    while (i < 31 && point[i] === y[i]) i++;
    if (i === 31) return true;
  }
  return false;
}

function privateKey(seed: Uint8Array): KeyObject {
  assertBytes('seed', seed, SEED_BYTES);
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, seed]), format: 'der', type: 'pkcs8' });
}

/** What is used of sodium-native; it takes any typed array, though its types say Buffer. */
interface Sodium {
  crypto_sign_seed_keypair(publicKey: Uint8Array, secretKey: Uint8Array, seed: Uint8Array): void;
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, secretKey: Uint8Array): void;
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, publicKey: Uint8Array): boolean;
}

interface SodiumPoints {
  crypto_core_ed25519_is_valid_point(point: Uint8Array): boolean;
}

let chosen: SignatureProvider | undefined;
let primeOrder: PrimeOrder | undefined;
/** What was found of keys lately. */
const admitted = new Map<string, boolean>();

const MAX_CACHED_KEYS = 256;
/** The members of the largest group eight times over. */
const MAX_ADMITTED = 4096;
/** DER around a raw key (RFC 8410): everything before the 32 bytes. */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
/** The order of the base point, 2^252 + 27742317777372353535851937790883648493, little-endian (RFC 8032, 5.1). */
const L = bytes('edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010');
/** 0, 1, p - 1, p, p + 1 and the y of the points of order 8; p - 1 + p and above do not fit into 255 bits. */
const SMALL_ORDER_Y = [
  bytes('0000000000000000000000000000000000000000000000000000000000000000'),
  bytes('0100000000000000000000000000000000000000000000000000000000000000'),
  bytes('ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
  bytes('edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
  bytes('eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f'),
  bytes('26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05'),
  bytes('c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a'),
];

function bytes(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}
