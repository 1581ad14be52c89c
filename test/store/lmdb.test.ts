/** The store on LMDB: what it finds after a restart, whom it refuses, and that it neither grows nor reads without need. */
import { spawnSync } from 'node:child_process';
import { fsyncSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import { open } from 'lmdb';
import { afterEach, expect, test, vi } from 'vitest';
import { database } from '../../src/disk/database.js';
import { openStore } from '../../src/disk/lmdb.js';
import { HEADER_KEY, headKey, parseHead, writeHeader } from '../../src/store/records.js';
import { type Attempt, storedSize } from '../../src/store/store.js';
import {
  digest,
  INCARNATION,
  prune,
  put,
  sampleObject,
  state,
  storeOptions,
  strays,
  stream,
} from './samples.js';

vi.mock('lmdb', async (original) => {
  const module = await original<typeof import('lmdb')>();
  return { ...module, open: vi.fn(module.open) };
});
vi.mock('node:fs', async (original) => {
  const module = await original<typeof import('node:fs')>();
  const { renameSync, fsyncSync, writeFileSync } = module;
  return {
    ...module,
    renameSync: vi.fn(renameSync),
    fsyncSync: vi.fn(fsyncSync),
    writeFileSync: vi.fn(writeFileSync),
  };
});
vi.mock('../../src/store/records.js', async (original) => {
  const module = await original<typeof import('../../src/store/records.js')>();
  return { ...module, parseHead: vi.fn(module.parseHead) };
});
afterEach(() => vi.mocked(parseHead).mockClear());

test('a store opened again is the same incarnation', async () => {
  const options = await storeOptions();
  const first = await openStore(options);
  await first.close();
  await using again = await openStore(options);
  expect(again.loaded.incarnation).toBe(first.loaded.incarnation);
});

test('the incarnation is the time at which it was made', async () => {
  const before = Date.now();
  await using store = await openStore(await storeOptions());
  expect(store.loaded.incarnation).toBeGreaterThanOrEqual(before);
});

test.each([
  ['goes back by an hour', 3_600_000],
  ['stands still', 0],
])('the session is above the last one though the clock %s', async (_, back) => {
  const options = await storeOptions();
  vi.useFakeTimers({ toFake: ['Date'], now: 1_700_000_000_000 });
  try {
    const sessions: number[] = [];
    for (let start = 0; start < 3; start++) {
      await using store = await openStore(options);
      sessions.push(store.loaded.session);
      vi.setSystemTime(1_700_000_000_000 - back);
    }
    expect(sessions).toEqual([1_700_000_000_000, 1_700_000_000_001, 1_700_000_000_002]);
  } finally {
    vi.useRealTimers();
  }
});

test('opening looks at the objects not yet delivered only', async () => {
  const options = await storeOptions();
  const first = await openStore(options);
  for (let seq = 0; seq < 100_000; seq += 10_000)
    await first.commit(Array.from({ length: 10_000 }, (_, i) => put(sampleObject(seq + i, 1))));
  await first.commit([{ type: 'stream', state: state({ delivered: 99_998 }) }]);
  await first.close();
  await using again = await openStore(options);
  expect([again.loaded.held.map(({ seq }) => seq), vi.mocked(parseHead).mock.calls.length]).toEqual([
    [99_998, 99_999],
    2,
  ]);
});

test('one commit is one transaction, however much it writes', async () => {
  const options = await storeOptions();
  await using store = await openStore(options);
  const before = lastTransaction(options.path);
  await store.commit([...Array.from({ length: 64 }, (_, seq) => put(sampleObject(seq))), prune(10)]);
  expect(lastTransaction(options.path) - before).toBe(1);
});

test.skipIf(spawnSync('strace', ['-V']).error)(
  'a transaction is synced before its commit resolves',
  async () => {
    const { path } = await storeOptions();
    const objects =
      'Array.from({ length: 64 }, (_, seq) => ({ type: "object", object: { ...stream, seq, ...rest } }))';
    const script = `${CHILD}
    const store = await open(${JSON.stringify(path)});
    for (let i = 0; i < 5; i++) {
      const rest = { incarnation: i, certificate: new Uint8Array(9), bytes: new Uint8Array(500) };
      writeSync(2, 'begin');
      await store.commit(${objects});
      writeSync(2, 'end');
    }
    process.exit();`;
    const calls = 'fdatasync,fsync,pwrite64,write';
    const { output } = spawnSync('strace', [
      '-f',
      '-e',
      `trace=${calls}`,
      '-o',
      `${path}.calls`,
      ...node(script),
    ]);
    const trace = readFileSync(`${path}.calls`, 'utf8');
    const commits = [...trace.matchAll(/"begin"[\s\S]*?"end"/g)].map(
      ([part]) => part.match(/fdatasync\(\d+/g)?.length,
    );
    expect(commits, String(output)).toEqual([1, 1, 1, 1, 1]);
  },
);

test('LMDB is asked to sync, and to say that a commit is done only then', async () => {
  vi.mocked(open).mockClear();
  await (await openStore(await storeOptions())).close();
  const asked = vi.mocked(open).mock.calls.map(([options]) => options as Record<string, unknown>);
  const kinds = new Set(asked.map(({ overlappingSync, noSync }) => `${overlappingSync} ${noSync}`));
  expect([...kinds]).toEqual(['false undefined']);
});

test.each([
  [
    'another group',
    { groupId: new Uint8Array(32).fill(8) },
    `expected that of group ${'08'.repeat(8)}..., got that of ${'01'.repeat(8)}...`,
  ],
  [
    'another member',
    { publicKey: new Uint8Array(32).fill(8) },
    `expected that of member ${'08'.repeat(8)}..., got that of ${'02'.repeat(8)}...`,
  ],
])('the store of %s is refused', async (_, change, message) => {
  const options = await storeOptions();
  await (await openStore(options)).close();
  const opening = openStore({ ...options, ...change });
  await expect(opening).rejects.toMatchObject({ code: 'STORE', message: expect.stringContaining(message) });
});

test('the store of a later version is refused and left as it is', async () => {
  const options = await storeOptions();
  await (await openStore(options)).close();
  const db = await database(options.path);
  await db.put(
    HEADER_KEY,
    writeHeader({ version: 99, incarnation: 1, groupId: options.groupId, publicKey: options.publicKey }),
  );
  await db.close();
  const before = readFileSync(options.path);
  const opening = openStore(options);
  await expect(opening).rejects.toMatchObject({
    code: 'STORE',
    message: expect.stringContaining('got 99'),
  });
  expect(before.equals(readFileSync(options.path))).toBe(true);
});

test('an open that is refused does not make an end in order a crash', async () => {
  const options = await storeOptions();
  await (await openStore(options)).close();
  await expect(openStore({ ...options, groupId: new Uint8Array(32) })).rejects.toMatchObject({
    code: 'STORE',
  });
  await using again = await openStore(options);
  expect(again.loaded.crash).toBeUndefined();
});

/** Opens the store in a process that notes `attempt` and is killed. */
function killAt(path: string, attempt: Attempt): void {
  const [command, ...args] = node(`${CHILD}
    const store = await open(${JSON.stringify(path)});
    await store.commit([{ type: 'attempt', attempt: ${JSON.stringify({ ...attempt, count: 1 })} }]);
    await store.commit([{ type: 'attempt', attempt: ${JSON.stringify(attempt)} }]);
    process.kill(process.pid, 'SIGKILL');`);
  spawnSync(command, args);
}

test('an open that is refused does not make a crash an end in order', async () => {
  const options = await storeOptions();
  killAt(options.path, { ranges: [{ ...stream, seq: 4, index: 5, endSeq: 6, endIndex: 0 }], count: 2 });
  await expect(openStore({ ...options, groupId: new Uint8Array(32) })).rejects.toMatchObject({
    code: 'STORE',
  });
  await using again = await openStore(options);
  expect(again.loaded.crash?.attempt?.count).toBe(2);
});

test('after a kill it says so, and what was attempted last', async () => {
  const { path, ...options } = await storeOptions();
  const range = { ...stream, seq: 4, index: 5, endSeq: 6, endIndex: 0 };
  const attempt = { ranges: [range, { ...range, origin: 2, endIndex: 3 }], count: 2 };
  killAt(path, attempt);
  const killed = await openStore({ path, ...options });
  await killed.close();
  await using closed = await openStore({ path, ...options });
  expect([killed.loaded.crash, closed.loaded.crash]).toEqual([{ attempt }, undefined]);
});

test('a closed store says so', async () => {
  const store = await openStore(await storeOptions());
  await store.close();
  await expect(store.commit([])).rejects.toMatchObject({ code: 'CLOSED' });
});

test('closing waits for the commit under way', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  const commit = store.commit([put(sampleObject(0))]);
  await store.close();
  await commit;
  await using again = await openStore(options);
  expect(again.loaded.held.length).toBe(1);
});

test('an object of 64 MiB is read as it was written', async () => {
  await using store = await openStore(await storeOptions());
  const object = { ...sampleObject(0, 0), bytes: new Uint8Array(64 << 20).fill(0xa5) };
  await store.commit([put(object)]);
  expect(digest(await store.read(object))).toEqual(digest(object));
});

test('a prune of more than one transaction takes at once is whole', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit(Array.from({ length: 10_000 }, (_, seq) => put(sampleObject(seq, 10))));
  const bytes = await store.commit([prune(9_999)]);
  await store.close();
  expect([bytes, await strays(options.path)]).toEqual([storedSize(10), 0]);
});

