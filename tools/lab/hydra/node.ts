/**
 * A hydra-node's network without the hydra-node: starts the program `etcd` as a hydra-node of some release does, and speaks to
 * it as that does, its weaknesses included. In: a folder, addresses, a release. Out: what it delivers and reports, and why it
 * ended, if it did by itself.
 *
 *   broadcast -> queue on disk -> KV/Put or KV/Txn on `msg-<address>`
 *   Watch on `msg`..`msh`, from the last known revision on -> deliver
 *   a lease of three seconds with the key `alive-<address>`, and once a second who else has one -> connectivity
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { status } from '@grpc/grpc-js';
import {
  METHODS,
  type RangeRequest,
  type RangeResponse,
  type TxnRequest,
  type TxnResponse,
  type WatchRequest,
  type WatchResponse,
} from '../etcd/client.js';
import { openQueue, type PendingQueue } from '../etcd/queue.js';
import { decodeHost, decodeMessages, decodeNatural, encodeHost, encodeNatural } from './cbor.js';
import { clientAddress, clusterOf, type EtcdLine, startEtcdChild } from './child.js';
import type { Frame } from './frames.js';
import { ConnectionLost, connectGrpc, type GrpcConnection, GrpcError } from './grpc.js';
import { currentRevision, encodeValue, putMessages } from './put.js';
import { RELEASES, type Release, type ReleaseName } from './releases.js';
import { openLastKnownRevision } from './revision.js';

export type HydraEvent =
  | { type: 'NetworkConnected' }
  | { type: 'NetworkDisconnected' }
  | { type: 'PeerConnected'; peer: string }
  | { type: 'PeerDisconnected'; peer: string }
  | { type: 'VersionMismatch'; ours: number; theirs: number | undefined }
  | { type: 'ClusterIDMismatch'; clusterPeers: string };

export interface HydraNodeOptions {
  release: ReleaseName;
  /** Its folder: the queue, the last known revision, etcd's data. */
  directory: string;
  /** `host:port`; `advertise` is the same unless given. */
  listen: string;
  advertise?: string;
  peers: readonly string[];
  /** A folder on which `etcd` is looked for first. */
  path?: string | undefined;
  env?: NodeJS.ProcessEnv;
  /** Its etcd is killed when this process ends, however that is; a hydra-node's is not. */
  tied?: boolean;
  /** A line of etcd's log as it is to be taken. */
  reword?(line: EtcdLine): EtcdLine;
  /** Instead of the release's. */
  protocolVersion?: number;
  /** Sees each message as it arrives, before anything of it is persisted, with the revision of its put. */
  onArrival?(message: Buffer, revision: number): void;
  /** Called once at a time; the next revision is persisted before. */
  deliver(message: Buffer, key: string): void | Promise<void>;
  onEvent?(event: HydraEvent): void;
  /** It ends, as a hydra-node does, for this reason. */
  onFailure?(reason: string): void;
  onLine?(line: EtcdLine): void;
  /** Sees every frame from etcd. */
  onFrame?(frame: Frame): void;
}

export interface HydraNode {
  /** Resolves once it is in the queue on disk; waits while that is full. */
  broadcast(message: Uint8Array): Promise<void>;
  /** Puts whose answer was missed, and which were found to have been made. */
  readonly deduped: number;
  readonly failure: string | undefined;
  readonly etcdPid: number;
  /** As on SIGINT. */
  stop(): Promise<void>;
  /** As if it and its etcd were killed: nothing is finished. */
  kill(): Promise<void>;
}

/**
 * @example
 * const node = await startHydraNode({ release: '2.3.0', directory, listen: '127.0.0.1:5001', peers: [], deliver: console.log });
 * await node.broadcast(Buffer.from('hello'));
 */
