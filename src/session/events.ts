/** What the session layer tells its user: events to poll for, and reasons under which datagrams are dropped. */

import type { Micros } from '../core/time.js';
import type { Hint, MemberEvent } from '../events.js';

/** What becomes of the sessions with peers. */
export type SessionEvent =
  /**
   * The peer can be sent to: for the first time, or again after it restarted or its session had expired. `rtt`: what the handshake took since
   * its last repetition, no more than a round trip; with `isMost` since it was first answered, no less than one: who answers it again
   * cannot tell a peer from a stranger that repeats it.
   */
  | {
      type: 'established';
      peer: number;
      incarnation: number;
      address: string;
      path: number;
      rtt: Micros;
      isMost: boolean;
    }
  /** The peer proved another incarnation than before: it has restarted and knows nothing of what we sent. */
  | { type: 'reset'; peer: number; incarnation: number }
  /** New keys; nothing else changed. */
  | { type: 'rekeyed'; peer: number }
  /** Datagrams now go to another, validated address: start with a fresh controller. */
  | { type: 'migrated'; peer: number; address: string; previous: string; path: number }
  /** This address of the peer has answered a `challenge`, `rtt` after it was sent. */
  | { type: 'answered'; peer: number; address: string; rtt: Micros }
  /** The peer sends from another of its locators than the one in use: it may have found that one dead. */
  | { type: 'elsewhere'; peer: number }
  /** Its keys are gone, by age or disuse. */
  | { type: 'expired'; peer: number }
  | Extract<MemberEvent<number>, { type: Hint }>
  /** None of its locators has answered for a long time; the next `protect` tries anew. */
  | { type: 'unreachable'; peer: number };

/** Why a datagram was dropped before anything in it was read. */
export type SessionDropReason =
  /** No session datagram: impossible kind or length. */
  | 'malformed'
  /** Of another version of the protocol. */
  | 'foreign-version'
  /** For a session that we do not have: forged, late, or from before a restart. */
  | 'unknown-index'
  /** Tampered with or forged. */
  | 'bad-tag'
  /** Opened before. */
  | 'replayed'
  /** Behind the replay window. */
  | 'too-old'
  /** A first message whose sender does not know our key. */
  | 'bad-mac'
  /** A first message that has to come back with a cookie, which was sent. */
  | 'cookie-required'
  /** Handshake work beyond its budget. */
  | 'handshake-budget'
  /** A first message with the right mac1 that does not hold: of another group, or corrupted by who knows our key. */
  | 'handshake-mismatch'
  /** A first message that holds, of somebody who is not a member. */
  | 'unknown-key'
  /** A first or second message of an earlier incarnation while a later one is here, or an old first message replayed. */
  | 'stale-handshake'
  /** A first message that crossed ours, which has precedence. */
  | 'simultaneous'
  /** A second message to no handshake of ours, or one that does not hold. */
  | 'bad-response'
  /** A cookie that we did not ask for, or that does not hold. */
  | 'bad-cookie'
  /** A genuine CONTROL datagram with no frame that we know. */
  | 'bad-control'
  /** A datagram of the session layer that found its queue full. */
  | 'outbox-overflow';
