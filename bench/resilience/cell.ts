/**
 * One cell of the resilience table: three nodes in a network of their own, a number of messages, what the links do to them.
 * In: the cell and a time limit. Out: whether all was delivered everywhere, how fast, and how late.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { createInterface } from 'node:readline';
import { measureBusy } from '../../tools/lab/machine.js';
import { type Links, openSite, type SiteName } from '../../tools/lab/site.js';
import type { SystemName } from './systems.js';
import type { WorkerConfig, WorkerLine } from './worker.js';

export interface Cell extends Links {
  system: SystemName;
  /** Of all nodes together. */
  messages: number;
}

export interface CellResult extends Cell {
  site: SiteName;
  /** All messages were delivered at all nodes within the limit. */
  success: boolean;
  /** Messages that were. */
  delivered: number;
  /** From the start to the last delivery, or the limit. */
  seconds: number;
  messagesPerSecond: number;
  /** From a message's submission to its delivery, at each node, of what was delivered; null if nothing was. */
  p50Ms: number | null;
  p99Ms: number | null;
  /** Share of all cores, by anyone. */
  machineBusy: number;
}

/**
 * Runs a cell, with what the nodes store under `parent`. The links begin to lose packets once all nodes are connected. Throws
 * if they do not get that far.
 */
export async function runCell(cell: Cell, limitSeconds: number, parent = tmpdir()): Promise<CellResult> {
  const { system, messages, lossPercent, delayMs } = cell;
  const directory = await mkdtemp(join(parent, 'headwater-resilience-'));
  try {
    await using site = await openSite(NODES, { delayMs, lossPercent: 0 });
    const indices = Array.from({ length: NODES }, (_, i) => i);
    const workers = indices.map((self) => {
      const config: WorkerConfig = {
        system,
        locators: indices.map(site.locator),
        self,
        bind: site.bind(self),
        directory: join(directory, String(self)),
        share: messages / NODES,
        size: MESSAGE_SIZE,
      };
      const script = join(import.meta.dirname, 'worker.js');
      return follow<WorkerLine>(
        site.spawn(self, execPath, [script, JSON.stringify(config)], { stdio: ['pipe', 'pipe', 'inherit'] }),
      );
    });
    await within(READY_SECONDS, all(workers, 'ready'), `${system}: no node found all others`);
    await site.shape({ delayMs, lossPercent });

    const busy = measureBusy();
    const { success, seconds } = await race(workers, limitSeconds);
    const machineBusy = round(busy());
    for (const { say } of workers) say('report');
    const reports = await within(READY_SECONDS, all(workers, 'report'));
    const latencies = reports.flatMap((report) => report.latencies).sort((a, b) => a - b);
    const delivered = Math.min(...reports.map((report) => report.latencies.length));
    return {
      ...cell,
      site: site.name,
      success,
      delivered,
      seconds: round(seconds),
      messagesPerSecond: round(delivered / seconds),
      p50Ms: quantile(latencies, 0.5),
      p99Ms: quantile(latencies, 0.99),
      machineBusy,
    };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

interface Worker<Line extends { type: string }> {
  say(line: 'go' | 'measure' | 'report'): void;
  /** The next line of this type. Rejects if the process ends first. */
  heard<T extends Line['type']>(type: T): Promise<Line & { type: T }>;
}

/** A process that says what happens, a JSON object a line. */
export function follow<Line extends { type: string }>(child: ChildProcess): Worker<Line> {
  const lines: Line[] = [];
  let wake = () => {};
  let ended = false;
  createInterface({ input: child.stdout! }).on('line', (line) => {
    lines.push(JSON.parse(line));
    wake();
  });
  child.once('close', () => {
    ended = true;
    wake();
  });
  child.stdin!.on('error', () => {}); // It has ended; that is told below.
  return {
    say: (line) => child.stdin!.write(`${line}\n`),
    async heard(type) {
      for (;;) {
        const found = lines.find((line) => line.type === type);
        if (found !== undefined) return found as Line & { type: typeof type };
        if (ended) throw new Error(`a node has ended before it said '${type}'`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    },
  };
}

export function all<Line extends { type: string }, T extends Line['type']>(
  workers: readonly Worker<Line>[],
  type: T,
) {
  return Promise.all(workers.map((worker) => worker.heard(type)));
}

/** Lets all begin at once. @returns whether all were done within the limit, and the seconds until then or to the limit */
export async function race(
  workers: readonly { say(line: 'go'): void; heard(type: 'done'): Promise<{ at: number }> }[],
  limitSeconds: number,
) {
  const start = clock();
  for (const { say } of workers) say('go');
  const done = await within(limitSeconds, Promise.all(workers.map((worker) => worker.heard('done')))).catch(
    (error) => {
      if (error instanceof TimeLimit) return undefined;
      throw error;
    },
  );
  const end = done ? Math.max(...done.map(({ at }) => at)) : clock();
  return { success: done !== undefined, seconds: (end - start) / 1000 };
}

export class TimeLimit extends Error {}

export async function within<T>(
  seconds: number,
  promise: Promise<T>,
  what = 'a time limit was reached',
): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new TimeLimit(`${what} in ${seconds} s`)), seconds * 1000);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

export function quantile(sorted: readonly number[], q: number): number | null {
  return sorted.length === 0
    ? null
    : round(sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]);
}

export function round(value: number): number {
  return Math.round(value * 100) / 100;
}

function clock(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

export const NODES = 3;
const MESSAGE_SIZE = 500;
/** For what is not measured. */
const READY_SECONDS = 60;
