/** Cursors of the group's store stay behind what the log of revisions has. */
import { expect, test } from 'vitest';
import type { DurableStore } from '../../src/disk/lmdb.js';
import { storeBehind } from '../../src/gateway/server/disk/store-behind.js';
import { memoryStore } from '../../src/store/memory.js';
import type { StoreWrite } from '../../src/store/store.js';
import { prune, put, sampleObject, state, stream } from '../store/samples.js';

/** A log that is durable when the test says so. */
class Log {
  isSettled = true;
  private waiting: (() => void)[] = [];

  settled(): Promise<void> {
    return this.isSettled ? Promise.resolve() : new Promise((done) => this.waiting.push(done));
  }

  settle(): void {
    this.isSettled = true;
    for (const done of this.waiting.splice(0)) done();
  }
}

async function begin() {
  const commits: StoreWrite[][] = [];
  const inner = memoryStore(1);
  const store = {
    ...inner,
    recovered: undefined,
    commit: (writes: readonly StoreWrite[]) => {
      commits.push([...writes]);
      return inner.commit(writes);
    },
  } as unknown as DurableStore;
  const log = new Log();
  const behind = storeBehind(store, log, () => {});
  await behind.commit([{ type: 'stream', state: state({ delivered: 0 }) }]);
  commits.length = 0;
  return { commits, log, behind };
}

const cursor = (delivered: number): StoreWrite => ({ type: 'stream', state: state({ delivered }) });

test('a cursor follows its object in a commit of its own, though the log has all', async () => {
  const { commits, behind } = await begin();
  await behind.commit([put(sampleObject(0)), cursor(1)]);
  expect(commits.map((writes) => writes.map(({ type }) => type))).toEqual([['object']]);
  await behind.close();
  expect(commits[1]).toEqual([cursor(1)]);
});

test('an object does not wait for the log, and the cursor that came with it does', async () => {
  const { commits, log, behind } = await begin();
  log.isSettled = false;
  await behind.commit([put(sampleObject(0)), cursor(1)]);
  expect(commits.map((writes) => writes.map(({ type }) => type))).toEqual([['object']]);
  log.settle();
  await behind.close();
  expect(commits[1]).toEqual([cursor(1)]);
});

test('of cursors that wait the newest is written', async () => {
  const { commits, log, behind } = await begin();
  log.isSettled = false;
  await behind.commit([cursor(1)]);
  await behind.commit([cursor(2)]);
  log.settle();
  await behind.close();
  expect(commits.flat().at(-1)).toEqual(cursor(2));
});

test('what is pruned waits until the log has what was consumed, and goes after the cursors', async () => {
  const { commits, log, behind } = await begin();
  log.isSettled = false;
  await behind.commit([cursor(1)]);
  await behind.commit([prune(1), put(sampleObject(1))]);
  await behind.commit([cursor(2)]);
  expect(commits.flat().map(({ type }) => type)).toEqual(['object']);
  log.settle();
  await behind.close();
  const later = commits.slice(1).flat();
  expect(later.map(({ type }) => type)).toEqual(['stream', 'prune']);
});

test('what others are told once it is written is written by then, in one with what was put off', async () => {
  const { commits, log, behind } = await begin();
  log.isSettled = false;
  await behind.commit([prune(1)]);
  let isSaid = false;
  const told: StoreWrite = { type: 'stream', state: state({ delivered: 2 }), isSaid: true };
  const said = behind.commit([told]).then(() => {
    isSaid = true;
  });
  await new Promise((done) => setImmediate(done));
  expect([isSaid, commits]).toEqual([false, []]);
  log.settle();
  await said;
  expect(commits.flat().map(({ type }) => type)).toEqual(['prune', 'stream']);
});

test('the end of a stream waits for the log, and takes along what was put off', async () => {
  const { commits, log, behind } = await begin();
  log.isSettled = false;
  await behind.commit([cursor(1)]);
  const { origin, incarnation } = stream;
  const retired = behind.commit([
    { type: 'retire', stream: { origin, incarnation, count: 1, chain: new Uint8Array(32) } },
  ]);
  expect(commits).toEqual([]);
  log.settle();
  await retired;
  expect(commits.flat().map(({ type }) => type)).toEqual(['stream', 'retire']);
});
