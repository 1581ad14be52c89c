/**
 * npm run bench -- keep <name> [its options] [--note text]: runs one benchmark with `--json` and appends what it measured, where
 * and of which version, as one line to bench/history/VERSION.jsonl. A row that failed is kept as well.
 */
import { spawn } from 'node:child_process';
import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { arch, argv, cwd, execPath, platform, stderr, versions } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { measureBusy } from '../tools/lab/machine.js';

/** A line of bench/history. */
interface Kept {
  bench: string;
  version: string;
  /** UTC, to the second. */
  at: string;
  machine: {
    cpu: string;
    cores: number;
    memoryGiB: number;
    platform: string;
    node: string;
    /** Share of all cores that others used in the two seconds before, 0 to 1: above 0.1 mistrust all but CPU time and ratios. */
    busyBefore: number;
  };
  note?: string;
  /** What the benchmark printed with `--json`. */
  result: unknown;
}

export async function run(args: string[]): Promise<void> {
  const { note, rest } = takeNote(args);
  const [name = '', ...options] = rest;
  if (name === '' || name === 'keep')
    throw new RangeError(`keep: expected a benchmark's name, got '${name}'`);
  const busy = measureBusy();
  await setTimeout(SETTLE_MS);
  const busyBefore = Math.round(busy() * 100) / 100;
  const result = JSON.parse(await outputOf([argv[1], name, ...options, '--json']));
  const { version } = JSON.parse(readFileSync(join(cwd(), 'package.json'), 'utf8'));
  const kept: Kept = {
    bench: [name, ...options].join(' '),
    version,
    at: `${new Date().toISOString().slice(0, 19)}Z`,
    machine: {
      cpu: cpus()[0].model.trim(),
      cores: cpus().length,
      memoryGiB: Math.round(totalmem() / 2 ** 30),
      platform: `${platform} ${arch}`,
      node: versions.node,
      busyBefore,
    },
    ...(note === undefined ? {} : { note }),
    result,
  };
  const folder = join(cwd(), 'bench/history');
  mkdirSync(folder, { recursive: true });
  const file = join(folder, `${version}.jsonl`);
  appendFileSync(file, `${JSON.stringify(kept)}\n`);
  stderr.write(`kept in ${file}\n`);
}

function takeNote(args: string[]): { note: string | undefined; rest: string[] } {
  const at = args.indexOf('--note');
  return at < 0
    ? { note: undefined, rest: args }
    : { note: args[at + 1], rest: [...args.slice(0, at), ...args.slice(at + 2)] };
}

/** The benchmark's stdout. Its exit code is not looked at: a row that failed says so itself, and no JSON is an error. */
async function outputOf(command: string[]): Promise<string> {
  const child = spawn(execPath, command, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const part of child.stdout.setEncoding('utf8')) text += part;
  return text;
}

const SETTLE_MS = 2000;
