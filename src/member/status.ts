/** What is known of a member's peers, streams and objects, gathered for who watches it. Times in microseconds, members as in the group. */

import type { StreamOverview } from '../broadcast/delivery/overview.js';
import type { ObjectStatus } from '../broadcast/spread/objects.js';
import type { Micros } from '../core/time.js';
import type { EpochOverview } from '../epochs/epochs.js';
import type { Member } from '../group/group.js';
import type { BreakerCause } from '../path/breaker.js';
import type { PathMetrics } from '../path/observer.js';
import type { Feature } from '../wire/dialect.js';
import { parseVia } from '../wire/via.js';
import type { Peer } from './peer.js';

/** A member as it stands. */
export interface EndpointStatus {
  /** On their way, in or out. */
  objects: ObjectStatus[];
  /** All other members. */
  peers: EndpointPeer[];
  /** Those that their origins have named or signed. */
  streams: StreamOverview[];
  /** Where our own record says that we are. */
  told: readonly string[];
  /** Where other members see us, and which of them do. */
  seen: { address: string; by: number[] }[];
  /** What objects take in the store, what waits for it, and whether it has no room. */
  store: { storedBytes: number; pendingBytes: number; isFull: boolean };
  /** Messages that the consumer is done with. */
  consumedMessages: number;
  /** Of a group that changes. */
  epoch?: EpochOverview | undefined;
}

/** One peer as it stands, for people to look at. */
export interface EndpointPeer {
  /** Who it is. */
  member: Member;
  /** In use: one of its locators, or where it has moved to. Undefined for a member whose key is unusable, and where others pass on what is sent. */
  address: string | undefined;
  /** Who passes on what is sent to it; undefined: nobody. */
  via: Member | undefined;
  /** Where its own record says that it is. */
  told: readonly string[];
  /** How often an address that had gone silent was left for another locator. */
  failOvers: number;
  /** Whether something of it has come lately. */
  reachable: boolean;
  /** Smoothed, in microseconds; undefined before the first sample. */
  rtt: Micros | undefined;
  /** Share of our datagrams to it that are lost. */
  loss: number;
  /** Share of its datagrams to us that are lost. */
  inboundLoss: number;
  /** UDP payload, since the path began. */
  sentBytes: number;
  /** Since the path began. */
  sentDatagrams: number;
  /** Why the path is held back to a trickle, if it is, and how often it was since the path began. */
  breaker: { cause: BreakerCause | undefined; trips: number };
  /** Bytes of UDP payload. */
  mtu: number;
  /** Version of the protocol that both speak; undefined without a session. */
  protocol: number | undefined;
  /** Optional parts of the protocol that both have. */
  features: Feature[];
  /** Window, rates, round-trip times, the controller's state and loss floor. */
  path: PathMetrics;
}

export function peerStatus(now: Micros, peer: Peer, members: readonly Member[]): EndpointPeer {
  const { member, path, failOver, agreed, told } = peer;
  const { loss, inboundLoss, sentBytes, sentDatagrams, recovery, rtt, mtu } = path;
  const { breaker } = recovery;
  const via = parseVia(failOver.address);
  return {
    member,
    address: via ? undefined : failOver.address,
    via: via && members[via.hop],
    told,
    failOvers: failOver.count,
    reachable: path.isReachable(now),
    rtt: rtt.min === undefined ? undefined : rtt.smoothed,
    loss,
    inboundLoss,
    sentBytes,
    sentDatagrams,
    breaker: { cause: breaker.cause, trips: breaker.trips },
    mtu: mtu.size,
    protocol: agreed?.version,
    features: [...(agreed?.features ?? [])],
    path: recovery.metrics(),
  };
}
