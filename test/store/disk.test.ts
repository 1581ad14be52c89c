/** The simulated disk: what takes how long, and what is left after it was cut off, full or damaged. */
import { expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND } from '../../src/core/time.js';
import { SimDisk, type SimDiskOptions } from '../../src/sim/disk.js';
import { withSeeds } from '../util/seed.js';
import { put, sampleObject, state, stream } from './samples.js';

const disk = (options: SimDiskOptions = {}, seed = 'disk') => new SimDisk(new Rng(seed), 1, options);

test('a commit takes its delay and the time of its bytes', () => {
  const it = disk({ delay: 2 * MILLISECOND, rate: 1e6 });
  it.submit(1000, [put(sampleObject(0, 500))]);
  expect(it.nextTimeout()).toBe(1000 + 2 * MILLISECOND + 500);
});

test('a commit is not there before its time', () => {
  const it = disk();
  it.submit(0, [put(sampleObject(0))]);
  expect([it.poll(it.nextTimeout() - 1), it.load().held]).toEqual([undefined, []]);
});

test('a second commit has to wait for the first', () => {
  const it = disk();
  it.submit(0, [put(sampleObject(0))]);
  expect(() => it.submit(0, [])).toThrow(expect.objectContaining({ code: 'BUSY' }));
});

test('a crash keeps the commit under way as a whole or not at all, and both happen', async () => {
  const kept = new Set<number>();
  await withSeeds(40, (seed) => {
    const it = disk({}, seed);
    it.submit(0, [put(sampleObject(0)), put(sampleObject(1)), { type: 'stream', state: state() }]);
    it.crash();
    const { held, streams } = it.load();
    kept.add(held.length + streams.length);
  });
  expect([...kept].sort()).toEqual([0, 3]);
});

test('a crash keeps what was committed before', () => {
  const it = disk();
  it.submit(0, [put(sampleObject(0))]);
  it.poll(it.nextTimeout());
  it.crash();
  expect(it.load().held.map(({ seq }) => seq)).toEqual([0]);
});

test('after a crash nothing of before is answered', () => {
  const it = disk();
  it.submit(0, [put(sampleObject(0))]);
  it.submitRead(0, { ...stream, seq: 0 });
  it.crash();
  expect(it.nextTimeout()).toBe(Number.POSITIVE_INFINITY);
});

test('while it is full it refuses objects, and takes them again afterwards', () => {
  const it = disk();
  const commit = () => {
    it.submit(0, [put(sampleObject(0))]);
    return it.poll(it.nextTimeout())?.type;
  };
  it.full = true;
  const first = commit();
  it.full = false;
  expect([first, commit()]).toEqual(['failed', 'committed']);
});

test('a damaged object is absent, on its own and to a store opened anew, until it is written again', () => {
  const it = disk();
  const write = () => {
    it.submit(0, [put(sampleObject(0)), put(sampleObject(1))]);
    it.poll(it.nextTimeout());
    return it.load().held.map(({ seq }) => seq);
  };
  write();
  it.corrupt({ ...stream, seq: 0 });
  const damaged = it.load().held.map(({ seq }) => seq);
  it.submitRead(0, { ...stream, seq: 0 });
  expect([it.poll(it.nextTimeout()), damaged, write()]).toEqual([
    { type: 'read', id: { ...stream, seq: 0 }, object: undefined },
    [1],
    [0, 1],
  ]);
});

test('a store that is lost begins anew, as another incarnation', () => {
  const it = disk();
  it.submit(0, [put(sampleObject(0))]);
  it.poll(it.nextTimeout());
  it.lose(2);
  expect(it.load()).toMatchObject({ incarnation: 2, streams: [], retired: [], held: [], bytes: 0 });
});

test('in a slow phase requests take longer, until it ends', () => {
  const it = disk({ delay: 10, slow: 1, slowTime: 100, slowFactor: 5 });
  it.submitRead(0, { ...stream, seq: 0 });
  expect(it.nextTimeout()).toBe(50);
});
