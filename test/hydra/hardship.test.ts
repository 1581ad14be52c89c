/** What befalls the machine of one of three gateways: its clock is set back, its disk is full. */
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, open, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getuid, platform } from 'node:process';
import { pathToFileURL } from 'node:url';
import { afterEach, expect, test } from 'vitest';
import { freePorts } from '../e2e/cli.js';
import { eventually, type GatewayProcess, startGateway } from './gateways.js';

const LIMIT_MS = 400_000;
const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Three of them, the first in `first` and with `env` besides. */
async function threeGateways(folder: string, first: string, env: NodeJS.ProcessEnv = {}) {
  const ports = await freePorts(6);
  const addresses = ports.slice(0, 3).map((port) => `127.0.0.1:${port}`);
  const start = (self: number): GatewayProcess => {
    const directory = self === 0 ? first : join(folder, String(self));
    const gateway = startGateway(addresses, self, {
      directory,
      clientPort: ports[3 + self],
      env: self === 0 ? env : {},
    });
    undo.push(() => gateway.kill());
    return gateway;
  };
  return { gateways: [0, 1, 2].map(start), restart: () => start(0) };
}

const putAt = ({ client }: GatewayProcess, key: string, value: string, timeoutMs = 5000) =>
  client.put({ key: Buffer.from(key), value: Buffer.from(value) }, timeoutMs);

/** Waits until these keys have these values there, and no other key of theirs is there. */
const holds = ({ client }: GatewayProcess, expected: ReadonlyMap<string, string>) =>
  eventually(async () => {
    const { kvs } = await client.range({ key: Buffer.from('key'), range_end: Buffer.from('kez') }, 5000);
    const found = new Map(kvs.map(({ key, value }) => [String(key), String(value)]));
    expect([...expected].filter(([key, value]) => found.get(key) !== value).map(([key]) => key)).toEqual([]);
  });

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'headwater-hardship-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

test(
  'a clock that is set back by a day, while it runs and over a restart, changes nothing',
  async () => {
    const folder = await temporary();
    const [clock, preload] = [join(folder, 'clock'), join(folder, 'preload.mjs')];
    await writeFile(clock, '0');
    await writeFile(
      preload,
      `import { readFileSync } from 'node:fs';
    const now = Date.now.bind(Date);
    Date.now = () => now() + Number(readFileSync(${JSON.stringify(clock)}, 'utf8'));`,
    );
    const env = { NODE_OPTIONS: `--import ${pathToFileURL(preload)}` };
    const { gateways, restart } = await threeGateways(folder, join(folder, '0'), env);
    const [first, ...others] = gateways;
    const expected = new Map<string, string>();
    const put = async (gateway: GatewayProcess, key: string, value: string) => {
      await eventually(() => putAt(gateway, key, value));
      expected.set(key, value);
    };
    await put(first, 'key', 'before');
    await put(others[0], 'key-1', 'before');
    for (const gateway of gateways) await holds(gateway, expected);

    await writeFile(clock, String(-DAY_MS));
    await put(first, 'key', 'set back');
    await put(others[0], 'key-1', 'after');
    for (const gateway of gateways) await holds(gateway, expected);

    await first.kill();
    await put(others[1], 'key-2', 'meanwhile');
    const again = restart();
    await put(again, 'key', 'started again');
    await put(again, 'key-3', 'started again');
    for (const gateway of [again, ...others]) await holds(gateway, expected);
  },
  LIMIT_MS,
);

const noTmpfs = platform !== 'linux' || getuid?.() !== 0 ? 'needs root on Linux' : undefined;
const fullDisk = 'a full disk keeps its own puts waiting, nothing else, and they go on when there is room';

test.skipIf(noTmpfs !== undefined)(
  noTmpfs === undefined ? fullDisk : `${fullDisk} (skipped: ${noTmpfs})`,
  async () => {
    const folder = await temporary();
    const small = join(folder, 'small');
    await mkdir(small);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=32m', 'tmpfs', small]);
    undo.push(() => execFileSync('umount', ['-l', small]));
    const { gateways, restart } = await threeGateways(folder, join(small, '0'));
    const [first, second] = gateways;
    const expected = new Map<string, string>();
    let last = 0;
    const put = async (gateway: GatewayProcess) => {
      const [key, value] = [`key-${last}`, String(last++).repeat(4000)];
      await putAt(gateway, key, value, 3000);
      expected.set(key, value);
    };
    await eventually(() => put(first));
    await holds(first, expected);

    const filler = join(small, 'filler');
    await fill(filler);
    let refused: Error | undefined;
    for (let i = 0; i < 2000 && refused === undefined; i++)
      await put(first).catch((error: Error) => {
        refused = error;
      });
    expect(refused).toBeDefined();
    for (let i = 0; i < 20; i++) await eventually(() => put(second));
    await holds(second, expected);
    expect(first.isRunning).toBe(true);

    await rm(filler);
    await eventually(() => put(first));
    await holds(first, expected);
    await first.kill();
    await holds(restart(), expected);
  },
  LIMIT_MS,
);

/** Writes until there is no room. */
async function fill(path: string): Promise<void> {
  await using file = await open(path, 'w');
  for (const size of [1024 * 1024, 4096])
    for (;;)
      try {
        await file.write(Buffer.alloc(size));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
        break;
      }
}

const DAY_MS = 86_400_000;
