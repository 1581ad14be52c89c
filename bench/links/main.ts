/**
 * bench links: one file to one or more machines over bad links, by headwater and by what people use today, in one lab and one run.
 *   npm run bench -- links [--quick] [--json] [--runs 1] [--size 100] [--only loss,rtt,...] [--system headwater,tcp-bbr,...] [--limit 180]
 *                          [--loss 0,5] [--real-time] [--out build/report/links]
 * Needs root. Out: a row for each system and case, also for what failed; rows are kept in rows.json of the folder, in place of earlier ones of the
 * same system and case, and drawn in report.html there: so it may be run in pieces. What is not installed is named on standard error and left out.
 */
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { constants, setPriority, tmpdir } from 'node:os';
import { join } from 'node:path';
import { stderr } from 'node:process';
import { labUnavailable } from '../../tools/lab/lab.js';
import { readOptions } from '../../tools/options.js';
import { type Case, describe, fullCases, GROUPS, limitSeconds, quickCases } from './cases.js';
import { hashOf, measure, type Row, rowOf, type Source } from './measure.js';
import { keepRows } from './report.js';
import { SYSTEMS } from './systems/all.js';
import type { System } from './systems/system.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const reason = labUnavailable();
  if (reason !== undefined) {
    stderr.write(`skipped: ${reason}\n`);
    if (values.json) console.log(JSON.stringify({ rows: [] }));
    process.exitCode = 1;
    return;
  }
  const systems = available(chosenSystems(values.system));
  const cases = chosenCases(values);
  const most = number('limit', values.limit ?? (values.quick ? '9' : '180'));
  // What reads their words must not hold them up.
  if (values['real-time']) setPriority(constants.priority.PRIORITY_HIGHEST);
  const end = values.quick ? performance.now() + QUICK_MS : Number.POSITIVE_INFINITY;
  const rows: Row[] = [];
  if (!values.json) console.log(HEADER);
  using sources = openSources();
  for (let i = 0; i < number('runs', values.runs); i++)
    for (const kase of cases)
      for (const system of systems) {
        if (system.fits?.(kase) === false || (values.quick && isRepetition(system, kase))) continue;
        if (performance.now() > end) {
          const reason = 'not run: --quick has no more time on this machine';
          rows.push({ ...rowOf(system, kase), reason });
          continue;
        }
        const limit = limitSeconds(kase, most);
        const source = await sources.of(kase.bytes);
        const row = await measure(system, kase, {
          source,
          limitSeconds: limit,
          realTime: values['real-time'],
          seed: i + 1,
        });
        rows.push(row);
        if (!values.json) console.log(line(row));
        const words = row.success ? `${row.seconds} s` : `FAILED: ${row.reason}`;
        stderr.write(
          `${system.name} ${system.mode}, ${describe(kase)}: ${words}; machine busy ${Math.round(row.machineBusy * 100)} %\n`,
        );
      }
  if (values.json) console.log(JSON.stringify({ rows }));
  if (!values.quick || values.out !== undefined) {
    const page = keepRows(values.out ?? FOLDER, rows);
    stderr.write(`report: ${page}\n`);
  }
  // That another system fails is what is measured; that ours does is a fault.
  process.exitCode = rows.every(({ system, success }) => success || system !== 'headwater') ? 0 : 1;
}

/** What does much as another system does, beyond the cases that show it. */
function isRepetition({ name, mode }: System, { group }: Case): boolean {
  return group !== 'loss' && ['rsync-cubic', 'quic-cubic', 'uftp-tfmcc'].includes(`${name}-${mode}`);
}

function available(systems: System[]): System[] {
  return systems.filter(({ name, mode, unavailable }) => {
    const reason = unavailable?.();
    if (reason !== undefined) stderr.write(`left out: ${name} ${mode}: ${reason}\n`);
    return reason === undefined;
  });
}

