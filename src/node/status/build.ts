/** A status as it is told, made of what the parts of a member know. In: an endpoint's status, what was measured. Out: plain data. */
import type { ObjectStatus as EndpointObject } from '../../broadcast/spread/objects.js';
import { toHex } from '../../core/bytes.js';
import { MILLISECOND, type Micros } from '../../core/time.js';
import type { EpochOverview } from '../../epochs/epochs.js';
import type { Group, Member } from '../../group/group.js';
import type { EndpointMetrics } from '../../member/endpoint.js';
import type { EndpointPeer, EndpointStatus } from '../../member/status.js';
import type { SocketStatus } from '../socket/datagram-socket.js';
import type { Health } from './health.js';
import type { Histogram } from './prometheus.js';
import type {
  EpochStatus,
  NodeStatus,
  ObjectStatus,
  PeerStatus,
  QuorumStatus,
  StreamStatus,
} from './shape.js';
import type { Warning } from './warnings.js';

/** What a status is made of. */
export interface StatusParts {
  now: Micros;
  /** Milliseconds of the clock. */
  wall: number;
  startedAt: number;
  self: Member;
  group: Group;
  maxStoredBytes: number;
  address: string;
  socket: SocketStatus;
  endpoint: EndpointStatus;
  metrics: EndpointMetrics & { sendErrors: number };
  health: Health;
  warnings: Warning[];
  /** Of whom it is told that they do not hear this member. */
  isUnheard(member: Member): boolean;
  /** By member: since when it is here, or away. */
  reachableSince: ReadonlyMap<Member, number>;
  /** Since when the consumer has its message. */
  busySince: Micros | undefined;
  kernelDrops: number | null;
}

export function statusOf(parts: StatusParts): NodeStatus {
  const { now, wall, startedAt, self, group, endpoint, health } = parts;
  const { members } = group;
  const { lagMs, busyShare, lateSeconds: _, commitMs: __, ...recent } = health.recent();
  const { lastCommit } = health;
  const waitingObjects = endpoint.streams.reduce(
    (sum, { delivered, deliverable }) => sum + deliverable - delivered,
    0,
  );
  return {
    name: self.name,
    group: {
      ...{ name: group.name, id: toHex(group.id), members: presentOf(group).length },
      ...(endpoint.epoch && { epoch: epochOf(endpoint.epoch, members) }),
    },
    address: parts.address,
    told: [...endpoint.told],
    observed: endpoint.seen.map(({ address, by }) => ({
      address,
      by: by.map((index) => members[index].name),
    })),
    startedAt: iso(startedAt),
    uptimeMs: wall - startedAt,
    quorum: quorumOf(endpoint.peers, group, parts.isUnheard),
    warnings: parts.warnings,
    peers: endpoint.peers.map((peer) => peerOf(peer, parts.reachableSince.get(peer.member) ?? startedAt)),
    streams: endpoint.streams.map((stream) => ({
      ...streamOf(stream, members),
      waitingMs: ms(health.waiting(now, stream)),
    })),
    objects: endpoint.objects.map((object) => objectOf(object, members)),
    delivery: deliveryOf(health.deliverySeconds),
    consumer: {
      busyMs: parts.busySince === undefined ? null : ms(now - parts.busySince),
      deliveredMessages: endpoint.consumedMessages,
      waitingObjects,
    },
    store: {
      storedBytes: endpoint.store.storedBytes,
      boundBytes: parts.maxStoredBytes,
      pendingBytes: endpoint.store.pendingBytes,
      full: endpoint.store.isFull,
      commits: health.commits,
      lastCommitAt: lastCommit ? iso(lastCommit.at) : null,
      lastCommitMs: lastCommit ? ms(lastCommit.took) : null,
    },
    host: {
      pid: process.pid,
      lagMs,
      busyShare,
      rssBytes: process.memoryUsage.rss(),
      kernelDrops: parts.kernelDrops,
    },
    socket: parts.socket,
    metrics: countersOf(parts.metrics, members),
    recent,
  };
}

/** Who is here: what is not heard there cannot be confirmed there. */
export function quorumOf(
  peers: readonly Pick<EndpointPeer, 'member' | 'reachable'>[],
  group: Group,
  isUnheard: (member: Member) => boolean = () => false,
): QuorumStatus {
  const present = presentOf(group);
  const names = (which: (peer: (typeof peers)[number]) => boolean) =>
    peers.filter((peer) => present.includes(peer.member) && which(peer)).map(({ member }) => member.name);
  const away = names(({ reachable }) => !reachable);
  const unheard = names(({ reachable, member }) => reachable && isUnheard(member));
  return { have: present.length - away.length - unheard.length, need: group.quorum, away, unheard };
}

