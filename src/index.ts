/**
 * headwater: reliable broadcast over UDP with fountain codes. The codec alone is `headwater/codec`, the simulator
 * `headwater/sim`.
 */

export type { AgreementDrop } from './broadcast/agreement/streams.js';
export type { Metrics, RepairDrop } from './broadcast/metrics.js';
export type { DebugTopic } from './broadcast/observer.js';
export type { SpreadDrop } from './broadcast/spread/drops.js';
export type { Entry, Manifest } from './bulk/manifest.js';
export type { ControllerMetrics } from './congestion/controller.js';
export type { ControllerName } from './congestion/index.js';
export type { Drops } from './core/drops.js';
export type { Micros } from './core/time.js';
export {
  formatPublicKey,
  formatSecretKey,
  type KeyPair,
  keyPair,
  parsePublicKey,
  parseSecretKey,
  type SecretKey,
} from './crypto/keys.js';
export type { Creation } from './disk/files.js';
export { type DurableStore, openStore, type StoreOptions } from './disk/lmdb.js';
export { type ErrorCode, HeadwaterError } from './errors.js';
export type { MemberEvent, Misbehaviour } from './events.js';
export {
  type FileReceiving,
  type IncomingFiles,
  type ReceiveEvent,
  type ReceiveFilesOptions,
  receiveFiles,
} from './file/receive.js';
export {
  type FileSending,
  type MulticastOptions,
  type MulticastReport,
  type Receiver,
  type ReceiverState,
  type SendFilesOptions,
  type SendProgress,
  type SendReport,
  sendFiles,
} from './file/send.js';
export type { PunchDrop } from './forwarding/punching.js';
export { formatGroup } from './group/descriptor.js';
export type { Descriptor, Epoch, OperatorSignature, SlotMember } from './group/epochs/descriptor.js';
export { parseGroupFile } from './group/epochs/file.js';
export {
  createGroup,
  type Group,
  type GroupMemberOptions,
  type GroupOptions,
  type Member,
  parseGroup,
} from './group/group.js';
export type { LocatorDrop } from './locators/book.js';
export type { ForwardDrop } from './member/carrier.js';
export type { DropReason, EndpointMetrics, MemberDrop } from './member/endpoint.js';
export {
  createNetwork,
  type HeadwaterNetwork,
  type NetworkConfig,
  type Received,
  rawBytes,
} from './network/create.js';
export type { Codec, Connectivity, Network, NetworkCallback, Notice } from './network/network.js';
export { CodecPool, type CodecPoolOptions } from './node/codec/codec-pool.js';
export type { DeadLetter } from './node/dead-letters.js';
export type { DebugOptions } from './node/debug.js';
export { type FetchGroupOptions, fetchGroup } from './node/join/fetch.js';
export {
  type BroadcastResult,
  type Delivery,
  Node,
  type NodeEvent,
  type NodeOptions,
} from './node/node.js';
export type { RouteChange } from './node/routes.js';
export type { SocketStatus } from './node/socket/datagram-socket.js';
export type {
  ConsumerStatus,
  CounterStatus,
  DeliveryStatus,
  EpochStatus,
  GroupStatus,
  HostStatus,
  NodeStatus,
  ObjectStatus,
  ObservedStatus,
  PathStatus,
  PeerStatus,
  QuorumStatus,
  RecentStatus,
  StatusOptions,
  StoreStatus,
  StreamStatus,
} from './node/status/shape.js';
export type { Warning, WarningCode, WarningEvent } from './node/status/warnings.js';
export type { Given, Identity, Settings } from './options.js';
export type { BreakerCause } from './path/breaker.js';
export type { PathMetrics } from './path/observer.js';
export type { SessionDropReason } from './session/events.js';
export { memoryStore } from './store/memory.js';
export type {
  Attempt,
  AttemptRange,
  DeadLetter as StoredDeadLetter,
  Final,
  Loaded,
  MessageRef,
  SentKey,
  Store,
  StoredObject,
  StoreWrite,
  StreamState,
} from './store/store.js';
export type { Feature, VersionRange } from './wire/dialect.js';
export type { MessageId, ObjectId, StreamId } from './wire/symbol.js';
