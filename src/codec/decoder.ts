/**
 * Decoder: rebuilds an object from any sufficient set of its encoding symbols, in any order.
 */

import { assertBytes, assertInteger, HeadwaterError } from '../errors.js';
import { BlockReception } from './block.js';
import { type Engine, sharedEngine } from './engine.js';
import { isHeavy, type SolveJob } from './job.js';
import { MAX_ESI, type Oti } from './oti.js';

/** How a decoder works. */
export interface DecoderOptions {
  /**
   * Leaves solves that would hold the thread for more than about 2 ms to the caller: add() only collects symbols of such
   * blocks, nextJob() says what is to be computed, and finishJob() takes the result. Default: add() solves.
   */
  readonly deferHeavy?: boolean;
  /** @internal For tests and benchmarks: an engine of one's own instead of the shared one. */
  readonly engine?: Engine;
  /** @internal Memory for an object of so many bytes, which need not be zero. */
  readonly allocate?: ((size: number) => Uint8Array) | undefined;
}

/**
 * A RaptorQ decoder (RFC 6330) for one object.
 *
 * Nothing is allocated before the first symbol; then the object's buffer is (transferLength bytes, so bound that before
 * trusting an OTI from the network), and a block's bookkeeping with the block's first symbol. Source symbols are written
 * straight to their place in that buffer: a block of which all K arrive takes no computation. Otherwise a solve is tried
 * once K symbols are held, and if they do not suffice (about once in 256 times), with 1, 2, 4, ... more.
 *
 * Symbols are taken on trust: a corrupt one gives wrong bytes, so verify symbols before, or the object after.
 *
 * @example
 * using encoder = new Encoder(bytes, { symbolSize: 1280 });
 * using decoder = new Decoder(Oti.parse(encoder.oti.toBytes()));
 * for (let esi = 100; !decoder.add(0, esi, encoder.symbol(0, esi)); esi++); // repair symbols alone
 * decoder.object(); // the bytes again
 */
export class Decoder {
  /** The layout that it was made with. */
  readonly oti: Oti;
  readonly #engine: Engine;
  readonly #allocate: (size: number) => Uint8Array;
  readonly #blocks: (BlockReception | undefined)[] = [];
  #object: Uint8Array | undefined;
  /** Complete blocks from the first on. */
  #prefixBlocks = 0;
  /** Whether this block size is left to the caller. */
  readonly #deferred: (sbn: number) => boolean;
  #toComplete: number;
  #disposed = false;

  /** Takes the sender's layout. It allocates nothing yet. */
  constructor(oti: Oti, options: DecoderOptions = {}) {
    this.oti = oti;
    this.#toComplete = oti.sourceBlocks;
    this.#engine = options.engine ?? sharedEngine();
    this.#allocate = options.allocate ?? fresh;
    const defer = options.deferHeavy ?? false;
    this.#deferred = (sbn) => defer && isHeavy(oti.blockSymbols(sbn), oti.symbolSize);
  }

