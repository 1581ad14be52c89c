/**
 * The calls of etcd's gRPC interface that a Hydra node makes, and three that its tests make. In: the address of a server's
 * client port. Out: promises for single calls, streams for watch and keep-alive; errors are grpc-js's, with their `code`.
 */
import {
  Client,
  type ClientDuplexStream,
  credentials,
  type MethodDefinition,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';

export interface KeyValue {
  key: Buffer;
  mod_revision: number;
  value: Buffer;
}

export interface Header {
  /** Of the store, after the call. */
  revision: number;
}

export interface RangeRequest {
  key: Buffer;
  /** Exclusive end; without it the one key is meant. */
  range_end?: Buffer;
}

export interface RangeResponse {
  header: Header;
  kvs: KeyValue[];
}

export interface PutRequest {
  key: Buffer;
  value: Buffer;
  /** Of the lease that the key goes with. */
  lease?: number;
}

export interface TxnRequest {
  compare: (
    | { target: 'MOD'; result: 'EQUAL'; key: Buffer; mod_revision: number }
    | { target: 'VERSION'; result: 'GREATER'; key: Buffer; version: number }
  )[];
  success: RequestOp[];
  failure: RequestOp[];
}

type RequestOp = { request_range: RangeRequest } | { request_put: PutRequest };

export interface TxnResponse {
  header: Header;
  succeeded: boolean;
  responses: { response_range?: RangeResponse }[];
}

export interface WatchRequest {
  create_request: RangeRequest & { start_revision: number };
}

export interface WatchResponse {
  header: Header;
  canceled: boolean;
  /** Above 0 if the watch was cancelled since what it asked for is no longer kept: the first revision that is. */
  compact_revision: number;
  events: { kv: KeyValue }[];
}

export interface Lease {
  ID: number;
  /** Seconds; 0 or less: it has expired. */
  TTL: number;
}

/** A call is given up after `timeoutMs`, if given, with DEADLINE_EXCEEDED. */
type Unary<Request, Response> = (request: Request, timeoutMs?: number) => Promise<Response>;

export interface EtcdClient {
  range: Unary<RangeRequest, RangeResponse>;
  put: Unary<PutRequest, { header: Header }>;
  txn: Unary<TxnRequest, TxnResponse>;
  compact: Unary<{ revision: number }, { header: Header }>;
  leaseGrant: Unary<Lease, Lease>;
  leaseRevoke: Unary<{ ID: number }, { header: Header }>;
  leases: Unary<Record<string, never>, { leases: { ID: number }[] }>;
  watch(): ClientDuplexStream<WatchRequest, WatchResponse>;
  keepAlive(): ClientDuplexStream<{ ID: number }, Lease>;
  close(): void;
}

/**
 * Connects when it is first used, and again after each failure.
 *
 * @example
 * const client = connectEtcd('127.0.0.1:2379');
 * const { kvs } = await client.range({ key: Buffer.from('alive'), range_end: Buffer.from('alivf') });
 */
export function connectEtcd(address: string): EtcdClient {
  const client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
  const unary =
    <Request, Response>(method: Method): Unary<Request, Response> =>
    (request, timeoutMs) =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(
          method.path,
          method.requestSerialize,
          method.responseDeserialize,
          request as object,
          timeoutMs === undefined ? {} : { deadline: Date.now() + timeoutMs },
          (error, response) => (error ? reject(error) : resolve(response as Response)),
        );
      });
  const stream = <Request, Response>(method: Method) => {
    const opened = client.makeBidiStreamRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
    ) as unknown as ClientDuplexStream<Request, Response>;
    // Whoever iterates over it gets the error too; one that comes later, by cancelling, is nobody's.
    return opened.on('error', () => {});
  };
  return {
    range: unary(KV.Range),
    put: unary(KV.Put),
    txn: unary(KV.Txn),
    compact: unary(KV.Compact),
    leaseGrant: unary(LEASE.LeaseGrant),
    leaseRevoke: unary(LEASE.LeaseRevoke),
    leases: unary(LEASE.LeaseLeases),
    watch: () => stream(WATCH.Watch),
    keepAlive: () => stream(LEASE.LeaseKeepAlive),
    close: () => client.close(),
  };
}

/** A call's path, and how its messages become bytes. */
export type Method = MethodDefinition<object, object>;

/** A field of a message: type and number, after etcd 3.4's rpc.proto and kv.proto; those that nobody here reads are left out. */
const field = (type: string, id: number) => ({ type, id });
const repeated = (type: string, id: number) => ({ rule: 'repeated', type, id });
const message = (fields: Record<string, { type: string; id: number }>) => ({ fields });
const method = (name: string, stream = false, responseType = `${name}Response`) => ({
  requestType: `${name}Request`,
  responseType,
  requestStream: stream,
  responseStream: stream,
  comment: '',
});

