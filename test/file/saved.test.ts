/**
 * A file that is said to be saved outlives a power cut: its bytes are on the disk before it has its name, and its name before
 * anybody is told. The file system is real; what is asked of it is written down, and some of it made to fail.
 */
import type { FileHandle } from 'node:fs/promises';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { saveFile } from '../../src/file/disk.js';

const { asked, failing } = vi.hoisted(() => ({ asked: [] as string[], failing: new Map<string, string>() }));

vi.mock('node:fs/promises', async (importOriginal) => {
  const real = await importOriginal<typeof import('node:fs/promises')>();
  const say = (what: string, path: string) => {
    asked.push(`${what} ${/\.part$/.test(path) ? 'part' : basename(path)}`);
    const code = failing.get(what);
    if (code !== undefined) throw Object.assign(new Error(code), { code });
  };
  return {
    ...real,
    link: async (from: string, to: string) => {
      say('link', to);
      return real.link(from, to);
    },
    rename: async (from: string, to: string) => {
      say('rename', to);
      return real.rename(from, to);
    },
    open: async (path: string, flags?: string) => {
      const handle: FileHandle = await real.open(path, flags);
      const sync = handle.sync.bind(handle);
      handle.sync = async () => {
        say('sync', path);
        return sync();
      };
      return handle;
    },
  };
});

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-saved-'));
  asked.length = 0;
  failing.clear();
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test('the bytes are synced before the name is given, and the folder after', async () => {
  await saveFile(folder, 'a.bin', bytes);
  expect(asked).toEqual(['sync part', 'link a.bin', `sync ${basename(folder)}`]);
});

test('so they are where a file is replaced', async () => {
  await writeFile(join(folder, 'a.bin'), 'old');
  await saveFile(folder, 'a.bin', bytes, { overwrite: true });
  expect(asked).toEqual(['sync part', 'rename a.bin', `sync ${basename(folder)}`]);
});

test('where bytes or name cannot be synced the file is not saved', async () => {
  failing.set('sync', 'EIO');
  await expect(saveFile(folder, 'a.bin', bytes)).rejects.toMatchObject({
    code: 'FILE',
    message: expect.stringContaining('expected to write, got EIO'),
  });
  expect(await readdir(folder)).toEqual([]);
});

test('without hard links the file comes whole under its name, and a name that is taken is kept', async () => {
  failing.set('link', 'EPERM');
  await saveFile(folder, 'a.bin', bytes);
  expect(new Uint8Array(await readFile(join(folder, 'a.bin')))).toEqual(bytes);
  await expect(saveFile(folder, 'a.bin', bytes)).rejects.toMatchObject({
    message: expect.stringContaining('expected a free name'),
  });
  expect(new Uint8Array(await readFile(join(folder, 'a.bin')))).toEqual(bytes);
  expect(await readdir(folder)).toEqual(['a.bin']);
});

test('without hard links a name that was not given in the end is free again', async () => {
  failing.set('link', 'ENOTSUP');
  failing.set('rename', 'EIO');
  await expect(saveFile(folder, 'a.bin', bytes)).rejects.toMatchObject({ code: 'FILE' });
  expect(await readdir(folder)).toEqual([]);
});
