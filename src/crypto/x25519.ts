/**
 * X25519 (RFC 7748) behind one small interface, twice: libsodium and, where that cannot load, node:crypto; and the way
 * from a member's Ed25519 identity to its X25519 key.
 *
 * The X25519 key of a member *is* its identity, seen on the other model of the same curve: the secret scalar is the one
 * that Ed25519 signs with, the public key u = (1 + y) / (1 - y). So every member knows the static key of every other
 * from the group file alone, which Noise IK needs before the first message, and no certificate has to be sent, checked
 * or renewed. Using one key for both is sound: the signature hashes its secrets with SHA-512 under another prefix, and
 * the joint use is proven (E. Thormarker, 'On using the same key pair for Ed25519 and an X25519 based KEM', 2021).
 * The alternative, a key of its own signed by the identity, would cost a round trip (XX) or a second key per member in
 * each group file.
 */
import { createHash, createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { assertBytes } from '../errors.js';
import { isAdmissiblePublicKey, SEED_BYTES } from './ed25519.js';
import { loadSodium, trySodium } from './sodium.js';

/** Bytes of a secret, of a public key and of a shared secret. */
export const X25519_BYTES = 32;

/** One implementation of X25519. Inputs are read and not kept; results are arrays of their own. */
export interface AgreementProvider {
  /** For logs: 'sodium-native' or 'node:crypto'. */
  readonly name: string;
  /** The public key of 32 secret bytes. Throws INVALID_ARGUMENT for another length. */
  publicKey(secret: Uint8Array): Uint8Array;
  /**
   * The shared secret, or undefined where it is all zero: then the other key is of small order and adds no secrecy
   * (RFC 7748, 6.1). Throws INVALID_ARGUMENT for other lengths than 32.
   */
  agree(secret: Uint8Array, publicKey: Uint8Array): Uint8Array | undefined;
}

/** A static X25519 key pair, made of an identity. */
export interface StaticKeys {
  readonly secret: Uint8Array;
  readonly publicKey: Uint8Array;
}

/**
 * The provider to use: libsodium if its native module loads on this machine, node:crypto otherwise.
 *
 * @example
 * const shared = defaultAgreement().agree(secret, theirPublicKey);
 */
export function defaultAgreement(): AgreementProvider {
  chosen ??= sodiumAgreement() ?? nodeAgreement();
  return chosen;
}

/**
 * X25519 by libsodium, or undefined where the native module does not load.
 *
 * @param load how to get at the module; given by tests that want it to fail
 */
export function sodiumAgreement(load: () => unknown = loadSodium): AgreementProvider | undefined {
  const sodium = trySodium<Sodium>(load, ['crypto_scalarmult_base', 'crypto_scalarmult']);
  if (!sodium) return undefined;
  return {
    name: 'sodium-native',
    publicKey(secret) {
      assertBytes('secret', secret, X25519_BYTES);
      const result = new Uint8Array(X25519_BYTES);
      sodium.crypto_scalarmult_base(result, secret);
      return result;
    },
    agree(secret, publicKey) {
      assertBytes('secret', secret, X25519_BYTES);
      assertBytes('public key', publicKey, X25519_BYTES);
      const result = new Uint8Array(X25519_BYTES);
      try {
        sodium.crypto_scalarmult(result, secret, publicKey);
      } catch {
        return undefined;
      }
      return isZero(result) ? undefined : result;
    },
  };
}

/**
 * X25519 by node:crypto (OpenSSL), which every Node has.
 *
 * @example
 * const shared = nodeAgreement().agree(secret, theirPublicKey);
 */
export function nodeAgreement(): AgreementProvider {
  return {
    name: 'node:crypto',
    publicKey(secret) {
      const der = createPublicKey(privateKey(secret)).export({ format: 'der', type: 'spki' });
      return new Uint8Array(der.subarray(SPKI_PREFIX.length));
    },
    agree(secret, publicKey) {
      const ours = privateKey(secret);
      assertBytes('public key', publicKey, X25519_BYTES);
      const theirs = createPublicKey({
        key: Buffer.concat([SPKI_PREFIX, publicKey]),
        format: 'der',
        type: 'spki',
      });
      try {
        const result = new Uint8Array(diffieHellman({ privateKey: ours, publicKey: theirs }));
        return isZero(result) ? undefined : result;
      } catch {
        return undefined; // OpenSSL refuses an all-zero result itself.
      }
    },
  };
}

/**
 * The static X25519 keys of the identity with this Ed25519 seed: the scalar is the first half of SHA-512(seed)
 * (RFC 8032, 5.1.5), clamped.
 *
 * @throws HeadwaterError INVALID_ARGUMENT for a seed that is not 32 bytes
 * @example
 * const keys = staticKeys(seed);
 */
export function staticKeys(seed: Uint8Array, provider: AgreementProvider = defaultAgreement()): StaticKeys {
  assertBytes('seed', seed, SEED_BYTES);
  const secret = new Uint8Array(createHash('sha512').update(seed).digest().subarray(0, X25519_BYTES));
  secret[0] &= 0xf8;
  secret[31] = (secret[31] & 0x7f) | 0x40;
  return { secret, publicKey: provider.publicKey(secret) };
}

/**
 * The X25519 public key of an Ed25519 identity, or undefined where the identity is not admissible (see
 * `isAdmissiblePublicKey`). In big integers, with one inversion: once per member and start.
 *
 * @example
 * const theirStatic = agreementKeyOf(member.publicKey);
 */
export function agreementKeyOf(identity: Uint8Array): Uint8Array | undefined {
  if (!isAdmissiblePublicKey(identity)) return undefined;
  let y = 0n;
  for (let i = 31; i >= 0; i--) y = (y << 8n) | BigInt(i === 31 ? identity[i] & 0x7f : identity[i]);
  let u = ((1n + y) * inverse(P + 1n - y)) % P;
  const result = new Uint8Array(X25519_BYTES);
  for (let i = 0; i < X25519_BYTES; i++) {
    result[i] = Number(u & 0xffn);
    u >>= 8n;
  }
  return result;
}

/** The inverse modulo p by Fermat; y = 1, which has none, is of small order and does not come here. */
function inverse(value: bigint): bigint {
  let result = 1n;
  let power = value % P;
  for (let rest = P - 2n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = (result * power) % P;
    power = (power * power) % P;
  }
  return result;
}

function privateKey(secret: Uint8Array): KeyObject {
  assertBytes('secret', secret, X25519_BYTES);
  return createPrivateKey({ key: Buffer.concat([PKCS8_PREFIX, secret]), format: 'der', type: 'pkcs8' });
}

function isZero(bytes: Uint8Array): boolean {
  let or = 0;
  for (const byte of bytes) or |= byte;
  return or === 0;
}

interface Sodium {
  crypto_scalarmult_base(publicKey: Uint8Array, secret: Uint8Array): void;
  crypto_scalarmult(shared: Uint8Array, secret: Uint8Array, publicKey: Uint8Array): void;
}

let chosen: AgreementProvider | undefined;

const P = 2n ** 255n - 19n;
/** DER around a raw key (RFC 8410): everything before the 32 bytes. */
const SPKI_PREFIX = Buffer.from('302a300506032b656e032100', 'hex');
const PKCS8_PREFIX = Buffer.from('302e020100300506032b656e04220420', 'hex');
