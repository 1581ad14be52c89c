/**
 * A member as it stands, for people and programs: the one shape of `node.status()`, `network.status()`, the command line and its control
 * socket. Plain data that is the same as JSON. Units are in the names; `null` is what is not known; shares are from 0 to 1.
 */
import type { Metrics } from '../../broadcast/metrics.js';
import type { BreakerCause } from '../../path/breaker.js';
import type { Feature } from '../../wire/dialect.js';
import type { SocketStatus } from '../socket/datagram-socket.js';
import type { Warning } from './warnings.js';

/** What is wanted of a status. */
export interface StatusOptions {
  /** Also `objects[].lackedBy`, which grows with members times objects. Default false. */
  detail?: boolean | undefined;
}

/** A member as it stands. */
export interface NodeStatus {
  /** This member's name. */
  name: string;
  /** Its group. */
  group: GroupStatus;
  /** Where its socket is bound, `host:port`. */
  address: string;
  /** Where its signed record tells the others that it is; empty until that is known. */
  told: string[];
  /** Where other members see it, what most of them say first. */
  observed: ObservedStatus[];
  /** When it was started, as ISO 8601. */
  startedAt: string;
  /** Since then. */
  uptimeMs: number;
  /** Whether messages can be delivered. */
  quorum: QuorumStatus;
  /** What is wrong now; docs/OPERATING.md has a paragraph for each code. */
  warnings: Warning[];
  /** All other members. */
  peers: PeerStatus[];
  /** What each member has said, as far as this one has it. */
  streams: StreamStatus[];
  /** Objects on their way, in or out. */
  objects: ObjectStatus[];
  /** How long our own messages take. */
  delivery: DeliveryStatus;
  /** Who takes the messages here. */
  consumer: ConsumerStatus;
  /** Where messages are kept. */
  store: StoreStatus;
  /** The process and its machine. */
  host: HostStatus;
  /** How datagrams go in and out, and why so. */
  socket: SocketStatus;
  /** Counters since it was started. */
  metrics: CounterStatus;
  /** The last seconds alone. */
  recent: RecentStatus;
}

/** The group of a member, as its group file says. */
export interface GroupStatus {
  /** As the group file names it. */
  name: string;
  /** What all members must have in common, in hex: see `Group.id`. */
  id: string;
  /** How many there are; of a group that changes, in its newest epoch. */
  members: number;
  /** Where this member is in a group that changes; not there in one that stays the same. */
  epoch?: EpochStatus;
}

/** Where a member is in a group that changes. */
export interface EpochStatus {
  /** The newest that it has taken. */
  newest: number;
  /** The newest that its group file has; it takes them one after the other. */
  known: number;
  /** The one in which it is active: messages are delivered by the quorum of that. */
  active: number;
  /** By name, of the members of the newest: in which each is active, as far as it has said. */
  members: Record<string, number | null>;
  /** Names of members that are not of the newest any more. */
  leaving: string[];
  /** Whether those may be switched off, and the next change may be made. */
  over: boolean;
  /** Streams of which this member lacks something that it must have before it can be active. */
  lackingStreams: number;
}

/** One address at which members see this one. */
export interface ObservedStatus {
  /** `host:port`. */
  address: string;
  /** Names of those that do. */
  by: string[];
}

/** Who of the quorum is here. */
export interface QuorumStatus {
  /** Members that can be talked with, this one included: those within reach, without those that do not hear it. */
  have: number;
  /** Members that have to confirm a message before it is delivered. */
  need: number;
  /** Names of those out of reach. */
  away: string[];
  /** Names of those within reach of which it is known that they do not hear this one. */
  unheard: string[];
}

/** One other member as this one sees it. */
export interface PeerStatus {
  /** Its name. */
  name: string;
  /** Whether something of it has come lately. */
  reachable: boolean;
  /** Since when it is so, as ISO 8601. */
  reachableSince: string;
  /** In use: one of its addresses in the group file, or where it has moved to; `by way of` a member that passes on what is sent; null if none is known, or its key is unusable. */
  address: string | null;
  /** Where its own record says that it is: tried where there is no session with it. */
  told: string[];
  /** How often an address that had gone silent was left for another one. */
  failOvers: number;
  /** Smoothed round-trip time. */
  rttMs: number | null;
  /** The shortest since the path began. */
  minRttMs: number | null;
  /** RFC 9002's variation. */
  rttVariationMs: number | null;
  /** Of our datagrams to it those lost, smoothed over the last ones. */
  recentLossShare: number;
  /** The same since the path began. */
  lossShare: number;
  /** Of its datagrams to us those lost, since the path began. */
  inboundLossShare: number;
  /** UDP payload to it, since the path began. */
  sentBytes: number;
  /** Since the path began. */
  sentDatagrams: number;
  /** Since the path began. */
  ackedDatagrams: number;
  /** Since the path began; of reordered ones too, for a while. */
  lostDatagrams: number;
  /** The largest datagram that the path has shown to carry, UDP payload. */
  datagramBytes: number;
  /** Why the path is held back to a trickle, if it is, and how often it was since the path began. */
  breaker: { cause: BreakerCause | null; trips: number };
  /** Version of the protocol that both speak; null without a session. */
  protocol: number | null;
  /** Optional parts of the protocol that both have. */
  features: Feature[];
  /** What its congestion control goes by. */
  path: PathStatus;
}

