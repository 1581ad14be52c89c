/** What one session needs of the table that it is in. */
import type { Micros } from '../core/time.js';
import type { SessionEvent } from './events.js';
import type { Identity } from './handshake/messages.js';
import type { Entropy, SessionLimits } from './limits.js';

export interface SessionContext {
  readonly self: Identity;
  readonly limits: SessionLimits;
  readonly entropy: Entropy;
  /** A fresh receiver index, which leads to this peer's session until it is freed. */
  claimIndex(peer: number): number;
  freeIndex(index: number): void;
  transmit(to: string, bytes: Uint8Array): void;
  emit(event: SessionEvent): void;
  /** From now on this peer's session is to be woken at that time. */
  schedule(peer: number, at: Micros): void;
}

/** The X25519 side of a peer. */
export interface Remote {
  readonly peer: number;
  readonly static: Uint8Array;
  /** The agreement of its static key and ours. */
  readonly shared: Uint8Array;
}
