/**
 * Encoder: turns the bytes of an object into encoding symbols, any of them at any time. Source symbols come straight
 * from the caller's bytes; a block's intermediate symbols are computed when its first repair symbol is asked for.
 */

import { assertBytes, assertInteger, HeadwaterError } from '../errors.js';
import { copySymbols, type Engine, type Fill, sharedEngine } from './engine.js';
import { isHeavy, type PrepareJob } from './job.js';
import { MAX_ESI, Oti } from './oti.js';

/** How an object is cut; the rest of its `Oti` follows from its bytes. */
export interface EncoderOptions {
  /** T: bytes of a symbol, a multiple of `alignment`. */
  readonly symbolSize: number;
  /** Z; default: blocks of at most 1024 symbols. */
  readonly sourceBlocks?: number;
  /** Al; default 16. */
  readonly alignment?: number;
  /** @internal For tests and benchmarks: an engine of one's own instead of the shared one. */
  readonly engine?: Engine;
}

/**
 * A RaptorQ encoder (RFC 6330) over one object.
 *
 * The bytes are not copied: leave them as they are until dispose(). Intermediate symbols (about the size of a block) are
 * cached for all encoders together within a bound of 64 MiB and computed again if they have been dropped, so ask for
 * repair symbols block by block where an object is larger than that.
 *
 * @example
 * const encoder = new Encoder(bytes, { symbolSize: 1280 });
 * for (let sbn = 0; sbn < encoder.oti.sourceBlocks; sbn++) {
 *   const k = encoder.oti.blockSymbols(sbn);
 *   for (let esi = 0; esi < k + 10; esi++) encoder.symbol(sbn, esi); // 10 repair symbols
 * }
 * encoder.dispose();
 */
export class Encoder {
  /** The object's layout: a receiver needs its 12 bytes first. */
  readonly oti: Oti;
  readonly #engine: Engine;
  /** By block, made with its first repair symbol. The key is an object of its own, lest the cache hold on to the bytes. */
  readonly #blocks: ({ key: object; fill: Fill } | undefined)[] = [];
  #bytes: Uint8Array | undefined;
  #pool = new ArrayBuffer(0);
  #poolUsed = 0;

  /** @throws HeadwaterError INVALID_ARGUMENT if the object is empty or too large, or an option is out of range. */
  constructor(bytes: Uint8Array, options: EncoderOptions) {
    assertBytes('bytes', bytes);
    const { engine, ...layout } = options;
    this.oti = new Oti({ ...layout, transferLength: bytes.length });
    this.#bytes = bytes;
    this.#engine = engine ?? sharedEngine();
  }