/** Congestion control of a path. */
export interface PathStatus {
  /** Sent, and neither acknowledged nor found lost. */
  inFlightBytes: number;
  /** What arrives there, by the last valid sample; 0 before the first. */
  deliveryBytesPerSecond: number;
  /** Since the path began. */
  deliveredBytes: number;
  /** Probe timeouts since the last acknowledgement. */
  probeTimeouts: number;
  /** Name of the congestion control. */
  controller: string;
  /** Its own word for what it is doing. */
  state: string;
  /** May be in flight; null: without a limit. */
  windowBytes: number | null;
  /** Null: as the window allows. */
  pacingBytesPerSecond: number | null;
  /** Estimated rate of the path, where the controller keeps one. */
  bandwidthBytesPerSecond: number | null;
  /** Estimated loss that is not congestion, where the controller keeps it. */
  lossFloorShare: number | null;
}

/** One stream: what one member has said in one life of its store. */
export interface StreamStatus {
  /** Name of its origin. */
  from: string;
  /** The life of its origin's store, as in `MessageId`. */
  incarnation: number;
  /** Objects below this are no longer kept here. */
  keptFrom: number;
  /** Objects below this have been delivered here. */
  delivered: number;
  /** Objects below this may be: a quorum holds them. */
  deliverable: number;
  /** Objects below this are held here without a gap. */
  held: number;
  /** How long it has held more than it delivers, without any progress; 0 if it does not. */
  waitingMs: number;
  /** By name of each member that lacks some of what is held here: how many objects. */
  lackedBy: Record<string, number>;
}

/** One object on its way. */
export interface ObjectStatus {
  /** Name of its origin. */
  from: string;
  /** Of its stream. */
  incarnation: number;
  /** Its place in the stream. */
  seq: number;
  /** Of all its messages. */
  lengthBytes: number;
  /** Source symbols: about as many rebuild it. */
  neededSymbols: number;
  /** Useful symbols received; of our own: symbols sent. */
  heldSymbols: number;
  /** Whether this member holds it whole. */
  complete: boolean;
  /** Whether its messages have been delivered here. */
  delivered: boolean;
  /** Members that hold it, ourselves included. */
  confirmedMembers: number;
  /** With `detail`: by name of each other member that has not said to hold it, the source symbols that it lacks by its last report. */
  lackedBy?: Record<string, number>;
}

/** A histogram of the time that our own objects took, from durable to delivered here, since the start. */
export interface DeliveryStatus {
  /** Rising; each the longest time that its count is about. */
  boundsMs: number[];
  /** Objects by bound, and one more for those above all. */
  counts: number[];
  /** Null before the first. */
  meanMs: number | null;
}

/** Who takes the messages: `deliver`, a loop, or the reader of a command's output. */
export interface ConsumerStatus {
  /** How long it has had the message that it has; null if it has none. */
  busyMs: number | null;
  /** Messages that it has done with since the start. */
  deliveredMessages: number;
  /** Objects that may be delivered and wait for it. */
  waitingObjects: number;
}

/** The store of a member. */
export interface StoreStatus {
  /** What objects take in it, as its bound counts them. */
  storedBytes: number;
  /** `maxStoredBytes`. */
  boundBytes: number;
  /** What waits to be written. */
  pendingBytes: number;
  /** Whether it has no room: then nothing more is confirmed. */
  full: boolean;
  /** Since the start. */
  commits: number;
  /** When the last commit was durable, as ISO 8601; null before the first. */
  lastCommitAt: string | null;
  /** How long the last one took. */
  lastCommitMs: number | null;
}

/** The process and its machine. */
export interface HostStatus {
  /** Its number. */
  pid: number;
  /** The longest that the loop of the last seconds came late: the machine, or this process, was busy elsewhere. */
  lagMs: number;
  /** Share of the last seconds in which the event loop was at work. */
  busyShare: number;
  /** Memory of the process. */
  rssBytes: number;
  /** Datagrams that the kernel has dropped since its buffer for this socket was full; null where it does not tell. */
  kernelDrops: number | null;
}

/** Counters since the start: those of `Metrics`, and what the shell counts. */
export interface CounterStatus extends Omit<Metrics<string>, 'drops'> {
  /** Datagrams that the system refused to send. */
  sendErrors: number;
  /** By reason: what was thrown away. */
  drops: Record<string, number>;
  /** By name of the origin: symbols dropped because its part of memory or of the store was spent. */
  refused: Record<string, number>;
}

/** What has happened lately. */
export interface RecentStatus {
  /** The time that the others are about. */
  windowMs: number;
  /** To all members. */
  sentBytesPerSecond: number;
  /** Whatever came. */
  receivedBytesPerSecond: number;
  /** To the consumer here. */
  deliveredMessagesPerSecond: number;
  /** By reason: how often something was thrown away. */
  dropsPerSecond: Record<string, number>;
}
