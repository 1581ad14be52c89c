/** Many small files, and files with holes: the same bytes, modes and times as any others. */
import { chmod, readFile, stat, truncate, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SLICE_SIZE } from '../../src/bulk/manifest.js';
import { newFolder, offerOf, openTree, receive, stage, write } from './tree.js';

const names = Array.from({ length: 100 }, (_, i) => `t/${i}`);

async function manyFiles() {
  const folder = await newFolder();
  await write(folder, Object.fromEntries(names.map((name) => [name, `content of ${name}`])));
  await chmod(join(folder, 't/7'), 0o400);
  await chmod(join(folder, 't/8'), 0o751);
  await utimes(join(folder, 't/9'), 1e9, 1e9);
  const source = await openTree(join(folder, 't'));
  return { folder, source, out: join(folder, 'out') };
}

test('of many small files each has its bytes, mode and time', async () => {
  const { folder, source, out } = await manyFiles();
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);

  await staging.complete();

  for (const name of names) {
    expect(await readFile(join(out, name), 'utf8')).toBe(`content of ${name}`);
    const [sent, saved] = await Promise.all([folder, out].map((root) => stat(join(root, name))));
    expect([saved.mode, Math.floor(saved.mtimeMs)]).toEqual([sent.mode, Math.floor(sent.mtimeMs)]);
  }
});

test('a run that was killed before its journal spoke of a slice writes its files again', async () => {
  const { source, out } = await manyFiles();
  const first = await stage(offerOf(source), out);
  await receive(source, first.staging);
  await first.staging.close(false);
  await truncate(join(first.staging.folder, '.journal'));
  const { staging } = await stage(offerOf(source), out);

  await receive(source, staging, [0]);
  await staging.complete();

  expect(await readFile(join(out, 't/8'), 'utf8')).toBe('content of t/8');
});

test('what is only zeros takes no room where the file system has holes', async () => {
  const folder = await newFolder();
  const bytes = Buffer.alloc(4 * SLICE_SIZE);
  bytes.write('something', 3 * SLICE_SIZE - 4);
  await write(folder, { 'image.bin': bytes });
  const source = await openTree(join(folder, 'image.bin'));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);

  await staging.complete();

  expect((await readFile(join(out, 'image.bin'))).equals(bytes)).toBe(true);
  const { size, blocks } = await stat(join(out, 'image.bin'));
  expect(size).toBe(bytes.length);
  expect(512 * blocks).toBeLessThan(bytes.length / 4);
});

test('zeros are written where what stood there was not as it should be', async () => {
  const folder = await newFolder();
  const bytes = Buffer.alloc(2 * SLICE_SIZE);
  await write(folder, { 'image.bin': bytes });
  const source = await openTree(join(folder, 'image.bin'));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);
  const part = (staging as unknown as { folder: string }).folder;
  await write(part, { 'image.bin': Buffer.alloc(2 * SLICE_SIZE, 'x') });
  expect(await staging.read(0)).toBeUndefined();

  await receive(source, staging, [0, 1]);
  await staging.complete();

  expect((await readFile(join(out, 'image.bin'))).equals(bytes)).toBe(true);
});