  /**
   * Encoding symbol `esi` of block `sbn`: a source symbol for esi < K (the object's last one padded with zeros), a repair
   * symbol from K to 2^24 - 1. The array, symbolSize bytes, is the caller's; its `buffer` is shared with other symbols, as
   * a Buffer's is. On a hot path symbolInto saves the allocation, which takes longer than most symbols.
   * @throws HeadwaterError INVALID_ARGUMENT out of range; OUT_OF_MEMORY if the block's solve does not fit; CLOSED.
   */
  symbol(sbn: number, esi: number): Uint8Array {
    return this.symbolInto(sbn, esi, this.#fresh(this.oti.symbolSize));
  }

  /** The same, written to `target` (symbolSize bytes, such as a part of a datagram), which is returned. */
  symbolInto(sbn: number, esi: number, target: Uint8Array): Uint8Array {
    const bytes = this.#open();
    const k = this.oti.blockSymbols(sbn);
    const size = this.oti.symbolSize;
    assertInteger('esi', esi, 0, MAX_ESI);
    assertBytes('target', target, size);
    if (esi < k) this.#copySource(bytes, sbn, esi, 1, target);
    else this.#encode(bytes, sbn, esi, 1, target);
    return target;
  }

  /**
   * Encoding symbols `firstEsi` to `firstEsi + count - 1` of a block, one after the other into `target`, count * symbolSize
   * bytes. The way to get many symbols: one call for all of them.
   */
  symbolsInto(sbn: number, firstEsi: number, count: number, target: Uint8Array): Uint8Array {
    const bytes = this.#open();
    const k = this.oti.blockSymbols(sbn);
    const size = this.oti.symbolSize;
    assertInteger('firstEsi', firstEsi, 0, MAX_ESI);
    assertInteger('count', count, 0, MAX_ESI + 1 - firstEsi);
    assertBytes('target', target, count * size);
    const source = Math.max(0, Math.min(count, k - firstEsi));
    if (source > 0) this.#copySource(bytes, sbn, firstEsi, source, target);
    if (source < count)
      this.#encode(bytes, sbn, firstEsi + source, count - source, target.subarray(source * size));
    return target;
  }

  /**
   * What computing the repair symbols of block `sbn` takes before the first one, as a job for another thread; undefined if
   * that is done, or so little that it is not worth a thread. Copies the block. Symbols asked for before prepared() got
   * the result are computed here, as ever.
   */
  prepareJob(sbn: number): PrepareJob | undefined {
    const bytes = this.#open();
    const k = this.oti.blockSymbols(sbn);
    const size = this.oti.symbolSize;
    const block = this.#blocks[sbn] ?? this.#openBlock(bytes, sbn, size);
    if (!isHeavy(k, size) || this.#engine.isPrepared(block.key)) return undefined;
    const symbols = new Uint8Array(k * size);
    block.fill(symbols, 0, size, k);
    return { kind: 'prepare', sbn, k, symbolSize: size, symbols };
  }

  /** Takes the result of a prepareJob. Does nothing after dispose(). */
  prepared(job: PrepareJob, result: Uint8Array): void {
    const block = this.#blocks[job.sbn];
    if (block) this.#engine.adopt(block.key, job.k, job.symbolSize, result);
  }

  /** Frees the cached blocks and lets go of the bytes. Any later call throws CLOSED; disposing again does nothing. */
  dispose(): void {
    this.#bytes = undefined;
    for (const block of this.#blocks) if (block) this.#engine.release(block.key);
    this.#blocks.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #copySource(bytes: Uint8Array, sbn: number, esi: number, count: number, target: Uint8Array): void {
    const size = this.oti.symbolSize;
    const from = this.oti.blockOffset(sbn) + esi * size;
    const part = bytes.subarray(from, from + count * size);
    target.set(part);
    if (part.length < count * size) target.fill(0, part.length, count * size);
  }

  #encode(bytes: Uint8Array, sbn: number, esi: number, count: number, target: Uint8Array): void {
    const size = this.oti.symbolSize;
    const k = this.oti.blockSymbols(sbn);
    const block = this.#blocks[sbn] ?? this.#openBlock(bytes, sbn, size);
    this.#engine.encode(block.key, { k, symbolSize: size, fill: block.fill }, esi, count, target);
  }

  #openBlock(bytes: Uint8Array, sbn: number, size: number): { key: object; fill: Fill } {
    const from = this.oti.blockOffset(sbn);
    const source = bytes.subarray(from, from + this.oti.blockLength(sbn));
    const fill: Fill = (...slots) => copySymbols(source, size, ...slots);
    const block = { key: {}, fill };
    this.#blocks[sbn] = block;
    return block;
  }

  /** Room for one symbol that nothing else uses. Cut from a pool: an ArrayBuffer of its own takes longer than its symbol. */
  #fresh(size: number): Uint8Array {
    if (this.#poolUsed + size > this.#pool.byteLength) {
      if (2 * size > POOL_BYTES) return new Uint8Array(size);
      this.#pool = new ArrayBuffer(POOL_BYTES);
      this.#poolUsed = 0;
    }
    this.#poolUsed += size;
    return new Uint8Array(this.#pool, this.#poolUsed - size, size);
  }

  #open(): Uint8Array {
    if (!this.#bytes) throw new HeadwaterError('CLOSED', 'encoder: used after dispose()');
    return this.#bytes;
  }
}

/** A symbol that is kept keeps its pool, so pools are no larger than it takes to make their cost disappear. */
const POOL_BYTES = 64 * 1024;
