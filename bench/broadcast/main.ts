/**
 * What the broadcast takes, in time, bytes and memory: the figures that its users may count on. In: `--only` names of parts
 * (latency, throughput, lines, bytes, memory), `--messages` for the memory's load. Out: rows. Latency is from the call of `broadcast` to
 * the delivery, over all members, the origin included, which needs a round trip where the others need one way; one message at
 * a time from each of three. Every figure with a disk comes twice: on the disk of the temporary folder, and on tmpfs.
 */
import { accessSync, constants } from 'node:fs';
import { tmpdir } from 'node:os';
import { stderr } from 'node:process';
import { SECOND } from '../../src/core/time.js';
import { createCluster } from '../../src/sim/cluster.js';
import { measureBusy } from '../../tools/lab/machine.js';
import { readOptions } from '../../tools/options.js';
import { type BenchRow, report, row } from '../report.js';
import { runCell } from '../resilience/cell.js';
import { runLines } from './lines.js';
import { growth, runLoad } from './load.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const messages = Number(values.messages);
  if (!Number.isInteger(messages) || messages < 1000)
    throw new RangeError(`--messages: expected an integer from 1000, got ${values.messages}`);
  const parts: Record<string, () => Promise<BenchRow[]>> = {
    latency,
    throughput,
    lines,
    bytes: async () => [originBytes()],
    memory: () => memory(messages),
  };
  const rows: BenchRow[] = [];
  for (const name of values.only.split(',')) {
    if (!(name in parts))
      throw new RangeError(`--only: expected ${Object.keys(parts).join(', ')}, got ${name}`);
    const busy = measureBusy();
    rows.push(...(await parts[name]()));
    stderr.write(`${name}: machine busy ${Math.round(100 * busy())} %\n`);
  }
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

async function latency(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [disk, parent] of disks()) {
    const cell = { system: 'headwater', messages: 900, delayMs: 20 } as const;
    const clean = await runCell({ ...cell, lossPercent: 0 }, CELL_SECONDS, parent);
    rows.push(
      row(`delivery, n = 3, 20 ms one way, ${disk}, p50 ms`, clean.p50Ms ?? Number.NaN, 'max', 45, 25),
      row(`delivery, n = 3, 20 ms one way, ${disk}, p99 ms`, clean.p99Ms ?? Number.NaN, 'info'),
    );
    // Of a path: each node's link is met twice.
    const lossPercent = 100 * (1 - Math.sqrt(1 - 0.2));
    const lossy = await runCell({ ...cell, lossPercent }, CELL_SECONDS, parent);
    rows.push(
      row(`the same, 20 % loss on each path, ${disk}, p99 ms`, lossy.p99Ms ?? Number.NaN, 'max', 250, 120),
    );
    const lossier = await runCell({ ...cell, lossPercent: 20 }, CELL_SECONDS, parent);
    rows.push(
      row(
        `the same, 20 % on each link (36 % of a path), ${disk}, p99 ms`,
        lossier.p99Ms ?? Number.NaN,
        'max',
        250,
        120,
      ),
    );
  }
  return rows;
}

async function throughput(): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const [disk, parent] of disks())
    for (const { window, until, messages, must, aim } of LOADS) {
      const { messagesPerSecond, cpuPerMessage } = await runLoad({ messages, window, until, parent });
      const name = `500 bytes, n = 3, loopback, ${disk}, ${window} not yet ${until}`;
      rows.push(
        row(`${name}, messages/s`, messagesPerSecond, 'min', must, aim),
        row(`${name}, CPU µs a message, all members`, cpuPerMessage, 'info'),
      );
    }
  return rows;
}

async function lines(): Promise<BenchRow[]> {
  const { seconds, rss, growth } = await runLines(LINES, tmpdir());
  const name = `${LINES} lines of 100 bytes through \`headwater node\`, n = 3, loopback, disk`;
  return [
    row(`${name}, s`, seconds, 'max', 30, 10),
    row(
      'the same run, growth of RSS after a fifth of them, worst of 3 members, MiB',
      growth / 1024 ** 2,
      'max',
      64,
    ),
    row('the same run, RSS at its end, largest, MiB', rss / 1024 ** 2, 'info'),
  ];
}

/** In the simulator: the same on every machine. */
function originBytes(): BenchRow {
  const cluster = createCluster({ seed: 'bytes', members: 16, faulty: 5, links: { delay: 10_000 } });
  try {
    const { world, members } = cluster;
    world.runUntil(SECOND);
    const { metrics } = members[0].endpoint;
    const before = metrics.sentBytes;
    cluster.broadcast(
      0,
      new Uint8Array(1024 * 1024).map((_, i) => (i * 7919) >> 5),
    );
    const isOver = () => members.every(({ delivered }) => delivered.length === 1);
    if (!world.runUntil(isOver, 60 * SECOND))
      throw new Error('bytes: expected the message everywhere, got none');
    // Until it knows that all have it.
    world.runUntil(world.now + SECOND);
    const sent = members[0].endpoint.metrics.sentBytes - before;
    return row('origin sends for 1 MiB, n = 16, k = 5, no loss, MiB', sent / 1024 ** 2, 'max', 2.2, 1.7);
  } finally {
    cluster.dispose();
  }
}

/**
 * RSS after a full garbage collection, sampled 50 times: the median of the last tenth less that of the second. Beside it what
 * of this growth is the store's mapped file, what lives in the heap, and what in buffers.
 */
async function memory(messages: number): Promise<BenchRow[]> {
  const [disk, parent] = disks().at(-1)!;
  const { memory, messagesPerSecond } = await runLoad({
    messages,
    window: 64,
    until: 'durable',
    parent,
    samples: 50,
  });
  const worst = (what: Parameters<typeof growth>[1]) =>
    Math.max(...memory.map((samples) => growth(samples, what))) / 1024 ** 2;
  const name = `RSS growth over ${messages} messages, worst of 3 members, ${disk}, MiB`;
  return [
    row(name, worst('rss'), 'max', 10, 0),
    row("the same run, growth of the store's file in it, MiB", worst('mapped'), 'info'),
    row('the same run, growth of the heap in use, MiB', worst('heap'), 'info'),
    row('the same run, growth of buffers in use, MiB', worst('buffers'), 'info'),
    row('the same run, messages/s', messagesPerSecond, 'info'),
    row(
      'the same run, RSS at its end, largest, MiB',
      Math.max(...memory.map((m) => m.at(-1)!.rss)) / 1024 ** 2,
      'info',
    ),
  ];
}

function disks(): [name: string, parent: string][] {
  const found: [string, string][] = [['disk', tmpdir()]];
  try {
    accessSync(TMPFS, constants.W_OK);
    found.push(['tmpfs', TMPFS]);
  } catch {
    // Not on this system.
  }
  return found;
}

const LOADS = [
  { window: 64, until: 'delivered', messages: 50_000, must: 8000, aim: 12_000 },
  { window: 64, until: 'durable', messages: 50_000, must: 8000, aim: 12_000 },
  { window: 1024, until: 'delivered', messages: 100_000, must: 15_000, aim: 25_000 },
] as const;
const LINES = 100_000;
const TMPFS = '/dev/shm';
const CELL_SECONDS = 120;
const OPTIONS = {
  json: { type: 'boolean', default: false },
  only: { type: 'string', default: 'latency,throughput,lines,bytes,memory' },
  messages: { type: 'string', default: '1000000' },
} as const;
