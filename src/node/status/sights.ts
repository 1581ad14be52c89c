/** Statuses of one member as sights: what of each has changed. In: a status now and then. Out: what the page and a trace are given. */
import type { Group, Member } from '../../group/group.js';
import type { EndpointStatus } from '../../member/status.js';
import { objectOf, peerOf, quorumOf, streamOf } from './build.js';
import type { NodeStatus, ObjectStatus, PeerStatus } from './shape.js';
import type { ObjectSight, PeerSight, Sight } from './sight.js';

/** The part of a status that a sight is made of; a simulation has no more. */
export type SeenStatus = Pick<NodeStatus, 'name' | 'peers' | 'streams' | 'objects'> &
  Partial<Pick<NodeStatus, 'quorum' | 'warnings' | 'delivery'>>;

/** What there is of a status where there is no process: of a member in the simulator. */
export function seenOf(self: Member, group: Group, { peers, streams, objects }: EndpointStatus): SeenStatus {
  const { members } = group;
  return {
    name: self.name,
    quorum: quorumOf(peers, group),
    peers: peers.map((peer) => peerOf(peer, 0)),
    streams: streams.map((stream) => ({ ...streamOf(stream, members), waitingMs: 0 })),
    objects: objects.map((object) => objectOf(object, members)),
  };
}

export class Sights {
  /** By object on its way: what was last told of it. */
  private told = new Map<string, string>();

  /** What is to be told of this status after the last one. */
  next(status: SeenStatus): Sight {
    const { name, peers, streams, quorum, warnings = [], delivery } = status;
    const { objects, over } = this.changes(status.objects);
    return {
      name,
      ...(quorum && { quorum: { have: quorum.have, need: quorum.need } }),
      warnings: warnings.map(({ code, member, text }) => ({ code, member, text })),
      peers: peers.map(peerSight),
      streams: streams.map(({ from, incarnation, delivered, deliverable, held }) => ({
        from,
        incarnation,
        delivered,
        deliverable,
        held,
      })),
      objects,
      over,
      ...(delivery && { delivery }),
    };
  }

  private changes(all: readonly ObjectStatus[]): Pick<Sight, 'objects' | 'over'> {
    const told = new Map<string, string>();
    const objects: ObjectSight[] = [];
    // Of more than are drawn the newest.
    for (const object of all.slice(-MAX_OBJECTS)) {
      const name = `${object.from} ${object.incarnation}/${object.seq}`;
      const now = stateOf(object);
      told.set(name, now);
      if (this.told.get(name) !== now) objects.push(objectSight(name, object));
    }
    const over = [...this.told.keys()].filter((name) => !told.has(name));
    this.told = told;
    return { objects, over };
  }
}

/** The same where nothing that is drawn has changed. */
function stateOf({ heldSymbols, complete, delivered, lackedBy = {} }: ObjectStatus): string {
  let lacked = 0;
  let by = 0;
  for (const name in lackedBy) {
    lacked += lackedBy[name];
    by++;
  }
  return `${heldSymbols} ${complete} ${delivered} ${lacked} ${by}`;
}

function objectSight(name: string, object: ObjectStatus): ObjectSight {
  const { from, lengthBytes, neededSymbols, heldSymbols, complete, delivered, lackedBy } = object;
  return {
    name,
    from,
    lengthBytes,
    neededSymbols,
    heldSymbols,
    complete,
    delivered,
    ...(lackedBy && { lackedBy }),
  };
}

function peerSight({ path, ...peer }: PeerStatus): PeerSight {
  return {
    name: peer.name,
    reachable: peer.reachable,
    rttMs: rounded(peer.rttMs),
    minRttMs: rounded(peer.minRttMs),
    recentLossShare: rounded(peer.recentLossShare),
    inboundLossShare: rounded(peer.inboundLossShare),
    sentBytes: peer.sentBytes,
    windowBytes: path.windowBytes === null ? null : Math.round(path.windowBytes),
    inFlightBytes: path.inFlightBytes,
    deliveredBytes: path.deliveredBytes,
    lossFloorShare: rounded(path.lossFloorShare),
    state: path.state,
  };
}

/** To a tenth of a thousandth: more is not drawn. */
function rounded<T extends number | null>(value: T): T {
  return (value === null ? null : Math.round(value * 1e4) / 1e4) as T;
}

const MAX_OBJECTS = 1000;
