/**
 * Lines through `headwater node` as it is built: three processes on loopback, with stores, of which one gets them all on its
 * standard input. In: how many lines of 100 bytes, and where the stores are. Out: seconds until all three have printed all of
 * them, and the memory of the largest.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { execPath } from 'node:process';
import { Readable } from 'node:stream';
import { freePorts } from '../../tools/lab/ports.js';

export interface LinesResult {
  /** From when the sender is given the first line. */
  seconds: number;
  /** Bytes of RSS at the end, of the member that has most. */
  rss: number;
  /** By how much the worst has grown since a fifth of the lines had been printed. */
  growth: number;
}

export async function runLines(lines: number, parent: string): Promise<LinesResult> {
  const directory = await mkdtemp(join(parent, 'headwater-lines-'));
  const members: ChildProcess[] = [];
  try {
    const { group, key, names } = await makeGroup(directory);
    for (const name of names) {
      const args = ['node', '-g', group, '-k', key(name), '--store', join(directory, name)];
      members.push(spawn(execPath, [COMMAND, ...args], { stdio: ['pipe', 'pipe', 'pipe'] }));
    }
    // Each says on stderr that it is there.
    await Promise.all(members.map(({ stderr }) => once(stderr!, 'data')));
    const begun = performance.now();
    const printed = members.map((member) => watch(member, lines));
    Readable.from(someLines(lines)).pipe(members[0].stdin!, { end: false });
    const memory = await Promise.all(printed);
    return {
      seconds: (performance.now() - begun) / 1000,
      rss: Math.max(...memory.map(({ last }) => last)),
      growth: Math.max(...memory.map(({ early, last }) => last - early)),
    };
  } finally {
    for (const member of members) member.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

/** Keys and the group file of three members. */
async function makeGroup(directory: string) {
  const ports = await freePorts(NAMES.length);
  const key = (name: string) => join(directory, `${name}.key`);
  const group = join(directory, 'group.json');
  const named = NAMES.map((name, i) => `${name}=${run('keygen', key(name)).trim()}@127.0.0.1:${ports[i]}`);
  await writeFile(group, run('group', '--name', 'lines', ...named));
  return { group, key, names: NAMES };
}

/** Until it has printed so many lines: its RSS then, and after a fifth of them. */
function watch(
  { pid, stdout, stderr }: ChildProcess,
  lines: number,
): Promise<{ early: number; last: number }> {
  stderr!.resume();
  let count = 0;
  let early = 0;
  return new Promise((done, fail) => {
    stdout!.on('data', (part: Buffer) => {
      for (const byte of part) if (byte === NEWLINE) count++;
      if (early === 0 && count >= lines / 5) early = rssOf(pid!);
      if (count >= lines) done({ early, last: rssOf(pid!) });
    });
    stdout!.once('close', () => fail(new Error(`node: expected ${lines} lines of it, got ${count}`)));
  });
}

function* someLines(count: number): Generator<string> {
  for (let from = 0; from < count; from += LINES_AT_ONCE) {
    const to = Math.min(count, from + LINES_AT_ONCE);
    let text = '';
    for (let i = from; i < to; i++) text += `${String(i).padEnd(LINE_SIZE, '.')}\n`;
    yield text;
  }
}

function run(...args: string[]): string {
  return execFileSync(execPath, [COMMAND, ...args], { encoding: 'utf8' });
}

/** By proc(5). */
function rssOf(pid: number): number {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))![1]);
}

const NAMES = ['a', 'b', 'c'];
const LINE_SIZE = 100;
const LINES_AT_ONCE = 1000;
const NEWLINE = 10;
const COMMAND = resolve('dist/cli/main.js');
