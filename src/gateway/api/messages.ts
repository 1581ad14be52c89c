/**
 * The messages of etcd's interface that are answered here, with the numbers of their fields: those are the contract, after the
 * public definitions of etcd 3.4 (etcdserverpb, mvccpb). Fields that nobody uses are left out, and skipped when they come.
 */
import { field, list, type Message, message } from './protobuf.js';

export interface ResponseHeader {
  cluster_id: bigint;
  member_id: bigint;
  /** Of the store after the call; in what a watch gives: all up to it has been given. */
  revision: number;
  raft_term: bigint;
}
export const RESPONSE_HEADER = message<ResponseHeader>('ResponseHeader', {
  cluster_id: field(1, 'id'),
  member_id: field(2, 'id'),
  revision: field(3, 'int'),
  raft_term: field(4, 'id'),
});
const header = field(1, RESPONSE_HEADER);

/** What most answers are: a header alone. */
export interface HeaderResponse {
  header: ResponseHeader;
}
export const HEADER_RESPONSE = message<HeaderResponse>('HeaderResponse', { header });

export interface KeyValue {
  key: Uint8Array;
  create_revision: number;
  mod_revision: number;
  /** How often the key was put since it was made. */
  version: number;
  value: Uint8Array;
  lease: bigint;
}
export const KEY_VALUE = message<KeyValue>('KeyValue', {
  key: field(1, 'bytes'),
  create_revision: field(2, 'int'),
  mod_revision: field(3, 'int'),
  version: field(4, 'int'),
  value: field(5, 'bytes'),
  lease: field(6, 'id'),
});

export interface RangeRequest {
  key: Uint8Array;
  /** Exclusive; empty: the one key; a zero byte: all keys from `key` on. */
  range_end: Uint8Array;
  limit: number;
  revision: number;
  serializable: boolean;
  keys_only: boolean;
  count_only: boolean;
}
export const RANGE_REQUEST = message<RangeRequest>('RangeRequest', {
  key: field(1, 'bytes'),
  range_end: field(2, 'bytes'),
  limit: field(3, 'int'),
  revision: field(4, 'int'),
  serializable: field(7, 'bool'),
  keys_only: field(8, 'bool'),
  count_only: field(9, 'bool'),
});
export interface RangeResponse {
  header: ResponseHeader;
  kvs: Partial<KeyValue>[];
  more: boolean;
  count: number;
}
export const RANGE_RESPONSE = message<RangeResponse>('RangeResponse', {
  header,
  kvs: list(2, KEY_VALUE),
  more: field(3, 'bool'),
  count: field(4, 'int'),
});

export interface PutRequest {
  key: Uint8Array;
  value: Uint8Array;
  lease: bigint;
}
export const PUT_REQUEST = message<PutRequest>('PutRequest', {
  key: field(1, 'bytes'),
  value: field(2, 'bytes'),
  lease: field(3, 'id'),
});

export interface RequestOp {
  request_range?: RangeRequest;
  request_put?: PutRequest;
  /** Refused. */
  request_delete_range?: object;
  request_txn?: object;
}
const UNUSED = message<object>('unused', {});
export const REQUEST_OP = message<RequestOp>('RequestOp', {
  request_range: field(1, RANGE_REQUEST),
  request_put: field(2, PUT_REQUEST),
  request_delete_range: field(3, UNUSED),
  request_txn: field(4, UNUSED),
});
export interface ResponseOp {
  response_range?: Partial<RangeResponse>;
  response_put?: Partial<HeaderResponse>;
}
export const RESPONSE_OP = message<ResponseOp>('ResponseOp', {
  response_range: field(1, RANGE_RESPONSE),
  response_put: field(2, HEADER_RESPONSE),
});

export const COMPARE_RESULT = { EQUAL: 0, GREATER: 1, LESS: 2, NOT_EQUAL: 3 } as const;
export const COMPARE_TARGET = { VERSION: 0, CREATE: 1, MOD: 2, VALUE: 3, LEASE: 4 } as const;
export interface Compare {
  result: number;
  target: number;
  key: Uint8Array;
  version: number;
  create_revision: number;
  mod_revision: number;
  value: Uint8Array;
  lease: bigint;
  range_end: Uint8Array;
}
export const COMPARE = message<Compare>('Compare', {
  result: field(1, 'int'),
  target: field(2, 'int'),
  key: field(3, 'bytes'),
  version: field(4, 'int'),
  create_revision: field(5, 'int'),
  mod_revision: field(6, 'int'),
  value: field(7, 'bytes'),
  lease: field(8, 'id'),
  range_end: field(64, 'bytes'),
});
export interface TxnRequest {
  compare: Compare[];
  success: RequestOp[];
  failure: RequestOp[];
}
export const TXN_REQUEST = message<TxnRequest>('TxnRequest', {
  compare: list(1, COMPARE),
  success: list(2, REQUEST_OP),
  failure: list(3, REQUEST_OP),
});
export interface TxnResponse {
  header: ResponseHeader;
  succeeded: boolean;
  responses: ResponseOp[];
}
export const TXN_RESPONSE = message<TxnResponse>('TxnResponse', {
  header,
  succeeded: field(2, 'bool'),
  responses: list(3, RESPONSE_OP),
});

export interface CompactionRequest {
  revision: number;
}
export const COMPACTION_REQUEST = message<CompactionRequest>('CompactionRequest', {
  revision: field(1, 'int'),
});

