/**
 * The conformance suite's way to open headwater: members in the test's own process, with stores on disk, that reach each
 * other over loopback through the link emulator, which loses nothing unless it is told to.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { keyPair } from '../../src/crypto/keys.js';
import { startEmulator } from '../../src/emulator/emulator.js';
import { createGroup } from '../../src/group/group.js';
import { createNetwork } from '../../src/network/create.js';
import { freePorts } from '../e2e/cli.js';
import { type Backend, type ClusterOptions, type NetworkKind, untilReal } from './cluster.js';

export const HEADWATER: NetworkKind = {
  name: 'headwater',
  lacks: {
    forgetMessages: 'messages are kept until all members hold them',
    forgetCursor: 'what was consumed is in the store with the messages',
  },
  open,
};

async function open({ members, versions, foreign }: ClusterOptions): Promise<Backend> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-conformance-'));
  const ports = await freePorts(members);
  const emulator = await startEmulator({
    ports: ports.map((port) => ({ listen: { host: HOST, port: 0 }, to: { host: HOST, port } })),
    seed: 'conformance',
  });
  // Members are sorted by their keys: the key of a lower one comes first.
  const secretKeys = Array.from({ length: members }, (_, i) => new Uint8Array(32).fill(i + 1)).sort((a, b) =>
    Buffer.compare(keyPair(a).publicKey, keyPair(b).publicKey),
  );
  const all = secretKeys.map((key, i) => ({
    publicKey: keyPair(key).publicKey,
    locator: `${HOST}:${emulator.addresses[i].port}`,
  }));
  const group = createGroup({ name: 'conformance', members: all });
  const groupFor = (member: number) => {
    if (member !== foreign?.member) return group;
    const another = { publicKey: keyPair(new Uint8Array(32).fill(255)).publicKey, locator: `${HOST}:1` };
    return createGroup({
      name: 'conformance',
      members: foreign.list === 'itself' ? [all[member]] : [...all, another],
    });
  };
  /** For each member, how often the others have been told that it is gone. */
  const gone = all.map(() => 0);
  return {
    group,
    start: (member, { deliver, onConnectivity }) =>
      createNetwork(
        {
          group: groupFor(member),
          secretKey: secretKeys[member],
          storePath: join(directory, `${member}.store`),
          bind: `${HOST}:${ports[member]}`,
          version: versions?.[member] ?? 1,
        },
        {
          deliver,
          onConnectivity(event) {
            if (event.type === 'PeerDisconnected') gone[event.peer.index]++;
            if (event.type === 'NetworkDisconnected')
              for (const index of all.keys()) if (index !== member) gone[index]++;
            onConnectivity?.(event);
          },
        },
      ),
    until: untilReal,
    async lapse(member) {
      const before = gone[member];
      const cut = (blocked: boolean) =>
        emulator.update((from, to) => (from === member || to === member ? { blocked } : {}));
      cut(true);
      await untilReal(
        () => gone[member] > before,
        () => 'expected the others to miss it',
      );
      cut(false);
    },
    async [Symbol.asyncDispose]() {
      await emulator.close();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

const HOST = '127.0.0.1';
