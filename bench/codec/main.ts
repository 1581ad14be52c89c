/**
 * bench codec: this library's codec against npm raptorq 1.7.24 in the same process, on one thread.
 *   npm run bench -- codec [--json] [--k 10,100] [--loss 0,1,10] [--only encode|decode] [--t 1280]
 * Method: operations of both sides take turns; a sample is as many repetitions as take 20 ms (at least one); after
 * 400 ms of each to warm up (WebAssembly is compiled in tiers), the medians of five samples count.
 * `--blocks` prints how long one block holds the thread by its K instead, and the rule that follows.
 */
import { stderr, stdout } from 'node:process';
import { Decoder, Encoder, isHeavy } from '../../src/codec/index.js';
import { readOptions } from '../../tools/options.js';
import { type Case, decodeCase, encodeCase, engine, lostOf, memory, randomObject } from './cases.js';

interface Result {
  readonly k: number;
  readonly t: number;
  readonly operation: 'encode-cold' | 'encode-warm' | 'decode';
  readonly lossPercent: number;
  /** MB/s of payload. */
  readonly ours: number;
  readonly peer: number;
  readonly ratio: number;
}

const KS = [1, 4, 10, 32, 100, 256, 1000, 4000, 10000];
const LOSSES = [0, 1, 5, 10, 30, 50, 100];
const SAMPLES = 5;
const SAMPLE_MS = 20;
const WARM_UP_MS = 400;

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      json: { type: 'boolean', default: false },
      k: { type: 'string', default: KS.join() },
      loss: { type: 'string', default: LOSSES.join() },
      t: { type: 'string', default: '1280' },
      only: { type: 'string', default: '' },
      blocks: { type: 'boolean', default: false },
    },
  });
  const t = Number(values.t);
  if (values.blocks) return blockCurve(t);
  const results: Result[] = [];
  for (const k of values.k.split(',').map(Number)) {
    const bytes = randomObject(k, t);
    const measure = (operation: Result['operation'], lossPercent: number, subject: Case) => {
      const { ours, peer } = time(subject);
      const rate = (ms: number) => bytes.length / ms / 1000;
      const result = { k, t, operation, lossPercent, ours: round(rate(ours)), peer: round(rate(peer)) };
      results.push({ ...result, ratio: round(peer / ours) });
      if (!values.json) stdout.write(line(results.at(-1) as Result, ours, peer));
      else stderr.write(`\rK=${k} ${operation} ${lossPercent} %        `);
    };
    if (values.only !== 'decode') {
      measure('encode-cold', 0, encodeCase(bytes, k, t, true));
      measure('encode-warm', 0, encodeCase(bytes, k, t, false));
    }
    if (values.only !== 'encode')
      for (const loss of values.loss.split(',').map(Number))
        measure('decode', loss, decodeCase(bytes, k, t, loss));
  }
  if (values.json) stdout.write(`${JSON.stringify({ results })}\n`);
}

/**
 * How long one block holds its thread, by K: making its first repair symbol, and its solve with 10 % and all of its source
 * symbols lost. Last column: whether isHeavy leaves the block to a worker. The default of 1024 symbols a block
 * (src/codec/oti.ts) is the largest power of two that stays well within 2 ms.
 */
function blockCurve(t: number): void {
  stdout.write('     K   first repair    solve, 10 %   solve, 100 %   ns/byte, worst   heavy\n');
  for (const k of [64, 128, 256, 512, 1024, 2048, 4096, 8192]) {
    const bytes = randomObject(k, t);
    const worst = [firstRepair(bytes, k, t), lastSymbol(bytes, k, t, 10), lastSymbol(bytes, k, t, 100)];
    const columns = worst.map((value) => `${value.toFixed(3).padStart(9)} ms`).join('   ');
    const slowest = ((Math.max(...worst) * 1e6) / (k * t)).toFixed(2).padStart(8);
    stdout.write(
      `${String(k).padStart(6)}   ${columns}   ${slowest}          ${isHeavy(k, t) ? 'yes' : 'no'}\n`,
    );
  }
}

function firstRepair(bytes: Uint8Array, k: number, t: number): number {
  const target = new Uint8Array(t);
  return settled(() => {
    const encoder = new Encoder(bytes, { symbolSize: t, sourceBlocks: 1, engine });
    const start = performance.now();
    encoder.symbolInto(0, k, target);
    const time = performance.now() - start;
    encoder.dispose();
    return time;
  });
}

/** The call of add() that solves. */
function lastSymbol(bytes: Uint8Array, k: number, t: number, percent: number): number {
  const lost = lostOf(k, percent);
  const encoder = new Encoder(bytes, { symbolSize: t, sourceBlocks: 1, engine });
  const symbols = encoder.symbolsInto(0, lost, k, new Uint8Array(k * t));
  const result = settled(() => {
    const decoder = new Decoder(encoder.oti, { engine });
    let longest = 0;
    for (let i = 0; i < k; i++) {
      const symbol = symbols.subarray(i * t, (i + 1) * t);
      const start = performance.now();
      decoder.add(0, lost + i, symbol);
      longest = performance.now() - start;
    }
    decoder.dispose();
    return longest;
  });
  encoder.dispose();
  return result;
}

/** The median of the last 15 of what `once` returns, after time enough for the engine to have compiled all of it. */
function settled(once: () => number): number {
  const samples: number[] = [];
  const until = performance.now() + WARM_UP_MS;
  while (performance.now() < until || samples.length < 15) samples.push(once());
  return median(samples.slice(-15));
}

/** Milliseconds of one operation, medians of interleaved samples. */
function time(subject: Case): { ours: number; peer: number } {
  for (const operation of [subject.ours, subject.peer]) {
    const until = performance.now() + WARM_UP_MS;
    do operation();
    while (performance.now() < until);
  }
  const repeat = { ours: repetitions(subject.ours), peer: repetitions(subject.peer) };
  subject.verify();
  const samples = { ours: [] as number[], peer: [] as number[] };
  for (let n = 0; n < SAMPLES; n++) {
    samples.ours.push(sample(subject.ours, repeat.ours));
    samples.peer.push(sample(subject.peer, repeat.peer));
  }
  subject.verify();
  return { ours: median(samples.ours), peer: median(samples.peer) };
}

/** Doubled until they take long enough: a single run may just have met another process, or the garbage collector. */
function repetitions(operation: () => void): number {
  for (let times = 1; ; times *= 2) if (sample(operation, times) * times >= SAMPLE_MS) return times;
}

function sample(operation: () => void, times: number): number {
  const start = performance.now();
  for (let n = 0; n < times; n++) operation();
  return (performance.now() - start) / times;
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

function round(value: number): number {
  return Number(value.toPrecision(4));
}

function line(result: Result, ours: number, peer: number): string {
  const { k, operation, lossPercent } = result;
  const { ours: ourMemory, peer: peerMemory } = memory();
  const what = operation === 'decode' ? `decode, ${lossPercent} % lost` : operation;
  return (
    `K=${String(k).padEnd(6)} ${what.padEnd(19)} ours ${String(result.ours).padStart(7)} MB/s ${ms(ours)}` +
    `   peer ${String(result.peer).padStart(7)} MB/s ${ms(peer)}   ratio ${String(result.ratio).padStart(6)}` +
    `   memory ${mib(ourMemory)} / ${mib(peerMemory)} MiB\n`
  );
}

function ms(value: number): string {
  return `${value.toFixed(value < 10 ? 4 : 1).padStart(8)} ms`;
}

function mib(bytes: number): string {
  return (bytes / 2 ** 20).toFixed(1);
}