export interface WatchCreateRequest {
  key: Uint8Array;
  range_end: Uint8Array;
  start_revision: number;
  /** 0: puts are left out, 1: deletions are. */
  filters: number[];
  watch_id: number;
}
export const WATCH_CREATE_REQUEST = message<WatchCreateRequest>('WatchCreateRequest', {
  key: field(1, 'bytes'),
  range_end: field(2, 'bytes'),
  start_revision: field(3, 'int'),
  filters: list(5, 'int'),
  watch_id: field(7, 'int'),
});
export interface WatchCancelRequest {
  watch_id: number;
}
export interface WatchRequest {
  create_request?: WatchCreateRequest;
  cancel_request?: WatchCancelRequest;
  progress_request?: object;
}
export const WATCH_REQUEST = message<WatchRequest>('WatchRequest', {
  create_request: field(1, WATCH_CREATE_REQUEST),
  cancel_request: field(2, message<WatchCancelRequest>('WatchCancelRequest', { watch_id: field(1, 'int') })),
  progress_request: field(3, UNUSED),
});
export const PUT_EVENT = 0;
export const DELETE_EVENT = 1;
export interface Event {
  type: number;
  kv: Partial<KeyValue>;
}
export const EVENT = message<Event>('Event', { type: field(1, 'int'), kv: field(2, KEY_VALUE) });
export interface WatchResponse {
  header: ResponseHeader;
  watch_id: number;
  created: boolean;
  canceled: boolean;
  /** Above 0 if what the watch was to begin with is no longer kept: the first revision that is. */
  compact_revision: number;
  cancel_reason: string;
  events: Event[];
}
export const WATCH_RESPONSE = message<WatchResponse>('WatchResponse', {
  header,
  watch_id: field(2, 'int'),
  created: field(3, 'bool'),
  canceled: field(4, 'bool'),
  compact_revision: field(5, 'int'),
  cancel_reason: field(6, 'text'),
  events: list(11, EVENT),
});

/** A lease by its number; `TTL` in seconds. */
export interface LeaseMessage {
  ID: bigint;
  TTL: number;
}
export const LEASE_GRANT_REQUEST = message<LeaseMessage>('LeaseGrantRequest', {
  TTL: field(1, 'int'),
  ID: field(2, 'id'),
});
export const LEASE_ID_REQUEST = message<Pick<LeaseMessage, 'ID'>>('LeaseRequest', { ID: field(1, 'id') });
export interface LeaseResponse extends LeaseMessage {
  header: ResponseHeader;
}
export const LEASE_RESPONSE = message<LeaseResponse>('LeaseResponse', {
  header,
  ID: field(2, 'id'),
  TTL: field(3, 'int'),
});
export interface LeaseTimeToLiveRequest {
  ID: bigint;
  keys: boolean;
}
export const LEASE_TIME_TO_LIVE_REQUEST = message<LeaseTimeToLiveRequest>('LeaseTimeToLiveRequest', {
  ID: field(1, 'id'),
  keys: field(2, 'bool'),
});
export interface LeaseTimeToLiveResponse extends LeaseResponse {
  grantedTTL: number;
  keys: Uint8Array[];
}
export const LEASE_TIME_TO_LIVE_RESPONSE = message<LeaseTimeToLiveResponse>('LeaseTimeToLiveResponse', {
  header,
  ID: field(2, 'id'),
  TTL: field(3, 'int'),
  grantedTTL: field(4, 'int'),
  keys: list(5, 'bytes'),
});
export interface LeaseLeasesResponse {
  header: ResponseHeader;
  leases: { ID: bigint }[];
}
export const LEASE_LEASES_RESPONSE = message<LeaseLeasesResponse>('LeaseLeasesResponse', {
  header,
  leases: list(2, LEASE_ID_REQUEST),
});

export interface ClusterMember {
  ID: bigint;
  name: string;
  peerURLs: string[];
  clientURLs: string[];
}
const MEMBER = message<ClusterMember>('Member', {
  ID: field(1, 'id'),
  name: field(2, 'text'),
  peerURLs: list(3, 'text'),
  clientURLs: list(4, 'text'),
});
export interface MemberListResponse {
  header: ResponseHeader;
  members: ClusterMember[];
}
export const MEMBER_LIST_RESPONSE = message<MemberListResponse>('MemberListResponse', {
  header,
  members: list(2, MEMBER),
});
export interface MemberAddRequest {
  peerURLs: string[];
}
export const MEMBER_ADD_REQUEST = message<MemberAddRequest>('MemberAddRequest', {
  peerURLs: list(1, 'text'),
});

export interface StatusResponse {
  header: ResponseHeader;
  version: string;
  /** Bytes. */
  dbSize: number;
  leader: bigint;
  raftIndex: number;
  raftTerm: bigint;
  raftAppliedIndex: number;
  errors: string[];
  dbSizeInUse: number;
}
export const STATUS_RESPONSE = message<StatusResponse>('StatusResponse', {
  header,
  version: field(2, 'text'),
  dbSize: field(3, 'int'),
  leader: field(4, 'id'),
  raftIndex: field(5, 'int'),
  raftTerm: field(6, 'id'),
  raftAppliedIndex: field(7, 'int'),
  errors: list(8, 'text'),
  dbSizeInUse: field(9, 'int'),
});

/** Requests without anything that counts here. */
export const EMPTY_REQUEST: Message<object> = UNUSED;
