/** A tree to several machines of which one is killed midway and one comes late, and a sender that is killed: all trees are equal. */
import { createHash, randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, stat, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type Cli, cleanup, headwater, tempFolder } from './cli.js';
import { createLab } from './lab.js';

afterEach(cleanup);

/** Some large files, many small ones, empty ones and folders. */
async function makeTree(folder: string): Promise<string> {
  const tree = join(folder, 'tree');
  await mkdir(join(tree, 'many'), { recursive: true });
  await mkdir(join(tree, 'void'));
  await writeFile(join(tree, 'large.bin'), randomBytes(20_000_000));
  await writeFile(join(tree, 'empty'), '');
  await writeFile(join(tree, 'run.sh'), 'exit 0', { mode: 0o755 });
  await symlink('/etc/passwd', join(tree, 'link'));
  for (let i = 0; i < 300; i++) await writeFile(join(tree, 'many', `file ${i}.txt`), randomBytes(i));
  return tree;
}

/** Each path with its size, mode and hash. */
async function contentOf(folder: string, path = ''): Promise<string[]> {
  const all: string[] = [];
  for (const entry of await readdir(join(folder, path), { withFileTypes: true })) {
    const inner = join(path, entry.name);
    if (entry.isSymbolicLink()) continue;
    const { mode } = await stat(join(folder, inner));
    if (entry.isDirectory()) all.push(`${inner} ${mode}`, ...(await contentOf(folder, inner)));
    else {
      const bytes = await readFile(join(folder, inner));
      all.push(`${inner} ${mode} ${createHash('sha256').update(bytes).digest('hex')}`);
    }
  }
  return all.sort();
}

/** Bytes that a receiver says that it holds. */
function heldBy(cli: Cli): number {
  const told = cli.events('progress') as { held?: number }[];
  return told.at(-1)?.held ?? 0;
}

test('one receiver is killed midway and starts again, one comes late', async () => {
  const folder = await tempFolder();
  const names = ['anna', 'ben', 'cleo', 'dora'];
  const lab = await createLab(folder, names);
  const tree = await makeTree(folder);
  const receive = (name: string) =>
    headwater(['receive', ...lab.as(name), '--out', join(folder, name), '--count', '1', '--json']);
  const ben = receive('ben');
  const killed = receive('cleo');
  for (const cli of [ben, killed]) await cli.first('ready');
  const sender = headwater(['send', tree, ...lab.as('anna'), '--wait', '2', '--max-rate', '80', '--json']);
  await killed.until('a part of it', (cli) => heldBy(cli) > 4_000_000);
  killed.child.kill('SIGKILL');
  await killed.exit();
  expect(await readdir(join(folder, 'cleo'))).toEqual([expect.stringMatching(/^\..*\.part$/)]);
  const [cleo, dora] = [receive('cleo'), receive('dora')];

  expect(await sender.exit()).toBe(0);
  const [sent] = sender.events('sent') as { skipped?: string[] }[];
  expect(sent.skipped).toEqual([join(tree, 'link')]);
  const expected = await contentOf(tree);
  for (const [name, cli] of [
    ['ben', ben],
    ['cleo', cleo],
    ['dora', dora],
  ] as const) {
    expect(await cli.exit()).toBe(0);
    expect(await readdir(join(folder, name))).toEqual(['tree']);
    expect(await contentOf(join(folder, name, 'tree'))).toEqual(expected);
  }
  const [offer] = cleo.events('offer') as { held?: number }[];
  expect(offer.held).toBeGreaterThan(4_000_000);
});

test('a sender that is killed is started again, and sends what is missing', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const tree = await makeTree(folder);
  const out = join(folder, 'out');
  const ben = headwater(['receive', ...lab.as('ben'), '--out', out, '--count', '1', '--json']);
  await ben.first('ready');
  const send = () => headwater(['send', tree, ...lab.as('anna'), '--max-rate', '80', '--json']);
  const killed = send();
  await ben.until('a part of it', (cli) => heldBy(cli) > 10_000_000);
  killed.child.kill('SIGKILL');
  await killed.exit();
  const sender = send();
  expect(await sender.exit()).toBe(0);
  expect(await ben.exit()).toBe(0);
  expect(await contentOf(join(out, 'tree'))).toEqual(await contentOf(tree));
  // Less than the file alone, however much of half of it is sent twice on a busy machine.
  const [sent] = sender.events('sent') as { sentBytes?: number }[];
  expect(sent.sentBytes).toBeLessThan(20_000_000);
});

test('a file that changes while it is sent ends the transfer at both ends, and is named', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const tree = await makeTree(folder);
  const out = join(folder, 'out');
  const ben = headwater(['receive', ...lab.as('ben'), '--out', out, '--count', '1', '--json']);
  await ben.first('ready');
  const sender = headwater(['send', tree, ...lab.as('anna'), '--max-rate', '40', '--json']);
  await ben.until('a part of it', (cli) => heldBy(cli) > 1_000_000);
  await writeFile(join(tree, 'large.bin'), 'shorter');
  expect([await sender.exit(), await ben.exit()]).toEqual([1, 1]);
  for (const { stderr } of [sender, ben]) expect(stderr).toContain('large.bin');
  // Nothing is kept of it, nor the folder that was made for it.
  expect(await readdir(folder)).not.toContain('out');
});

test('what is there already is not sent again', async () => {
  const folder = await tempFolder();
  const lab = await createLab(folder, ['anna', 'ben']);
  const tree = await makeTree(folder);
  for (let round = 0; round < 2; round++) {
    const ben = headwater([
      'receive',
      ...lab.as('ben'),
      '--out',
      join(folder, 'out'),
      '--count',
      '1',
      '--json',
    ]);
    await ben.first('ready');
    const sender = headwater(['send', tree, ...lab.as('anna'), '--json']);
    expect(await sender.exit()).toBe(0);
    expect(await ben.exit()).toBe(0);
    const [sent] = sender.events('sent') as { sentBytes?: number }[];
    if (round === 1) expect(sent.sentBytes).toBeLessThan(1_000_000);
  }
});
