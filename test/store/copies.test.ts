/** A store tells whether it is a copy, since its member may have said more since the copy was made. */
import { copyFileSync, renameSync, rmSync } from 'node:fs';
import { expect, test } from 'vitest';
import { inspectStore } from '../../src/disk/inspect.js';
import { openStore, type StoreOptions } from '../../src/disk/lmdb.js';
import { storeOptions } from './samples.js';

/** Options of a store that was made, and closed. */
async function made(): Promise<StoreOptions> {
  const options = await storeOptions();
  await (await openStore(options)).close();
  return options;
}

async function isCopy(options: StoreOptions): Promise<boolean> {
  await using store = await openStore(options);
  return store.loaded.isCopy === true;
}

/** Puts a copy in the place of the store. */
function putBack({ path }: StoreOptions): void {
  copyFileSync(path, `${path}.old`);
  rmSync(path);
  copyFileSync(`${path}.old`, path);
}

test('a store in its own file is none, nor is one that is renamed', async () => {
  const options = await made();
  const path = `${options.path}.renamed`;
  const before = await isCopy(options);
  renameSync(options.path, path);
  expect([before, await isCopy({ ...options, path })]).toEqual([false, false]);
});

test('a copy is one, at each start until another stream has begun', async () => {
  const options = await made();
  putBack(options);
  expect([await isCopy(options), await isCopy(options)]).toEqual([true, true]);
  const store = await openStore(options);
  await store.commit([{ type: 'begin', incarnation: store.loaded.session }]);
  await store.close();
  expect(await isCopy(options)).toBe(false);
});

test('what is compacted is what it was', async () => {
  const [original, copy] = [await made(), await made()];
  putBack(copy);
  for (const { path } of [original, copy]) {
    await using inspection = await inspectStore(path);
    await inspection.compact();
  }
  expect([await isCopy(original), await isCopy(copy)]).toEqual([false, true]);
});
