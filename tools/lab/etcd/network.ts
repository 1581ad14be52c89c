/**
 * The `Network` over an etcd cluster, used as a hydra-node does: each member runs a server of its own, puts its messages on
 * its own key and watches the keys of all from the revision it knows. In: a group, our place in it, a folder. Out: a Network.
 *
 * Where hydra-node loses or doubles messages after a crash, this does not: the cursor is kept after the delivery rather than
 * before, and messages carry their sender's number, which tells what of the queue was put.
 */
import { randomInt } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pack, unpack } from 'msgpackr';
import { HeadwaterError } from '../../../src/errors.js';
import type { Group } from '../../../src/group/group.js';
import type { Codec, Network, NetworkCallback } from '../../../src/network/network.js';
import { connectEtcd, type EtcdClient, type KeyValue } from './client.js';
import { openQueue, type Pending, type PendingQueue } from './queue.js';
import { clusterName, startEtcd } from './server.js';

export interface EtcdNetworkConfig<Msg> {
  /** Its locators are the peer addresses of the cluster. */
  group: Group;
  /** Our member index. */
  self: number;
  directory: string;
  /** Port for etcd's clients on 127.0.0.1. */
  clientPort: number;
  /** Of the messages' format; members with another are reported. Default 1. */
  version?: number;
  /** Default: MessagePack. */
  codec?: Codec<Msg>;
}

/**
 * Starts a member. It need not reach the others for that.
 *
 * @example
 * await using network = await createEtcdNetwork({ group, self: 0, directory, clientPort: 2379 }, { deliver: console.log });
 * await network.broadcast({ hello: 'world' });
 */
export async function createEtcdNetwork<Msg>(
  { group, self, directory, clientPort, version = 1, codec = MESSAGE_PACK }: EtcdNetworkConfig<Msg>,
  callback: NetworkCallback<Msg>,
): Promise<Network<Msg>> {
  const own = group.members[self];
  const peers = [own, ...group.members.filter((member) => member !== own)].map(({ locator }) => locator);
  const queue = await openQueue(join(directory, 'pending-broadcast'), Date.now());
  const cursor = await openCursor(join(directory, 'last-known-revision'));
  const client = connectEtcd(`127.0.0.1:${clientPort}`);
  const stopped = new AbortController();
  let mismatchAt = Number.NEGATIVE_INFINITY;
  const server = startEtcd({
    directory,
    peers,
    clientPort,
    onForeignCluster() {
      // Said with each refused request, hundreds of times.
      if (Date.now() - mismatchAt < RETRY_MS) return;
      mismatchAt = Date.now();
      emit({ type: 'ClusterIDMismatch', clusterPeers: clusterName(peers) });
    },
  });
  const emit: NonNullable<typeof callback.onConnectivity> = (event) => {
    if (!stopped.signal.aborted) callback.onConnectivity?.(event);
  };
  const node: NodeContext = { client, group, key: own.locator, signal: stopped.signal };
  const loops = [
    sendAll(node, queue),
    receiveAll(node, cursor, async (pending, origin) => {
      const msg = codec.decode(pending.bytes);
      const id = { origin, incarnation: pending.session, seq: pending.number, index: 0 };
      for (let wait = FIRST_REDELIVERY_MS; ; wait = Math.min(2 * wait, RETRY_MS)) {
        try {
          return await untilAbort(stopped.signal, callback.deliver(msg, group.members[origin], id));
        } catch {
          stopped.signal.throwIfAborted();
          await sleep(wait, undefined, { signal: stopped.signal });
        }
      }
    }),
    watchPeers(node, emit),
    checkVersion(node, version, emit),
  ].map((loop) => loop.catch(ignoreAbort));
  let closed: Promise<void> | undefined;
  const close = async () => {
    stopped.abort();
    await server.close(); // Calls that are under way end with it.
    await Promise.all(loops);
    client.close();
  };
  const network: Network<Msg> = {
    async broadcast(msg, { signal } = {}) {
      if (stopped.signal.aborted) throw new HeadwaterError('CLOSED', 'broadcast: the network is closed');
      const failure = server.failure();
      if (failure !== undefined) throw new HeadwaterError('NETWORK', failure);
      const bytes = codec.encode(msg);
      if (bytes.length > MAX_MESSAGE)
        throw new HeadwaterError(
          'TOO_LARGE',
          `msg: expected at most ${MAX_MESSAGE} bytes, got ${bytes.length}`,
        );
      const either = signal ? AbortSignal.any([signal, stopped.signal]) : stopped.signal;
      try {
        await queue.push(bytes, either);
      } catch (error) {
        if (!stopped.signal.aborted) throw error;
        throw new HeadwaterError('CLOSED', 'broadcast: the network is closed', { cause: error });
      }
    },
    close() {
      closed ??= close();
      return closed;
    },
    [Symbol.asyncDispose]: () => network.close(),
  };
  return network;
}

