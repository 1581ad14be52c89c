/** Trees that are received, on a real disk: nothing half-written under a final name, nothing of others touched, and runs that go on. */
import { randomBytes } from 'node:crypto';
import {
  appendFile,
  chmod,
  chown,
  mkdir,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Entry, parseManifest, SLICE_SIZE, writeManifest } from '../../src/bulk/manifest.js';
import { openStaging } from '../../src/file/staging.js';
import { newFolder, offerOf, openTree, receive, stage, write } from './tree.js';

const large = randomBytes(3 * SLICE_SIZE + 7);

/** A source with a file of four slices and two small ones, and a folder to save to. */
async function setUp() {
  const folder = await newFolder();
  await write(folder, { 't/large': large, 't/a': 'a', 't/none': '' });
  const source = await openTree(join(folder, 't'));
  const out = join(folder, 'out');
  return { folder, source, offer: offerOf(source), out };
}

/** The folder of what is not complete. */
const partOf = async (out: string) => join(out, (await readdir(out)).find((name) => name.endsWith('.part'))!);

test('the tree has its name once it is whole, with modes and times', async () => {
  const { folder, source, offer, out } = await setUp();
  const { staging } = await stage(offer, out);
  await receive(source, staging);
  expect(await readdir(out)).toEqual([expect.stringMatching(/^\..*\.part$/)]);
  await staging.complete();
  expect(await readdir(out)).toEqual(['t']);
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
  expect(await readFile(join(out, 't/none'))).toHaveLength(0);
  const [sent, saved] = await Promise.all([stat(join(folder, 't/a')), stat(join(out, 't/a'))]);
  expect([saved.mode, Math.floor(saved.mtimeMs)]).toEqual([sent.mode, Math.floor(sent.mtimeMs)]);
});

test('a run that ends midway is gone on with, and only what is lacking is written', async () => {
  const { source, offer, out } = await setUp();
  const first = await stage(offer, out);
  await receive(source, first.staging, [1, 2]);
  await first.staging.close(false);
  const { staging, isVerifying } = await stage(offer, out);
  expect(isVerifying).toBe(true);
  expect([...staging.held.keys()]).toEqual([1, 2]);
  await receive(source, staging);
  await staging.complete();
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
});

test('what another group has left of the same files is gone on with, without its certificates, if that is asked for', async () => {
  const { source, offer, out } = await setUp();
  const first = await stage(offer, out);
  await receive(source, first.staging, [1, 2]);
  await first.staging.close(false);
  const other = { ...offer, id: { ...offer.id, origin: 1 } };
  const { staging: strict } = await stage(other, out);
  expect([...strict.held]).toEqual([]);
  await strict.close(true);
  const staging = await openStaging(other, { folder: out, overwrite: false, anyGroup: true }, () => {});
  expect([...staging.held].map(([slice, { length }]) => [slice, length])).toEqual([
    [1, 0],
    [2, 0],
  ]);
  await receive(source, staging);
  await staging.complete();
  expect(await readdir(out)).toEqual(['t']);
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
  await staging.close(false);
});

test.each([
  ['cut', (path: string) => truncate(path, 100)],
  ['overwritten', (path: string) => writeFile(path, 'x', { flag: 'r+' })],
  ['removed', (path: string) => rm(path)],
])('slices whose file was %s meanwhile are lacking again', async (_what, damage) => {
  const { source, offer, out } = await setUp();
  const first = await stage(offer, out);
  await receive(source, first.staging, [0, 1]);
  await first.staging.close(false);
  await damage(join(await partOf(out), 't/large'));
  const { staging } = await stage(offer, out);
  expect(staging.held.has(0)).toBe(false);
  await receive(source, staging);
  await staging.complete();
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
});

test('a journal that ends in the middle of a record, or has another one, counts up to there', async () => {
  const { source, offer, out } = await setUp();
  const first = await stage(offer, out);
  await receive(source, first.staging, [0, 1]);
  await first.staging.close(false);
  await appendFile(join(await partOf(out), '.journal'), randomBytes(200));
  const { staging } = await stage(offer, out);
  expect([...staging.held.keys()]).toEqual([0, 1]);
  await staging.close(false);
});

test('a name that is taken is kept, and told; what is the same counts as saved', async () => {
  const { source, offer, out } = await setUp();
  await write(out, { 't/large': 'mine' });
  await expect(stage(offer, out)).rejects.toMatchObject({
    code: 'FILE',
    message: `file: expected a free name, got ${join(out, 't')}, which exists (see --overwrite)`,
  });
  expect(await readFile(join(out, 't/large'), 'utf8')).toBe('mine');
  expect(await readdir(out)).toEqual(['t']);

  const other = join(out, 'other');
  const { staging } = await stage(offer, other);
  await receive(source, staging);
  await staging.complete();
  const again = await stage(offer, other);
  expect(again.staging.isComplete).toBe(true);
  const first = Buffer.concat([Buffer.from('a'), large]).subarray(0, SLICE_SIZE);
  expect(first.equals((await again.staging.read(0))!)).toBe(true);
  expect(await readdir(other)).toEqual(['t']);
});

