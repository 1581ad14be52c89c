/**
 * The interface of a node's network: broadcast to all members, ourselves included, and what comes back. Whatever is behind
 * it, be it headwater, a consensus cluster or a simulation, keeps what is written here, and one test suite holds it to that.
 */

import type { Member } from '../group/group.js';
import type { NodeEvent } from '../node/node.js';
import type { VersionRange } from '../wire/dialect.js';
import type { MessageId } from '../wire/symbol.js';

/** How messages become bytes. `decode` may throw. */
export interface Codec<Msg> {
  /** What it throws `broadcast` throws. */
  encode(msg: Msg): Uint8Array;
  /** May throw: the message is skipped, and a notice says so. `bytes` are its own. */
  decode(bytes: Uint8Array): Msg;
}

/** What a Hydra node asks of its network: headwater's own is a `HeadwaterNetwork`. */
export interface Network<Msg> extends AsyncDisposable {
  /**
   * Sends `msg` to all members and ourselves. Resolves once it is durable here: from then on it is delivered to all, though
   * this process may stop first and be started again much later. Waits while too many are under way; any number of calls may
   * wait, and `deliver` or a loop over the messages may wait for one.
   *
   * @throws HeadwaterError INVALID_ARGUMENT, TOO_LARGE, ABORTED, CLOSED, or BUSY: when it waits for room that only the consumer
   *   or the store can make, and these have done nothing for 10 s
   */
  broadcast(msg: Msg, options?: { signal?: AbortSignal }): Promise<unknown>;
  /**
   * Stops this member; messages that are durable go out after its next start. May be called again, and from within a callback
   * or a loop, which then ends: each call waits for the end. A message not done with comes again after the next start.
   */
  close(): Promise<void>;
}

/** What a network calls; all may be left out. */
export interface NetworkCallback<Msg> {
  /**
   * Called once for each message, in order for each origin, one at a time: the next call waits for this promise. A delivery
   * counts as done when the promise resolves; one that rejects, or that a crash interrupts, is repeated with the same `id`.
   */
  deliver(msg: Msg, from: Member, id: MessageId): void | Promise<void>;
  /** Who is there, and whether there is a quorum. */
  onConnectivity?(event: Connectivity): void;
  /** Whatever else an operator should hear of: misbehaviour, a full store, messages lost or that cannot be decoded. */
  onNotice?(notice: Notice): void;
}

/** What happened that is neither a message nor connectivity. */
export type Notice =
  | Exclude<NodeEvent, { type: 'peer' | 'other-version' | 'foreign-version' | 'foreign-group' }>
  /** `decode` threw: the message is skipped. */
  | { type: 'undecodable'; from: Member; id: MessageId; error: unknown }
  /** The store was damaged, moved to this path and begun anew: the others have what it held. */
  | { type: 'store-recovered'; moved: string };

/** What a node may tell its operator. Nothing here changes what is delivered. */
export type Connectivity =
  | { type: 'PeerConnected' | 'PeerDisconnected'; peer: Member }
  /** Whether enough members are within reach for messages to be delivered. After a disconnect, peers are announced anew. */
  | { type: 'NetworkConnected' | 'NetworkDisconnected' }
  /**
   * `theirs` is left out if it could not be told: so it is where no version of headwater's own protocol is common to both, which
   * are then in `protocol`.
   */
  | {
      type: 'VersionMismatch';
      ours: number;
      theirs?: number;
      peer?: Member;
      protocol?: { ours: VersionRange; theirs: VersionRange };
    }
  /** A member has another list of members than we; ours is `clusterPeers`. */
  | { type: 'ClusterIDMismatch'; clusterPeers: string };
