/**
 * npm run bench -- page [--lines 60000] [--rounds 5] [--json]: what the live page costs a member. Three `headwater node` on loopback, of
 * which one gets lines of 100 bytes on its stdin; CPU of that one for each datagram that it sends or receives, without a page, with one
 * that nobody watches, and with one that is watched. In turn, so that what the machine does besides falls on all; medians.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { get } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { askStatus } from '../src/cli/control.js';
import { COMMAND, cpuOf, makeGroup, someLines } from './broadcast/lines.js';

const KINDS = ['off', 'unwatched', 'watched'] as const;
type Kind = (typeof KINDS)[number];

export async function run(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      lines: { type: 'string', default: '60000' },
      rounds: { type: 'string', default: '5' },
      json: { type: 'boolean', default: false },
    },
  });
  const all: Record<Kind, number[]> = { off: [], unwatched: [], watched: [] };
  for (let round = 0; round < Number(values.rounds); round++)
    for (const kind of KINDS) {
      const micros = await measure(kind, Number(values.lines));
      all[kind].push(micros);
      stderr.write(`round ${round + 1}, ${kind}: ${micros.toFixed(2)} us for each datagram\n`);
    }
  const result = Object.fromEntries(KINDS.map((kind) => [kind, median(all[kind])])) as Record<Kind, number>;
  const more = (kind: Kind) => Math.round(1000 * (result[kind] / result.off - 1)) / 10;
  if (values.json) stdout.write(`${JSON.stringify({ microsecondsPerDatagram: result, rounds: all })}\n`);
  else
    stdout.write(
      `CPU for each datagram: ${result.off.toFixed(2)} us without a page, ${more('unwatched')} % more with one, ` +
        `${more('watched')} % more with one that is watched\n`,
    );
}

/** Microseconds of CPU for each datagram of the member that sends. */
async function measure(kind: Kind, lines: number): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'headwater-page-'));
  const members: ChildProcess[] = [];
  try {
    const { group, key, names } = await makeGroup(directory);
    const control = join(directory, 'control');
    for (const name of names) {
      const own =
        name === names[0] ? ['--control', control, ...(kind === 'off' ? [] : ['--page', '127.0.0.1:0'])] : [];
      members.push(
        spawn(execPath, [COMMAND, 'node', '-g', group, '-k', key(name), ...own], {
          stdio: ['pipe', 'pipe', 'pipe'],
        }),
      );
    }
    const [first] = members;
    let words = '';
    first.stderr!.setEncoding('utf8').on('data', (text: string) => {
      words += text;
    });
    await Promise.all(members.map((member) => once(member.stderr!, 'data')));
    for (const member of members.slice(1)) member.stderr!.resume();
    // The others are here, and it is ready: what it listens on is open.
    const wanted = [
      `${names[1]} is here`,
      `${names[2]} is here`,
      'lines from stdin',
      ...(kind === 'off' ? [] : ['the page:']),
    ];
    while (!wanted.every((each) => words.includes(each))) await once(first.stderr!, 'data');
    const watcher = kind === 'watched' ? await watch(/the page: (\S+)/.exec(words)![1]) : undefined;
    const before = { cpu: cpuOf(first.pid!), ...(await askStatus(control)).metrics };
    const printed = Promise.all(members.map((member) => untilPrinted(member, lines)));
    for (const text of someLines(lines)) if (!first.stdin!.write(text)) await once(first.stdin!, 'drain');
    await printed;
    const after = { cpu: cpuOf(first.pid!), ...(await askStatus(control)).metrics };
    watcher?.destroy();
    const datagrams =
      after.sentDatagrams - before.sentDatagrams + after.receivedDatagrams - before.receivedDatagrams;
    return (1e6 * (after.cpu - before.cpu)) / datagrams;
  } finally {
    for (const member of members) member.kill('SIGKILL');
    await rm(directory, { recursive: true, force: true });
  }
}

/** Reads what a browser would be sent. */
function watch(page: string) {
  return new Promise<ReturnType<typeof get>>((done, fail) => {
    const request = get(new URL('/events', page), (response) => {
      response.resume();
      response.on('error', () => {});
      done(request);
    });
    request.on('error', fail);
  });
}

function untilPrinted({ stdout: output }: ChildProcess, lines: number): Promise<void> {
  let count = 0;
  return new Promise((done) => {
    output!.on('data', (part: Buffer) => {
      for (const byte of part) if (byte === NEWLINE) count++;
      if (count >= lines) done();
    });
  });
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

const NEWLINE = 10;
