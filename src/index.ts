/**
 * headwater: reliable broadcast over UDP with fountain codes. The codec alone is `headwater/codec`, the simulator
 * `headwater/sim`.
 */
export type { MessageId } from './broadcast/delivery.js';
export {
  createGroup,
  type Group,
  type GroupMemberOptions,
  type GroupOptions,
  type Member,
  parseGroup,
} from './broadcast/group.js';
export type { ObjectStatus } from './broadcast/record.js';
export type { ControllerName } from './congestion/index.js';
export { formatPublicKey, formatSecretKey, keyPair, parsePublicKey, parseSecretKey } from './crypto/keys.js';
export { type ErrorCode, HeadwaterError } from './errors.js';
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
export type { EndpointDrops, EndpointMetrics } from './node/endpoint.js';
export {
  type BroadcastResult,
  type Delivery,
  Node,
  type NodeEvent,
  type NodeOptions,
  type NodeStatus,
} from './node/node.js';
export type { PeerStatus } from './node/peers.js';
export { type DurableStore, openStore, type StoreOptions } from './store/lmdb.js';
export { memoryStore } from './store/memory.js';
export type { Store } from './store/store.js';
export type { ObjectId, StreamId } from './wire/symbol.js';
