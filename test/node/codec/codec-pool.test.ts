/**
 * CodecPool with real threads: results as inline, in order, bounded, and clean at the end. The threads run the compiled
 * worker in dist/, as `npm test` has built it.
 */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Decoder, Encoder, isHeavy, type SolveJob } from '../../../src/codec/index.js';
import { Rng } from '../../../src/core/rng.js';
import { CodecPool, type CodecPoolOptions } from '../../../src/node/codec/codec-pool.js';
import { expectSame, randomBytes } from '../../codec/support.js';

const worker = new URL('../../../dist/node/codec/codec-worker.js', import.meta.url);
const poolOf = (options: CodecPoolOptions = {}) => new CodecPool({ ...options, worker });
const code = (value: string) => expect.objectContaining({ name: 'HeadwaterError', code: value });

const T = 256;
const K = 6000;
const rng = new Rng('codec-pool');
const bytes = randomBytes(rng, K * T - 3);
const encoder = new Encoder(bytes, { symbolSize: T, sourceBlocks: 1 });
afterAll(() => encoder.dispose());

/** A decoder that holds all source symbols but the first `lost`, and as many repair symbols. */
function waiting(lost: number, decoder = new Decoder(encoder.oti, { deferHeavy: true })): Decoder {
  for (let esi = lost; esi < K + lost; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
  return decoder;
}

test('heavy blocks are deferred, light ones are not', () => {
  expect([isHeavy(K, T), isHeavy(1024, 1280), isHeavy(4000, 1280)]).toEqual([true, false, true]);
  using decoder = waiting(3);
  expect(decoder.complete).toBe(false);
  expect(decoder.nextJob(0)?.wanted).toEqual(Uint32Array.of(0, 1, 2));
  expect(decoder.nextJob(0)).toBeUndefined();
  const small = new Encoder(bytes.subarray(0, 100 * T), { symbolSize: T, sourceBlocks: 1 });
  expect(small.prepareJob(0)).toBeUndefined();
  using light = new Decoder(small.oti, { deferHeavy: true });
  for (let esi = 5; esi < 110; esi++) light.add(0, esi, small.symbol(0, esi));
  expect(light.complete).toBe(true);
  small.dispose();
});

test('the answer for a block that is complete by then changes nothing', () => {
  using both = new Encoder(bytes, { symbolSize: T, sourceBlocks: 2 });
  const k = both.oti.blockSymbols(0);
  using decoder = new Decoder(both.oti, { deferHeavy: true });
  for (let esi = 1; esi <= k; esi++) decoder.add(0, esi, both.symbol(0, esi));
  const job = decoder.nextJob(0)!;
  decoder.add(0, 0, both.symbol(0, 0));
  decoder.finishJob(job, both.symbol(0, 0) as Uint8Array<ArrayBuffer>);
  expect([decoder.blockComplete(0), decoder.complete]).toEqual([true, false]);
});

describe('with threads', () => {
  let pool: CodecPool;
  beforeAll(() => {
    pool = poolOf({ threads: 2 });
  });
  afterAll(() => pool.close());

  test('a solve elsewhere completes the object; symbols may come meanwhile', async () => {
    using decoder = waiting(40);
    const job = decoder.nextJob(0) as SolveJob;
    const running = pool.run(job);
    expect(job.symbols.length).toBe(0);
    decoder.add(0, 7, encoder.symbol(0, 7));
    decoder.add(0, K + 900, encoder.symbol(0, K + 900));
    expect(decoder.finishJob(job, await running)).toBe(true);
    expectSame(decoder.object(), bytes);
    expect(decoder.finishJob(job, undefined)).toBe(true);
  });

  test('a job whose symbols do not suffice is followed by another once more have come', async () => {
    using decoder = new Decoder(encoder.oti, { deferHeavy: true });
    // What a solve of random symbols seldom meets: an answer that says no.
    for (let esi = 1; esi <= K; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
    const job = decoder.nextJob(0) as SolveJob;
    expect(decoder.finishJob(job, undefined)).toBe(false);
    expect(decoder.nextJob(0)).toBeUndefined();
    decoder.add(0, K + 50, encoder.symbol(0, K + 50));
    const second = decoder.nextJob(0) as SolveJob;
    expect(decoder.finishJob(second, await pool.run(second))).toBe(true);
    expectSame(decoder.object(), bytes);
  });

  test('prepared blocks give the same symbols', async () => {
    using other = new Encoder(bytes, { symbolSize: T, sourceBlocks: 1 });
    const job = other.prepareJob(0)!;
    other.prepared(job, (await pool.run(job))!);
    expect(other.prepareJob(0)).toBeUndefined();
    for (let esi = K; esi < K + 20; esi++) expectSame(other.symbol(0, esi), encoder.symbol(0, esi));
  });

  test('results come in the order of the jobs', async () => {
    const order: number[] = [];
    const jobs = [400, 1, 300, 2, 1, 200].map((lost) => waiting(lost).nextJob(0) as SolveJob);
    await Promise.all(jobs.map((job, i) => pool.run(job).then(() => order.push(i))));
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
    expect(pool.pending).toBe(0);
  });
});

test('the queue is bounded in bytes, and a refused job is still whole', async () => {
  await using pool = poolOf({ maxQueuedBytes: 2 * K * T });
  const jobs = [1, 1, 1].map((lost) => waiting(lost).nextJob(0) as SolveJob);
  const [one, two] = [pool.run(jobs[0]), pool.run(jobs[1])];
  await expect(pool.run(jobs[2])).rejects.toEqual(code('BUSY'));
  expect(jobs[2].symbols.length).toBe(K * T);
  await Promise.all([one, two]);
  expect((await pool.run(jobs[2]))?.length).toBe(T);
});

test('closing rejects what is pending, and what comes later', async () => {
  const pool = poolOf();
  const jobs = [1, 1].map((lost) => waiting(lost).nextJob(0) as SolveJob);
  const results = Promise.allSettled(jobs.map((job) => pool.run(job)));
  await pool.close();
  for (const result of await results) expect(result).toEqual({ status: 'rejected', reason: code('CLOSED') });
  await expect(pool.run(waiting(1).nextJob(0) as SolveJob)).rejects.toEqual(code('CLOSED'));
  await pool.close();
});

test('a thread that dies takes its job with it, and the next job gets another thread', async () => {
  const pool = poolOf();
  const poison = { ...(waiting(1).nextJob(0) as SolveJob), wanted: { buffer: new ArrayBuffer(4) } };
  await expect(pool.run(poison as unknown as SolveJob)).rejects.toEqual(code('CLOSED'));
  const job = waiting(2).nextJob(0) as SolveJob;
  expect((await pool.run(job))?.length).toBe(2 * T);
  await pool.close();
});
