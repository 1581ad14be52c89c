/** `headwater store`: what it says of a store, what it finds in a damaged one, and that it leaves alone what is not its own to touch. */
import { readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { database } from '../../src/disk/database.js';
import { openStore } from '../../src/disk/lmdb.js';
import { createNetwork } from '../../src/network/create.js';
import { chunkKey, HEADER_KEY, parseHeader, writeHeader } from '../../src/store/records.js';
import { cleanup, headwater, linesOf, tempFolder } from './cli.js';
import { createLab, type Lab } from './lab.js';

let lab: Lab;
let path: string;
beforeEach(async () => {
  lab = await createLab(await tempFolder(), ['anna']);
  path = join(lab.folder, 'anna.store');
});
afterEach(cleanup);

async function store(...args: string[]) {
  const cli = headwater(['store', ...args]);
  return { code: await cli.exit(), stdout: cli.stdout, stderr: cli.stderr };
}

/** A member of its own: what it says it delivers. Ends with its store closed. */
async function runNode(...lines: string[]) {
  const cli = headwater(['node', ...lab.as('anna'), '--store', path]);
  for (const line of lines) cli.say(line);
  await cli.until('all lines', ({ stdout }) => linesOf(stdout).length === lines.length);
  cli.child.kill('SIGTERM');
  await cli.exit();
  return cli.stdout;
}

const secretKey = () =>
  Buffer.from(JSON.parse(readFileSync(join(lab.folder, 'anna.key'), 'utf8')).seed, 'hex');

describe('info', () => {
  test('says whose a store is and what it holds, in 80 columns', async () => {
    await runNode('one', 'two');
    const { code, stdout } = await store('info', path, '-g', lab.groupFile);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^member +anna$/m);
    expect(stdout).toMatch(/^closed +yes$/m);
    for (const line of stdout.split('\n').slice(1)) expect(line.length).toBeLessThanOrEqual(80);
  });

  test('needs no group file, and says the same as JSON', async () => {
    await runNode('one');
    const info = JSON.parse((await store('info', path, '--json')).stdout);
    expect(info).toMatchObject({ version: 3, member: { name: null }, closed: true, undeliveredObjects: 0 });
    expect(info.streams).toMatchObject([{ from: 'member-0', keptFrom: expect.any(Number) }]);
  });

  test('changes nothing: the member that was killed still hears of it', async () => {
    const cli = headwater(['node', ...lab.as('anna'), '--store', path]);
    cli.say('one');
    await cli.until('it', ({ stdout }) => stdout.includes('one'));
    cli.child.kill('SIGKILL');
    await cli.exit();
    for (const command of ['info', 'verify', 'compact', 'export'])
      expect((await store(command, path)).code, command).toBe(0);
    expect((await store('info', path)).stdout).toMatch(/^closed +no: its process was killed/m);
    const { loaded, close } = await openStore({
      path,
      groupId: lab.group.id,
      publicKey: lab.group.members[0].publicKey,
    });
    await close();
    expect(loaded.crash).toBeDefined();
  });
});

describe('verify', () => {
  test('finds nothing in a sound store', async () => {
    await runNode('one', 'two');
    const { code, stdout } = await store('verify', path);
    expect([code, stdout]).toEqual([0, expect.stringMatching(/are sound; nothing damaged\n$/)]);
  });

  test('names an object that the disk has changed', async () => {
    await runNode('one');
    const [stream] = JSON.parse((await store('info', path, '--json')).stdout).streams;
    const db = await database(path);
    const key = chunkKey({ origin: 0, incarnation: stream.incarnation, seq: 0 }, 0);
    const bytes = new Uint8Array(db.getBinary(key)!);
    bytes[bytes.length - 1] ^= 1;
    await db.put(key, bytes);
    await db.close();
    const { code, stdout } = await store('verify', path, '-g', lab.groupFile);
    expect(code).toBe(1);
    expect(stdout).toContain(`object anna ${stream.incarnation}/0: it is not what was written\n`);
  });
});

