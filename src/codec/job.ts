/**
 * The heavy parts of coding as values that can travel to another thread and back: a job in, a result out. Pure; who runs
 * it, and where, is up to the caller (src/node/codec/codec-pool.ts does, in worker threads).
 */

import { copySymbols, type Fill, sharedEngine } from './engine.js';

/** Find the `wanted` source symbols of a block of k from the symbols with these ESIs. */
export interface SolveJob {
  /** Tells it from a `PrepareJob`. */
  readonly kind: 'solve';
  /** The block's number. */
  readonly sbn: number;
  /** Source symbols of the block. */
  readonly k: number;
  /** Bytes of a symbol. */
  readonly symbolSize: number;
  /** Of the symbols that are held. */
  readonly esis: Uint32Array<ArrayBuffer>;
  /** ESIs of the source symbols to find. */
  readonly wanted: Uint32Array<ArrayBuffer>;
  /** The symbols that are held, one behind the other in the order of `esis`. */
  readonly symbols: Uint8Array<ArrayBuffer>;
}

/** Compute the intermediate symbols of a block of k from its source symbols. */
export interface PrepareJob {
  /** Tells it from a `SolveJob`. */
  readonly kind: 'prepare';
  /** The block's number. */
  readonly sbn: number;
  /** Source symbols of the block. */
  readonly k: number;
  /** Bytes of a symbol. */
  readonly symbolSize: number;
  /** The source symbols, one behind the other. */
  readonly symbols: Uint8Array<ArrayBuffer>;
}

/** What `Decoder.nextJob` and `Encoder.prepareJob` give: its arrays may be transferred to another thread. */
export type CodecJob = SolveJob | PrepareJob;

/** Solve: the wanted symbols in their order, undefined if the symbols do not suffice. Prepare: the intermediate symbols. */
export type CodecResult = Uint8Array<ArrayBuffer> | undefined;

/**
 * Runs a job here and now: what `CodecPool.run` does in a thread of its own.
 *
 * @throws HeadwaterError OUT_OF_MEMORY if it does not fit this thread's codec memory.
 * @example
 * const encoder = new Encoder(bytes, { symbolSize: 1280 });
 * const job = encoder.prepareJob(0);
 * const result = job && runJob(job);
 * if (job && result) encoder.prepared(job, result);
 */
export function runJob(job: CodecJob): CodecResult {
  const engine = sharedEngine();
  const { k, symbolSize, symbols } = job;
  const fill: Fill = (...slots) => copySymbols(symbols, symbolSize, ...slots);
  if (job.kind === 'prepare') {
    const owner = {};
    const { pointer, stride } = engine.intermediates(owner, { k, symbolSize, fill });
    const result = engine.bytes.slice(pointer, pointer + engine.exports.code_intermediates(k) * stride);
    engine.release(owner);
    return result;
  }
  const wanted = [...job.wanted];
  const result = new Uint8Array(wanted.length * symbolSize);
  let at = 0;
  const solved = engine.solve({ k, symbolSize, esis: job.esis, fill }, wanted, (_, symbol) => {
    result.set(symbol, at);
    at += symbolSize;
  });
  return solved ? result : undefined;
}

/** The buffers to transfer with a job, so that they move instead of being copied. */
export function transferOf(job: CodecJob): ArrayBuffer[] {
  const { buffer } = job.symbols;
  return job.kind === 'solve' ? [buffer, job.esis.buffer, job.wanted.buffer] : [buffer];
}

/**
 * Whether a block's solve would hold its thread for longer than about 2 ms: on the machine of docs/CODEC.md one takes up to
 * 1 ns a byte and 0.5 us a symbol (npm run bench -- codec --blocks).
 *
 * @example
 * isHeavy(1000, 1280); // false
 * isHeavy(10_000, 1280); // true: such blocks are for a CodecPool
 */
export function isHeavy(k: number, symbolSize: number): boolean {
  return k * (symbolSize + 500) > 2_000_000;
}
