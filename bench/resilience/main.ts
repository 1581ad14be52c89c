/**
 * The resilience table: what becomes of 500-byte messages among three nodes when every node loses packets in both directions
 * (10 % means 19 % of a path and 35 % of round trips). In: `--system`, `--messages`, `--loss`, `--delay`, each a list, and
 * `--limit` seconds for a cell. Out: one row per cell. Nodes are processes in network namespaces or, without root and for
 * headwater only, on loopback with the link emulator between them; `site` tells which.
 */
import { stderr } from 'node:process';
import { readOptions } from '../../tools/options.js';
import { type Cell, type CellResult, NODES, runCell } from './cell.js';
import { SYSTEMS, type SystemName, UNAVAILABLE } from './systems.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const limit = numbers('limit', values.limit, 1, 86_400)[0];
  const cells = product(values);
  const rows: CellResult[] = [];
  let broken = false;
  if (!values.json) console.log(HEADER);
  for (const cell of cells) {
    const reason = UNAVAILABLE[cell.system]();
    if (reason !== undefined) {
      stderr.write(`skipped: ${describe(cell)}: ${reason}\n`);
      continue;
    }
    try {
      const result = await runCell(cell, limit);
      rows.push(result);
      if (!values.json) console.log(line(result));
      const busy = Math.round(result.machineBusy * 100);
      stderr.write(
        `${describe(cell)}: ${result.delivered} of ${cell.messages} in ${result.seconds} s; machine busy ${busy} %\n`,
      );
    } catch (error) {
      // Not slow but wrong: nothing that a row could say.
      broken = true;
      stderr.write(`FAILED: ${describe(cell)}: ${(error as Error).message}\n`);
    }
  }
  if (values.json) console.log(JSON.stringify({ rows }));
  process.exitCode = broken || rows.length === 0 ? 1 : 0;
}

function product(values: { system: string; messages: string; loss: string; delay: string }): Cell[] {
  const cells: Cell[] = [];
  for (const delayMs of numbers('delay', values.delay, 0, 10_000))
    for (const messages of numbers('messages', values.messages, NODES, 1e9))
      for (const lossPercent of numbers('loss', values.loss, 0, 100))
        for (const system of values.system.split(',')) {
          if (!(system in SYSTEMS))
            throw new RangeError(`--system: expected ${Object.keys(SYSTEMS).join(', ')}, got ${system}`);
          if (messages % NODES !== 0)
            throw new RangeError(`--messages: expected a multiple of ${NODES}, got ${messages}`);
          cells.push({ system: system as SystemName, messages, lossPercent, delayMs });
        }
  return cells;
}

function numbers(option: string, text: string, min: number, max: number): number[] {
  return text.split(',').map((part) => {
    const value = Number(part);
    if (part === '' || !(value >= min && value <= max))
      throw new RangeError(`--${option}: expected numbers from ${min} to ${max}, got '${part}'`);
    return value;
  });
}

function describe({ system, messages, lossPercent, delayMs }: Cell): string {
  return `${system}, ${messages} messages, ${lossPercent} % loss, ${delayMs} ms`;
}

function line(row: CellResult): string {
  return [
    row.system.padEnd(9),
    row.site.padEnd(10),
    ...[row.messages, row.lossPercent, row.delayMs].map((value) => String(value).padStart(8)),
    (row.success ? 'yes' : `${row.delivered}`).padStart(9),
    ...[row.seconds, row.messagesPerSecond, row.p50Ms, row.p99Ms].map((value) =>
      String(value ?? '-').padStart(9),
    ),
  ].join(' ');
}

const HEADER =
  'system    site       messages   loss %       ms   success   seconds       /s    p50 ms    p99 ms';
const OPTIONS = {
  json: { type: 'boolean', default: false },
  system: { type: 'string', default: Object.keys(SYSTEMS).join(',') },
  messages: { type: 'string', default: '900,4500' },
  loss: { type: 'string', default: '0,1,2,3,4,5,10,20,30,50' },
  delay: { type: 'string', default: '0,20' },
  limit: { type: 'string', default: '120' },
} as const;