describe('what is not to be touched', () => {
  const commands = ['info', 'verify', 'compact', 'export'];

  test.each(commands)('%s: a store in use, with the process that has it', async (command) => {
    const cli = headwater(['node', ...lab.as('anna'), '--store', path, '--json']);
    await cli.first('ready');
    const { code, stderr } = await store(command, path);
    expect([code, stderr]).toEqual([1, expect.stringContaining(`which process ${cli.child.pid} `)]);
  });

  test.each(commands)('%s: a store of a newer version', async (command) => {
    await runNode('one');
    const db = await database(path);
    const header = parseHeader(db.getBinary(HEADER_KEY)!);
    if (!header || !('incarnation' in header)) throw new Error('expected a header');
    await db.put(HEADER_KEY, writeHeader({ ...header, version: 4 }));
    await db.close();
    const { code, stderr } = await store(command, path);
    expect([code, stderr]).toEqual([
      2,
      `headwater: store: expected version 3, got 4 in ${path}; another version of headwater may read it\n`,
    ]);
  });

  test.each(commands)('%s: a file that is cut in half, which stays as it is', async (command) => {
    await runNode(...Array.from({ length: 50 }, (_, i) => `line ${i}`));
    truncateSync(path, Math.floor(statSync(path).size / 2));
    const before = readFileSync(path);
    const { code, stderr } = await store(command, path);
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^headwater: store: expected one that can be read, got damage in .*: .+\n$/),
    ]);
    expect(before.equals(readFileSync(path))).toBe(true);
  });

  test('what is no store, what is not there, and the store of another group', async () => {
    writeFileSync(join(lab.folder, 'letter'), 'dear all');
    await runNode('one');
    const other = await createLab(await tempFolder(), ['ben']);
    const told = await Promise.all([
      store('info', join(lab.folder, 'letter')),
      store('info', join(lab.folder, 'nothing')),
    ]);
    told.push(await store('info', path, '-g', other.groupFile));
    expect(told.map(({ code }) => code)).toEqual([2, 1, 2]);
    expect(told.map(({ stderr }) => stderr.replace(/.*, got /, ''))).toEqual([
      'a file of another kind; it is left as it is\n',
      'nothing\n',
      expect.stringMatching(/^that of [0-9a-f]{16}\.\.\. in /),
    ]);
  });
});

test('compact gives room back, and the member goes on with what it had', async () => {
  const lines = Array.from({ length: 400 }, (_, i) => `${i} ${'x'.repeat(2000)}`);
  await runNode(...lines);
  const [stream] = JSON.parse((await store('info', path, '--json')).stdout).streams;
  const opened = await openStore({
    path,
    groupId: lab.group.id,
    publicKey: lab.group.members[0].publicKey,
  });
  const { origin, incarnation } = opened.loaded.streams[0];
  await opened.commit([{ type: 'prune', stream: { origin, incarnation }, below: stream.delivered - 1 }]);
  await opened.close();
  const { code, stdout } = await store('compact', path, '--json');
  const { beforeBytes, afterBytes } = JSON.parse(stdout);
  expect(code).toBe(0);
  expect(afterBytes).toBeLessThan(beforeBytes / 2);
  expect(statSync(path).size).toBe(afterBytes);
  expect(statSync(path).mode & 0o777).toBe(0o600);
  expect((await store('verify', path)).code).toBe(0);
  expect(await runNode('more')).toBe('anna: more\n');
});

describe('export', () => {
  beforeEach(async () => {
    lab = await createLab(await tempFolder(), ['anna', 'ben', 'cleo']);
    path = join(lab.folder, 'anna.store');
  });

  /** As above beside ben; cleo never comes, so that what is delivered is kept. */
  async function runBoth(...lines: string[]) {
    const ben = headwater(['node', ...lab.as('ben'), '--store', join(lab.folder, 'ben.store')]);
    const said = await runNode(...lines);
    ben.child.kill('SIGTERM');
    await ben.exit();
    return said;
  }

  test('prints what was delivered as it was delivered', async () => {
    const said = await runBoth('one', 'zwei', '三');
    const { code, stdout } = await store('export', path, '-g', lab.groupFile);
    expect([code, stdout]).toEqual([0, said]);
  });

  test('prints what a program has said as values', async () => {
    const network = await createNetwork({ group: lab.group, secretKey: secretKey(), storePath: path });
    await network.broadcast({ text: 'hi', list: [1, null], bytes: Uint8Array.of(1, 2), big: 2n ** 60n });
    await network.close();
    const [line] = linesOf((await store('export', path, '--undelivered', '--as', 'values', '--json')).stdout);
    expect(JSON.parse(line).value).toEqual({
      text: 'hi',
      list: [1, null],
      bytes: 'AQI=',
      big: String(2n ** 60n),
    });
  });

  test('says what is of another form, and leaves it out', async () => {
    await runBoth('one', 'two');
    const { code, stdout, stderr } = await store('export', path, '--as', 'values');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^message member-\d \d+\/0\/0: .* \(see --as\); it is left out$/m);
  });

  test('ends quietly when its reader has gone', async () => {
    await runBoth(...Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(1000)}`));
    const cli = headwater(['store', 'export', path]);
    await cli.until('a line', ({ stdout }) => stdout.includes('\n'));
    cli.child.stdout?.destroy();
    await cli.exit();
    expect(cli.stderr).toBe('');
  });
});