interface NodeContext {
  client: EtcdClient;
  group: Group;
  /** What our keys end in. */
  key: string;
  signal: AbortSignal;
}

/** Puts batch after batch on our key; a put is a transaction on the key's last revision, so that a repeated one is harmless. */
async function sendAll({ client, key, signal }: NodeContext, queue: PendingQueue): Promise<never> {
  const own = Buffer.from(`msg-${key}`);
  const known = async (kv: KeyValue | undefined) => {
    if (kv === undefined) return 0;
    await queue.drop(batchOf(kv).at(-1)!);
    return kv.mod_revision;
  };
  let revision = await retry(signal, async () => known((await client.range({ key: own })).kvs[0]));
  for (;;) {
    const pending = await queue.batch(signal);
    const value = pack(pending.map(({ session, number, bytes }) => [session, number, bytes]));
    revision = await retry(signal, async () => {
      const { header, succeeded, responses } = await client.txn(
        {
          compare: [{ target: 'MOD', result: 'EQUAL', key: own, mod_revision: revision }],
          success: [{ request_put: { key: own, value } }],
          failure: [{ request_range: { key: own } }],
        },
        PUT_TIMEOUT_MS,
      );
      if (!succeeded) return known(responses[0].response_range?.kvs[0]);
      await queue.drop(pending.at(-1)!);
      return header.revision;
    });
  }
}

/** Watches the messages of all from the cursor on. */
async function receiveAll(
  { client, group, signal }: NodeContext,
  cursor: Cursor,
  deliver: (pending: Pending, origin: number) => Promise<void>,
): Promise<never> {
  return retry(signal, async () => {
    const watch = client.watch();
    const cancel = () => watch.cancel();
    signal.addEventListener('abort', cancel);
    try {
      watch.write({
        create_request: { key: PREFIX, range_end: PREFIX_END, start_revision: cursor.at.revision },
      });
      // What a slow consumer has not taken waits in the server: the stream is read no further meanwhile.
      for await (const response of watch) {
        if (response.canceled) {
          await cursor.move({ revision: Math.max(1, response.compact_revision), index: 0 });
          break;
        }
        for (const { kv } of response.events) {
          const origin = group.members.findIndex(({ locator }) =>
            kv.key.equals(Buffer.from(`msg-${locator}`)),
          );
          if (origin < 0) continue;
          const batch = batchOf(kv);
          for (const [index, pending] of batch.entries()) {
            if (kv.mod_revision === cursor.at.revision && index < cursor.at.index) continue;
            await deliver(pending, origin);
            if (index + 1 < batch.length) await cursor.move({ revision: kv.mod_revision, index: index + 1 });
          }
          await cursor.move({ revision: kv.mod_revision + 1, index: 0 });
        }
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      watch.cancel();
    }
    throw new Error('watch: the stream has ended');
  });
}

/** Who is alive: each has a key that goes with its lease, which it keeps alive once a second. */
async function watchPeers(
  { client, group, key, signal }: NodeContext,
  emit: NonNullable<NetworkCallback<never>['onConnectivity']>,
): Promise<never> {
  return retry(signal, async () => {
    const lease = await client.leaseGrant({ TTL: LEASE_SECONDS, ID: randomInt(1, 2 ** 47) });
    emit({ type: 'NetworkConnected' });
    const stream = client.keepAlive();
    const cancel = () => stream.cancel();
    signal.addEventListener('abort', cancel);
    try {
      await client.put({ key: Buffer.from(`alive-${key}`), value: pack(key), lease: lease.ID });
      const answers = stream[Symbol.asyncIterator]();
      let seen = new Set<string>();
      for (;;) {
        stream.write({ ID: lease.ID });
        const { value } = await answers.next();
        if (!(value?.TTL > 0)) throw new Error('lease: it has expired');
        const { kvs } = await client.range({ key: Buffer.from('alive'), range_end: Buffer.from('alivf') });
        const alive = new Set(kvs.map((kv) => unpack(kv.value) as string));
        for (const peer of group.members) {
          if (peer.locator === key || seen.has(peer.locator) === alive.has(peer.locator)) continue;
          emit({ type: alive.has(peer.locator) ? 'PeerConnected' : 'PeerDisconnected', peer });
        }
        seen = alive;
        await sleep(RETRY_MS, undefined, { signal });
      }
    } finally {
      signal.removeEventListener('abort', cancel);
      stream.cancel();
      emit({ type: 'NetworkDisconnected' });
    }
  });
}

/** The first member writes its version, the others compare theirs with it. */
async function checkVersion(
  { client, signal }: NodeContext,
  ours: number,
  emit: NonNullable<NetworkCallback<never>['onConnectivity']>,
): Promise<void> {
  const key = Buffer.from('version');
  const { succeeded, responses } = await retry(signal, () =>
    client.txn({
      compare: [{ target: 'VERSION', result: 'GREATER', key, version: 0 }],
      success: [{ request_range: { key } }],
      failure: [{ request_put: { key, value: pack(ours) } }],
    }),
  );
  if (!succeeded) return;
  const theirs = unpack(responses[0].response_range!.kvs[0].value) as number;
  if (theirs !== ours) emit({ type: 'VersionMismatch', ours, theirs });
}

/** Calls `attempt` until it succeeds, once a second; rejects once `signal` is aborted. */
async function retry<T>(signal: AbortSignal, attempt: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await attempt();
    } catch {
      await sleep(RETRY_MS, undefined, { signal });
    }
  }
}