const SCHEMA = {
  nested: {
    mvccpb: {
      nested: {
        KeyValue: message({
          key: field('bytes', 1),
          mod_revision: field('int64', 3),
          value: field('bytes', 5),
        }),
        Event: message({ kv: field('KeyValue', 2) }),
      },
    },
    etcdserverpb: {
      nested: {
        ResponseHeader: message({ revision: field('int64', 3) }),
        HeaderResponse: message({ header: field('ResponseHeader', 1) }),
        RangeRequest: message({ key: field('bytes', 1), range_end: field('bytes', 2) }),
        RangeResponse: message({
          header: field('ResponseHeader', 1),
          kvs: repeated('mvccpb.KeyValue', 2),
        }),
        PutRequest: message({ key: field('bytes', 1), value: field('bytes', 2), lease: field('int64', 3) }),
        RequestOp: message({
          request_range: field('RangeRequest', 1),
          request_put: field('PutRequest', 2),
        }),
        ResponseOp: message({ response_range: field('RangeResponse', 1) }),
        CompareResult: { values: { EQUAL: 0, GREATER: 1 } },
        CompareTarget: { values: { VERSION: 0, MOD: 2 } },
        Compare: {
          // One of them is sent even if it is 0, which is how a server tells which one is meant.
          oneofs: { target_union: { oneof: ['version', 'mod_revision'] } },
          ...message({
            result: field('CompareResult', 1),
            target: field('CompareTarget', 2),
            key: field('bytes', 3),
            version: field('int64', 4),
            mod_revision: field('int64', 6),
          }),
        },
        TxnRequest: message({
          compare: repeated('Compare', 1),
          success: repeated('RequestOp', 2),
          failure: repeated('RequestOp', 3),
        }),
        TxnResponse: message({
          header: field('ResponseHeader', 1),
          succeeded: field('bool', 2),
          responses: repeated('ResponseOp', 3),
        }),
        CompactionRequest: message({ revision: field('int64', 1) }),
        WatchCreateRequest: message({
          key: field('bytes', 1),
          range_end: field('bytes', 2),
          start_revision: field('int64', 3),
        }),
        WatchRequest: message({ create_request: field('WatchCreateRequest', 1) }),
        WatchResponse: message({
          header: field('ResponseHeader', 1),
          canceled: field('bool', 4),
          compact_revision: field('int64', 5),
          events: repeated('mvccpb.Event', 11),
        }),
        LeaseGrantRequest: message({ TTL: field('int64', 1), ID: field('int64', 2) }),
        LeaseGrantResponse: message({ ID: field('int64', 2), TTL: field('int64', 3) }),
        LeaseKeepAliveRequest: message({ ID: field('int64', 1) }),
        LeaseKeepAliveResponse: message({ ID: field('int64', 2), TTL: field('int64', 3) }),
        LeaseRevokeRequest: message({ ID: field('int64', 1) }),
        LeaseStatus: message({ ID: field('int64', 1) }),
        LeaseLeasesRequest: message({}),
        LeaseLeasesResponse: message({ leases: repeated('LeaseStatus', 2) }),
        KV: {
          methods: {
            Range: method('Range'),
            Put: method('Put', false, 'HeaderResponse'),
            Txn: method('Txn'),
            Compact: method('Compaction', false, 'HeaderResponse'),
          },
        },
        Watch: { methods: { Watch: method('Watch', true) } },
        Lease: {
          methods: {
            LeaseGrant: method('LeaseGrant'),
            LeaseRevoke: method('LeaseRevoke', false, 'HeaderResponse'),
            LeaseLeases: method('LeaseLeases'),
            LeaseKeepAlive: method('LeaseKeepAlive', true),
          },
        },
      },
    },
  },
};

const OPTIONS = { enums: String, defaults: true } as const;
const DEFINITION = fromJSON(SCHEMA, { ...OPTIONS, longs: Number });
/** A lease that a server names may have more bits than a number. */
const EXACT = fromJSON(SCHEMA, { ...OPTIONS, longs: String });

const service = (name: string, definition = DEFINITION) =>
  definition[`etcdserverpb.${name}`] as unknown as ServiceDefinition;
const KV = service('KV');
const WATCH = service('Watch');
const LEASE = service('Lease');

const EXACT_LEASE = service('Lease', EXACT);

/** For clients of another kind; numbers of leases are strings. */
export const METHODS = {
  range: KV.Range,
  put: KV.Put,
  txn: KV.Txn,
  watch: WATCH.Watch,
  leaseGrant: EXACT_LEASE.LeaseGrant,
  keepAlive: EXACT_LEASE.LeaseKeepAlive,
};

/** Hydra's client tries again once a second. */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 1000,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.max_receive_message_length': -1,
  'grpc.enable_retries': 0,
  // Each member has a server of its own: none shares a connection.
  'grpc.use_local_subchannel_pool': 1,
};
