/** What is no store of ours is never taken for one: it is refused, with what it seems to be, and left as it is. */
import {
  closeSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { expect, test } from 'vitest';
import { formatSecretKey } from '../../src/crypto/keys.js';
import { database } from '../../src/disk/database.js';
import { WrongStoreError } from '../../src/disk/files.js';
import { inspectStore } from '../../src/disk/inspect.js';
import { openStore } from '../../src/disk/lmdb.js';
import { put, sampleObject, storeOptions } from './samples.js';

test.each<[string, string, (path: string) => unknown]>([
  [
    'a secret key',
    'a "secret-key" file of headwater',
    (path) => writeFileSync(path, formatSecretKey(new Uint8Array(32))),
  ],
  ['a group file', 'a "group" file of headwater', (path) => writeFileSync(path, '{"headwater":"group"}')],
  ['a letter', 'a file of another kind', (path) => writeFileSync(path, 'Dear Bob, '.repeat(10_000))],
  ['an empty file', 'an empty file', (path) => writeFileSync(path, '')],
  ['a folder', 'a folder', (path) => mkdirSync(path)],
  ['the database of another program', 'the LMDB database of something else', otherDatabase],
  ['a damaged database of who knows whom', 'a file of another kind', damagedDatabase],
])('%s is refused and left alone', async (_, got, make) => {
  const options = await storeOptions();
  await make(options.path);
  const before = contents(options.path);
  await expect(openStore(options)).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining(
      `expected a store of headwater, or nothing yet, at ${options.path}, got ${got};`,
    ),
  });
  expect(contents(options.path)).toEqual(before);
});

test('a store that was copied without the files beside it is one', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit(Array.from({ length: 300 }, (_, seq) => put(sampleObject(seq))));
  await store.close();
  for (const name of ['lock', 'owner', 'owner-lock', 'closed']) rmSync(`${options.path}-${name}`);
  await using again = await openStore(options);
  expect([again.recovered, again.loaded.held.length]).toEqual([undefined, 300]);
});

test.each([1, 2, 3])('a copy of a store whose first %d pages are gone is a damaged one', async (pages) => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit(Array.from({ length: 300 }, (_, seq) => put(sampleObject(seq))));
  await store.close();
  for (const name of ['lock', 'owner', 'owner-lock', 'closed']) rmSync(`${options.path}-${name}`);
  const file = openSync(options.path, 'r+');
  writeSync(file, new Uint8Array(4096 * pages), 0, 4096 * pages, 0);
  closeSync(file);
  const looked = inspectStore(options.path);
  await expect(looked).rejects.toThrow(`got damage in ${options.path}`);
  await expect(looked).rejects.not.toBeInstanceOf(WrongStoreError);
  await using again = await openStore(options);
  expect(again.recovered).toMatch(`${options.path}.corrupt-`);
});

async function otherDatabase(path: string): Promise<void> {
  const db = await database(path);
  await db.put(Uint8Array.of(1), new Uint8Array(76));
  await db.close();
  rmSync(`${path}-lock`);
}

async function damagedDatabase(path: string): Promise<void> {
  await otherDatabase(path);
  truncateSync(path, 5000);
}

function contents(path: string): [string, string][] {
  return readdirSync(dirname(path)).map((name) => {
    const file = `${dirname(path)}/${name}`;
    try {
      return [name, readFileSync(file, 'latin1')];
    } catch {
      return [name, 'folder'];
    }
  });
}
