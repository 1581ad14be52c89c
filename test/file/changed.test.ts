/** Somebody else at the unfinished files, a cleaner of old ones or another receiver: nothing gets its name that was not written. */

import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import {
  copyFile,
  mkdir,
  readdir,
  readFile,
  rename,
  rm,
  stat,
  symlink,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SLICE_SIZE } from '../../src/bulk/manifest.js';
import { newFolder, offerOf, openTree, receive, stage, write } from './tree.js';

const large = randomBytes(3 * SLICE_SIZE + 7);

/** A transfer of which all has been written. */
async function setUp(
  files: Record<string, string | Uint8Array> = { 't/large': large, 't/a': 'a', 't/none': '' },
) {
  const folder = await newFolder();
  await write(folder, files);
  const source = await openTree(join(folder, 't'));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);
  return { folder, source, out, staging, part: staging.folder };
}

test.each([
  ['removed', (path: string) => rm(path)],
  [
    'exchanged for another of its size',
    async (path: string) => {
      await writeFile(`${path}.other`, Buffer.alloc(large.length));
      await rename(`${path}.other`, path);
    },
  ],
  ['cut', (path: string) => truncate(path, 100)],
])('a file that was %s does not get its name, and comes again in the next run', async (_what, act) => {
  const { source, staging, part, out } = await setUp();
  await act(join(part, 't/large'));

  await expect(staging.complete()).rejects.toMatchObject({
    code: 'FILE',
    message: expect.stringContaining(`expected what was written to ${join(part, 't/large')}`),
  });
  await staging.close(false);
  expect(await readdir(out)).toEqual([expect.stringMatching(/\.part$/)]);

  const { staging: next } = await stage(offerOf(source), out);
  await receive(source, next);
  await next.complete();
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
});

test('nor does a tree of which a small file was removed', async () => {
  const files = Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`t/${i}`, `content ${i}`]));
  const { staging, part, out } = await setUp(files);
  await rm(join(part, 't/7'));

  await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE' });

  expect(await readdir(out)).toEqual([expect.stringMatching(/\.part$/)]);
});

test('a file that is another one with the same bytes is as good', async () => {
  const { staging, part, out } = await setUp();
  await copyFile(join(part, 't/large'), join(part, '.copy'));
  await rename(join(part, '.copy'), join(part, 't/large'));

  await staging.complete();

  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
});

test('where all of the folder was removed nothing is saved, nor what is there in its place touched', async () => {
  const { staging, part } = await setUp();
  await rm(part, { recursive: true });
  await write(part, { 't/large': 'of another' });

  await expect(staging.complete()).rejects.toMatchObject({ code: 'FILE' });
  await staging.close(true);

  expect(await readFile(join(part, 't/large'), 'utf8')).toBe('of another');
});

test('only its owner may use what is not complete, from the first moment on', async () => {
  const { part } = await setUp();
  const mode = async (path: string) => (await stat(join(part, path))).mode & 0o777;
  expect([await mode('.'), await mode('t')]).toEqual([0o700, 0o700]);
  expect([await mode('.manifest'), await mode('.journal')]).toEqual([0o600, 0o600]);
});

test.each(['manifest', 'journal', 'lock'])('a file that is called %s is saved as any other', async (name) => {
  const folder = await newFolder();
  await write(folder, { [name]: 'bytes' });
  const source = await openTree(join(folder, name));
  const out = join(folder, 'out');
  const { staging } = await stage(offerOf(source), out);
  await receive(source, staging);
  await staging.close(false);

  const next = await stage(offerOf(source), out);
  expect(next.staging.held.size).toBe(1);
  await next.staging.complete();

  expect(await readFile(join(out, name), 'utf8')).toBe('bytes');
});

test('a second receiver of it is refused before it touches anything, and told who the first is', async () => {
  const { source, staging, part, out } = await setUp();

  await expect(stage(offerOf(source), out)).rejects.toMatchObject({
    code: 'FILE',
    message: `file: expected a folder that no other receiver saves these files to, got ${part}, which this process has in use`,
  });

  await staging.complete();
  expect((await readFile(join(out, 't/large'))).equals(large)).toBe(true);
});

test('another process is named, and its end frees the folder however it comes', async () => {
  const { source, staging, part, out } = await setUp();
  await staging.close(false);
  const module = new URL('../../dist/disk/owner.js', import.meta.url).href;
  const script = `import { takeLock } from '${module}'; await takeLock(${JSON.stringify(join(part, '.lock'))}); console.log('has it'); setInterval(() => {}, 1000);`;
  const other = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(other.stdout, 'data');

  await expect(stage(offerOf(source), out)).rejects.toThrow(`process ${other.pid} `);
  other.kill('SIGKILL');
  await once(other, 'close');
  const { staging: next } = await stage(offerOf(source), out);

  expect(next.held.size).toBe(4);
});

test('what another receiver has under way is no former version, whatever its names', async () => {
  const { folder, out, staging } = await setUp();
  await write(folder, { 't/a': 'newer' });
  const newer = await openTree(join(folder, 't'));
  const next = await stage(offerOf(newer), out);
  await receive(newer, next.staging);

  await next.staging.complete();

  expect(next.staging.superseded).toEqual([]);
  expect(await readdir(staging.folder)).toContain('.manifest');
});

test.each([
  [
    'that others may use',
    async (part: string) => {
      const { chmod } = await import('node:fs/promises');
      await chmod(part, 0o755);
    },
  ],
  [
    'that is a link',
    async (part: string) => {
      await rename(part, `${part}-real`);
      await symlink(`${part}-real`, part);
    },
  ],
])('a folder of unfinished files %s is left alone, and another one made', async (_what, act) => {
  const { source, out, staging, part } = await setUp();
  await staging.close(false);
  await act(part);

  const next = await stage(offerOf(source), out);
  expect([next.staging.held.size, next.staging.folder]).toEqual([0, expect.not.stringMatching(`${part}$`)]);
  await receive(source, next.staging);
  await next.staging.close(false);
  // And the next run goes on with that one.
  const last = await stage(offerOf(source), out);

  expect(last.staging.held.size).toBe(4);
});

test('a link in the place of a folder of it leads nowhere', async () => {
  const { folder, source, staging, part, out } = await setUp();
  await staging.close(false);
  await mkdir(join(folder, 'victim'));
  await rm(join(part, 't'), { recursive: true });
  await symlink(join(folder, 'victim'), join(part, 't'));

  await expect(stage(offerOf(source), out)).rejects.toMatchObject({ code: 'FILE' });

  expect(await readdir(join(folder, 'victim'))).toEqual([]);
});
