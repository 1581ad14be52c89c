/**
 * A hydra-node's network on our gateway beside real etcd, in the same run: fake hydra-nodes on three machines that are network
 * namespaces. In: `--system`, `--messages`, `--loss` (percent of each link: a path meets it twice), `--delay` (ms one way), each
 * a list; `--limit` in seconds for a row; `--only rows,figures`; `--quick`, under five minutes. Out: rows of 500-byte messages, of
 * which each node sends a third, the next once the last has come back, with their latency from the broadcast to the delivery at
 * each node; then figures: starting, puts, memory, connections, a large message.
 */
import { stderr } from 'node:process';
import { measureBusy } from '../../tools/lab/machine.js';
import { readOptions } from '../../tools/options.js';
import { NODES, round } from '../resilience/cell.js';
import { type CellOptions, type CellResult, runCell } from './cell.js';
import { SYSTEMS, type System } from './systems.js';
import type { Task } from './worker.js';

interface Row {
  system: System['name'];
  messages: number;
  lossPercent: number;
  delayMs: number;
  success: boolean;
  p50Ms: number | null;
  p99Ms: number | null;
  messagesPerSecond: number;
  /** Processor time of a message: of the three servers, and of the three nodes that speak to them. */
  serversCpuUs: number;
  nodesCpuUs: number;
}

interface Figure {
  system: System['name'];
  figure: string;
  /** Null where it was not reached within the limit. */
  measured: number | null;
  note?: string;
}

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const defaults = values.quick ? QUICK : FULL;
  const only = values.only.split(',');
  const limitSeconds = Number(values.limit ?? defaults.limit);
  const systems = chosen(values.system.split(','));
  const rows: Row[] = [];
  const figures: Figure[] = [];
  if (only.includes('rows'))
    for (const delayMs of numbers(values.delay ?? '0,20'))
      for (const messages of numbers(values.messages ?? defaults.messages))
        for (const lossPercent of numbers(values.loss ?? defaults.loss))
          for (const system of systems) {
            if (values.quick && delayMs > 0 && lossPercent > 0) continue;
            rows.push(await measureRow(system, { messages, lossPercent, delayMs }, limitSeconds));
          }
  if (only.includes('figures'))
    for (const system of systems) figures.push(...(await measureFigures(system, defaults, limitSeconds)));
  if (values.json) console.log(JSON.stringify({ rows, figures }));
  else {
    if (rows.length > 0) console.table(rows);
    if (figures.length > 0) console.table(figures);
  }
  if (rows.length + figures.length === 0) process.exitCode = 1;
}

async function measureRow(
  system: System,
  links: { messages: number; lossPercent: number; delayMs: number },
  limitSeconds: number,
): Promise<Row> {
  const { messages, ...shape } = links;
  const task: Task = { type: 'messages', share: messages / NODES, bytes: BYTES };
  const result = await told({ system, task, limitSeconds, ...shape });
  const { success, p50Ms, p99Ms, done, seconds, cpuUs } = result;
  return {
    system: system.name,
    ...links,
    success,
    p50Ms,
    p99Ms,
    messagesPerSecond: round(done / seconds),
    serversCpuUs: cpuUs.servers,
    nodesCpuUs: cpuUs.nodes,
  };
}

async function measureFigures(
  system: System,
  { puts, connections }: Defaults,
  limitSeconds: number,
): Promise<Figure[]> {
  const links = { lossPercent: 0, delayMs: 0 };
  const figure = (name: string, measured: number | null, { reason }: CellResult): Figure => ({
    system: system.name,
    figure: name,
    measured,
    ...(reason === undefined ? {} : { note: reason }),
  });
  const put = await told({
    system,
    task: { type: 'puts', count: puts, bytes: BYTES, inFlight: IN_FLIGHT },
    limitSeconds,
    ...links,
  });
  const short = await told({
    system,
    task: { type: 'connections', count: connections, inFlight: 8 },
    limitSeconds,
    ...links,
  });
  const large = await told({
    system,
    task: { type: 'messages', share: 1, bytes: LARGE },
    limitSeconds: Math.min(limitSeconds, LARGE_SECONDS),
    ...links,
  });
  const ifDone = (result: CellResult, measured: number | null) => (result.success ? measured : null);
  return [
    figure('start to NetworkConnected, slowest of 3 nodes, ms', put.connectedMs, put),
    figure(`puts of ${BYTES} bytes, ${IN_FLIGHT} at a time, a second`, round(put.done / put.seconds), put),
    figure(`the same, p99 ms`, put.p99Ms, put),
    figure(`the same, processor time of a put at all 3 servers, us`, put.cpuUs.servers, put),
    figure(`the same, at all 3 nodes and the client, us`, put.cpuUs.nodes, put),
    figure(`RSS after ${puts} messages, largest of 3, MiB`, ifDone(put, put.rssMiB), put),
    figure(`growth of RSS over ${connections} connections, MiB`, ifDone(short, short.grownMiB), short),
    figure('connections a second, each for one call', round(short.done / short.seconds), short),
    figure('a message of 16 MiB from each of 3 nodes, all delivered, s', ifDone(large, large.seconds), large),
  ];
}

/** As `runCell`, and says on standard error how it went. */
async function told(options: CellOptions): Promise<CellResult> {
  const { system, task, lossPercent, delayMs } = options;
  const busy = measureBusy();
  const result = await runCell(options);
  const amount = task.type === 'messages' ? NODES * task.share : task.count;
  stderr.write(
    `${system.name}: ${amount} ${task.type}, ${lossPercent} % loss, ${delayMs} ms: ${result.done} in ${result.seconds} s; ` +
      `machine busy ${Math.round(100 * busy())} %` +
      `${result.restarts > 0 ? `; nodes ended ${result.restarts} times: ${result.reason}` : ''}\n`,
  );
  return result;
}

function chosen(names: readonly string[]): System[] {
  return names.flatMap((name) => {
    const system = SYSTEMS.find((each) => each.name === name);
    if (system === undefined)
      throw new RangeError(`--system: expected ${SYSTEMS.map((each) => each.name).join(', ')}, got ${name}`);
    const reason = system.unavailable();
    if (reason === undefined) return [system];
    stderr.write(`${name} is left out: ${reason}\n`);
    return [];
  });
}

function numbers(text: string): number[] {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (part === '' || !(value >= 0)) throw new RangeError(`expected numbers from 0, got '${part}'`);
    return value;
  });
}

interface Defaults {
  messages: string;
  loss: string;
  limit: number;
  puts: number;
  connections: number;
}

const FULL: Defaults = {
  messages: '900,4500',
  loss: '0,5,10,20,30',
  limit: 120,
  puts: 100_000,
  connections: 10_000,
};
const QUICK: Defaults = { messages: '900', loss: '0,5,20', limit: 30, puts: 10_000, connections: 1000 };
const BYTES = 500;
const IN_FLIGHT = 64;
const LARGE = 16 * 1024 * 1024;
const LARGE_SECONDS = 30;
const OPTIONS = {
  json: { type: 'boolean', default: false },
  quick: { type: 'boolean', default: false },
  only: { type: 'string', default: 'rows,figures' },
  system: { type: 'string', default: 'headwater,etcd' },
  messages: { type: 'string' },
  loss: { type: 'string' },
  delay: { type: 'string' },
  limit: { type: 'string' },
} as const;
