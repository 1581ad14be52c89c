/**
 * A member's keys: from a 32-byte seed (which the shell draws) to a key pair, and both to and from text.
 * A public key is written as 64 lowercase hex digits. A secret key is a small JSON document that carries its public
 * key too, so that a mixed-up file is noticed when it is read and not when the group rejects its signatures.
 * No error here quotes the text it read: what someone pastes into the wrong place may be a secret.
 */
import { equalBytes, toHex } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import {
  defaultProvider,
  isAdmissiblePublicKey,
  PUBLIC_KEY_BYTES,
  SEED_BYTES,
  type SignatureProvider,
} from './ed25519.js';
import { type StaticKeys, staticKeys } from './x25519.js';

/** What it takes to sign as a member. The seed stays inside. */
export interface KeyPair {
  /** 32 bytes: the member's identity. */
  readonly publicKey: Uint8Array;
  /** The 64-byte Ed25519 signature of `message`. */
  sign(message: Uint8Array): Uint8Array;
  /** @internal The same identity as X25519 keys, for sessions (see x25519.ts); worked out at the first call. */
  exchangeKeys(): StaticKeys;
}

/** The contents of a secret key file. */
export interface SecretKey {
  /** 32 bytes; whoever holds them is the member. */
  readonly seed: Uint8Array;
  /** 32 bytes, checked to be the seed's own. */
  readonly publicKey: Uint8Array;
}

/**
 * The key pair of a seed.
 *
 * @param seed 32 bytes from a cryptographic random source
 * @throws HeadwaterError INVALID_ARGUMENT for a seed of another length
 * @example
 * const keys = keyPair(randomBytes(32));
 * const signature = keys.sign(message);
 */
export function keyPair(seed: Uint8Array): KeyPair;
/** @internal */
export function keyPair(seed: Uint8Array, provider: SignatureProvider): KeyPair;
export function keyPair(seed: Uint8Array, provider: SignatureProvider = defaultProvider()): KeyPair {
  const publicKey = provider.publicKey(seed);
  // Not `slice`, which for a Buffer gives a view.
  const own = Uint8Array.from(seed);
  let exchange: StaticKeys | undefined;
  return {
    publicKey,
    sign: provider.signer(seed),
    exchangeKeys() {
      exchange ??= staticKeys(own);
      return exchange;
    },
  };
}

/**
 * A public key as text: 64 lowercase hex digits.
 *
 * @example
 * formatPublicKey(keys.publicKey); // 'd75a980182b1...'
 */
export function formatPublicKey(key: Uint8Array): string {
  return toHex(key);
}

/**
 * Reads a public key from its text form; uppercase digits are taken too.
 *
 * @param text what stood in the file or on the command line, of any type
 * @param where named at the start of the error, e.g. 'members[2].publicKey'
 * @returns 32 bytes
 * @throws HeadwaterError INVALID_CONFIG if it is not 64 hex digits, or a key under which no signature could ever hold
 * @example
 * const key = parsePublicKey('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a');
 */
export function parsePublicKey(text: unknown, where = 'public key'): Uint8Array {
  const key = parseHex(text, PUBLIC_KEY_BYTES, where);
  if (!isAdmissiblePublicKey(key))
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: expected an Ed25519 public key, got bytes that are not the canonical encoding of a point of prime order`,
    );
  return key;
}

/**
 * The text of a secret key file, with a line break at its end. Keep it where only its owner can read it.
 *
 * @throws HeadwaterError INVALID_ARGUMENT for a seed that is not 32 bytes
 * @example
 * writeFileSync('me.key', formatSecretKey(seed), { mode: 0o600 });
 */
export function formatSecretKey(seed: Uint8Array): string {
  const publicKey = toHex(defaultProvider().publicKey(seed));
  const file = { headwater: FILE_KIND, version: FILE_VERSION, seed: toHex(seed), publicKey };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/**
 * Reads the text of a secret key file.
 *
 * @param where named at the start of the error, e.g. the file's path
 * @throws HeadwaterError INVALID_CONFIG if it is not such a file, or its public key is not its seed's
 * @example
 * const { seed } = parseSecretKey(await readFile('me.key', 'utf8'), 'me.key');
 * const keys = keyPair(seed);
 */
export function parseSecretKey(text: string, where = 'secret key'): SecretKey {
  const file = parseObject(text, where);
  if (file.headwater !== FILE_KIND)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: expected "headwater": "${FILE_KIND}", got ${file.headwater === undefined ? 'none' : 'something else'}`,
    );
  if (file.version !== FILE_VERSION)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: expected "version": ${FILE_VERSION}, got ${typeof file.version === 'number' ? file.version : kind(file.version)}`,
    );
  const seed = parseHex(file.seed, SEED_BYTES, `${where}: seed`);
  const publicKey = parsePublicKey(file.publicKey, `${where}: publicKey`);
  const own = defaultProvider().publicKey(seed);
  if (!equalBytes(own, publicKey))
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: publicKey: expected the seed's own, ${toHex(own)}, got another`,
    );
  return { seed, publicKey };
}

function parseObject(text: string, where: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // JSON.parse quotes the text around the fault, which may be the seed: neither its message nor it as a cause.
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${where}: expected a secret key file (JSON), got text that is not JSON`,
    );
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new HeadwaterError('INVALID_CONFIG', `${where}: expected a JSON object, got ${kind(value)}`);
  return value as Record<string, unknown>;
}

function parseHex(text: unknown, length: number, where: string): Uint8Array {
  const expected = `${where}: expected ${2 * length} hex digits`;
  if (typeof text !== 'string') throw new HeadwaterError('INVALID_CONFIG', `${expected}, got ${kind(text)}`);
  const wrong = text.search(/[^0-9a-fA-F]/);
  if (wrong >= 0)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `${expected}, got a character that is not one at position ${wrong + 1}`,
    );
  if (text.length !== 2 * length)
    throw new HeadwaterError('INVALID_CONFIG', `${expected}, got ${text.length}`);
  return new Uint8Array(Buffer.from(text, 'hex'));
}

/** The JSON type of a value, for error texts. */
function kind(value: unknown): string {
  if (value === undefined) return 'none';
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : `a value of type ${typeof value}`;
}

const FILE_KIND = 'secret-key';
const FILE_VERSION = 1;
