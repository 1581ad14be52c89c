/**
 * The end of the power at all nodes at once. Their data directories lie on a file system in a file, whose blocks are copied at that
 * moment: what was written and not synced is in no copy, since the kernel is told to write nothing back by itself meanwhile.
 */
import { execFileSync } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid, platform } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import type { EtcdClient } from '../../tools/lab/etcd/client.js';
import { freePorts } from '../e2e/cli.js';
import { eventually, type GatewayProcess, startGateway } from './gateways.js';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const mounted = (folder: string) => () => {
  try {
    execFileSync('umount', [folder], { stdio: 'ignore' });
  } catch {
    execFileSync('umount', ['-l', folder], { stdio: 'ignore' });
  }
};

async function mount(image: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  // No commit of the file system but by fsync.
  execFileSync('mount', ['-o', 'loop,commit=300', image, folder], { stdio: 'ignore' });
  undo.push(mounted(folder));
}

function unavailable(): string | undefined {
  if (platform !== 'linux' || getuid?.() !== 0) return 'needs root on Linux';
  try {
    execFileSync('mkfs.ext4', ['-V'], { stdio: 'ignore' });
    execFileSync('losetup', ['-f'], { stdio: 'ignore' });
    return undefined;
  } catch {
    return 'needs mkfs.ext4 and loop devices';
  }
}

class Nodes {
  readonly addresses: string[];
  private readonly clientPorts: number[];
  private running: GatewayProcess[] = [];

  constructor(ports: readonly number[]) {
    this.addresses = ports.slice(0, 3).map((port) => `127.0.0.1:${port}`);
    this.clientPorts = ports.slice(3);
  }

  start(folder: string): EtcdClient[] {
    this.running = this.addresses.map((_, self) => {
      const place = { directory: join(folder, String(self)), clientPort: this.clientPorts[self] };
      const gateway = startGateway(this.addresses, self, place);
      undo.push(() => gateway.kill());
      return gateway;
    });
    return this.running.map(({ client }) => client);
  }

  async kill(): Promise<void> {
    await Promise.all(this.running.map((gateway) => gateway.kill()));
  }
}

const reason = unavailable();
const title = 'what was acknowledged is there after the power has gone at all nodes';

test.skipIf(reason !== undefined)(
  reason === undefined ? title : `${title} (skipped: ${reason})`,
  async () => {
    const folder = await mkdtemp(join(tmpdir(), 'headwater-power-'));
    undo.push(() => rm(folder, { recursive: true, force: true }));
    const [image, copy] = [join(folder, 'image'), join(folder, 'copy')];
    const [before, after] = [join(folder, 'before'), join(folder, 'after')];
    await writeFile(image, '');
    await truncate(image, 128 * 1024 * 1024);
    execFileSync('mkfs.ext4', ['-q', image]);
    await mount(image, before);

    const nodes = new Nodes(await freePorts(6));
    const clients = nodes.start(before);
    const acknowledged = new Map<string, string>();
    let isOn = true;
    let last = 0;
    const put = async (client: EtcdClient) => {
      while (isOn) {
        const [key, value] = [`key-${last}`, `value ${last++}`];
        const done = await client
          .put({ key: Buffer.from(key), value: Buffer.from(value) })
          .catch(() => undefined);
        if (done) acknowledged.set(key, value);
        else await sleep(50);
      }
    };
    const putting = clients.flatMap((client) => [put(client), put(client), put(client)]);
    while (acknowledged.size < 500) await sleep(10);
    await writeFile(join(before, 'not synced'), 'and so not there');
    await nodes.kill();
    await copyFile(image, copy);
    isOn = false;
    await Promise.all(putting);

    await mount(copy, after);
    // Its name may be there: a member's fsync commits what the folder holds by then.
    expect(await readFile(join(after, 'not synced'), 'utf8').catch(() => '')).toBe('');
    const again = nodes.start(after);
    for (const client of again)
      await eventually(async () => {
        const request = { key: Buffer.from('key-'), range_end: Buffer.from('key.') };
        const { kvs } = await client.range(request, 5000);
        const found = new Map(kvs.map(({ key, value }) => [key.toString(), value.toString()]));
        expect([...acknowledged].filter(([key, value]) => found.get(key) !== value)).toEqual([]);
      });
    await nodes.kill();
  },
  180_000,
);
