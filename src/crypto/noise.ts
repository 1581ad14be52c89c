/**
 * The handshake Noise_IK_25519_ChaChaPoly_SHA256 (Noise Protocol Framework, revision 34), sans-IO: ephemeral secrets
 * come in as arguments. In: keys, prologue, the other side's message. Out: our message, then one key for each direction.
 *
 *   <- s
 *   -> e, es, s, ss   payload      32 + 48 + (payload + 16) bytes
 *   <- e, ee, se      payload      32 + (payload + 16) bytes
 *
 * Reading never changes a state that has to survive a forged message: each attempt works on a copy.
 */
import { Writer } from '../core/bytes.js';
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, type AeadProvider, defaultAead } from './aead.js';
import { sha256 } from './hash.js';
import { hkdf } from './mac.js';
import { type AgreementProvider, defaultAgreement, type StaticKeys, X25519_BYTES } from './x25519.js';

/** The primitives that a session stands on. */
export interface Suite {
  readonly agreement: AgreementProvider;
  readonly aead: AeadProvider;
}

/** What a finished handshake gives: keys for ChaCha20-Poly1305, 32 bytes each. */
export interface Established {
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
  /** The transcript's hash: the same on both sides, unique to this handshake. */
  readonly handshakeHash: Uint8Array;
}

/** The initiator after its first message. */
export interface Initiator {
  /** Message 1. */
  readonly message: Uint8Array;
  /** Takes in message 2; undefined if it does not hold, and then another may be tried. */
  readResponse(message: Uint8Array): { payload: Uint8Array; established: Established } | undefined;
}

/** The responder after a first message that holds. */
export interface Responder {
  readonly remoteStatic: Uint8Array;
  readonly payload: Uint8Array;
  /** Message 2 and the keys; undefined if the other side's keys are of small order. */
  respond(
    ephemeral: Uint8Array,
    payload: Uint8Array,
  ): { message: Uint8Array; established: Established } | undefined;
}

/** Bytes that message 1 adds to its payload. */
export const INITIATION_OVERHEAD = 2 * X25519_BYTES + 2 * AEAD_TAG_BYTES;
/** Bytes that message 2 adds to its payload. */
export const RESPONSE_OVERHEAD = X25519_BYTES + AEAD_TAG_BYTES;

/** The default primitives: libsodium where it loads. */
export function defaultSuite(): Suite {
  return { agreement: defaultAgreement(), aead: defaultAead() };
}

/**
 * Starts a handshake.
 *
 * @param options.prologue must be the same on both sides
 * @param options.sharedStatic the agreement of both static keys: the caller may keep it, since it never changes
 * @param options.ephemeral 32 secret random bytes, used for nothing else
 * @returns undefined if the remote static key is of small order
 * @example
 * const initiator = initiate({ suite, prologue, keys, remoteStatic, sharedStatic, ephemeral, payload });
 * send(initiator.message);
 */
export function initiate(options: {
  suite: Suite;
  prologue: Uint8Array;
  keys: StaticKeys;
  remoteStatic: Uint8Array;
  sharedStatic: Uint8Array;
  ephemeral: Uint8Array;
  payload: Uint8Array;
}): Initiator | undefined {
  const { suite, prologue, keys, remoteStatic, sharedStatic, ephemeral, payload } = options;
  const { agreement } = suite;
  const state = start(suite, prologue, remoteStatic);
  const ephemeralPublic = agreement.publicKey(ephemeral);
  state.mixHash(ephemeralPublic);
  const es = agreement.agree(ephemeral, remoteStatic);
  if (!es) return undefined;
  state.mixKey(es);
  const encryptedStatic = state.encrypt(keys.publicKey);
  state.mixKey(sharedStatic);
  const encryptedPayload = state.encrypt(payload);
  const message = new Writer(INITIATION_OVERHEAD + payload.length)
    .put(ephemeralPublic)
    .put(encryptedStatic)
    .put(encryptedPayload)
    .finish();
  return {
    message,
    readResponse(response) {
      if (response.length < RESPONSE_OVERHEAD) return undefined;
      const copy = state.clone();
      const theirs = response.subarray(0, X25519_BYTES);
      copy.mixHash(theirs);
      const ee = agreement.agree(ephemeral, theirs);
      if (!ee) return undefined;
      copy.mixKey(ee);
      const se = agreement.agree(keys.secret, theirs);
      if (!se) return undefined;
      copy.mixKey(se);
      const plain = copy.decrypt(response.subarray(X25519_BYTES));
      return plain && { payload: plain, established: copy.split(true) };
    },
  };
}