test('with overwrite files take the place of those of their names, and the others stay', async () => {
  const { source, offer, out } = await setUp();
  await write(out, { 't/large': 'mine', 't/other': 'stays' });
  const { staging } = await stage(offer, out, true);
  await receive(source, staging);
  await staging.complete();
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
  expect(await readFile(join(out, 't/other'), 'utf8')).toBe('stays');
  expect(await readdir(out)).toEqual(['t']);
});

test('a name that is taken meanwhile is kept', async () => {
  const { source, offer, out } = await setUp();
  const { staging } = await stage(offer, out);
  await receive(source, staging);
  await write(out, { t: 'mine' });
  await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE' });
  expect(await readFile(join(out, 't'), 'utf8')).toBe('mine');
  await staging.close(false);
});

test('no link leads out of the folder, be it there before or put there meanwhile', async () => {
  const { folder, source, offer, out } = await setUp();
  await write(folder, { precious: 'old' });
  const { staging } = await stage(offer, out);
  const part = await partOf(out);
  await symlink(join(folder, 'precious'), join(part, 't/large'));
  await expect(receive(source, staging)).rejects.toMatchObject({ code: 'FILE' });
  expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('old');
  await staging.close(true);

  const lone = await openTree(join(folder, 't/a'));
  await symlink(join(folder, 'precious'), join(out, 'a'));
  const bold = await stage(offerOf(lone), out, true);
  await receive(lone, bold.staging);
  await bold.staging.complete();
  expect(await readFile(join(folder, 'precious'), 'utf8')).toBe('old');
  expect(await readFile(join(out, 'a'), 'utf8')).toBe('a');
});

test('fails with one clear error where the folder is a file', async () => {
  const { folder, offer } = await setUp();
  await expect(stage(offer, join(folder, 't/a'))).rejects.toMatchObject({
    code: 'FILE',
    message: `file: expected to write, got EEXIST for ${join(folder, 't/a')}`,
  });
});

test('what has been given up leaves nothing', async () => {
  const { source, offer, out } = await setUp();
  const { staging } = await stage(offer, out);
  await receive(source, staging, [0]);
  await staging.close(true);
  expect(await readdir(out)).toEqual([]);
});

test.each(['.bashrc', '-rf', 'x.part', 'CON', 'a\u202eb', 't/nul', 't/\u001b[2J', 't/a '])(
  'a manifest with the path %j is refused, and nothing is made',
  async (path) => {
    const out = join(await newFolder(), 'out');
    const common = { mode: 0o644, modified: 0, size: 0 };
    const entries: Entry[] = [{ kind: 'file', path, ...common }];
    if (path.startsWith('t/')) entries.unshift({ kind: 'folder', path: 't', ...common });
    const bytes = writeManifest({ entries, sliceSize: SLICE_SIZE, hashes: new Uint8Array(0) });
    await expect(stage(offerOf({ manifest: parseManifest(bytes), bytes }), out)).rejects.toMatchObject({
      code: 'FILE',
      message: expect.stringMatching(/^file name: expected /),
    });
    await expect(readdir(out)).rejects.toMatchObject({ code: 'ENOENT' });
  },
);

test('several outermost names of which a run has given one: the next run gives the others', async () => {
  const folder = await newFolder();
  await write(folder, { one: 'one', two: 'two' });
  const source = await openTree(join(folder, 'one'), join(folder, 'two'));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);
  await mkdir(join(out, 'blocked'));
  // The first has its name, then the power goes.
  const part = await partOf(out);
  await writeFile(join(out, 'one'), await readFile(join(part, 'one')));
  await rm(join(part, 'one'));
  await staging.close(false);
  const next = await stage(offerOf(source), out);
  await next.staging.complete();
  expect(await readFile(join(out, 'two'), 'utf8')).toBe('two');
  expect((await readdir(out)).sort()).toEqual(['blocked', 'one', 'two']);
});

test('folders and files that shut their owner out are saved by who may not pass them', async () => {
  const folder = await newFolder();
  await write(folder, { 't/in/a': 'a', 't/b': 'b' });
  const source = await openTree(join(folder, 't'));
  const shut: Record<string, number> = { 't/in': 0o077, 't/in/a': 0o000, t: 0o077 };
  const entries = source.manifest.entries.map((entry) => ({
    ...entry,
    mode: shut[entry.path] ?? entry.mode,
  }));
  const bytes = writeManifest({ ...source.manifest, entries });
  const sent = { ...source, bytes, manifest: parseManifest(bytes) };
  const slice = (await source.read(0))!;
  const inbox = await newFolder();
  const isRoot = process.geteuid!() === 0;
  if (isRoot) await chown(inbox, NOBODY, NOBODY);

  const out = join(inbox, 'out');
  if (isRoot) process.seteuid!(NOBODY);
  try {
    const { staging } = await stage(offerOf(sent), out);
    await receive({ ...sent, read: async () => slice }, staging);
    await staging.complete();
    expect((await stat(join(out, 't'))).mode & 0o777).toBe(0o077);
    expect(await readdir(out)).toEqual(['t']);
  } finally {
    if (isRoot) process.seteuid!(0);
    else await chmod(join(out, 't'), 0o700).then(() => chmod(join(out, 't/in'), 0o700));
  }
});

/** The user of that name, on most systems. */
const NOBODY = 65534;