export async function startHydraNode(options: HydraNodeOptions): Promise<HydraNode> {
  const { directory, listen, peers, path, env, tied } = options;
  const release = RELEASES[options.release];
  const advertise = options.advertise ?? listen;
  const queue = await openQueue(join(directory, 'pending-broadcast'), Date.now());
  const stopped = new AbortController();
  const { signal } = stopped;
  let failure: string | undefined;
  const emit = (event: HydraEvent) => {
    if (!signal.aborted) options.onEvent?.(event);
  };
  const child = startEtcdChild({
    directory,
    dataDirectory: release.dataDirectory,
    listen,
    advertise,
    peers,
    path,
    env,
    tied,
    onLine(said) {
      options.onLine?.(said);
      const line = options.reword?.(said) ?? said;
      if (line.level === 'error' && line.msg === MISMATCH)
        emit({ type: 'ClusterIDMismatch', clusterPeers: clusterOf(advertise, peers) });
    },
    onExit: (reason) => fail(reason),
  });
  const fail = (reason: string) => {
    if (signal.aborted) return;
    failure = reason;
    stopped.abort();
    void child.stop();
    options.onFailure?.(reason);
  };
  const context: Context = {
    release,
    protocolVersion: options.protocolVersion ?? release.protocolVersion,
    advertise,
    signal,
    emit,
    deduped: 0,
    connect: (timeoutMs) =>
      connectGrpc(clientAddress(listen), {
        signal,
        timeoutMs,
        floodLimits: release.floodLimits,
        ...(options.onFrame ? { onFrame: options.onFrame } : {}),
      }),
  };
  const revision = await openLastKnownRevision(directory);
  const shared = once(() => context.connect());
  const loops = [
    broadcastMessages(context, queue),
    waitMessages(context, shared, revision, options),
    pollConnectivity(context, shared),
  ];
  // Nobody waits for this one: where it fails once, it never happens.
  const all = [...loops, checkVersion(context, shared).catch(() => {})].map((loop) =>
    loop.catch((error: Error) => {
      if (!signal.aborted) fail(String(error));
    }),
  );
  const end = async (how: 'stop' | 'kill') => {
    stopped.abort();
    await child[how]();
    await Promise.all(all);
  };
  return {
    async broadcast(message) {
      await queue.push(message, signal);
    },
    get deduped() {
      return context.deduped;
    },
    get failure() {
      return failure;
    },
    etcdPid: child.pid,
    stop: () => end('stop'),
    kill: () => end('kill'),
  };
}

interface Context {
  release: Release;
  protocolVersion: number;
  advertise: string;
  signal: AbortSignal;
  emit(event: HydraEvent): void;
  deduped: number;
  connect(timeoutMs?: number): Promise<GrpcConnection>;
}

/** One connection for all that is not a message, made anew after it was lost. */
type Shared = () => Promise<GrpcConnection>;

function once(connect: Shared): Shared {
  let connection: Promise<GrpcConnection> | undefined;
  return async () => {
    connection ??= connect();
    const tried = connection;
    const current = await tried;
    if (!current.lost) return current;
    if (connection === tried) connection = connect();
    return connection;
  };
}

async function broadcastMessages(context: Context, queue: PendingQueue): Promise<never> {
  const { release, advertise, signal } = context;
  const key = Buffer.from(`msg-${advertise}`);
  let connection: GrpcConnection | undefined;
  let puts = 0;
  const connected = async () => {
    if (connection === undefined || connection.lost || puts >= release.putsPerConnection) {
      connection?.close();
      connection = await context.connect(release.putTimeoutMs);
      puts = 0;
    }
    return connection;
  };
  const retried = <T>(attempt: () => Promise<T>) => retry(context, release.survives.put, attempt);
  let revision = 0;
  if (release.write === 'txn') revision = await retried(async () => currentRevision(await connected(), key));
  for (;;) {
    const waiting = await queue.batch(signal);
    // It stays the same over all its retries: it may have been put.
    const batch = release.batches ? waiting : waiting.slice(0, 1);
    const value = encodeValue(
      batch.map(({ bytes }) => bytes),
      context.protocolVersion,
    );
    await retried(async () => {
      const open = await connected();
      puts++;
      const put = await putMessages(open, release.write, key, value, revision);
      revision = put.revision;
      if (put.deduped) context.deduped++;
    });
    await queue.drop(batch.at(-1)!);
  }
}

/** In the order in which etcd tells them. What it says to be its revision is persisted before anything is delivered. */
async function waitMessages(
  { release, signal }: Context,
  shared: Shared,
  last: Awaited<ReturnType<typeof openLastKnownRevision>>,
  { deliver, onArrival }: Pick<HydraNodeOptions, 'deliver' | 'onArrival'>,
): Promise<never> {
  for (;;) {
    try {
      const connection = await shared();
      const watch = connection.stream<WatchRequest, WatchResponse>(METHODS.watch);
      watch.write({
        create_request: {
          key: Buffer.from('msg'),
          range_end: Buffer.from('msh'),
          start_revision: last.revision + 1,
        },
      });
      for await (const response of watch) {
        signal.throwIfAborted();
        if (response.canceled) {
          if (!release.survivesCompaction)
            throw new Error(`watch: canceled, compacted at ${response.compact_revision}`);
          await last.set(Math.max(0, response.compact_revision - 1));
          break;
        }
        const messages = response.events.flatMap(({ kv }) =>
          decoded(kv.value).map((message) => ({ message, kv })),
        );
        for (const { message, kv } of messages) onArrival?.(message, kv.mod_revision);
        await last.set(response.header.revision);
        for (const { message, kv } of messages) {
          await deliver(message, kv.key.toString());
          signal.throwIfAborted();
        }
      }
    } catch (error) {
      if (!survives(release, release.survives.watch, error)) throw error;
    }
    await sleep(RETRY_MS, undefined, { signal });
  }
}

