/** Groups on loopback for the tests of this folder: addresses, keys and store files, and members started from them. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach } from 'vitest';
import { keyPair } from '../../src/crypto/keys.js';
import { createGroup, type Group, type Member } from '../../src/group/group.js';
import { createNetwork, type HeadwaterNetwork, type NetworkConfig } from '../../src/network/create.js';
import type { Connectivity, NetworkCallback, Notice } from '../../src/network/network.js';
import { freePorts } from '../e2e/cli.js';

/** Members that exist on paper only. */
export function paperGroup(members: number): Group {
  return createGroup({
    name: 'paper',
    members: Array.from({ length: members }, (_, i) => ({
      name: 'abcdefg'[i],
      publicKey: keyPair(new Uint8Array(32).fill(i + 1)).publicKey,
      locator: `10.0.0.${i + 1}:7000`,
    })),
  });
}

export interface Started<Msg> extends AsyncDisposable {
  network: HeadwaterNetwork<Msg>;
  delivered: Msg[];
  /** `seq.index` of each delivery. */
  ids: string[];
  notices: Notice[];
  events: Connectivity[];
}

export interface TestGroup {
  group: Group;
  secretKeys: Uint8Array[];
  folder: string;
  storePath(member: number): string;
  /** Starts a member, with its store; `deliver` is called before a message is noted as delivered. */
  start<Msg>(
    member: number,
    options?: { config?: Partial<NetworkConfig<Msg>>; deliver?: NetworkCallback<Msg>['deliver'] | undefined },
  ): Promise<Started<Msg>>;
}

export async function openGroup(members: number): Promise<TestGroup> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-network-'));
  folders.push(folder);
  const ports = await freePorts(members);
  const secretKeys = ports.map((_, i) => new Uint8Array(32).fill(i + 1));
  secretKeys.sort((a, b) => Buffer.compare(keyPair(a).publicKey, keyPair(b).publicKey));
  const group = createGroup({
    name: 'network',
    members: ports.map((port, i) => ({
      publicKey: keyPair(secretKeys[i]).publicKey,
      locator: `127.0.0.1:${port}`,
    })),
  });
  const storePath = (member: number) => join(folder, `${member}.store`);
  return {
    group,
    secretKeys,
    folder,
    storePath,
    async start<Msg>(
      member: number,
      options: {
        config?: Partial<NetworkConfig<Msg>>;
        deliver?: NetworkCallback<Msg>['deliver'] | undefined;
      } = {},
    ) {
      const delivered: Msg[] = [];
      const ids: string[] = [];
      const notices: Notice[] = [];
      const events: Connectivity[] = [];
      const network = await createNetwork<Msg>(
        { group, secretKey: secretKeys[member], storePath: storePath(member), ...options.config },
        {
          ...('deliver' in options && options.deliver === undefined
            ? {}
            : {
                async deliver(msg: Msg, from: Member, id) {
                  await options.deliver?.(msg, from, id);
                  delivered.push(msg);
                  ids.push(`${id.seq}.${id.index}`);
                },
              }),
          onNotice: (notice) => notices.push(notice),
          onConnectivity: (event) => events.push(event),
        },
      );
      return { network, delivered, ids, notices, events, [Symbol.asyncDispose]: () => network.close() };
    },
  };
}

/** Waits until `condition` holds; the test's own time limit ends a wait in vain. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((done) => setTimeout(done, 5));
}

/** A promise, and what resolves it. */
export function gate(): { opened: Promise<void>; open(): void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

export const numbers = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

const folders: string[] = [];
afterEach(async () => {
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});
