/** What every command is expected to do: help, version, no colours into pipes, and no fuss when a reader goes away. */
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from 'vitest';
import { EXIT } from '../../src/cli/io.js';
import { cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab } from './lab.js';

const LINK = 'loss burst delay jitter link-rate queue mtu reorder duplicate corrupt seed'.split(' ');
const MEMBER = 'group key group-id peer bind controller max-rate no-relay trace debug log-format json'.split(
  ' ',
);
const MULTICAST = 'mode multicast-address multicast-port multicast-ttl multicast-interface'.split(' ');
const STATUS = ['store', 'control', 'watch', 'json'];
const COMMANDS: Record<string, string[]> = {
  demo: ['nodes', 'trace', 'page', 'file', 'size', 'kill', 'mute', 'timeout', 'json', ...LINK],
  keygen: ['json'],
  group: ['name', 'faulty', 'byzantine', 'pessimism'],
  send: [...MEMBER, 'name', 'symlinks', 'exclude', 'wait', 'timeout', 'expect', 'at', 'qr', ...MULTICAST],
  receive: [
    ...[...MEMBER, 'out', 'count', 'overwrite', 'max-size', 'exec', 'at', 'name', 'wait'],
    ...['mode', 'multicast-interface'],
  ],
  node: [...MEMBER, 'max-size', 'store', 'control', 'metrics', 'page', 'order', 'log-level'],
  status: [...STATUS, 'check'],
  peers: STATUS,
  drops: STATUS,
  top: ['store', 'control', 'interval'],
  trace: ['store', 'control', 'interval'],
  'log-level': ['store', 'control', 'json'],
  doctor: ['group', 'key', 'store', 'bind', 'wait', 'json'],
  'dead-letters': ['group', 'key', 'store', 'read', 'retry', 'json'],
  store: [],
  view: ['page', 'json'],
  link: ['json', ...LINK],
  etcd: (
    'name data-dir listen-peer-urls listen-client-urls initial-advertise-peer-urls initial-cluster initial-cluster-token ' +
    'initial-cluster-state advertise-client-urls auto-compaction-mode listen-metrics-urls version'
  ).split(' '),
};

afterEach(cleanup);

describe('--help', () => {
  test('names all commands and the exit codes', async () => {
    const cli = headwater(['--help']);
    expect(await cli.exit()).toBe(0);
    expect(cli.stderr).toBe('');
    const listed = [
      ...cli.stdout.matchAll(/^ {2}([a-z][\w-]*)(?: \[options\]| \[command\]| \[flags\.\.\.\]| {2,})/gm),
    ].map(([, name]) => name);
    expect(listed.toSorted()).toEqual([...Object.keys(COMMANDS), 'help'].toSorted());
    const codes = [...cli.stdout.matchAll(/^ {2}(\d+) /gm)].map(([, code]) => code);
    const guide = await readFile(new URL('../../docs/GUIDE.md', import.meta.url), 'utf8');
    expect([...guide.matchAll(/^\| (\d+) \| /gm)].map(([, code]) => code)).toEqual(codes);
    expect(codes).toEqual(Object.values(EXIT).map(String));
  });

  test.each(Object.entries(COMMANDS))('%s', async (command, options) => {
    const cli = headwater([command, '--help']);
    expect(await cli.exit()).toBe(0);
    expect(cli.stderr).toBe('');
    const listed = [...cli.stdout.matchAll(/^ {2}(?:-\w, )?--([\w-]+)/gm)].map(([, name]) => name);
    expect(listed.toSorted()).toEqual([...options, 'help'].toSorted());
    expect(cli.stdout).not.toContain('\u001b');
  });

  test('without a command: help on stderr, exit 2', async () => {
    const cli = headwater([]);
    expect(await cli.exit()).toBe(2);
    expect(cli.stdout).toBe('');
    expect(cli.stderr).toMatch(/^Usage: headwater /);
  });
});

test('--version', async () => {
  const { default: manifest } = await import('../../package.json', { with: { type: 'json' } });
  for (const flag of ['--version', '-V']) {
    const cli = headwater([flag]);
    expect(await cli.exit()).toBe(0);
    expect(cli.stdout).toBe(`${manifest.version}\n`);
  }
});

