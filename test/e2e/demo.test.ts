/** `headwater demo`: a whole group of processes over the emulated network, checked by itself and here once more. */
import { randomBytes } from 'node:crypto';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { parseTrace } from '../../tools/plot/trace.js';
import { type Cli, cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { digestOf } from './lab.js';

interface Summary {
  ok: boolean;
  nodes: number;
  file: { bytes: number; sha256: string };
  seconds: number;
  linkRateMbit: number;
  goodputMbit: number;
  sender: {
    bytes: number;
    ratio: number;
    linkMbit: number;
    linkShare: number | null;
    linkShareOfMost: number | null;
  };
  network: { sent: number; delivered: number; lost: number; queueDropped: number };
  members: { name: string; state: string; mute: boolean; intact: boolean; lossSeen: number }[];
}

afterEach(cleanup);

test('10 % loss: every member has the file', async () => {
  const tmp = await tempFolder();
  const cli = demo(tmp, '--size 0.5 --nodes 4 --loss 10 --link-rate 10 --json');
  expect(await cli.exit()).toBe(0);
  expect(cli.stderr).toBe('');
  const summary = summaryOf(cli);
  expect(summary).toMatchObject({ ok: true, nodes: 4, linkRateMbit: 10, file: { bytes: 512 * 1024 } });
  expect(summary.members.map(({ name, state, intact }) => [name, state, intact])).toEqual([
    ['peer-1', 'saved', true],
    ['peer-2', 'saved', true],
    ['peer-3', 'saved', true],
  ]);
  expect(summary.sender.ratio).toBeGreaterThan(1);
  expect(summary.network.lost).toBeGreaterThan(0);
  // No more than what the links carry, and no receiver is served faster than its own links allow.
  expect(summary.sender.linkMbit).toBeGreaterThan(0);
  expect(summary.sender.linkMbit).toBeLessThanOrEqual(10);
  expect(summary.sender.linkShareOfMost).toBeGreaterThan(0);
  expect(summary.sender.linkShare).toBeCloseTo(summary.sender.linkMbit / 9, 5);
  expect(summary.goodputMbit).toBeLessThan(3 * 10);
  expect(await readdir(tmp)).toEqual([]);
});

test('links without a limit have no share of it; the summary fits into 80 columns', async () => {
  const cli = demo(await tempFolder(), '--size 0.05 --nodes 3 --loss 0 --link-rate 0');
  expect(await cli.exit()).toBe(0);
  expect(cli.stdout).toContain('links without a limit');
  expect(cli.stdout).not.toMatch(/Infinity|NaN/);
  expect(Math.max(...cli.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
});

test('20 % loss, one member killed midway and one mute: every live member has the file', async () => {
  const tmp = await tempFolder();
  // Slow enough that the one to be killed is seen midway.
  const cli = demo(tmp, '--size 0.5 --nodes 6 --loss 20 --kill 1 --mute 1 --link-rate 2 --json');
  expect(await cli.exit()).toBe(0);
  const { ok, members } = summaryOf(cli);
  expect(ok).toBe(true);
  expect(members.map(({ state, mute, intact }) => [state, mute, intact])).toEqual([
    ['saved', false, true],
    ['saved', false, true],
    ['saved', false, true],
    ['saved', true, true],
    ['killed', false, false],
  ]);
});

test('--trace: the origin’s path to each member, from its first measurement on', async () => {
  const tmp = await tempFolder();
  const file = join(tmp, 'demo.qlog');
  expect(await demo(tmp, `--size 0.2 --nodes 3 --json --trace ${file}`).exit()).toBe(0);
  const paths = parseTrace(await readFile(file, 'utf8'));
  expect(paths.map(({ name }) => name).sort()).toEqual(['origin to peer-1', 'origin to peer-2']);
  // 20 ms each way.
  const rtts = paths.map(
    ({ events }) => events.findLast(({ data }) => data.min_rtt !== undefined)?.data.min_rtt,
  );
  for (const rtt of rtts) expect(rtt).toBeGreaterThanOrEqual(40);
});

test('a file of ours, for people: a table on stdout, progress on stderr, no escapes in either', async () => {
  const tmp = await tempFolder();
  const file = join(await tempFolder(), 'ours.bin');
  const bytes = randomBytes(70_000);
  await writeFile(file, bytes);
  const cli = demo(tmp, `--nodes 3 --loss 5 --delay 1 --file ${file}`);
  expect(await cli.exit()).toBe(0);
  expect(cli.stdout).toMatch(/^70\.0 kB to 2 members at 5 % loss, 1 ms one way, 50 Mbit\/s links\n/);
  // Where a line is broken depends on the numbers.
  expect(cli.stdout.replace(/\s+/g, ' ')).toMatch(
    /links the sender's delivered \d+\.\d Mbit\/s each, \d+\.\d % of what rate and loss leave \(\d+\.\d % without the last 5 %\)/,
  );
  expect(cli.stdout).toMatch(/^sender {4}sent .* times the file \(2 copies would be 2\)$/m);
  expect(cli.stdout.match(/^peer-\d +saved .* ok$/gm)).toHaveLength(2);
  expect(cli.stdout + cli.stderr).not.toContain('\u001b');
  const json = demo(tmp, `--nodes 2 --loss 0 --delay 0 --file ${file} --json`);
  expect(await json.exit()).toBe(0);
  expect(summaryOf(json).file).toMatchObject({ bytes: 70_000, sha256: digestOf(bytes) });
});

test.each([
  ['--nodes 4 --kill 2', '--kill: expected at most 1 of 4 members'],
  ['--nodes 5 --kill 2 --mute 3', 'with --mute at most 4, got 2 and 3'],
  ['--file /nowhere/at/all', 'file: expected a readable file, got ENOENT for /nowhere/at/all'],
])('%s: refused in one line', async (flags, message) => {
  const tmp = await tempFolder();
  const cli = demo(tmp, flags);
  expect(await cli.exit()).toBe(flags.startsWith('--file') ? 1 : 2);
  expect(linesOf(cli.stderr)).toHaveLength(1);
  expect(cli.stderr).toContain(message);
  expect(cli.stdout).toBe('');
  expect(await readdir(tmp)).toEqual([]);
});

test('interrupted: exit 130, and nothing is left behind', async () => {
  const tmp = await tempFolder();
  const cli = demo(tmp, '--size 4 --nodes 3 --link-rate 0.5');
  await cli.until('progress', ({ stderr }) => / [1-9]\d* %/.test(stderr));
  cli.child.kill('SIGINT');
  expect(await cli.exit()).toBe(130);
  expect(linesOf(cli.stderr).filter((line) => line.startsWith('headwater:'))).toEqual([
    'headwater: interrupted',
  ]);
  expect(await readdir(tmp)).toEqual([]);
});

function demo(tmp: string, flags: string): Cli {
  return headwater(['demo', ...flags.split(' ')], { tmp });
}

function summaryOf(cli: Cli): Summary {
  const lines = linesOf(cli.stdout);
  expect(lines).toHaveLength(1);
  return JSON.parse(lines[0]) as Summary;
}
