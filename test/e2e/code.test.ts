/** Files to who has a code, without a group file: from the code to the saved file, and what goes wrong on the way. */
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Cli, cleanup, freePorts, headwater, linesOf, tempFolder } from './cli.js';
import { digestOf } from './lab.js';

afterEach(cleanup);

interface Scene {
  folder: string;
  file: string;
  /** `--at` of the sender. */
  at: string;
  send(...more: string[]): Cli;
  receive(name: string, code: string, ...more: string[]): Cli;
}

async function scene(bytes: number): Promise<Scene> {
  const folder = await tempFolder();
  const file = join(folder, 'data.bin');
  await writeFile(file, randomBytes(bytes));
  // The one after it is for data.
  const at = `127.0.0.1:${(await freePorts(1))[0]}`;
  return {
    ...{ folder, file, at },
    send: (...more) => headwater(['send', file, '--at', at, '--json', ...more]),
    receive: (name, code, ...more) =>
      headwater(['receive', code, '--out', join(folder, name), '--name', name, '--json', ...more]),
  };
}

async function codeOf(sender: Cli): Promise<string> {
  return (await sender.first('code')).code!;
}

async function hashOf(path: string): Promise<string> {
  return digestOf(await readFile(path));
}

function heldBy(cli: Cli): number {
  return (cli.events('progress') as { held?: number }[]).at(-1)?.held ?? 0;
}

test('two receivers have one code, from an argument and from the environment, and both save the file', async () => {
  const { folder, file, at, send } = await scene(300_000);
  const sender = send('--expect', '2');
  const code = await codeOf(sender);
  expect(code).toMatch(/^\d+-[a-z]+-[a-z]+@127\.0\.0\.1:\d+$/);
  const receivers = [
    headwater(['receive', code, '--out', join(folder, 'ben'), '--name', 'ben']),
    headwater(['receive', '--at', at, '--out', join(folder, 'cleo'), '--name', 'cleo'], {
      code: code.slice(0, code.indexOf('@')),
    }),
  ];
  expect(await sender.exit()).toBe(0);
  expect(sender.events('sent')).toMatchObject([
    { saved: expect.arrayContaining(['ben', 'cleo']), failed: [], missing: [], waves: 1 },
  ]);
  for (const [i, name] of ['ben', 'cleo'].entries()) {
    expect(await receivers[i].exit()).toBe(0);
    expect(linesOf(receivers[i].stdout)).toEqual([expect.stringMatching(/^[0-9a-f]{64} {2}.*data\.bin$/)]);
    expect(await hashOf(join(folder, name, 'data.bin'))).toBe(await hashOf(file));
  }
});

test('without options the first receiver begins it; the code is the first line, and the QR code is beside it', async () => {
  const { folder, file, at } = await scene(1000);
  const sender = headwater(['send', file, '--at', at, '--qr']);
  const code = await sender.until('the code', ({ stdout }) => linesOf(stdout)[0]);
  await sender.until('how to use it', ({ stderr }) => stderr.includes(`headwater receive ${code}\n`));
  await sender.until('the QR code', ({ stderr }) => stderr.includes('█'));
  const receiver = headwater(['receive', code, '--out', folder.concat('/out')]);
  expect([await sender.exit(), await receiver.exit()]).toEqual([0, 0]);
  expect(await readdir(join(folder, 'out'))).toEqual(['data.bin']);
});

test('a wrong code is told at both ends, and takes nothing from who has the right one', async () => {
  const { at, send, receive } = await scene(1000);
  const sender = send();
  const code = await codeOf(sender);
  const [number, first] = code.split('-');
  const wrong = receive('mallory', `${number}-${first}-${first}@${at}`);
  expect(await wrong.exit()).toBe(1);
  expect(wrong.events('error')).toMatchObject([{ code: 'CODE_REFUSED' }]);
  expect(sender.events('wrong-code')).toMatchObject([{ count: 1, most: 10 }]);
  const right = receive('ben', code);
  expect([await sender.exit(), await right.exit()]).toEqual([0, 0]);
  expect(sender.events('sent')).toMatchObject([{ saved: ['ben'], wrongCodes: 1 }]);
});

test('who comes after the start is served in a group of its own, while the first still receives', async () => {
  const { folder, file, send, receive } = await scene(1_500_000);
  const sender = send('--wait', '0', '--max-rate', '2');
  const code = await codeOf(sender);
  const early = receive('ben', code);
  await early.until('a part of it', (cli) => heldBy(cli) > 0 || cli.events('offer').length > 0);
  // However long the other one takes to begin.
  early.child.kill('SIGSTOP');
  const late = receive('cleo', code);
  await sender.until('the second', (cli) => cli.events('joined').length === 2);
  early.child.kill('SIGCONT');
  expect([await early.exit(), await late.exit(), await sender.exit()]).toEqual([0, 0, 0]);
  expect(sender.events('sent')).toMatchObject([{ saved: ['ben', 'cleo'], waves: 2 }]);
  expect(await hashOf(join(folder, 'cleo', 'data.bin'))).toBe(await hashOf(file));
});