test('where the disk has no room for a lock file a store is not opened, and that is said', async () => {
  const options = await storeOptions();
  vi.mocked(writeFileSync).mockImplementationOnce(() => {
    throw Object.assign(new Error('no space left'), { code: 'ENOSPC' });
  });
  await expect(openStore(options)).rejects.toMatchObject({ code: 'STORE_FULL' });
  await (await openStore(options)).close();
});

test('a new one has its name once it is whole, and the name is synced', async () => {
  const { path, ...options } = await storeOptions();
  vi.mocked(renameSync).mockClear();
  vi.mocked(fsyncSync).mockClear();
  await (await openStore({ path, ...options })).close();
  const named = vi.mocked(renameSync).mock.invocationCallOrder[0];
  expect(vi.mocked(renameSync).mock.calls[0]).toEqual([`${path}.new`, path]);
  expect(vi.mocked(fsyncSync).mock.invocationCallOrder[0]).toBeGreaterThan(named);
});

test('in a steady state the file does not grow', async () => {
  const options = await storeOptions();
  await using store = await openStore(options);
  const rounds = async (from: number, to: number): Promise<number> => {
    for (let round = from; round < to; round++) {
      const writes = [1, 400, 3000, 40_000].map((size, i) => put(sampleObject(round * 4 + i, size)));
      await store.commit([...writes, prune(round * 4 - 100)]);
    }
    return statSync(options.path).size;
  };
  const warm = await rounds(0, 100);
  expect(await rounds(100, 500)).toBeLessThan(1.2 * warm);
});

