/** Files from one process to two others: directly, over an emulated bad link, over IPv6, onto a name that is taken, out of stdin. */
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, expect, test as serial } from 'vitest';
import { type Cli, canBind, cleanup, freePorts, headwater, linesOf, tempFolder } from './cli.js';
import { createLab } from './lab.js';

// They mostly wait, for one another's processes and not for the processor.
const test = serial.concurrent;

afterAll(cleanup);

test('keygen, group, receive, send: as three users would', async () => {
  const folder = await tempFolder();
  const ports = await freePorts(3);
  const names = ['anna', 'ben', 'cleo'];
  const members = await Promise.all(
    names.map(async (name, i) => {
      const cli = headwater(['keygen', join(folder, `${name}.key`)]);
      expect(await cli.exit()).toBe(0);
      expect(cli.stderr).toBe('');
      expect(cli.stdout).toMatch(/^[0-9a-f]{64}\n$/);
      return `${name}=${cli.stdout.trim()}@127.0.0.1:${ports[i]}`;
    }),
  );
  const group = headwater(['group', '--name', 'trio', ...members]);
  expect(await group.exit()).toBe(0);
  const groupFile = join(folder, 'group.json');
  await writeFile(groupFile, group.stdout);

  const as = (name: string) => ['-g', groupFile, '-k', join(folder, `${name}.key`)];
  await transfer(folder, 300_001, as, names);
});

test('through a link that loses, delays, doubles, corrupts and reorders', async () => {
  const folder = await tempFolder();
  const names = ['anna', 'ben', 'cleo'];
  const [outside, inside] = [await freePorts(3), await freePorts(3)];
  const lab = await createLab(
    folder,
    names,
    outside.map((port) => `127.0.0.1:${port}`),
  );
  const pairs = outside.map((port, i) => `127.0.0.1:${port}=127.0.0.1:${inside[i]}`);
  const flags = '--loss 15 --delay 5 --duplicate 5 --corrupt 2 --reorder 5 --seed e2e --json'.split(' ');
  const link = headwater(['link', ...pairs, ...flags]);
  expect((await link.first('ready')).addresses).toEqual(outside.map((port) => `127.0.0.1:${port}`));

  await transfer(
    folder,
    200_000,
    (name) => [...lab.as(name), '--bind', `127.0.0.1:${inside[names.indexOf(name)]}`],
    names,
  );

  link.child.kill('SIGINT');
  expect(await link.exit()).toBe(0);
  const [end] = link.events('end') as { total?: Record<string, number> }[];
  for (const counter of ['sent', 'delivered', 'lost', 'duplicated', 'corrupted'])
    expect(end.total?.[counter]).toBeGreaterThan(0);
});

test('over IPv6', async (context) => {
  if (!(await canBind(0, '::1'))) return context.skip();
  const folder = await tempFolder();
  const names = ['anna', 'ben', 'cleo'];
  const ports = await freePorts(3, '::1');
  const lab = await createLab(
    folder,
    names,
    ports.map((port) => `[::1]:${port}`),
  );
  await transfer(folder, 50_000, lab.as, names);
});

test('--json tells of the file at both ends', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const bytes = randomBytes(10_000);
  const file = join(folder, 'data.bin');
  await writeFile(file, bytes);
  const out = join(folder, 'out');
  const receiver = headwater(['receive', ...lab.as('ben'), '--out', out, '--count', '1', '--json']);
  await receiver.first('ready');
  const sender = headwater(['send', file, ...lab.as('anna'), '--json']);
  expect(await sender.exit()).toBe(0);
  expect(await receiver.exit()).toBe(0);
  const [{ root }] = sender.events('sent') as { root?: string }[];
  const told = { bytes: bytes.length, root };
  const outcome = { saved: ['ben'], failed: [], missing: [], reasons: {}, skipped: [] };
  expect(sender.events('sent')).toMatchObject([{ files: [file], entries: 1, ...told, ...outcome }]);
  const states = (sender.events('progress') as { receivers?: object[] }[]).map(({ receivers }) => receivers);
  expect(states.at(-1)).toEqual([{ name: 'ben', state: 'saved', bytes: bytes.length }]);
  expect(receiver.events('saved')).toMatchObject([{ from: 'anna', paths: [join(out, 'data.bin')], ...told }]);
  expect(receiver.events('end')).toMatchObject([{ saved: 1, failed: 0 }]);
});

test('a member that is away: exit 3 and its name', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const file = join(folder, 'data.bin');
  await writeFile(file, randomBytes(10_000));
  const receiver = headwater(['receive', ...lab.as('ben'), '--out', join(folder, 'out'), '--count', '1']);
  await receiver.until('its address', ({ stderr }) => stderr.includes('saving to'));
  const sender = headwater(['send', file, ...lab.as('anna'), '--wait', '1']);
  expect(await sender.exit()).toBe(3);
  expect(sender.stderr).toContain('not saved by cleo: nothing was heard of it\n');
  expect(await receiver.exit()).toBe(0);
});

test('all are away: exit 1 after --timeout', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const sender = headwater(['send', lab.groupFile, ...lab.as('anna'), '--wait', '0', '--timeout', '1']);
  expect(await sender.exit()).toBe(1);
  const [error] = errorsOf(sender);
  expect(error).toMatch(/^headwater: send: expected members that receive, got nothing new for 1 s: /);
  for (const name of ['ben', 'cleo']) expect(error).toContain(`${name} (nothing was heard of it)`);
});