test('a receiver that is killed midway comes back with the same code, and goes on with what it has', async () => {
  const { folder, file, send, receive } = await scene(12_000_000);
  const sender = send('--expect', '1', '--max-rate', '40');
  const code = await codeOf(sender);
  const killed = receive('ben', code);
  await killed.until('a part of it', (cli) => heldBy(cli) > 4_000_000);
  killed.child.kill('SIGKILL');
  await killed.exit();
  const again = receive('ben', code);
  expect([await again.exit(), await sender.exit()]).toEqual([0, 0]);
  const [offer] = again.events('offer') as { held?: number }[];
  expect(offer.held).toBeGreaterThanOrEqual(4_000_000);
  expect(sender.events('sent')).toMatchObject([{ saved: ['ben'], missing: [], waves: 2 }]);
  expect(await hashOf(join(folder, 'ben', 'data.bin'))).toBe(await hashOf(file));
});

test('one more than is expected is told so at once, and gives up after a while', async () => {
  // Longer under way than the third takes to come.
  const other = await scene(5_000_000);
  const alone = other.send('--expect', '1', '--max-rate', '0.2');
  const second = await codeOf(alone);
  const first = other.receive('anna', second);
  await alone.until('the first', (cli) => cli.events('joined').length === 1);
  const third = other.receive('cleo', second);
  expect(await third.first('full')).toMatchObject({ expected: 1 });
  first.child.kill('SIGINT');
  // A sender that answers no more does not keep it waiting.
  alone.child.kill('SIGKILL');
  expect([await first.exit(), await third.exit()]).toEqual([130, 1]);
});

test('a sender that is stopped tells those who wait; a receiver that is stopped tells the sender', async () => {
  const { send, receive } = await scene(1000);
  const sender = send('--expect', '3');
  const code = await codeOf(sender);
  const [anna, ben] = [receive('anna', code), receive('ben', code)];
  await sender.until('both', (cli) => cli.events('joined').length === 2);
  for (const cli of [anna, ben]) await cli.first('waiting');
  anna.child.kill('SIGINT');
  expect(await anna.exit()).toBe(130);
  expect(await sender.first('left')).toMatchObject({ name: 'anna' });
  sender.child.kill('SIGINT');
  expect(await sender.exit()).toBe(130);
  expect(await ben.exit()).toBe(1);
  expect(ben.events('error')).toMatchObject([
    { code: 'UNREACHABLE', message: expect.stringContaining('it has ended') },
  ]);
});

test('a receiver that cannot save it is named, with its reason, and the other has it: exit 3', async () => {
  const { folder, send, receive } = await scene(1000);
  await mkdir(join(folder, 'ben'));
  await writeFile(join(folder, 'ben', 'data.bin'), 'another');
  const sender = send('--expect', '2');
  const code = await codeOf(sender);
  const [ben, cleo] = [receive('ben', code), receive('cleo', code)];
  expect([await ben.exit(), await cleo.exit(), await sender.exit()]).toEqual([1, 0, 3]);
  expect(sender.events('sent')).toMatchObject([
    { saved: ['cleo'], failed: [{ name: 'ben', reason: 'it has a file of that name: data.bin' }] },
  ]);
});

