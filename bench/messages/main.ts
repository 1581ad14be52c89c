/**
 * Messages a second, one sender among three nodes, beside etcd and NATS JetStream: each node a process in a network namespace of
 * its own, each message durable at a quorum when it counts. In: `--system`, `--in-flight`, `--loss` (percent of a path), each a
 * list; `--messages`, `--bytes`, and `--limit` in seconds. Out: a row for each, of all messages but the first fifth, `cpuUs` for a
 * message at all nodes together. Without root only headwater runs, on loopback.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stderr } from 'node:process';
import { etcdUnavailable } from '../../tools/lab/etcd/server.js';
import { labUnavailable } from '../../tools/lab/lab.js';
import { natsUnavailable } from '../../tools/lab/nats.js';
import { openSite } from '../../tools/lab/site.js';
import { readOptions } from '../../tools/options.js';
import { all, follow, NODES, quantile, round, TimeLimit, within } from '../resilience/cell.js';
import type { MessagesConfig, MessagesLine, MessagesSystem } from './worker.js';

interface MessagesRow {
  system: MessagesSystem;
  inFlight: number;
  bytes: number;
  lossPercent: number;
  messagesPerSecond: number;
  p50Ms: number | null;
  p99Ms: number | null;
  cpuUs: number | null;
  /** All messages were confirmed within the limit. */
  done: boolean;
  /** Requests that failed, or were not answered, and were made again. */
  failures: number;
  note: string;
}

type Cell = Pick<MessagesConfig, 'system' | 'inFlight' | 'bytes' | 'messages'> & { lossPercent: number };

const UNAVAILABLE: Record<MessagesSystem, () => string | undefined> = {
  headwater: () => undefined,
  etcd: () => labUnavailable() ?? etcdUnavailable(),
  jetstream: () => labUnavailable() ?? natsUnavailable(),
};

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const [messages, bytes, limit] = [values.messages, values.bytes, values.limit].map(Number);
  const rows: MessagesRow[] = [];
  for (const system of values.system.split(',') as MessagesSystem[]) {
    if (!Object.hasOwn(UNAVAILABLE, system))
      throw new RangeError(`--system: expected ${Object.keys(UNAVAILABLE).join(', ')}, got ${system}`);
    const reason = UNAVAILABLE[system]();
    if (reason !== undefined) {
      stderr.write(`${system} is left out: ${reason}\n`);
      continue;
    }
    for (const lossPercent of values.loss.split(',').map(Number))
      for (const inFlight of values['in-flight'].split(',').map(Number))
        rows.push(await measure({ system, messages, bytes, inFlight, lossPercent }, limit));
  }
  if (values.json) console.log(JSON.stringify({ rows }));
  else console.table(rows);
}

async function measure(cell: Cell, limit: number): Promise<MessagesRow> {
  const { lossPercent, ...rest } = cell;
  const { system, inFlight, bytes, messages } = rest;
  const directory = await mkdtemp(join(tmpdir(), 'headwater-messages-'));
  try {
    await using site = await openSite(NODES, { delayMs: 0, lossPercent: 0 });
    const indices = Array.from({ length: NODES }, (_, i) => i);
    const script = join(import.meta.dirname, 'worker.js');
    const workers = indices.map((self) => {
      const config: MessagesConfig = {
        ...rest,
        warmUp: Math.floor(WARM_UP * messages),
        locators: indices.map(site.locator),
        self,
        bind: site.bind(self),
        directory: join(directory, String(self)),
      };
      const child = site.spawn(self, execPath, [script, JSON.stringify(config)], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      return follow<MessagesLine>(child);
    });
    const ready = await within(
      READY_SECONDS,
      all(workers, 'ready'),
      `${system}: expected it to begin, got nothing`,
    );
    // Each node's link is met twice on a path.
    await site.shape({ delayMs: 0, lossPercent: 100 * (1 - Math.sqrt(1 - lossPercent / 100)) });
    for (const { say } of workers) say('go');
    const load = async () => {
      await workers[0].heard('warm');
      for (const { say } of workers) say('measure');
      await workers[0].heard('done');
    };
    const isDone = await within(limit, load()).then(
      () => true,
      (error) => {
        if (error instanceof TimeLimit) return false;
        throw error;
      },
    );
    for (const { say } of workers) say('report');
    const reports = await within(READY_SECONDS, all(workers, 'report'));
    const [{ latencies, seconds, failures }] = reports;
    latencies.sort((a, b) => a - b);
    const count = latencies.length;
    const cpuUs = reports.reduce((sum, report) => sum + report.cpuUs, 0) / count;
    return {
      system,
      inFlight,
      bytes,
      lossPercent,
      messagesPerSecond: round(count / seconds),
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      cpuUs: count === 0 ? null : round(cpuUs),
      done: isDone,
      failures,
      note: ready[0].note ?? '',
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const READY_SECONDS = 120;
/** The share of the messages before anything is measured. */
const WARM_UP = 0.2;
const OPTIONS = {
  json: { type: 'boolean', default: false },
  system: { type: 'string', default: 'headwater,etcd,jetstream' },
  'in-flight': { type: 'string', default: '64,1024' },
  loss: { type: 'string', default: '0,20' },
  messages: { type: 'string', default: '50000' },
  bytes: { type: 'string', default: '500' },
  limit: { type: 'string', default: '60' },
} as const;
