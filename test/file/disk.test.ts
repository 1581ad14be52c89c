/** Files in and out of a real folder: what is refused, and that nothing half-written or foreign is ever left or touched. */
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readFileToSend, saveFile } from '../../src/file/disk.js';

const bytes = Uint8Array.from({ length: 5000 }, (_, i) => i % 251);
const old = Uint8Array.of(7);
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'headwater-disk-'));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

describe('saving a received file', () => {
  test('writes it whole, under its name, and returns its path', async () => {
    const path = await saveFile(folder, 'report.pdf', bytes);
    expect(path).toBe(join(folder, 'report.pdf'));
    expect(await content(path)).toEqual(bytes);
    expect(await readdir(folder)).toEqual(['report.pdf']);
  });

  test('makes the folder if it is not there', async () => {
    const path = await saveFile(join(folder, 'a', 'b'), 'report.pdf', bytes);
    expect(await content(path)).toEqual(bytes);
  });

  test.each([
    '',
    '.',
    '..',
    '../up',
    '../../etc/passwd',
    '/etc/passwd',
    'a/b',
    'a\\b',
    '..\\up',
    'a\0b',
    'a\nb',
    '\u001b[2J',
    '\u009b2J',
    'invoice\u202efdp.exe',
    '\u2066a\u2069',
    'a\u200bb',
    'a\u2028b',
    'a\u3164b',
    '\ufeffa',
    'a\ud800',
    '.bashrc',
    '...',
    '-rf',
    'CON',
    'nul.txt',
    'com1 .log',
    'dot.',
    'space ',
    ' space',
    'film.part',
    'x'.repeat(256),
    '報'.repeat(86),
  ])('refuses the name %j and writes nothing', async (name) => {
    const inner = join(folder, 'out');
    await expect(saveFile(inner, name, bytes, { overwrite: true })).rejects.toMatchObject({
      name: 'HeadwaterError',
      code: 'FILE',
      message: expect.stringMatching(/^file name: expected one |^file name: expected a plain one/),
    });
    expect(await readdir(folder)).toEqual([]);
  });

  test.each([
    'two words.txt',
    '報告.pdf',
    'a..b',
    'console.log',
    'x.parts',
    '❤️.png',
    '報'.repeat(85),
    'a-b.c',
  ])('takes the name %j', async (name) => {
    await saveFile(folder, name, bytes);
    expect(await readdir(folder)).toEqual([name]);
  });

  test('refuses a name that is taken, and leaves that file as it is', async () => {
    await writeFile(join(folder, 'report.pdf'), old);
    await expect(saveFile(folder, 'report.pdf', bytes)).rejects.toMatchObject({
      code: 'FILE',
      message: `file: expected a free name, got ${join(folder, 'report.pdf')}, which exists (see --overwrite)`,
    });
    expect(await content(join(folder, 'report.pdf'))).toEqual(old);
    expect(await readdir(folder)).toEqual(['report.pdf']);
  });

  test('replaces it if asked to', async () => {
    await writeFile(join(folder, 'report.pdf'), old);
    await saveFile(folder, 'report.pdf', bytes, { overwrite: true });
    expect(await content(join(folder, 'report.pdf'))).toEqual(bytes);
    expect(await readdir(folder)).toEqual(['report.pdf']);
  });

  test('replaces a symbolic link and not the file that it points to', async () => {
    const target = join(folder, 'precious');
    const out = join(folder, 'out');
    await writeFile(target, old);
    await mkdir(out);
    await symlink(target, join(out, 'report.pdf'));
    await expect(saveFile(out, 'report.pdf', bytes)).rejects.toMatchObject({ code: 'FILE' });
    await saveFile(out, 'report.pdf', bytes, { overwrite: true });
    expect([await content(target), await content(join(out, 'report.pdf'))]).toEqual([old, bytes]);
  });

  test('fails with one clear error where a folder has the name, and leaves no part behind', async () => {
    await mkdir(join(folder, 'report.pdf'));
    await expect(saveFile(folder, 'report.pdf', bytes, { overwrite: true })).rejects.toMatchObject({
      code: 'FILE',
      message: `file: expected to write, got EISDIR for ${join(folder, 'report.pdf')}`,
    });
    expect(await readdir(folder)).toEqual(['report.pdf']);
  });

  test('fails with one clear error where the folder is a file', async () => {
    const file = join(folder, 'file');
    await writeFile(file, old);
    await expect(saveFile(file, 'report.pdf', bytes)).rejects.toMatchObject({
      name: 'HeadwaterError',
      code: 'FILE',
      message: `file: expected a folder, got EEXIST for ${file}`,
    });
    expect(await content(file)).toEqual(old);
  });
});

describe('reading a file to send', () => {
  test('gives its bytes and its name without folders', async () => {
    await writeFile(join(folder, 'report.pdf'), bytes);
    const { name, bytes: read } = await readFileToSend(join(folder, 'report.pdf'), bytes.length);
    expect(name).toBe('report.pdf');
    expect(new Uint8Array(read)).toEqual(bytes);
  });

  test('fails for one that is missing', async () => {
    const path = join(folder, 'nothing');
    await expect(readFileToSend(path, 10)).rejects.toMatchObject({
      name: 'HeadwaterError',
      code: 'FILE',
      message: `file: expected a readable file, got ENOENT for ${path}`,
    });
  });

  test('fails for a folder', async () => {
    await expect(readFileToSend(folder, 10)).rejects.toMatchObject({
      code: 'FILE',
      message: `file: expected a file, got the folder ${folder}: folders are not sent, pack it first (tar -cf)`,
    });
  });

  test.each(['.profile', 'a\\b', '-v', 'a\u202eb', 'x.part'])(
    'refuses the name %j, as a receiver would',
    async (name) => {
      await writeFile(join(folder, name), bytes);
      await expect(readFileToSend(join(folder, name), bytes.length)).rejects.toMatchObject({
        code: 'FILE',
        message: expect.stringContaining('file name: expected'),
      });
    },
  );

  test('fails for an empty one', async () => {
    const path = join(folder, 'empty');
    await writeFile(path, '');
    await expect(readFileToSend(path, 10)).rejects.toMatchObject({
      code: 'FILE',
      message: `file: expected at least 1 byte, got the empty '${path}'`,
    });
  });

  test('fails for one that is a byte over the limit', async () => {
    const path = join(folder, 'large');
    await writeFile(path, bytes);
    await expect(readFileToSend(path, bytes.length - 1)).rejects.toMatchObject({
      code: 'TOO_LARGE',
      message: `file: expected at most 4999 bytes, got 5000 in ${path}`,
    });
  });
});

async function content(path: string): Promise<Uint8Array> {
  return new Uint8Array(await readFile(path));
}