function decoded(value: Buffer): Buffer[] {
  try {
    return decodeMessages(value);
  } catch {
    return []; // Logged as FailedToDecodeValue, and skipped.
  }
}

async function pollConnectivity(context: Context, shared: Shared): Promise<never> {
  const { release, advertise, signal, emit } = context;
  for (;;) {
    try {
      const connection = await shared();
      const lease = await connection.call<{ TTL: number }, ExactLease>(METHODS.leaseGrant, {
        TTL: LEASE_SECONDS,
      });
      emit({ type: 'NetworkConnected' });
      await connection.call(METHODS.put, {
        key: Buffer.from(`alive-${advertise}`),
        value: encodeHost(advertise),
        lease: lease.ID,
      });
      await keepAlive(context, connection, lease.ID);
    } catch (error) {
      if (!survives(release, release.survives.lease, error)) throw error;
    }
    emit({ type: 'NetworkDisconnected' });
    await sleep(RETRY_MS, undefined, { signal });
  }
}

/** A lease with its 64 bits. */
interface ExactLease {
  ID: string;
  TTL: string;
}

/** Until the lease has expired. */
async function keepAlive(
  { release, advertise, signal, emit }: Context,
  connection: GrpcConnection,
  lease: string,
): Promise<void> {
  const stream = connection.stream<{ ID: string }, ExactLease>(METHODS.keepAlive);
  try {
    let seen = new Set<string>();
    for (;;) {
      stream.write({ ID: lease });
      const { value, done } = await stream.next();
      if (done || !(Number(value.TTL) > 0)) return;
      const { kvs } = await connection.call<RangeRequest, RangeResponse>(METHODS.range, {
        key: Buffer.from('alive'),
        range_end: Buffer.from('alivf'),
      });
      const alive = new Set(kvs.map((kv) => decodeHost(kv.value)).filter((peer) => peer !== advertise));
      for (const peer of alive) if (!seen.has(peer)) emit({ type: 'PeerConnected', peer });
      for (const peer of seen) if (!alive.has(peer)) emit({ type: 'PeerDisconnected', peer });
      seen = alive;
      await sleep(release.keepAliveMs, undefined, { signal });
    }
  } finally {
    stream.cancel();
  }
}

/** The first to come writes its version, the others compare theirs with it. */
async function checkVersion({ protocolVersion, emit }: Context, shared: Shared): Promise<void> {
  const key = Buffer.from('version');
  const connection = await shared();
  const { succeeded, responses } = await connection.call<TxnRequest, TxnResponse>(METHODS.txn, {
    compare: [{ target: 'VERSION', result: 'GREATER', key, version: 0 }],
    success: [{ request_range: { key } }],
    failure: [{ request_put: { key, value: encodeNatural(protocolVersion) } }],
  });
  if (!succeeded) return;
  const value = responses[0]?.response_range?.kvs[0]?.value;
  const theirs = value === undefined ? undefined : decodeNatural(value);
  if (theirs !== protocolVersion) emit({ type: 'VersionMismatch', ours: protocolVersion, theirs });
}

/** Again a second later, as long as the release survives what `attempt` throws. */
async function retry<T>(
  { release, signal }: Context,
  codes: readonly status[],
  attempt: () => Promise<T>,
): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!survives(release, codes, error)) throw error;
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

function survives(release: Release, codes: readonly status[], error: unknown): boolean {
  if (error instanceof GrpcError) return codes.includes(error.code);
  return error instanceof ConnectionLost && release.survivesLostConnection;
}

/** The one text that a hydra-node looks for in etcd's log. */
export const MISMATCH = 'request sent was ignored due to cluster ID mismatch';
const LEASE_SECONDS = 3;
const RETRY_MS = 1000;