test('a head that was flipped makes its object absent, and no other', async () => {
  const options = await storeOptions();
  const store = await openStore(options);
  await store.commit([put(sampleObject(0)), put(sampleObject(1))]);
  await store.close();
  const db = await database(options.path);
  const key = headKey({ ...stream, seq: 0 });
  await db.put(
    key,
    db.getBinary(key)!.map((byte, i) => (i === 20 ? byte ^ 1 : byte)),
  );
  await db.close();
  await using again = await openStore(options);
  const read = [await again.read({ ...stream, seq: 0 }), digest(await again.read({ ...stream, seq: 1 }))];
  expect([again.loaded.held.map(({ seq }) => seq), ...read]).toEqual([
    [1],
    undefined,
    digest(sampleObject(1)),
  ]);
});

/** The number of the newest transaction, from the two meta pages (MDB_meta, mm_txnid). */
function lastTransaction(path: string): number {
  const file = readFileSync(path);
  return Math.max(...[152, 4096 + 152].map((at) => Number(file.readBigUInt64LE(at))));
}

const CHILD = `import { writeSync } from 'node:fs';
  import { openStore } from '${new URL('../../dist/disk/lmdb.js', import.meta.url).href}';
  const stream = { origin: 3, incarnation: ${INCARNATION} };
  const open = (path) => openStore({ path, groupId: new Uint8Array(32).fill(1), publicKey: new Uint8Array(32).fill(2) });
`;

function node(script: string): [string, ...string[]] {
  return [process.execPath, '--input-type=module', '-e', script];
}

test.each([8, 1345, 4080])(
  'a file full of objects of %i bytes is no more than two and a half times as large as its bound',
  async (size) => {
    const maxBytes = 1_000_000;
    const options = await storeOptions({ maxBytes });
    await using store = await openStore(options);
    const places = [0, 1, 2].map((origin) => ({ origin, incarnation: INCARNATION }));

    let [stored, isFull] = [0, false];
    for (let seq = 0; !isFull && stored < 2 * maxBytes; seq += 100) {
      const objects = places.flatMap((of) =>
        Array.from({ length: 100 }, (_, i) => put(sampleObject(seq + i, size, of))),
      );
      stored += objects.length * size;
      isFull = await store.commit(objects).then(
        () => false,
        () => true,
      );
    }

    expect(isFull).toBe(true);
    expect(statSync(options.path).size).toBeLessThan(2.5 * maxBytes);
  },
);
