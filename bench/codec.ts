/**
 * bench codec: this library's codec against npm raptorq 1.7.24 in the same process, on one thread.
 *   npm run bench -- codec [--json] [--k 10,100] [--loss 0,1,10] [--only encode|decode] [--t 1280]
 * Method: operations of both sides take turns; a sample is as many repetitions as take 20 ms (at least one); after
 * 400 ms of each to warm up (WebAssembly is compiled in tiers), the medians of five samples count.
 * `--blocks` prints how long one block holds the thread by its K instead, and the rule that follows.
 */
import { stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';
import { type Case, decodeCase, encodeCase, memory, randomObject } from './codec-cases.js';

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
  const { values } = parseArgs({
    args,
    options: {
      json: { type: 'boolean', default: false },
      k: { type: 'string', default: KS.join() },
      loss: { type: 'string', default: LOSSES.join() },
      t: { type: 'string', default: '1280' },
      only: { type: 'string', default: '' },
    },
  });
  const t = Number(values.t);
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

function repetitions(operation: () => void): number {
  return Math.max(1, Math.ceil(SAMPLE_MS / sample(operation, 1)));
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
