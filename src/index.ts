/**
 * headwater: reliable broadcast over UDP with fountain codes. The codec alone is `headwater/codec`, the simulator
 * `headwater/sim`.
 */
export type { MessageId } from './broadcast/delivery/delivery.js';
export type { ObjectStatus } from './broadcast/spread/objects.js';
export type { ControllerName } from './congestion/index.js';
export { formatPublicKey, formatSecretKey, keyPair, parsePublicKey, parseSecretKey } from './crypto/keys.js';
export { type DurableStore, openStore, type StoreOptions } from './disk/lmdb.js';
export { type ErrorCode, HeadwaterError } from './errors.js';
export {
  createGroup,
  type Group,
  type GroupMemberOptions,
  type GroupOptions,
  type Member,
  parseGroup,
} from './group/group.js';
export type { EndpointDrops, EndpointMetrics } from './member/endpoint.js';
export type { PeerStatus } from './member/status.js';
export {
  createNetwork,
  type HeadwaterNetwork,
  type NetworkConfig,
  type Received,
  rawBytes,
} from './network/create.js';
export type { Codec, Connectivity, Network, NetworkCallback, Notice } from './network/network.js';
export { CodecPool, type CodecPoolOptions } from './node/codec-pool.js';
export type { DeadLetter } from './node/dead-letters.js';
export {
  type BroadcastResult,
  type Delivery,
  Node,
  type NodeEvent,
  type NodeOptions,
  type NodeStatus,
} from './node/node.js';
export { memoryStore } from './store/memory.js';
export type { Store } from './store/store.js';
export type { ObjectId, StreamId } from './wire/symbol.js';
