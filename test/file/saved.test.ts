/**
 * What is said to be held, or saved, outlives a power cut: bytes are on the disk before the journal says so and before a file has
 * its name, and names before anybody is told. The file system is real; what is asked of it is written down, and some made to fail.
 */
import type { FileHandle } from 'node:fs/promises';
import { readdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeEach, expect, test, vi } from 'vitest';
import { newFolder, offerOf, openTree, receive, stage, write } from './tree.js';

const { asked, failing, before, disk } = vi.hoisted(() => ({
  asked: [] as string[],
  failing: new Map<string, string>(),
  /** What somebody else does just before a link is made. */
  before: { link: async () => {} },
  /** Bytes that are free. */
  disk: { room: 0 },
}));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const say = (what: string, path: string) => {
    asked.push(`${what} ${path}`);
    const code = failing.get(`${what} ${basename(path)}`) ?? failing.get(what);
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  };
  return {
    ...real,
    statfs: async () => ({ bavail: disk.room, bsize: 1 }),
    link: async (from: string, to: string) => {
      await before.link();
      say('link', to);
      return real.link(from, to);
    },
    rename: async (from: string, to: string) => {
      say('rename', to);
      return real.rename(from, to);
    },
    open: async (path: string, ...flags: [number | string]) => {
      const handle: FileHandle = await real.open(path, ...flags);
      for (const name of ['sync', 'datasync', 'appendFile'] as const) {
        const act = handle[name].bind(handle) as (bytes?: Uint8Array) => Promise<void>;
        handle[name] = async (bytes?: unknown) => {
          say(name, path);
          return act(bytes as Uint8Array);
        };
      }
      return handle;
    },
  };
});

beforeEach(() => {
  asked.length = 0;
  failing.clear();
  disk.room = 1e9;
  before.link = async () => {};
});

/** A file, or a folder with one, that is about to be received. */
async function setUp(path: string) {
  const folder = await newFolder();
  await write(folder, { 'a.bin': 'bytes', 't/a.bin': 'bytes' });
  const source = await openTree(join(folder, path));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  return { source, staging, out };
}

/** What was asked of places in a folder; of one that is not complete without its number. */
function askedOf(out: string): string[] {
  return asked.map((line) => line.replace(`${dirname(out)}/`, '').replace(/\.0-[0-9a-f]+\.part/, 'part'));
}

test('a slice is on the disk before the journal says so, and that before it counts', async () => {
  const { source, staging, out } = await setUp('a.bin');
  asked.length = 0;
  await receive(source, staging);
  const journal = 'out/part/.journal';
  expect(askedOf(out)).toEqual(['datasync out/part/a.bin', `appendFile ${journal}`, `datasync ${journal}`]);
});

test('the bytes are synced before the name is given, and the folder after', async () => {
  const { source, staging, out } = await setUp('a.bin');
  await receive(source, staging);
  asked.length = 0;
  await staging.complete();
  expect(askedOf(out)).toEqual(['sync out/part/a.bin', 'link out/a.bin', 'sync out']);
});

test('of a tree every folder is synced, after it has its name', async () => {
  const { source, staging, out } = await setUp('t');
  await receive(source, staging);
  asked.length = 0;
  await staging.complete();
  expect(askedOf(out)).toEqual(['sync out/part/t/a.bin', 'rename out/t', 'sync out/t', 'sync out']);
});

test.each(['datasync', 'appendFile'])('a slice is not held where %s fails', async (what) => {
  const { source, staging } = await setUp('a.bin');
  failing.set(what, 'EIO');
  await expect(receive(source, staging)).rejects.toMatchObject({
    code: 'FILE',
    message: expect.stringContaining('expected to write, got EIO'),
  });
  expect(staging.held.size).toBe(0);
});

test.each(['a.bin', 'out'])('nothing is saved where %s cannot be synced', async (name) => {
  const { source, staging } = await setUp('a.bin');
  await receive(source, staging);
  failing.set(`sync ${name}`, 'EIO');
  await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE' });
});

test('without hard links the file comes whole under its name', async () => {
  const { source, staging, out } = await setUp('a.bin');
  await receive(source, staging);
  failing.set('link', 'EPERM');
  await staging.complete();
  expect(await readdir(out)).toEqual(['a.bin']);
  expect(await readFile(join(out, 'a.bin'), 'utf8')).toBe('bytes');
});

test.each([undefined, 'EPERM'])(
  'a name that is taken at the last moment is kept (links: %s)',
  async (code) => {
    const { source, staging, out } = await setUp('a.bin');
    await receive(source, staging);
    if (code !== undefined) failing.set('link', code);
    before.link = () => write(out, { 'a.bin': 'mine' });
    await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE', cause: { code: 'EEXIST' } });
    expect(await readFile(join(out, 'a.bin'), 'utf8')).toBe('mine');
  },
);

test('without hard links a name that was not given in the end is free again', async () => {
  const { source, staging, out } = await setUp('a.bin');
  await receive(source, staging);
  failing.set('link', 'ENOTSUP');
  failing.set('rename', 'EIO');
  await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE' });
  expect(await readdir(out)).toEqual([expect.stringMatching(/\.part$/)]);
});

test('what the disk has no room for is refused before anything is received', async () => {
  disk.room = 4;
  await expect(setUp('a.bin')).rejects.toMatchObject({
    message: expect.stringContaining('expected room for 5 bytes, got 4'),
    cause: { code: 'ENOSPC' },
  });
});

test('what is there already needs no room', async () => {
  const { source, staging, out } = await setUp('a.bin');
  await receive(source, staging);
  await staging.close(false);
  disk.room = 0;
  const next = await stage(offerOf(source), out);
  expect(next.staging.held.size).toBe(1);
});