test.each([
  [['receive', '7-clokwork-crossover'], /is clockwork meant\?/, 2],
  [['receive', '7-clockwork-crossover', '--at', 'nowhere'], /--at: expected an address, host:port/, 2],
  [
    ['receive', '7-clockwork-crossover', '--group', 'g'],
    /'--group' goes with --group, and not with a code/,
    2,
  ],
  [['receive', '7-clockwork-crossover', '--name', '\u001b[2J'], /--name: expected/, 2],
  [['receive'], /expected a code, as an argument or in HEADWATER_CODE/, 2],
  [
    ['receive', '7-clockwork-crossover@127.0.0.1:9', '--wait', '1'],
    /expected a sender of code 7 at 127\.0\.0\.1:9, got none for 1 s/,
    1,
  ],
  [['send', '/nowhere'], /file: expected a readable file or folder, got ENOENT for \/nowhere/, 1],
  [['send', 'package.json', '--multicast-address', '10.0.0.1'], /a numeric multicast address, got "10/, 2],
  [['send', 'package.json', '--at', '127.0.0.1'], /--at: expected an address/, 2],
  [
    ['send', 'package.json', '--group', 'g', '--key', 'k', '--expect', '2'],
    /'--expect' goes with a code, and not with --group/,
    2,
  ],
])('%j', async (args, message, exit) => {
  const cli = headwater([...args, ...(args[0] === 'receive' ? ['--out', await tempFolder()] : [])]);
  expect(await cli.exit()).toBe(exit);
  expect(cli.stderr).toMatch(message);
  expect(cli.stdout).toBe('');
});

test('a file that may not be read is told before there is a code', async () => {
  const { folder, file } = await scene(1000);
  await mkdir(join(folder, 'tree'));
  await writeFile(join(folder, 'tree', 'closed'), 'secret', { mode: 0 });
  await chmod(folder, 0o755);
  const isRoot = process.getuid?.() === 0;
  const by = isRoot ? ['setpriv', '--reuid', '65534', '--clear-groups', '--inh-caps=-all'] : [];
  const sender = headwater(['send', file, join(folder, 'tree')], { by });
  expect(await sender.exit()).toBe(1);
  expect(sender.stderr).toBe(
    `headwater: file: expected a readable file, got EACCES for ${join(folder, 'tree', 'closed')}\n`,
  );
  expect(sender.stdout).toBe('');
});

test('a sender that is stopped midway tells its receivers, who say so and go on when it is sent again', async () => {
  const { folder, file, send, receive } = await scene(12_000_000);
  const stopped = send('--expect', '2', '--max-rate', '40');
  const code = await codeOf(stopped);
  const [ben, cleo] = [receive('ben', code), receive('cleo', code)];
  for (const cli of [ben, cleo]) await cli.until('a part of it', (each) => heldBy(each) > 4_000_000);
  stopped.child.kill('SIGINT');
  expect([await stopped.exit(), await ben.exit(), await cleo.exit()]).toEqual([130, 1, 1]);
  for (const cli of [ben, cleo]) expect(cli.stderr).toContain('its sender gave up: it was told to stop');
  const again = send();
  const resumed = receive('ben', await codeOf(again));
  expect([await resumed.exit(), await again.exit()]).toEqual([0, 0]);
  const [offer] = resumed.events('offer') as { held?: number }[];
  expect(offer.held).toBeGreaterThanOrEqual(4_000_000);
  expect(await hashOf(join(folder, 'ben', 'data.bin'))).toBe(await hashOf(file));
});

test('two receivers of one name are called the same at both ends', async () => {
  const { folder, send } = await scene(1000);
  const sender = send('--expect', '2');
  const code = await codeOf(sender);
  const receivers = ['b', 'c'].map((out) =>
    headwater(['receive', code, '--out', join(folder, out), '--name', 'ben', '--json']),
  );
  expect(await sender.exit()).toBe(0);
  const joined = sender.events('joined').map(({ name }) => name);
  expect(joined).toEqual(['ben', 'ben-2']);
  const called: (string | undefined)[] = [];
  for (const cli of receivers) called.push((await cli.first('ready')).name);
  expect(called.sort()).toEqual(joined);
  expect((sender.events('sent')[0].saved as unknown as string[]).sort()).toEqual(joined);
});

test('where no sender was found the folder that was made for its files is gone; one that was there stays', async () => {
  const { folder } = await scene(0);
  await mkdir(join(folder, 'there'));
  for (const out of ['new/inner', 'there']) {
    const code = '7-clockwork-crossover@127.0.0.1:9';
    const cli = headwater(['receive', code, '--wait', '1', '--out', join(folder, out)]);
    expect(await cli.exit()).toBe(1);
  }
  expect((await readdir(folder)).sort()).toEqual(['data.bin', 'there']);
});

test('--out - is no folder', async () => {
  const cli = headwater(['receive', '7-clockwork-crossover', '--out', '-']);
  expect(await cli.exit()).toBe(2);
  expect(cli.stderr).toContain('--out: expected a folder, as nothing is written to stdout');
});

test('a folder for temporary files that is not there is told', async () => {
  const cli = headwater(['send', '-', '--name', 'x'], { tmp: '/nowhere' });
  expect(await cli.exit()).toBe(1);
  expect(cli.stderr).toBe('headwater: TMPDIR: expected a folder to write to, got ENOENT for /nowhere\n');
});

test('a port that is taken is told', async () => {
  const { file, at } = await scene(1000);
  const first = headwater(['send', file, '--at', at, '--json']);
  await first.first('code');
  const second = headwater(['send', file, '--at', at]);
  expect(await second.exit()).toBe(1);
  expect(second.stderr).toMatch(/address: expected to bind .*, got/);
});
