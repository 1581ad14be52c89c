/** The conformance suite's way to open etcd: real servers on loopback, their networks in the test's own process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup, type Group } from '../../src/group/group.js';
import { connectEtcd, type EtcdClient } from '../../tools/lab/etcd/client.js';
import { createEtcdNetwork } from '../../tools/lab/etcd/network.js';
import { etcdUnavailable } from '../../tools/lab/etcd/server.js';
import { type Backend, type ClusterOptions, type NetworkKind, untilReal } from './cluster.js';

export const ETCD: NetworkKind = { name: 'etcd', unavailable: etcdUnavailable(), open };

async function open({ members, versions, foreign }: ClusterOptions): Promise<Backend> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-etcd-'));
  const ports = await freeTcpPorts(2 * members + 1);
  const group = groupOf(ports.slice(0, members));
  const clientPorts = ports.slice(members, 2 * members);
  const groupFor = (member: number) => {
    if (member !== foreign?.member) return group;
    return groupOf(
      foreign.list === 'itself' ? [ports[member]] : [...ports.slice(0, members), ports[2 * members]],
    );
  };
  const folderOf = (member: number) => join(directory, String(member));
  const ask = async <T>(member: number, question: (client: EtcdClient) => Promise<T>): Promise<T> => {
    const client = connectEtcd(`127.0.0.1:${clientPorts[member]}`);
    try {
      return await question(client);
    } finally {
      client.close();
    }
  };
  return {
    group,
    start: (member, callback) =>
      createEtcdNetwork(
        {
          group: groupFor(member),
          self: foreign?.member === member && foreign.list === 'itself' ? 0 : member,
          directory: folderOf(member),
          clientPort: clientPorts[member],
          version: versions?.[member] ?? 1,
        },
        callback,
      ),
    until: untilReal,
    lapse: (member) =>
      ask(member, async (client) => {
        for (const { ID } of (await client.leases({})).leases) await client.leaseRevoke({ ID });
      }),
    forgetMessages: (keep) =>
      ask(0, async (client) => {
        const { header } = await client.range({ key: Buffer.from('msg') });
        await client.compact({ revision: header.revision - keep });
      }),
    forgetCursor: (member) => rm(join(folderOf(member), 'last-known-revision')),
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

/** Members in the order of their ports: index i listens on `ports[i]`. */
function groupOf(ports: readonly number[]): Group {
  const keys = ports.map(
    (port) => keyPair(new Uint8Array(32).fill(port & 255).fill(port >> 8, 16)).publicKey,
  );
  keys.sort(Buffer.compare);
  return createGroup({
    name: 'etcd',
    members: ports.map((port, i) => ({ publicKey: keys[i], locator: `127.0.0.1:${port}` })),
  });
}

/** Below the ports that the system gives to connections, so that none takes one while its member is stopped. */
async function freeTcpPorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = 12_000 + Math.floor(Math.random() * 20_000);
    if (ports.includes(port)) continue;
    const server = createServer();
    const free = await new Promise<boolean>((done) => {
      server.once('error', () => done(false)).listen(port, '127.0.0.1', () => done(true));
    });
    await new Promise((done) => server.close(done));
    if (free) ports.push(port);
  }
  return ports;
}
