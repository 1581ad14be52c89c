/** Objects are durable in a file before they are in the store's database, and get there whatever happens in between. */
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test, vi } from 'vitest';
import { type DurableStore, openStore } from '../../src/disk/lmdb.js';
import { AheadFile } from '../../src/gateway/server/disk/ahead-file.js';
import { openStoreAhead, storeAhead } from '../../src/gateway/server/disk/store-ahead.js';
import { memoryStore } from '../../src/store/memory.js';
import type { SentKey, Store, StoreWrite } from '../../src/store/store.js';
import { cleanup, tempFolder } from '../e2e/cli.js';
import { digest, prune, put, sampleObject, state, storeOptions, stream } from '../store/samples.js';

afterEach(cleanup);

const OWNER = 1;

async function paths(): Promise<[string, string]> {
  const folder = await tempFolder();
  return [`${folder}/a`, `${folder}/b`];
}

/** Over a store in memory that notes its commits. */
function begin(files: [string, string]) {
  const commits: StoreWrite[][] = [];
  const inner = memoryStore(OWNER);
  const noted: Store = {
    ...inner,
    commit(writes) {
      commits.push([...writes]);
      return inner.commit(writes);
    },
  };
  const { file } = AheadFile.open(files, OWNER);
  return { commits, file, store: storeAhead(noted as DurableStore, file) };
}

const typesOf = (commits: StoreWrite[][]) => commits.map((writes) => writes.map(({ type }) => type));
const left = (files: [string, string], owner = OWNER) => {
  const opened = AheadFile.open(files, owner);
  opened.file.close();
  return opened.left.length;
};

test('an object counts as stored once it is in the file, and is read from there', async () => {
  const files = await paths();
  const { commits, store } = begin(files);
  await store.commit([put(sampleObject(0))]);
  expect([commits, left(files)]).toEqual([[], 1]);
  expect(digest(await store.read(sampleObject(0)))).toEqual(digest(sampleObject(0)));
  await store.close();
});

test('what it says of the bytes that are kept is what the database would say', async () => {
  const { store } = begin(await paths());
  const direct = memoryStore(OWNER);
  for (const seq of [0, 1])
    expect(await store.commit([put(sampleObject(seq))])).toBe(await direct.commit([put(sampleObject(seq))]));
  expect(await store.commit([prune(1)])).toBe(await direct.commit([prune(1)]));
  await store.close();
});

test('whatever is no object comes after all objects, which are in the file no more by then', async () => {
  const files = await paths();
  const { commits, store } = begin(files);
  await store.commit([put(sampleObject(0))]);
  await store.commit([put(sampleObject(1))]);
  await store.commit([prune(1)]);
  expect([typesOf(commits), left(files)]).toEqual([[['object', 'object'], ['prune']], 0]);
  await store.close();
});

test('an object that is large, or for which the file has no room, goes to the database', async () => {
  const { commits, store } = begin(await paths());
  await store.commit([put(sampleObject(0, 100_000))]);
  expect(typesOf(commits)).toEqual([['object']]);
  for (let seq = 1; seq < 80; seq++) await store.commit([put(sampleObject(seq, 60_000))]);
  await store.close();
  expect(new Set(commits.flat().map((one) => one.type === 'object' && one.object.seq)).size).toBe(80);
});

test('an object that is on its way as the files take turns is in the file or in the database afterwards', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
  const files = await paths();
  const { commits, file, store } = begin(files);
  await store.commit([put(sampleObject(0))]);
  const append = file.append.bind(file);
  let arrive = () => {};
  const arrived = new Promise<void>((done) => {
    arrive = done;
  });
  file.append = async (content) => {
    await append(content);
    await arrived;
  };
  const second = store.commit([put(sampleObject(1))]);
  vi.advanceTimersByTime(1000);
  vi.useRealTimers();
  // As long as a crash may take: whatever the move does meanwhile is done.
  await sleep(100);
  arrive();
  await second;
  const isMoved = commits.flat().some((write) => write.type === 'object' && write.object.seq === 1);
  expect(isMoved || left(files) > 0).toBe(true);
  await store.close();
});

test('closed in order it leaves nothing in the file', async () => {
  const files = await paths();
  const { commits, store } = begin(files);
  await store.commit([put(sampleObject(0))]);
  await store.close();
  expect([typesOf(commits), left(files)]).toEqual([[['object']], 0]);
});

test('a full database leaves objects in the file, for the next start', async () => {
  const files = await paths();
  const full: Store = { ...memoryStore(OWNER), commit: () => Promise.reject(new Error('no room')) };
  const store = storeAhead(full as DurableStore, AheadFile.open(files, OWNER).file);
  await store.commit([put(sampleObject(0))]);
  await expect(store.commit([prune(1)])).rejects.toThrow('no room');
  await store.close();
  expect(left(files)).toBe(1);
});

test('a record that was cut off, and those after it, count as never written', async () => {
  const files = await paths();
  const { file } = AheadFile.open(files, OWNER);
  await file.append(new Uint8Array(100).fill(1));
  const { size } = file;
  await file.append(new Uint8Array(100).fill(2));
  file.close();
  const hurt = openSync(files[0], 'r+');
  writeSync(hurt, Uint8Array.of(0xff), 0, 1, 512 + size + 50);
  closeSync(hurt);
  expect(left(files)).toBe(1);
});

test('records of before the last time that it was emptied are not there again', async () => {
  const files = await paths();
  const { file } = AheadFile.open(files, OWNER);
  await file.append(new Uint8Array(100).fill(1));
  await file.append(new Uint8Array(100).fill(2));
  await file.drop('all');
  await file.append(new Uint8Array(100).fill(3));
  file.close();
  expect(left(files)).toBe(1);
});

test('records that belong to another store are left alone', async () => {
  const files = await paths();
  const { file } = AheadFile.open(files, OWNER);
  await file.drop('all', 7);
  await file.append(new Uint8Array(100));
  file.close();
  expect([left(files), left(files, 7)]).toEqual([0, 1]);
});

test('after a crash the store has what was only in the file, with its keys, and says that there was a crash', async () => {
  const options = await storeOptions();
  const files = [`${options.path}-ahead`, `${options.path}-ahead-2`] as const;
  const inner = await openStore(options);
  const own = { origin: 0, incarnation: inner.loaded.incarnation };
  const { incarnation } = own;
  const key: SentKey = { number: 1, key: Uint8Array.of(1, 2), incarnation, seq: 0, index: 0 };
  await inner.commit([{ type: 'stream', state: state() }]);
  const stuck = { ...inner, commit: () => Promise.reject(new Error('not now')) };
  const { file } = AheadFile.open(files, own.incarnation);
  const store = storeAhead(stuck, file);
  await store.commit([
    { type: 'object', object: sampleObject(0, 100, own), keys: [key] },
    put(sampleObject(1)),
  ]);
  await store.close();
  rmSync(`${options.path}-closed`);
  await using again = await openStoreAhead(options);
  expect(again.loaded.held.map(({ origin, seq }) => [origin, seq])).toEqual([
    [0, 0],
    [stream.origin, 1],
  ]);
  expect(again.loaded.sent).toEqual([key]);
  expect(digest(await again.read(sampleObject(1)))).toEqual(digest(sampleObject(1)));
  expect(again.loaded.crash).toBeDefined();
});