/** Members of the group as it is now. */
export function presentOf({ members, epochs }: Group): readonly Member[] {
  return epochs ? epochs[epochs.length - 1].members.map(({ slot }) => members[slot]) : members;
}

function epochOf(epoch: EpochOverview, members: readonly Member[]): EpochStatus {
  return {
    newest: epoch.has,
    known: epoch.known,
    active: epoch.active,
    members: Object.fromEntries(
      [...epoch.members].map(([slot, active]) => [members[slot].name, active ?? null]),
    ),
    leaving: epoch.leaving.map((slot) => members[slot].name),
    over: epoch.isOver,
    lackingStreams: epoch.lacking,
  };
}

function deliveryOf({ bounds, counts, sum }: Histogram): NodeStatus['delivery'] {
  const messages = counts.reduce((all, count) => all + count, 0);
  return {
    boundsMs: bounds.map((bound) => bound * 1000),
    counts: [...counts],
    meanMs: messages === 0 ? null : (sum * 1000) / messages,
  };
}

function countersOf(metrics: StatusParts['metrics'], members: readonly Member[]): NodeStatus['metrics'] {
  const { drops, refused, ...counters } = metrics;
  const byName = Object.entries(refused).map(([origin, count]) => [members[Number(origin)].name, count]);
  return {
    ...counters,
    drops: { ...(drops as Record<string, number>) },
    refused: Object.fromEntries(byName),
  };
}

export function peerOf(peer: EndpointPeer, since: number): PeerStatus {
  const { member, path, breaker } = peer;
  const { controller, minRtt } = path;
  return {
    name: member.name,
    reachable: peer.reachable,
    reachableSince: iso(since),
    address: peer.via ? `${BY_WAY_OF}${peer.via.name}` : (peer.address ?? null),
    told: [...peer.told],
    failOvers: peer.failOvers,
    rttMs: peer.rtt === undefined ? null : ms(peer.rtt),
    minRttMs: minRtt === undefined ? null : ms(minRtt),
    rttVariationMs: minRtt === undefined ? null : ms(path.rttVariation),
    recentLossShare: peer.loss,
    lossShare: path.lostPackets / Math.max(1, path.lostPackets + path.ackedPackets),
    inboundLossShare: peer.inboundLoss,
    sentBytes: peer.sentBytes,
    sentDatagrams: peer.sentDatagrams,
    ackedDatagrams: path.ackedPackets,
    lostDatagrams: path.lostPackets,
    datagramBytes: peer.mtu,
    breaker: { cause: breaker.cause ?? null, trips: breaker.trips },
    protocol: peer.protocol ?? null,
    features: peer.features,
    path: {
      inFlightBytes: path.bytesInFlight,
      deliveryBytesPerSecond: path.deliveryRate,
      deliveredBytes: path.deliveredBytes,
      probeTimeouts: path.probeCount,
      controller: controller.name,
      state: controller.state,
      windowBytes: finite(controller.window),
      pacingBytesPerSecond: finite(controller.pacingRate),
      bandwidthBytesPerSecond: finite(controller.bandwidth),
      lossFloorShare: finite(controller.lossFloor),
    },
  };
}

export function streamOf(
  stream: EndpointStatus['streams'][number],
  members: readonly Member[],
): Omit<StreamStatus, 'waitingMs'> {
  const { origin, incarnation, base, delivered, deliverable, count, lacking } = stream;
  return {
    from: members[origin].name,
    incarnation,
    keptFrom: base,
    delivered,
    deliverable,
    held: count,
    lackedBy: Object.fromEntries(lacking.map(({ member, objects }) => [members[member].name, objects])),
  };
}

export function objectOf({ id, ...object }: EndpointObject, members: readonly Member[]): ObjectStatus {
  const lackedBy = object.lacking?.map(({ member, symbols }) => [members[member].name, symbols]);
  return {
    from: members[id.origin].name,
    incarnation: id.incarnation,
    seq: id.seq,
    lengthBytes: object.length,
    neededSymbols: object.needed,
    heldSymbols: object.held,
    complete: object.complete,
    delivered: object.delivered,
    confirmedMembers: object.confirmed,
    ...(lackedBy && { lackedBy: Object.fromEntries(lackedBy) }),
  };
}

function ms(time: Micros): number {
  return time / MILLISECOND;
}

function iso(time: number): string {
  return new Date(time).toISOString();
}

/** JSON has no Infinity. */
function finite(value: number | undefined): number | null {
  return value !== undefined && Number.isFinite(value) ? value : null;
}

/** Stands for the address of a member that another one passes on to. */
export const BY_WAY_OF = 'by way of ';