describe('a reader that goes away', () => {
  test('of stdout ends the command quietly', async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const cli = headwater(['node', ...lab.as('anna'), '--json']);
    await cli.first('ready');
    cli.child.stdout?.destroy(); // The next status finds out.
    expect(await cli.exit()).toBe(0);
    expect(cli.stderr).toBe('');
  });

  test.skipIf(process.platform === 'win32')('ends what watches a running member, which goes on', async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const control = ['--control', join(lab.folder, 'sock')];
    const anna = headwater(['node', ...lab.as('anna'), ...control, '--json']);
    await anna.first('status');
    for (const watching of [['status', '--watch'], ['drops', '--watch', '--json'], ['top'], ['trace']]) {
      const cli = headwater([...watching, ...control]);
      await cli.until('a look', ({ stdout }) => stdout.includes('\n'));
      cli.child.stdout?.destroy();
      expect(await cli.exit(), watching.join(' ')).toBe(0);
      expect(cli.stderr.replace(/^\d+ looks recorded.*\n/, '')).toBe('');
    }
    expect(anna.child.exitCode).toBeNull();
  });

  test('of stderr changes nothing', async () => {
    const wrong = headwater(['demo', '--nodes', 'x']);
    wrong.child.stderr?.destroy();
    expect(await wrong.exit()).toBe(2);

    const tmp = await tempFolder();
    const demo = headwater('demo --nodes 2 --size 0.1 --loss 0 --delay 1'.split(' '), { tmp });
    demo.child.stderr?.destroy();
    expect(await demo.exit()).toBe(0);
    expect(demo.stdout).toMatch(/^peer-1 +saved .* ok$/m);
    expect(await readdir(tmp)).toEqual([]);
  });
});

describe('interrupted', () => {
  test('a command that waits for something exits with 130', async () => {
    const lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
    const receiver = headwater(['receive', ...lab.as('anna'), '--out', lab.folder, '--count', '1']);
    await receiver.until('its address', ({ stderr }) => stderr.includes('saving to'));
    receiver.child.kill('SIGINT');
    expect(await receiver.exit()).toBe(130);

    const sender = headwater(['send', lab.groupFile, ...lab.as('ben'), '--json']);
    await sender.first('ready');
    sender.child.kill('SIGTERM');
    expect(await sender.exit()).toBe(130);
    expect(linesOf(sender.stderr)).toHaveLength(1);
  });

  test('a receiver that has all its files, and stays for others, exits with 0; one that lacks some with 130', async () => {
    const folder = await tempFolder();
    const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
    const receive = (name: string, count: string) =>
      headwater(['receive', ...lab.as(name), '--out', join(folder, name), '--count', count]);
    const [ben, cleo] = [receive('ben', '1'), receive('cleo', '2')];
    for (const cli of [ben, cleo])
      await cli.until('its address', ({ stderr }) => stderr.includes('saving to'));
    await writeFile(join(folder, 'data.bin'), 'content');
    const sender = headwater(['send', join(folder, 'data.bin'), ...lab.as('anna')]);
    await ben.until('the file', ({ stderr }) => stderr.includes('staying until'));
    await cleo.until('the file', ({ stdout }) => stdout.includes('data.bin'));
    for (const cli of [ben, cleo]) cli.child.kill('SIGINT');
    expect([await ben.exit(), await cleo.exit()]).toEqual([0, 130]);
    await sender.exit();
  });

  test('by a reader that goes away is the same as by a signal', async () => {
    const lab = await createLab(await tempFolder(), ['anna']);
    const receive = ['receive', ...lab.as('anna'), '--out', lab.folder, '--json'];
    for (const [more, code] of [
      [[], 0],
      [['--count', '1'], 130],
    ] as const) {
      const cli = headwater([...receive, ...more]);
      await cli.first('ready');
      cli.child.stdout?.destroy();
      expect([await cli.exit(), cli.stderr]).toEqual([code, '']);
    }
  });

  test('by a reader that goes away ends a receiver at the next file, too', async () => {
    const folder = await tempFolder();
    const lab = await createLab(folder, ['anna', 'ben']);
    const ben = headwater(['receive', ...lab.as('ben'), '--out', join(folder, 'ben')]);
    await ben.until('its address', ({ stderr }) => stderr.includes('saving to'));
    ben.child.stdout?.destroy();
    await writeFile(join(folder, 'data.bin'), 'content');
    headwater(['send', join(folder, 'data.bin'), ...lab.as('anna')]);
    expect(await ben.exit()).toBe(0);
  });

  test.each(['SIGINT', 'SIGTERM'] as const)(
    'a command that runs until then exits with 0: %s',
    async (signal) => {
      const lab = await createLab(await tempFolder(), ['anna']);
      const node = headwater(['node', ...lab.as('anna'), '--json']);
      await node.first('ready');
      node.child.kill(signal);
      expect([await node.exit(), node.stderr]).toEqual([0, '']);

      const receiver = headwater(['receive', ...lab.as('anna'), '--out', lab.folder, '--json']);
      await receiver.first('ready');
      receiver.child.kill(signal);
      expect(await receiver.exit()).toBe(0);
      expect(receiver.events('end')).toMatchObject([{ saved: 0, failed: 0 }]);

      const link = headwater(['link', '127.0.0.1:0=127.0.0.1:9']);
      await link.until('its address', ({ stdout }) => /^127\.0\.0\.1:\d+ -> 127\.0\.0\.1:9\n$/.test(stdout));
      link.child.kill(signal);
      expect(await link.exit()).toBe(0);
      expect(link.stderr).toMatch(/^0 datagrams: 0 delivered/);
    },
  );
});
