/**
 * What stands in front of the costly part of a handshake (after WireGuard, whitepaper section 5.3 and 5.4.7). A first
 * message must carry mac1, which takes our static public key to make: strangers who scan get no answer. Under load it
 * must also carry mac2, made with a cookie that was sent to its source address: who cannot receive there gets no work
 * done. In: datagrams and their source. Out: whether to go on, or a cookie reply. Nothing is remembered per source.
 */

import { Budget } from '../../core/budget.js';
import { type Micros, NEVER } from '../../core/time.js';
import type { AeadProvider } from '../../crypto/aead.js';
import { AEAD_NONCE_BYTES } from '../../crypto/aead.js';
import { sha256 } from '../../crypto/hash.js';
import { equalSecrets, hmac, SHORT_MAC_BYTES, shortMac } from '../../crypto/mac.js';
import { HostBudgets } from '../budget.js';
import { COOKIE_PERIOD, type Entropy, type SessionLimits, SOURCE_SLOTS } from '../limits.js';
import {
  COOKIE,
  COOKIE_HEADER,
  COOKIE_NONCE,
  COOKIE_SIZE,
  mac1At,
  mac1Of,
  mac2At,
  readU32,
} from '../wire.js';

/** What to do with a first message. */
export type Verdict = 'accept' | 'cookie' | 'bad-mac' | 'over-budget';

export class HandshakeGuard {
  private readonly entropy: Entropy;
  private readonly aead: AeadProvider;
  private readonly macKey: Uint8Array;
  private readonly cookieKey: Uint8Array;
  private readonly cookieless: Budget;
  private readonly withCookie: Budget;
  private readonly replies: Budget;
  private readonly hosts: HostBudgets;
  private secret: Uint8Array | undefined;
  private previousSecret: Uint8Array | undefined;
  private secretAt: Micros = -NEVER;

  constructor(options: {
    entropy: Entropy;
    aead: AeadProvider;
    ownStatic: Uint8Array;
    limits: SessionLimits;
  }) {
    const { entropy, aead, ownStatic, limits } = options;
    this.entropy = entropy;
    this.aead = aead;
    this.macKey = macKeyOf(ownStatic);
    this.cookieKey = cookieKeyOf(ownStatic);
    this.cookieless = new Budget(limits.cookielessRate);
    this.withCookie = new Budget(limits.cookieRate);
    this.replies = new Budget(limits.cookieReplyRate);
    this.hosts = new HostBudgets(SOURCE_SLOTS, limits.sourceRate, readU32(entropy.bytes(4), 0));
  }

  /**
   * Judges an INITIATION of the right length. 'cookie' means: answer with `cookieReply` and forget it.
   *
   * @param reserve the budget of the member whose locator `from` is, or undefined for any other source: an honest
   *   member gets its cookie, and its turn with it, however many strangers there are
   */
  judge(now: Micros, from: string, datagram: Uint8Array, reserve: Budget | undefined): Verdict {
    const mac1 = shortMac(this.macKey, datagram.subarray(0, mac1At(datagram)));
    if (!equalSecrets(mac1, mac1Of(datagram))) return 'bad-mac';
    if (this.holdsCookie(now, from, datagram)) {
      if (reserve?.take(now)) return 'accept';
      return this.hosts.take(now, from) && this.withCookie.take(now) ? 'accept' : 'over-budget';
    }
    if (this.cookieless.take(now)) return 'accept';
    return reserve?.take(now) || this.replies.take(now) ? 'cookie' : 'over-budget';
  }

  /** The answer to an INITIATION that must come back with a cookie. */
  cookieReply(now: Micros, from: string, datagram: Uint8Array): Uint8Array {
    const reply = new Uint8Array(COOKIE_SIZE);
    reply[0] = COOKIE;
    reply.set(datagram.subarray(1, COOKIE_HEADER), 1);
    const nonce = this.entropy.bytes(COOKIE_NONCE);
    reply.set(nonce, COOKIE_HEADER);
    reply.set(cookieOf(this.secretFor(now), from), COOKIE_HEADER + COOKIE_NONCE);
    this.aead
      .cipher(hmac(this.cookieKey, nonce))
      .seal(ZERO_NONCE, mac1Of(datagram), reply.subarray(COOKIE_HEADER + COOKIE_NONCE));
    return reply;
  }

  private holdsCookie(now: Micros, from: string, datagram: Uint8Array): boolean {
    const mac2 = datagram.subarray(mac2At(datagram));
    if (isZero(mac2)) return false;
    const covered = datagram.subarray(0, mac2At(datagram));
    const current = this.secretFor(now);
    if (equalSecrets(shortMac(cookieOf(current, from), covered), mac2)) return true;
    const { previousSecret } = this;
    return (
      previousSecret !== undefined && equalSecrets(shortMac(cookieOf(previousSecret, from), covered), mac2)
    );
  }

  private secretFor(now: Micros): Uint8Array {
    const age = now - this.secretAt;
    if (!this.secret || age >= COOKIE_PERIOD) {
      this.previousSecret = age < 2 * COOKIE_PERIOD ? this.secret : undefined;
      this.secret = this.entropy.bytes(32);
      this.secretAt = now;
    }
    return this.secret;
  }
}

/** Writes mac1, and mac2 where there is a cookie, into an INITIATION. */
export function writeMacs(initiation: Uint8Array, macKey: Uint8Array, cookie: Uint8Array | undefined): void {
  const [mac1, mac2] = [mac1At(initiation), mac2At(initiation)];
  initiation.set(shortMac(macKey, initiation.subarray(0, mac1)), mac1);
  if (cookie) initiation.set(shortMac(cookie, initiation.subarray(0, mac2)), mac2);
  else initiation.fill(0, mac2);
}

/** The cookie in a COOKIE datagram of the right length, which answers `initiation`; undefined if it does not hold. */
export function readCookie(
  aead: AeadProvider,
  remoteStatic: Uint8Array,
  initiation: Uint8Array,
  datagram: Uint8Array,
): Uint8Array | undefined {
  const nonce = datagram.subarray(COOKIE_HEADER, COOKIE_HEADER + COOKIE_NONCE);
  const text = datagram.slice(COOKIE_HEADER + COOKIE_NONCE);
  return aead.cipher(hmac(cookieKeyOf(remoteStatic), nonce)).open(ZERO_NONCE, mac1Of(initiation), text);
}

/** The key of mac1 in messages to the member with this static key. */
export function macKeyOf(remoteStatic: Uint8Array): Uint8Array {
  return labelled(MAC1_LABEL, remoteStatic);
}

function cookieKeyOf(ownStatic: Uint8Array): Uint8Array {
  return labelled(COOKIE_LABEL, ownStatic);
}

function cookieOf(secret: Uint8Array, from: string): Uint8Array {
  return shortMac(secret, encoder.encode(from));
}

function labelled(label: string, key: Uint8Array): Uint8Array {
  const prefix = encoder.encode(label);
  const input = new Uint8Array(prefix.length + key.length);
  input.set(prefix);
  input.set(key, prefix.length);
  return sha256(input);
}

function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < SHORT_MAC_BYTES; i++) if (bytes[i] !== 0) return false;
  return true;
}

const encoder = new TextEncoder();
const MAC1_LABEL = 'headwater mac1\0';
const COOKIE_LABEL = 'headwater cookie\0';
const ZERO_NONCE = new Uint8Array(AEAD_NONCE_BYTES);
