/** Names that something else has: found before anything is renamed, and told by their names; and what former versions have left. */
import { chmod, mkdir, readdir, readFile, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { Taken } from '../../src/file/staging.js';
import { newFolder, offerOf, openTree, receive, stage, write } from './tree.js';

async function setUp() {
  const folder = await newFolder();
  await write(folder, { 'one.txt': 'new', 't/a': 'new', 't/b/c': 'new' });
  const source = await openTree(join(folder, 'one.txt'), join(folder, 't'));
  return { folder, source, out: join(folder, 'out') };
}

const refusal = (message: string, said: string) =>
  expect.objectContaining({
    code: 'FILE',
    message: expect.stringContaining(message),
    cause: expect.objectContaining({ message: said }),
  });

test('a name that is kept is told', async () => {
  const { source, out } = await setUp();
  await write(out, { 't/other': 'old' });

  const refused = stage(offerOf(source), out);

  await expect(refused).rejects.toThrow(refusal(`got ${join(out, 't')}`, 'it has a file of that name: t'));
});

test.each([
  ['a folder where a file is to be', 't/a/x', 't/a', 'it has a folder where a file is to be: t/a'],
  ['a file where a folder is to be', 't/b', 't/b', 'it has a file where a folder is to be: t/b'],
  ['an outermost one', 'one.txt/x', 'one.txt', 'it has a folder where a file is to be: one.txt'],
])('%s is found at the offer, and nothing is replaced', async (_what, there, at, said) => {
  const { source, out } = await setUp();
  await write(out, { [there]: 'old' });

  const refused = stage(offerOf(source), out, true);

  await expect(refused).rejects.toThrow(refusal(join(out, at), said));
  expect(await readFile(join(out, there), 'utf8')).toBe('old');
});

test('what comes there meanwhile is found before any file has its name', async () => {
  const { source, out } = await setUp();
  const { staging } = await stage(offerOf(source), out, true);
  await receive(source, staging);
  await mkdir(join(out, 't/a'), { recursive: true });

  const failed = staging.complete();

  await expect(failed).rejects.toThrow(expect.objectContaining({ cause: expect.any(Taken) }));
  expect((await readdir(out)).filter((name) => !name.startsWith('.'))).toEqual(['t']);
});

test('what is left of a former version goes once its successor is saved, and that of others stays', async () => {
  const { folder, source, out } = await setUp();
  const former = await stage(offerOf(source), out);
  await former.staging.close(false);
  const other = await stage(offerOf(await openTree(join(folder, 't/a'))), out);
  await other.staging.close(false);
  await write(folder, { 't/a': 'newer' });
  const next = await openTree(join(folder, 'one.txt'), join(folder, 't'));
  const { staging } = await stage(offerOf(next), out);
  await receive(next, staging);

  await staging.complete();

  expect(staging.superseded).toHaveLength(1);
  expect((await readdir(out)).filter((name) => name.endsWith('.part'))).toHaveLength(1);
  expect(await readFile(join(out, 't/a'), 'utf8')).toBe('newer');
});

test('what is there with the same contents gets the modes and times of its sender', async () => {
  const { folder, out } = await setUp();
  await write(out, { 't/a': 'new', 't/b/c': 'new' });
  await chmod(join(folder, 't/a'), 0o600);
  await utimes(join(folder, 't/b/c'), 1000, 1000);
  await chmod(join(folder, 't/b'), 0o750);

  const { staging } = await stage(offerOf(await openTree(join(folder, 't'))), out);

  expect(staging.isComplete).toBe(true);
  const there = await Promise.all(['t/a', 't/b/c', 't/b'].map((path) => stat(join(out, path))));
  expect([there[0].mode & 0o777, there[1].mtimeMs, there[2].mode & 0o777]).toEqual([0o600, 1e6, 0o750]);
});

test('of a tree that is to replace another one, what is there with the same contents need not come again', async () => {
  const { folder, out } = await setUp();
  const large = (byte: number) => new Uint8Array(9_000_000).fill(byte);
  await write(folder, { 't/large-1': large(1), 't/large-2': large(2) });
  await write(out, { 't/large-1': large(1), 't/large-2': large(3), 't/a': 'old' });
  const source = await openTree(join(folder, 't'));

  const { staging } = await stage(offerOf(source), out, true);

  // Slices have 2 MiB: those that lie in the first file alone.
  expect([...staging.held.keys()]).toEqual([1, 2, 3]);
  await receive(source, staging);
  await staging.complete();
  for (const [name, byte] of [
    ['t/large-1', 1],
    ['t/large-2', 2],
  ] as const)
    expect(Buffer.compare(await readFile(join(out, name)), large(byte))).toBe(0);
});
