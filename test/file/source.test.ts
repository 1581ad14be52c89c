/** What is sent, as it is on a real disk: which files, in which slices, and that nothing is sent that has changed. */
import { randomBytes } from 'node:crypto';
import { appendFile, mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SLICE_SIZE } from '../../src/bulk/manifest.js';
import { openSource } from '../../src/file/source.js';
import { newFolder, openTree, write } from './tree.js';

test('a tree is listed with its folders first, and its contents stand one behind the other', async () => {
  const folder = await newFolder();
  const large = randomBytes(SLICE_SIZE + 10);
  await write(folder, { 't/b': 'bb', 't/a/large': large, 't/a/none': '' });
  await mkdir(join(folder, 't/void'));
  const source = await openTree(join(folder, 't'));
  const listed = source.manifest.entries.map(({ kind, path, size }) => `${kind} ${path} ${size}`);
  const large_ = SLICE_SIZE + 10;
  const expected = ['folder t 0', 'folder t/a 0', `file t/a/large ${large_}`, 'file t/a/none 0'];
  expect(listed).toEqual([...expected, 'file t/b 2', 'folder t/void 0']);
  const slices = await Promise.all([0, 1].map((slice) => source.read(slice)));
  const all = Buffer.concat(slices.map((slice) => slice!));
  expect(all.equals(Buffer.concat([large, Buffer.from('bb')]))).toBe(true);
  await source.close();
});

test('the same tree is the same transfer', async () => {
  const folder = await newFolder();
  await write(folder, { 't/a': 'a' });
  const [one, two] = [await openTree(join(folder, 't')), await openTree(join(folder, 't'))];
  expect(one.bytes).toEqual(two.bytes);
});

test('several paths cannot have one name', async () => {
  const folder = await newFolder();
  await write(folder, { a: 'a', b: 'b' });
  const opened = openSource([join(folder, 'a'), join(folder, 'b')], { symlinks: 'skip', name: 'x' });
  await expect(opened).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
});

test('an empty file is a tree without a slice', async () => {
  const folder = await newFolder();
  await write(folder, { empty: '' });
  expect((await openTree(join(folder, 'empty'))).manifest).toMatchObject({ bytes: 0, slices: 0 });
});

test.each([
  ['grows', (path: string) => appendFile(path, 'x'), true],
  ['is cut', (path: string) => writeFile(path, 'x'), false],
  ['has other bytes', (path: string) => writeFile(path, 'other'), false],
] as const)('a file that %s is what it was, or nothing', async (_what, change, isThere) => {
  const folder = await newFolder();
  await write(folder, { a: 'bytes' });
  const source = await openTree(join(folder, 'a'));
  await change(join(folder, 'a'));
  const read = await source.read(0);
  expect(read && Buffer.from(read).toString()).toBe(isThere ? 'bytes' : undefined);
  await source.close();
});

test('links in folders are not followed: skipped and said, or refused', async () => {
  const folder = await newFolder();
  await write(folder, { 't/a': 'a' });
  await symlink('/etc/passwd', join(folder, 't/link'));
  await symlink('/etc', join(folder, 't/out'));
  const source = await openTree(join(folder, 't'));
  expect(source.manifest.entries.map(({ path }) => path)).toEqual(['t', 't/a']);
  expect(source.skipped).toEqual(['link', 'out'].map((name) => join(folder, 't', name)));
  await expect(openSource([join(folder, 't')], { symlinks: 'refuse' })).rejects.toMatchObject({
    code: 'FILE',
    message: `file: expected no symbolic links, got ${join(folder, 't', 'link')}`,
  });
});

test('a lone file goes under the name that it is given', async () => {
  const folder = await newFolder();
  await write(folder, { a: 'a' });
  const source = await openSource([join(folder, 'a')], { symlinks: 'skip', name: 'b.txt' });
  expect(source.manifest.entries[0].path).toBe('b.txt');
});

test('what is missing, and a name that no receiver would take, is an error before anything is sent', async () => {
  const folder = await newFolder();
  const path = join(folder, 'nothing');
  await expect(openTree(path)).rejects.toMatchObject({
    code: 'FILE',
    message: `file: expected a readable file or folder, got ENOENT for ${path}`,
  });
  await write(folder, { '.profile': 'x', 't/a\u202eb': 'x' });
  for (const name of ['.profile', 't'])
    await expect(openTree(join(folder, name))).rejects.toMatchObject({
      code: 'FILE',
      message: expect.stringContaining('file name: expected'),
    });
});

test('two that would have one name are refused', async () => {
  const folder = await newFolder();
  await write(folder, { 'x/a': '1', 'y/A': '2' });
  await expect(openTree(join(folder, 'x/a'), join(folder, 'y/A'))).rejects.toMatchObject({
    code: 'FILE',
    message: expect.stringContaining('each path once'),
  });
});
