/**
 * What both ends of a rendezvous do alike: the exchange's inputs, and a sealed channel under its key. Tags prove the key before
 * anything is opened with it: ChaCha20-Poly1305 alone would let one ciphertext try many codes.
 */
import { equalBytes, Writer } from '../core/bytes.js';
import { AEAD_NONCE_BYTES, AEAD_TAG_BYTES, type Cipher, defaultAead } from '../crypto/aead.js';
import { type CpaceInputs, type CpaceKeys, cpaceKeys, cpaceShare, lvCat } from '../crypto/cpace.js';
import { sha256 } from '../crypto/hash.js';
import { hkdf } from '../crypto/mac.js';

/** The session of the exchange is made of what the guest chose and what the host did. */
export function inputsOf(code: string, id: Uint8Array, cookie: Uint8Array): CpaceInputs {
  const session = new Writer(id.length + cookie.length).put(id).put(cookie).finish();
  return { password: new TextEncoder().encode(code), channel: CHANNEL, session };
}

/** Our share, and what the two make with theirs. */
export interface Exchange {
  readonly share: Uint8Array;
  /** Undefined if the other's share is none that anybody honest has. */
  finish(theirs: Uint8Array): CpaceKeys | undefined;
}

/** @param scalar 32 secret random bytes */
export function beginExchange(inputs: CpaceInputs, scalar: Uint8Array, role: 'guest' | 'host'): Exchange {
  const share = cpaceShare(inputs, scalar);
  const ours = { share, associated: role === 'guest' ? GUEST : HOST };
  return {
    share,
    finish(received) {
      const theirs = { share: received, associated: role === 'guest' ? HOST : GUEST };
      // Our own share, come back: nobody honest has the same.
      if (equalBytes(received, share)) return undefined;
      const [initiator, responder] = role === 'guest' ? [ours, theirs] : [theirs, ours];
      return cpaceKeys({ session: inputs.session, scalar, received, initiator, responder });
    },
  };
}

/** Seals what goes out under rising counters, and opens what comes in under counters that rise. */
export class Channel {
  private readonly id: Uint8Array;
  private readonly out: Cipher;
  private readonly in: Cipher;
  private sent = -1;
  private opened = -1;

  constructor({ key }: CpaceKeys, id: Uint8Array, role: 'guest' | 'host') {
    const [guest, host] = hkdf(KEYS_DOMAIN, key);
    const aead = defaultAead();
    this.id = id;
    this.out = aead.cipher(role === 'guest' ? guest : host);
    this.in = aead.cipher(role === 'guest' ? host : guest);
  }

  seal(plain: Uint8Array): { counter: number; sealed: Uint8Array } {
    const counter = ++this.sent;
    const sealed = new Uint8Array(plain.length + AEAD_TAG_BYTES);
    sealed.set(plain);
    this.out.seal(nonceOf(counter), this.id, sealed);
    return { counter, sealed };
  }

  /** Undefined if it is not genuine, or was opened before, or is older than what was. */
  open(counter: number, sealed: Uint8Array): Uint8Array | undefined {
    if (counter <= this.opened) return undefined;
    const plain = this.in.open(nonceOf(counter), this.id, sealed.slice());
    if (plain) this.opened = counter;
    return plain;
  }
}

function nonceOf(counter: number): Uint8Array {
  return new Writer(new Uint8Array(AEAD_NONCE_BYTES)).u48(0).u48(counter).bytes;
}

const text = (value: string) => new TextEncoder().encode(value);
/** CI: what for, and who is who. */
const CHANNEL = lvCat(text('headwater code 1'), text('receiver'), text('sender'));
/** ADa and ADb: the version that either speaks. */
const GUEST = Uint8Array.of(1);
const HOST = Uint8Array.of(1);
const KEYS_DOMAIN = sha256(text('headwater code 1 keys'));