function chosenSystems(text: string | undefined): System[] {
  if (text === undefined) return SYSTEMS;
  return text.split(',').flatMap((word) => {
    const found = SYSTEMS.filter(({ name, mode }) => word === name || word === `${name}-${mode}`);
    if (found.length === 0)
      throw new RangeError(
        `--system: expected ${SYSTEMS.map(({ name, mode }) => `${name}-${mode}`).join(', ')}, got '${word}'`,
      );
    return found;
  });
}

function chosenCases(values: { quick: boolean; size?: string; only?: string; loss?: string }): Case[] {
  const mib = number('size', values.size ?? (values.quick ? '8' : '100'));
  const groups = values.only?.split(',') ?? GROUPS;
  for (const group of groups)
    if (!GROUPS.some((each) => each === group))
      throw new RangeError(`--only: expected some of ${GROUPS.join(',')}, got '${group}'`);
  const losses = values.loss?.split(',').map((text) => number('loss', text));
  return (values.quick ? quickCases(mib) : fullCases(mib)).filter(
    ({ group, lossPercent }) => groups.includes(group) && (losses?.includes(lossPercent) ?? true),
  );
}

/** Random files, one for each size; gone in the end. */
function openSources() {
  const folder = mkdtempSync(join(tmpdir(), 'headwater-links-source-'));
  const made = new Map<number, Promise<Source>>();
  const make = async (bytes: number): Promise<Source> => {
    const file = join(folder, `${bytes}.bin`);
    mkdirSync(folder, { recursive: true });
    writeFileSync(file, randomBytes(bytes));
    return { file, sha256: await hashOf(file) };
  };
  return {
    of(bytes: number): Promise<Source> {
      const source = made.get(bytes) ?? make(bytes);
      made.set(bytes, source);
      return source;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

function number(option: string, text: string): number {
  const value = Number(text);
  if (text === '' || !(value >= 0)) throw new RangeError(`--${option}: expected a number, got '${text}'`);
  return value;
}

const COLUMNS = [8, 18, 5, 6, 7, 6, 9, 7, 7, 7, 9, 8, 9] as const;
const HEADER = columns([
  ...[
    'group',
    'system',
    'recv',
    'loss%',
    'rtt',
    'mbit',
    'goodput',
    'share',
    'sent',
    'origin',
    'cpu s/GiB',
    'rss MiB',
    'seconds',
  ],
]);

function line(row: Row): string {
  const system = `${row.system} ${row.mode}`;
  const numbers = [
    row.goodputMbit,
    row.share,
    row.sentRatio,
    row.originRatio,
    row.cpuSecondsPerGiB,
    row.maxRssMiB,
    row.seconds,
  ];
  const cells = [
    row.group,
    system,
    row.receivers,
    row.lossPercent,
    row.rttMs,
    row.mbit ?? '–',
    ...numbers.map((value) => value ?? '–'),
  ];
  const end = row.success
    ? row.tcpShare === null
      ? ''
      : `  TCP ${Math.round(100 * row.tcpShare)} %`
    : `  FAILED: ${row.reason}`;
  return columns(cells) + end;
}

function columns(cells: readonly (string | number)[]): string {
  return cells
    .map((cell, i) => (i < 2 ? String(cell).padEnd(COLUMNS[i]) : String(cell).padStart(COLUMNS[i])))
    .join(' ');
}

const OPTIONS = {
  quick: { type: 'boolean', default: false },
  json: { type: 'boolean', default: false },
  runs: { type: 'string', default: '1' },
  /** MiB for a path of 100 Mbit/s. */
  size: { type: 'string' },
  only: { type: 'string' },
  system: { type: 'string' },
  loss: { type: 'string' },
  /** Seconds for one transfer at most. */
  limit: { type: 'string' },
  /** All systems before whatever else runs on this machine. */
  'real-time': { type: 'boolean', default: false },
  out: { type: 'string' },
} as const;

/** Eight minutes, less what the last transfer may take. */
const QUICK_MS = 445_000;
const FOLDER = 'build/report/links';
