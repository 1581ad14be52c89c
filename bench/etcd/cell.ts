/**
 * Three fake hydra-nodes in a network of their own, over one kind of etcd, and what they are to do there. In: the kind, the
 * links, a task and a time limit. Out: whether it was done, how fast, how late, and what it took of memory.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { type Links, openSite } from '../../tools/lab/site.js';
import { all, follow, NODES, quantile, race, round, within } from '../resilience/cell.js';
import type { System } from './systems.js';
import type { Task, WorkerConfig, WorkerLine } from './worker.js';

export interface CellOptions extends Links {
  system: System;
  task: Task;
  limitSeconds: number;
}

export interface CellResult {
  /** All of it was done at all nodes within the limit. */
  success: boolean;
  /** Messages that were delivered at all nodes, or calls that were answered. */
  done: number;
  /** From the start to the last of it, or the limit. */
  seconds: number;
  p50Ms: number | null;
  p99Ms: number | null;
  /** From a node's start to its NetworkConnected, the slowest. */
  connectedMs: number;
  /** Of the etcd that takes most, and by how much that of the first node has grown. */
  rssMiB: number;
  grownMiB: number;
  /** Processor time for each message, all servers and all nodes together. */
  cpuUs: { servers: number; nodes: number };
  /** Nodes that ended by themselves, and why the last did. */
  restarts: number;
  reason: string | undefined;
}

/** The links begin to lose packets once all nodes are connected. Throws if they do not get that far. */
export async function runCell({
  system,
  task,
  limitSeconds,
  delayMs,
  lossPercent,
}: CellOptions): Promise<CellResult> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-etcd-'));
  try {
    await using site = await openSite(NODES, { delayMs, lossPercent: 0 });
    const indices = Array.from({ length: NODES }, (_, i) => i);
    const workers = indices.map((self) => {
      const config: WorkerConfig = {
        release: RELEASE,
        path: system.path?.(),
        locators: indices.map(site.locator),
        self,
        bind: site.bind(self),
        directory: join(directory, String(self)),
        task,
      };
      const script = join(import.meta.dirname, 'worker.js');
      const stdio = ['pipe', 'pipe', 'inherit'] as const;
      const child = site.spawn(self, execPath, [script, JSON.stringify(config)], { stdio: [...stdio] });
      return follow<WorkerLine>(child);
    });
    const ready = await within(
      READY_SECONDS,
      all(workers, 'ready'),
      `${system.name}: no node found all others`,
    );
    await site.shape({ delayMs, lossPercent });

    const { success, seconds } = await race(workers, limitSeconds);
    for (const { say } of workers) say('report');
    const reports = await within(READY_SECONDS, all(workers, 'report'));
    const latencies = reports.flatMap((report) => report.latencies).sort((a, b) => a - b);
    const counts = reports.map((report) => report.latencies.length);
    const [{ rssMiB: first }] = reports;
    const done = task.type === 'messages' ? Math.min(...counts) : counts[0];
    const cpuUs = (of: 'server' | 'node') =>
      Math.round((1000 * reports.reduce((sum, { cpuMs }) => sum + cpuMs[of], 0)) / Math.max(1, done));
    return {
      success,
      done,
      seconds: round(seconds),
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      connectedMs: Math.round(Math.max(...ready.map((line) => line.connectedMs))),
      rssMiB: Math.max(...reports.map(({ rssMiB }) => rssMiB.after)),
      grownMiB: round(first.after - first.before),
      cpuUs: { servers: cpuUs('server'), nodes: cpuUs('node') },
      restarts: reports.reduce((sum, { restarts }) => sum + restarts, 0),
      reason: reports.find(({ reason }) => reason !== undefined)?.reason,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** The newest way to use etcd, which survives most: what is measured is etcd, not the client. */
const RELEASE = 'next';
/** For what is not measured. */
const READY_SECONDS = 60;