/** As `promise`, but rejects with an AbortError once `signal` is aborted. */
async function untilAbort<T>(signal: AbortSignal, promise: T | Promise<T>): Promise<T> {
  signal.throwIfAborted();
  let abort = () => {};
  const aborted = new Promise<never>((_, reject) => {
    abort = () => reject(signal.reason);
    signal.addEventListener('abort', abort);
  });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

function batchOf({ value }: KeyValue): Pending[] {
  const batch = unpack(value) as [number, number, Uint8Array][];
  return batch.map(([session, number, bytes]) => ({ session, number, bytes }));
}

interface Cursor {
  /** Consumed: all below `revision`, and of that the messages below `index`. */
  readonly at: { revision: number; index: number };
  move(to: Cursor['at']): Promise<void>;
}

async function openCursor(path: string): Promise<Cursor> {
  const text = await readFile(path, 'utf8').catch((error) => {
    if (error.code === 'ENOENT') return '{"revision":1,"index":0}';
    throw error;
  });
  const cursor = {
    at: JSON.parse(text) as Cursor['at'],
    async move(to: Cursor['at']) {
      await writeFile(`${path}.new`, JSON.stringify(to));
      await rename(`${path}.new`, path);
      cursor.at = to;
    },
  };
  return cursor;
}

function ignoreAbort(error: Error): void {
  if (error.name !== 'AbortError' && !(error instanceof HeadwaterError && error.code === 'ABORTED'))
    throw error;
}

const MESSAGE_PACK: Codec<never> & Codec<unknown> = {
  encode: pack,
  decode: unpack as (bytes: Uint8Array) => never,
};
const PREFIX = Buffer.from('msg');
const PREFIX_END = Buffer.from('msh');
/** A hydra-node's: seconds of a lease, milliseconds until a put is given up, and between tries. */
const LEASE_SECONDS = 3;
const PUT_TIMEOUT_MS = 3000;
const RETRY_MS = 1000;
const FIRST_REDELIVERY_MS = 50;
/** etcd takes requests of up to 1.5 MiB. */
const MAX_MESSAGE = 1024 * 1024;