test('a name that is taken is kept and reported; --overwrite replaces it', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const bytes = randomBytes(5_000);
  const file = join(folder, 'data.bin');
  await writeFile(file, bytes);
  const outs = ['ben', 'cleo'].map((name) => join(folder, name));
  for (const out of outs) {
    await mkdir(out);
    await writeFile(join(out, 'data.bin'), 'mine');
  }
  const receive = (name: string, i: number, ...more: string[]) =>
    headwater(['receive', ...lab.as(name), '--out', outs[i], '--count', '1', ...more]);
  const careful = receive('ben', 0);
  const bold = receive('cleo', 1, '--overwrite');
  for (const receiver of [careful, bold])
    await receiver.until('its address', ({ stderr }) => stderr.includes('saving to'));
  const sender = headwater(['send', file, ...lab.as('anna')]);
  expect(await sender.exit()).toBe(3);
  expect(sender.stderr).toContain('1 of 2 other members have saved it');
  expect(sender.stderr).toContain('not saved by ben: it has a file of that name: data.bin\n');

  expect(await careful.exit()).toBe(1);
  expect(errorsOf(careful)).toEqual([
    `headwater: file: expected a free name, got ${join(outs[0], 'data.bin')}, which exists (see --overwrite)`,
  ]);
  expect(careful.stdout).toBe('');
  expect(await readFile(join(outs[0], 'data.bin'), 'utf8')).toBe('mine');

  expect(await bold.exit()).toBe(0);
  expect(await readFile(join(outs[1], 'data.bin'))).toEqual(bytes);
  for (const out of outs) expect(await readdir(out)).toEqual(['data.bin']);
});

test('a file that no receiver can save: exit 1, and each one’s reason', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const file = join(folder, 'data.bin');
  await writeFile(file, randomBytes(10_000));
  const receivers = ['ben', 'cleo'].map((name) => {
    const out = join(folder, name);
    return { out, cli: headwater(['receive', ...lab.as(name), '--out', out, '--count', '1']) };
  });
  for (const { out, cli } of receivers) {
    await cli.until('its address', ({ stderr }) => stderr.includes('saving to'));
    await rm(out, { recursive: true });
    await writeFile(out, 'no folder any more');
  }
  const sender = headwater(['send', file, ...lab.as('anna'), '--json']);
  expect(await sender.exit()).toBe(1);
  expect(sender.events('sent')).toMatchObject([{ saved: [], missing: [] }]);
  const [{ failed }] = sender.events('sent') as { failed?: unknown }[];
  expect(failed).toEqual(
    expect.arrayContaining([
      { name: 'ben', reason: 'it cannot write the files (EEXIST)' },
      { name: 'cleo', reason: 'it cannot write the files (EEXIST)' },
    ]),
  );
  for (const { cli } of receivers) expect(await cli.exit()).toBe(1);
});

test('a name that receivers refuse is refused before anything is sent', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const file = join(folder, '.profile');
  await writeFile(file, 'x');
  const sender = headwater(['send', file, ...lab.as('anna')]);
  expect(await sender.exit()).toBe(1);
  expect(errorsOf(sender)).toEqual([
    'headwater: file name: expected one that does not start with a dot (hidden), got ".profile"',
  ]);
});

test('a member that saves no files says so', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben', 'cleo']);
  const out = join(folder, 'out');
  const receiver = headwater(['receive', ...lab.as('ben'), '--out', out, '--count', '1']);
  const node = headwater(['node', ...lab.as('cleo')]);
  await node.until('ben', ({ stderr }) => stderr.includes('ben is here'));
  const file = join(folder, 'data.bin');
  await writeFile(file, 'content');
  const sender = headwater(['send', file, ...lab.as('anna')]);
  expect(await sender.exit()).toBe(3);
  expect(sender.stderr).toContain(
    'not saved by cleo: it saves no files (headwater receive is not what it runs)\n',
  );
  expect(await receiver.exit()).toBe(0);
  expect(await readdir(out)).toEqual(['data.bin']);
});

test('stdin goes under the name that it is given', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const out = join(folder, 'out');
  const receiver = headwater(['receive', ...lab.as('ben'), '--out', out, '--count', '1']);
  const sender = headwater(['send', '-', '--name', 'notes.txt', ...lab.as('anna')]);
  sender.say('one');
  sender.child.stdin!.end('two');
  expect(await sender.exit()).toBe(0);
  expect(await receiver.exit()).toBe(0);
  expect(await readFile(join(out, 'notes.txt'), 'utf8')).toBe('one\ntwo');
});

/** The first name sends, the others receive; `as` gives a member's options. */
async function transfer(
  folder: string,
  size: number,
  as: (name: string) => string[],
  [origin, ...others]: string[],
): Promise<void> {
  const bytes = randomBytes(size);
  const file = join(folder, 'data.bin');
  await writeFile(file, bytes);
  const receivers = others.map((name) => {
    const out = join(folder, name, 'deep');
    return {
      path: join(out, 'data.bin'),
      cli: headwater(['receive', ...as(name), '--out', out, '--count', '1']),
    };
  });
  for (const { cli } of receivers)
    await cli.until('its address', ({ stderr }) => stderr.includes('saving to'));
  const sender = headwater(['send', file, ...as(origin), '--wait', '30']);

  expect(await sender.exit()).toBe(0);
  const [root] = sender.stdout.split(' ');
  expect(sender.stdout).toBe(`${root}  ${file}\n`);
  for (const { cli, path } of receivers) {
    expect(await cli.exit()).toBe(0);
    expect(cli.stdout).toBe(`${root}  ${path}\n`);
    expect(await readFile(path)).toEqual(bytes);
  }
}

function errorsOf({ stderr }: Cli): string[] {
  return linesOf(stderr).filter((line) => line.startsWith('headwater: '));
}
