/**
 * The seam for members that lie: what a member says in place of the truth. For the simulator's liars and the suite of
 * attacks, never for honest use. A `Tamper` stands between an honest endpoint and its sessions: what it changes is sealed
 * and sent as if the endpoint had said it, so that only the contents are wrong. A liar's session incarnation is
 * `EndpointOptions.incarnation`, and whether it relays `EndpointOptions.relay`.
 */
import type { Micros } from '../core/time.js';
import type { Contents } from '../wire/datagram.js';
import type { Frame } from '../wire/frames.js';

/** Every hook is optional; one that is left out changes nothing. None may keep the arrays that it is given: they are views. */
export interface Tamper {
  /** The endpoint is made, and will speak for the liar. */
  begin?(voice: Voice): void;
  /**
   * What the endpoint gets to see of a datagram from `peer`. The datagram itself is acknowledged as it was; frames in it
   * of which the endpoint should know nothing are left out.
   */
  hear?(now: Micros, peer: number, contents: Contents): Contents;
  /**
   * The frames of a control datagram to `peer`, ACK and all, of at most FRAMES_ROOM bytes (FRAMES_ROOM is in wire/datagram.ts):
   * the first ones that fit are sent.
   */
  frames?(now: Micros, peer: number, frames: Frame[]): Frame[];
  /**
   * A symbol to `peer`, its own, relayed or served, as the body of a SYMBOL, whatever form it will have; undefined: nothing in its
   * place. A longer one than `room` bytes is not sent.
   */
  symbol?(now: Micros, peer: number, body: Uint8Array, room: number): Uint8Array | undefined;
}

/** Speaks in a member's sessions. */
export interface Voice {
  /**
   * Sends frames to `peer`, and a SYMBOL body behind them, in a datagram of its own, with the next `pollTransmit`: past
   * congestion control and pacing, whatever they say. A VECTOR, also in a SAID, with entries and version 0 gets the next version that the
   * peer waits for, and says what was heard from it.
   *
   * @returns false if there is no session with the peer, so that nothing is sent
   * @throws HeadwaterError INVALID_CONFIG if the endpoint was made without a `Tamper`
   * @example
   * endpoint.say(now, 2, [{ kind: 'gone', origin: 0, incarnation: 1, base: 1000, chain: new Uint8Array(32) }]);
   */
  say(now: Micros, peer: number, frames: readonly Frame[], symbol?: Uint8Array): boolean;
}