/**
 * Takes in message 1.
 *
 * @param options.sharedStatic given the initiator's static key, the agreement with ours; undefined turns it away
 * @returns undefined if the message does not hold: other prologue, other static key than ours, tampered, unknown sender
 * @example
 * const responder = readInitiation({ suite, prologue, keys, message, sharedStatic });
 * const answer = responder?.respond(ephemeral, payload);
 */
export function readInitiation(options: {
  suite: Suite;
  prologue: Uint8Array;
  keys: StaticKeys;
  message: Uint8Array;
  sharedStatic: (remoteStatic: Uint8Array) => Uint8Array | undefined;
}): Responder | undefined {
  const { suite, prologue, keys, message, sharedStatic } = options;
  const { agreement } = suite;
  if (message.length < INITIATION_OVERHEAD) return undefined;
  const state = start(suite, prologue, keys.publicKey);
  const remoteEphemeral = message.slice(0, X25519_BYTES);
  state.mixHash(remoteEphemeral);
  const es = agreement.agree(keys.secret, remoteEphemeral);
  if (!es) return undefined;
  state.mixKey(es);
  const staticEnd = 2 * X25519_BYTES + AEAD_TAG_BYTES;
  const remoteStatic = state.decrypt(message.subarray(X25519_BYTES, staticEnd));
  if (!remoteStatic) return undefined;
  const ss = sharedStatic(remoteStatic);
  if (!ss) return undefined;
  state.mixKey(ss);
  const payload = state.decrypt(message.subarray(staticEnd));
  if (!payload) return undefined;
  return {
    remoteStatic,
    payload,
    respond(ephemeral, answer) {
      const copy = state.clone();
      const ephemeralPublic = agreement.publicKey(ephemeral);
      copy.mixHash(ephemeralPublic);
      const ee = agreement.agree(ephemeral, remoteEphemeral);
      const se = agreement.agree(ephemeral, remoteStatic);
      if (!ee || !se) return undefined;
      copy.mixKey(ee);
      copy.mixKey(se);
      const encrypted = copy.encrypt(answer);
      const response = new Writer(RESPONSE_OVERHEAD + answer.length)
        .put(ephemeralPublic)
        .put(encrypted)
        .finish();
      return { message: response, established: copy.split(false) };
    },
  };
}

function start(suite: Suite, prologue: Uint8Array, responderStatic: Uint8Array): SymmetricState {
  // The protocol's name is just as long as a hash, so it stands for itself (section 5.2, InitializeSymmetric).
  const state = new SymmetricState(suite.aead, PROTOCOL_NAME, PROTOCOL_NAME);
  state.mixHash(prologue);
  state.mixHash(responderStatic);
  return state;
}

/** SymmetricState and CipherState of the specification (sections 5.1 and 5.2) in one. */
class SymmetricState {
  private readonly aead: AeadProvider;
  private chainingKey: Uint8Array;
  private hash: Uint8Array;
  private key: Uint8Array | undefined;
  private counter = 0;

  constructor(aead: AeadProvider, chainingKey: Uint8Array, hash: Uint8Array) {
    this.aead = aead;
    this.chainingKey = chainingKey;
    this.hash = hash;
  }

  clone(): SymmetricState {
    const copy = new SymmetricState(this.aead, this.chainingKey, this.hash);
    copy.key = this.key;
    copy.counter = this.counter;
    return copy;
  }

  mixHash(data: Uint8Array): void {
    this.hash = sha256(new Writer(this.hash.length + data.length).put(this.hash).put(data).finish());
  }

  mixKey(material: Uint8Array): void {
    [this.chainingKey, this.key] = hkdf(this.chainingKey, material);
    this.counter = 0;
  }

  encrypt(plain: Uint8Array): Uint8Array {
    const text = new Uint8Array(plain.length + AEAD_TAG_BYTES);
    text.set(plain);
    this.aead.cipher(this.key!).seal(this.nonce(), this.hash, text);
    this.mixHash(text);
    return text;
  }

  decrypt(encrypted: Uint8Array): Uint8Array | undefined {
    const text = encrypted.slice();
    const plain = this.aead.cipher(this.key!).open(this.nonce(), this.hash, text);
    if (plain) this.mixHash(encrypted);
    return plain;
  }

  split(initiator: boolean): Established {
    const [first, second] = hkdf(this.chainingKey, EMPTY);
    return {
      sendKey: initiator ? first : second,
      receiveKey: initiator ? second : first,
      handshakeHash: this.hash,
    };
  }

  /** 32 zero bits and the counter, little-endian (section 12.3); a handshake never counts past 1. */
  private nonce(): Uint8Array {
    const nonce = new Uint8Array(AEAD_NONCE_BYTES);
    nonce[4] = this.counter++;
    return nonce;
  }
}

const PROTOCOL_NAME = new TextEncoder().encode('Noise_IK_25519_ChaChaPoly_SHA256');
const EMPTY = new Uint8Array(0);
