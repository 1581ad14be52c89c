/** The methods of etcd's interface that are there, each with what it does. In: a gateway and a clock. Out: tables for the server. */
import type { Micros } from '../../core/time.js';
import * as api from '../api/messages.js';
import type { Message } from '../api/protobuf.js';
import { CODE, type Failure, unimplemented } from '../api/status.js';
import type { Cluster } from '../cluster/cluster.js';
import type { Gateway } from '../gateway.js';
import type { Answer } from '../watches.js';
import type { ResponseStream, StreamMethod, UnaryMethod } from './grpc.js';

export interface ServiceOptions {
  gateway: Gateway;
  cluster: Cluster;
  version: string;
  /** As our clients are told it. */
  clientUrls: readonly string[];
  now(): Micros;
  /** Looks again at what the gateway wants: after every call given to it. */
  wake(): void;
  /** Bytes on disk. */
  size(): { file: number; used: number };
}

export interface Services {
  unary: Map<string, UnaryMethod>;
  streams: Map<string, StreamMethod>;
  /** Hands on what watches have got: after each commit. */
  pump(): void;
  watchStreams(): number;
}

export function servicesOf(options: ServiceOptions): Services {
  const { gateway, now, wake } = options;
  const { kv, lessor } = gateway;
  const pumps = new Set<() => void>();
  const unary = new Map<string, UnaryMethod>();
  const add = <Request extends object, Response extends object>(
    path: string,
    request: Message<Request>,
    response: Message<Response>,
    begin: (call: number, request: Request) => void,
  ) => {
    unary.set(`/etcdserverpb.${path}`, {
      request,
      response,
      begin(call, one) {
        begin(call, one as Request);
        wake();
      },
    } as UnaryMethod);
  };
  add('KV/Range', api.RANGE_REQUEST, api.RANGE_RESPONSE, (call, request) => {
    gateway.onCall(now());
    kv.range(call, request);
  });
  add('KV/Put', api.PUT_REQUEST, api.HEADER_RESPONSE, (call, request) => {
    gateway.onCall(now());
    kv.put(now(), call, request);
  });
  add('KV/Txn', api.TXN_REQUEST, api.TXN_RESPONSE, (call, request) => {
    gateway.onCall(now());
    kv.txn(now(), call, request);
  });
  add('KV/Compact', api.COMPACTION_REQUEST, api.HEADER_RESPONSE, (call, { revision }) =>
    kv.compact(call, revision),
  );
  add('Lease/LeaseGrant', api.LEASE_GRANT_REQUEST, api.LEASE_RESPONSE, (call, request) =>
    lessor.grant(now(), call, request),
  );
  add('Lease/LeaseRevoke', api.LEASE_ID_REQUEST, api.HEADER_RESPONSE, (call, { ID }) =>
    lessor.revoke(now(), call, ID),
  );
  add(
    'Lease/LeaseTimeToLive',
    api.LEASE_TIME_TO_LIVE_REQUEST,
    api.LEASE_TIME_TO_LIVE_RESPONSE,
    (call, request) => lessor.timeToLive(now(), call, request),
  );
  add('Lease/LeaseLeases', api.EMPTY_REQUEST, api.LEASE_LEASES_RESPONSE, (call) => lessor.list(call));
  add('Cluster/MemberList', api.EMPTY_REQUEST, api.MEMBER_LIST_RESPONSE, (call) =>
    gateway.answer(call, { header: gateway.header(), members: membersOf(options) }),
  );
  add('Cluster/MemberAdd', api.MEMBER_ADD_REQUEST, api.MEMBER_LIST_RESPONSE, (call, request) =>
    gateway.fail(call, memberAdd(options, request)),
  );
  add('Maintenance/Status', api.EMPTY_REQUEST, api.STATUS_RESPONSE, (call) =>
    gateway.answer(call, statusOf(options)),
  );
  // There are none: etcdctl's `endpoint health` asks.
  add('Maintenance/Alarm', api.EMPTY_REQUEST, api.HEADER_RESPONSE, (call) =>
    gateway.answer(call, { header: gateway.header() }),
  );
  const streams = new Map<string, StreamMethod>([
    [
      '/etcdserverpb.Watch/Watch',
      {
        request: api.WATCH_REQUEST,
        response: api.WATCH_RESPONSE,
        open: (stream) => openWatch(options, stream, pumps),
      } as StreamMethod,
    ],
    [
      '/etcdserverpb.Lease/LeaseKeepAlive',
      {
        request: api.LEASE_ID_REQUEST,
        response: api.LEASE_RESPONSE,
        open: (stream) => ({
          onRequest(request) {
            const answer = lessor.keepAlive(now(), (request as { ID: bigint }).ID);
            if ('code' in answer) stream.end(answer);
            else stream.send(answer);
            wake();
          },
        }),
      } as StreamMethod,
    ],
  ]);
  return {
    unary,
    streams,
    pump() {
      for (const pump of pumps) pump();
    },
    watchStreams: () => pumps.size,
  };
}

function openWatch({ gateway, now, wake }: ServiceOptions, stream: ResponseStream, pumps: Set<() => void>) {
  const watches = gateway.watch();
  const pump = () => {
    while (stream.hasRoom) {
      const answer = watches.poll();
      if (!answer) return;
      stream.send(responseOf(gateway, answer));
    }
  };
  pumps.add(pump);
  return {
    onRequest(request: object) {
      watches.handle(request as api.WatchRequest);
      gateway.onWatch(now());
      pump();
      wake();
    },
    onDrain: pump,
    onClose() {
      pumps.delete(pump);
      watches.close();
    },
  };
}

function responseOf(gateway: Gateway, { revision, ...rest }: Answer): Partial<api.WatchResponse> {
  return { header: gateway.header(revision), ...rest };
}

function membersOf({ cluster, clientUrls }: ServiceOptions): api.ClusterMember[] {
  return cluster.members.map(({ id, name, url }, index) => ({
    ID: id,
    name,
    peerURLs: [url],
    // Only our own are known here.
    clientURLs: index === cluster.self ? [...clientUrls] : [],
  }));
}

/** Who is a member stands in the flags of all of them. */
function memberAdd({ cluster }: ServiceOptions, { peerURLs }: api.MemberAddRequest): Failure {
  const isThere = peerURLs.some((url) => cluster.members.some((member) => member.url === url));
  if (isThere) return { code: CODE.FAILED_PRECONDITION, message: 'etcdserver: Peer URLs already exists' };
  return unimplemented('members are those of --initial-cluster: start all with another one');
}

function statusOf({ gateway, cluster, version, size }: ServiceOptions): Partial<api.StatusResponse> {
  const { file, used } = size();
  const { revision, committed } = gateway.state;
  const header = gateway.header();
  return {
    header,
    // Clients go by the version of the interface; what is after the plus is ours.
    version: `${API_VERSION}+headwater.${version}`,
    dbSize: file,
    dbSizeInUse: used,
    // Each member orders for itself, if it is in a quorum.
    leader: gateway.hasQuorum ? cluster.members[cluster.self].id : 0n,
    raftIndex: revision,
    raftTerm: header.raft_term,
    raftAppliedIndex: committed,
    errors: gateway.hasQuorum ? [] : ['etcdserver: no leader'],
  };
}

/** Of etcd's interface, as it is served here. */
export const API_VERSION = '3.4.0';
