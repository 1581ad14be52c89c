/**
 * What a session may do and for how long: timers, budgets and table sizes, each with its source. `SessionLimits` holds
 * those that an operator or a test may want to change; the rest are constants of the protocol.
 */
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';

/** Where secrets, indices and jitter come from: a cryptographic source in the shell, a seeded Rng in tests. */
export interface Entropy {
  bytes(length: number): Uint8Array;
}

export interface SessionLimits {
  /** Age at which the initiator of a session makes new keys. WireGuard: 120 s (whitepaper section 6.1). */
  rekeyAfter: Micros;
  /** Datagrams after which keys are renewed, whatever their age. */
  rekeyAfterPackets: number;
  /** Age at which keys are no longer used for anything. WireGuard: 180 s. */
  rejectAfter: Micros;
  /** How long replaced keys still decrypt after the last datagram that used them. */
  grace: Micros;
  /** A session that neither sends nor receives for so long is forgotten. */
  idleAfter: Micros;
  /** First messages per second that are worked on without a cookie, and as many at once. */
  cookielessRate: number;
  /** First messages per second that are worked on with a valid cookie: apart, so that a flood starves nobody. */
  cookieRate: number;
  /** First messages per second with a valid cookie from one host (hashed into a table of fixed size). */
  sourceRate: number;
  /** Cookie replies per second to strangers; to the members' own locators a few more. */
  cookieReplyRate: number;
}

export const DEFAULT_LIMITS: SessionLimits = {
  rekeyAfter: 120 * SECOND,
  // ChaCha20-Poly1305 needs no limit for secrecy (RFC 9001, 6.6); this only bounds what one stolen key opens.
  rekeyAfterPackets: 2 ** 32,
  rejectAfter: 180 * SECOND,
  grace: 10 * SECOND,
  idleAfter: 60 * SECOND,
  // Each costs one X25519 (60 us): 2 % of a core. A whole group of 512 that restarts together gets in with cookies.
  cookielessRate: 300,
  cookieRate: 300,
  sourceRate: 20,
  // Each costs four HMACs and a send, some 20 us: a tenth of a core.
  cookieReplyRate: 5_000,
};

/** Numbers behind the highest one seen that are still told apart (DESIGN.md section 5; monad-bft wireauth: 8192). */
export const REPLAY_WINDOW = 8192;
/** Session control is rare; on paths of different length it comes out of order. */
export const CONTROL_WINDOW = 256;

/** First retransmission of a challenge. The default RTT of RFC 9002 section 6.2.2 is 333 ms. */
export const RETRY_MIN: Micros = 300 * MILLISECOND;
/** And of a first message: nothing goes on before it is answered, and five in the first second harm nobody. */
export const FIRST_RETRY: Micros = 100 * MILLISECOND;
/** Gentler than doubling: at 50 % loss each way only a quarter of the attempts succeeds, and they are small. */
export const RETRY_FACTOR = 1.25;
/** Losing 75 % each way, one attempt in 16 succeeds. */
export const RETRY_MAX: Micros = SECOND;
/** A first message is repeated, byte for byte, for so long; then a fresh one is made. WireGuard: REKEY_TIMEOUT 5 s. */
export const HANDSHAKE_LIFETIME: Micros = 10 * SECOND;
/** Without an answer for so long the peer counts as unreachable. WireGuard: REKEY_ATTEMPT_TIME 90 s. */
export const GIVE_UP_AFTER: Micros = 90 * SECOND;
/** A response that nobody confirms is forgotten. */
export const UNCONFIRMED_LIFETIME: Micros = 10 * SECOND;
/** Keys are renewed so much later while an answer of ours to the peer's first message waits to be confirmed. */
export const YIELD_TIME: Micros = 2 * SECOND;
/** Whose static key is lower ignores the other's first message for so long after its own. */
export const PRECEDENCE_TIME: Micros = 2 * RETRY_MIN;
/** The responder of a session renews it only if its initiator has not done so by this much after its time. */
export const RESPONDER_REKEY_FACTOR = 1.2;

/** Data that brings no sign of life back for so long starts a probe. */
export const UNANSWERED_AFTER: Micros = SECOND;
/** Sends of one probe or challenge, at 0, 300 and 900 ms; after as long again it has failed. */
export const PROBE_SENDS = 3;
/** A new address that did not answer is not asked again for so long. */
export const CANDIDATE_REST: Micros = 5 * SECOND;
export const MAX_CANDIDATES = 12;
/** Challenges to one peer that an answer is waited for; the oldest is forgotten. */
export const MAX_ASKED = 64;
/** RFC 9000 section 8.1: what may be sent to an address not yet validated, as a multiple of what came from it. */
export const AMPLIFICATION = 3;

/** A restarted peer answers strange datagrams from a member's locator with a first message, at most so often. */
export const REACTION_INTERVAL: Micros = 100 * MILLISECOND;

/**
 * First messages to an address that a peer has signed, until it has signed others; then one in so long. It may be that of somebody
 * who has nothing to do with the group.
 */
export const LEARNED_TRIES = 8;
export const LEARNED_REST: Micros = 60 * SECOND;

/** WireGuard: COOKIE_SECRET_MAX_AGE 120 s. A cookie holds until its secret is two of these old. */
export const COOKIE_PERIOD: Micros = 120 * SECOND;
/** First messages of one member that are answered, per second and at once: a member that misbehaves pays. */
export const MEMBER_HANDSHAKE_RATE = 5;
export const MEMBER_HANDSHAKE_BURST = 10;
/** The same first message is answered again at one address no more often than this; FIRST_RETRY with its jitter is longer. */
export const ANSWER_INTERVAL: Micros = 60 * MILLISECOND;
/** Of each first message: addresses of which is known when it was last answered there. */
export const MAX_ANSWERED_ADDRESSES = 16;
/**
 * Handshakes of one member that wait for a datagram under their keys. More than the bursts of both budgets, so that a flood by
 * who holds our own key leaves each of them a while.
 */
export const MAX_ANSWERED = 24;
/** A run of a member that has been silent for so long gives way to one with a lower incarnation: clocks go back. */
export const RUN_SILENCE: Micros = 10 * SECOND;
/** We hear a peer that has answered nothing for so long: said then. */
export const UNHEARD_AFTER: Micros = 10 * SECOND;
/** Second messages that are worked on per second: two agreements each. */
export const RESPONSE_RATE = 1_000;
/** Hosts are hashed into so many token buckets. */
export const SOURCE_SLOTS = 1024;
/** Datagrams of the session layer itself that may wait to be sent; more are dropped. */
export const MAX_OUTBOX = 1024;
/** The same is told of one member no more often than this. */
export const HINT_INTERVAL: Micros = 60 * SECOND;
/** That a peer sends from another of its locators is told no more often than this. */
export const ELSEWHERE_INTERVAL: Micros = SECOND;