  /**
   * Takes encoding symbol `esi` of block `sbn`; true once the object is complete. Copies the bytes. Symbols held
   * already, and symbols of completed blocks, are ignored, as are repair symbols past K + 128 in one block.
   * @throws HeadwaterError INVALID_ARGUMENT if sbn, esi or the symbol's size is wrong; OUT_OF_MEMORY if the object or
   * the block's solve does not fit; CLOSED.
   */
  add(sbn: number, esi: number, symbol: Uint8Array): boolean {
    this.#check(sbn);
    assertInteger('esi', esi, 0, MAX_ESI);
    assertBytes('symbol', symbol, this.oti.symbolSize);
    const block = this.#blocks[sbn] ?? this.#openBlock(sbn);
    if (block.has(esi)) return this.complete;
    block.add(esi, symbol, this.#deferred(sbn) ? undefined : this.#engine);
    if (block.complete) this.#toComplete--;
    return this.complete;
  }

  /**
   * Takes the symbols of `firstEsi` and the ESIs after it, which stand one behind the other in `symbols`; returns how many of them were
   * new. As add() of each, but source symbols that come together are copied together.
   */
  addSymbols(sbn: number, firstEsi: number, symbols: Uint8Array): number {
    this.#check(sbn);
    const count = Math.floor(symbols.length / this.oti.symbolSize);
    assertInteger('firstEsi', firstEsi, 0, MAX_ESI + 1 - count);
    assertBytes('symbols', symbols, count * this.oti.symbolSize);
    const block = this.#blocks[sbn] ?? this.#openBlock(sbn);
    if (block.complete) return 0;
    const added = block.addRun(firstEsi, symbols, this.#deferred(sbn) ? undefined : this.#engine);
    if (block.complete) this.#toComplete--;
    return added;
  }

  /**
   * With deferHeavy: the solve of block `sbn` that is due, once; undefined if none is. Ask after add(). Copies the symbols.
   * Run it where you like (CodecPool.run, runJob), and give the result to finishJob. Symbols may be added meanwhile.
   */
  nextJob(sbn: number): SolveJob | undefined {
    this.#check(sbn);
    return this.#deferred(sbn) ? this.#blocks[sbn]?.takeJob(sbn) : undefined;
  }

  /**
   * Takes the result of a job of this decoder; true once the object is complete. Ask nextJob() again afterwards: if the
   * symbols did not suffice, and more came in the meantime, the next job is due. After dispose() it does nothing.
   */
  finishJob(job: SolveJob, result: Uint8Array | undefined): boolean {
    const block = this.#blocks[job.sbn];
    if (!block || block.complete) return this.complete && !this.#disposed;
    block.finishJob(job, result);
    if (block.complete) this.#toComplete--;
    return this.complete;
  }

  /**
   * The object's bytes: the decoder's own buffer, the same one each time, which it no longer writes to.
   * @throws HeadwaterError NOT_ENOUGH_SYMBOLS if it is not complete; CLOSED.
   */
  object(): Uint8Array {
    this.#check(0);
    if (!this.#object || !this.complete) {
      const blocks = `${this.#toComplete} of ${this.oti.sourceBlocks} blocks are incomplete`;
      throw new HeadwaterError('NOT_ENOUGH_SYMBOLS', `decoder: ${blocks}`);
    }
    return this.#object;
  }

  /**
   * How many of the object's bytes are there without a gap, from its start on. They are no longer written to, so that
   * they can be used while the rest is still on its way: see bytes().
   */
  get prefixLength(): number {
    this.#check(0);
    while (this.#prefixBlocks < this.oti.sourceBlocks && this.#blocks[this.#prefixBlocks]?.complete)
      this.#prefixBlocks++;
    const next = this.#prefixBlocks;
    if (next === this.oti.sourceBlocks) return this.oti.transferLength;
    return this.oti.blockOffset(next) + (this.#blocks[next]?.prefix ?? 0) * this.oti.symbolSize;
  }

  /** The object's bytes `from` to `to`, which must not be beyond prefixLength: a part of the decoder's own buffer. */
  bytes(from: number, to: number): Uint8Array {
    assertInteger('to', to, 0, this.prefixLength);
    assertInteger('from', from, 0, to);
    return this.#object?.subarray(from, to) ?? new Uint8Array(0);
  }

  /** Whether every block is complete. */
  get complete(): boolean {
    return this.#toComplete === 0;
  }

  /** Whether block `sbn` is complete: no symbol of it is needed any more. */
  blockComplete(sbn: number): boolean {
    this.#check(sbn);
    return this.#blocks[sbn]?.complete ?? false;
  }

  /** Number of distinct symbols received of block `sbn`, up to its completion. */
  held(sbn: number): number {
    this.#check(sbn);
    return this.#blocks[sbn]?.held ?? 0;
  }

  /** Whether add() would ignore this symbol: it is held, or the block is complete. Constant time. */
  has(sbn: number, esi: number): boolean {
    this.#check(sbn);
    assertInteger('esi', esi, 0, MAX_ESI);
    return this.#blocks[sbn]?.has(esi) ?? false;
  }

  /** How many more symbols of block `sbn` it takes until the next attempt to solve it; 0 once it is complete. */
  missing(sbn: number): number {
    this.#check(sbn);
    return this.#blocks[sbn]?.missing ?? this.oti.blockSymbols(sbn);
  }

  /** Lets go of all memory. Any later call throws CLOSED; disposing again does nothing. */
  dispose(): void {
    this.#disposed = true;
    this.#object = undefined;
    this.#blocks.length = 0;
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  #openBlock(sbn: number): BlockReception {
    this.#object ??= this.#room(this.oti.transferLength);
    const from = this.oti.blockOffset(sbn);
    const source = this.#object.subarray(from, from + this.oti.blockLength(sbn));
    const block = new BlockReception(this.oti.blockSymbols(sbn), this.oti.symbolSize, source);
    this.#blocks[sbn] = block;
    return block;
  }

  #room(size: number): Uint8Array {
    try {
      return this.#allocate(size);
    } catch (error) {
      throw new HeadwaterError('OUT_OF_MEMORY', `decoder: no room for an object of ${size} bytes`, {
        cause: error,
      });
    }
  }

  #check(sbn: number): void {
    if (this.#disposed) throw new HeadwaterError('CLOSED', 'decoder: used after dispose()');
    assertInteger('sbn', sbn, 0, this.oti.sourceBlocks - 1);
  }
}

/** Not zeroed: every byte is written before object() shows any. */
function fresh(size: number): Uint8Array {
  return new Uint8Array(Buffer.allocUnsafeSlow(size).buffer);
}
