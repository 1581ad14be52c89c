/**
 * The codec's one instance of WebAssembly and everything that lives in its memory: plans (how to solve a block),
 * intermediate symbols of encoded blocks, and the scratch slab of a solve. Encoders and decoders hold no memory here that
 * must be freed by hand: both caches are bounded and drop what was used longest ago, scratch is freed before a call
 * returns. So nothing leaks even if a caller forgets dispose(), which only frees sooner.
 */

import { assertBytes, HeadwaterError } from '../errors.js';
import { Lru } from './lru.js';
import { bestVariant, type CodecInstance, instantiate, type Variant } from './wasm.js';

export interface EngineLimits {
  /** Linear memory in bytes; a block whose solve needs more fails with OUT_OF_MEMORY. */
  readonly memory: number;
  /** Bytes of encode plans kept, one per K' in use. */
  readonly plans: number;
  /** Bytes of generators kept (see #generator), one per K' with small losses. */
  readonly generators: number;
  /** Bytes of intermediate symbols kept, one slab per block that was asked for repair symbols. */
  readonly slabs: number;
}

/** Names as in RFC 6330, 5.3.3.3; K is K'. */
export interface CodeParameters {
  readonly K: number;
  readonly J: number;
  readonly S: number;
  readonly H: number;
  readonly W: number;
  readonly L: number;
  readonly P: number;
  readonly P1: number;
  readonly B: number;
}

/** Intermediate symbols in linear memory, valid until the next call that may allocate. */
export interface Slab {
  readonly pointer: number;
  /** Bytes from one symbol to the next: the symbol size, rounded up to 16. */
  readonly stride: number;
}

/** What repair symbols are made from. Given explicitly only by tests. */
export type EncodeWay = 'coefficients' | 'intermediates';
/** How lost symbols are found: see wasm/plan.h for the first three, wasm/coefficients.c. Given explicitly only by tests. */
export type SolveWay = (typeof SOLVE_WAYS)[number];

/** Writes symbols to `slots` consecutive slots of `stride` bytes, from `offset` on: every byte, with zeros where there is no data. */
export type Fill = (memory: Uint8Array, offset: number, stride: number, slots: number) => void;

export const DEFAULT_LIMITS: EngineLimits = {
  memory: 2 ** 30,
  plans: 32 * 2 ** 20,
  generators: 8 * 2 ** 20,
  slabs: 64 * 2 ** 20,
};

export class Engine {
  readonly variant: Variant;
  readonly limits: EngineLimits;
  readonly #wasm: CodecInstance;
  readonly #plans: Lru<number, number>;
  readonly #slabs: Lru<object, Slab>;
  readonly #generators: Lru<number, Slab>;
  /** What the call under way works on, by address: making room frees none of it. */
  readonly #inUse = new Set<number>();
  /** K' of decodes that a generator would have served. */
  readonly #seen = new Set<number>();
  /** One symbol's room for results: taken once, so that handing out a result never allocates (and evicts a slab). */
  readonly #output: number;
  #bytes: Uint8Array;

  constructor(variant: Variant = bestVariant(), limits: Partial<EngineLimits> = {}) {
    this.variant = variant;
    this.limits = { ...DEFAULT_LIMITS, ...limits };
    this.#wasm = instantiate(variant, this.limits.memory);
    this.#bytes = new Uint8Array(this.#wasm.memory.buffer);
    this.#plans = new Lru(this.limits.plans, (plan) => this.#wasm.exports.plan_free(plan));
    this.#slabs = new Lru(this.limits.slabs, (slab) => this.#wasm.exports.mem_free(slab.pointer));
    this.#generators = new Lru(this.limits.generators, (slab) => this.#wasm.exports.mem_free(slab.pointer));
    this.#output = this.#alloc(OUTPUT_BYTES);
  }

  /** Linear memory. Taken anew on each use: growth detaches the buffer that came before. */
  get bytes(): Uint8Array {
    if (this.#bytes.buffer !== this.#wasm.memory.buffer)
      this.#bytes = new Uint8Array(this.#wasm.memory.buffer);
    return this.#bytes;
  }

  /** Bytes in use (caches included) and the size that linear memory has grown to. */
  usage(): { used: number; plans: number; slabs: number; reserved: number } {
    return {
      used: this.#wasm.exports.mem_used(),
      plans: this.#plans.size,
      slabs: this.#slabs.size,
      reserved: this.#wasm.memory.buffer.byteLength,
    };
  }

  /**
   * Writes `count` repair symbols of a block of K source symbols, from `esi` on, to `target`, count * symbolSize bytes. What
   * they are made from, the block's intermediate symbols, is computed from the source symbols unless it is still cached
   * under `owner`; up to MAX_COEFFICIENT_K it is the source symbols themselves.
   */
  encode(
    owner: object,
    block: { k: number; symbolSize: number; fill: Fill },
    esi: number,
    count: number,
    target: Uint8Array,
    way: EncodeWay = block.k <= MAX_COEFFICIENT_K ? 'coefficients' : 'intermediates',
  ): void {
    this.#inUse.clear();
    const { k, symbolSize } = block;
    const exports = this.#wasm.exports;
    const direct = way === 'coefficients';
    const generator = direct ? this.#generator(k) : undefined;
    const { pointer, stride } = direct ? this.#sources(owner, block) : this.#intermediates(owner, block);
    const batch = stride === symbolSize ? Math.floor(OUTPUT_BYTES / stride) : 1;
    for (let at = 0; at < count; at += batch) {
      const symbols = Math.min(batch, count - at);
      if (generator) {
        const { pointer: units, stride: pitch } = generator;
        this.#retry(() =>
          exports.coefficients_encode(k, units, pitch, pointer, stride, esi + at, symbols, this.#output),
        );
      } else exports.symbols_encode(k, pointer, stride, esi + at, symbols, this.#output);
      const result = this.bytes.subarray(this.#output, this.#output + symbols * symbolSize);
      target.set(result, at * symbolSize);
    }
  }

  /** The intermediate symbols of a block, computed from its K source symbols unless they are still cached under `owner`. */
  intermediates(owner: object, block: { k: number; symbolSize: number; fill: Fill }): Slab {
    this.#inUse.clear();
    return this.#intermediates(owner, block);
  }

  isPrepared(owner: object): boolean {
    return this.#slabs.get(owner) !== undefined;
  }

  /** Caches intermediate symbols that another engine computed. */
  adopt(owner: object, k: number, symbolSize: number, bytes: Uint8Array): void {
    const stride = roundUp(symbolSize, LANE);
    assertBytes('result', bytes, this.#wasm.exports.code_intermediates(k) * stride);
    this.#inUse.clear();
    const pointer = this.#alloc(bytes.length);
    this.bytes.set(bytes, pointer);
    this.#slabs.set(owner, { pointer, stride }, bytes.length);
  }

  /** Drops all plans and intermediate symbols: what comes next is computed anew. */
  clear(): void {
    this.#slabs.clear();
    this.#plans.clear();
    this.#generators.clear();
    this.#seen.clear();
  }

  /** Frees what is cached under `owner`. */
  release(owner: object): void {
    this.#slabs.delete(owner);
  }

  /**
   * Solves a block from the encoding symbols with these ESIs. Returns false if they do not determine it. Otherwise calls
   * `recovered` for each source ESI in `wanted` with its bytes, a view that is valid during the call only.
   */
  solve(
    block: { k: number; symbolSize: number; esis: Uint32Array; fill: Fill },
    wanted: readonly number[],
    recovered: (esi: number, symbol: Uint8Array) => void,
    way: SolveWay = this.#cheapestWay(block.k, wanted.length),
  ): boolean {
    this.#inUse.clear();
    const exports = this.#wasm.exports;
    const { k, esis, symbolSize, fill } = block;
    const stride = roundUp(symbolSize, LANE);
    const list = this.#alloc((esis.length + wanted.length) * 4);
    let plan = 0;
    let slab = 0;
    try {
      const words = new Uint32Array(this.#wasm.memory.buffer, list, esis.length + wanted.length);
      words.set(esis);
      words.set(wanted, esis.length);
      let results: number;
      if (way === 'coefficients') {
        const { pointer: units, stride: pitch } = this.#generator(k);
        slab = this.#alloc((esis.length + wanted.length) * stride);
        fill(this.bytes, slab, stride, esis.length);
        const solved = this.#retry(() =>
          exports.coefficients_decode(k, units, pitch, list, esis.length, wanted.length, slab, stride),
        );
        if (solved !== 1) return false;
        results = slab + esis.length * stride;
      } else {
        const how = SOLVE_WAYS.indexOf(way);
        plan = this.#retry(() => exports.plan_decode(k, list, esis.length, wanted.length, how));
        if (plan === SINGULAR) return false;
        slab = this.#slab(plan, stride, fill);
        this.#apply(plan, slab, stride);
        results = slab;
      }
      const bytes = this.bytes;
      for (let i = 0, at = results; i < wanted.length; i++, at += stride)
        recovered(wanted[i], bytes.subarray(at, at + symbolSize));
    } finally {
      exports.mem_free(list);
      if (slab !== 0) exports.mem_free(slab);
      if (plan !== SINGULAR && plan !== 0) exports.plan_free(plan);
    }
    return true;
  }

  /** The parameters of the least K' >= k. */
  parameters(k: number): CodeParameters {
    const [K, J, S, H, W, L, P, P1, B] = this.words(9, (target) =>
      this.#wasm.exports.code_parameters(k, target),
    );
    return { K, J, S, H, W, L, P, P1, B };
  }

  /** The module's exports, for tests of its parts. */
  get exports(): CodecInstance['exports'] {
    return this.#wasm.exports;
  }

  /** Runs `write` with a pointer to room for `count` (at most 16384) 32-bit words and returns what it wrote. */
  words(count: number, write: (target: number) => void): number[] {
    write(this.#output);
    return [...new Uint32Array(this.#wasm.memory.buffer, this.#output, count)];
  }

  #encodePlan(k: number): number {
    const padded = this.#wasm.exports.code_padded(k);
    const cached = this.#plans.get(padded);
    if (cached) return this.#use(cached);
    const plan = this.#retry(() => this.#wasm.exports.plan_encode(padded));
    this.#plans.set(padded, plan, this.#wasm.exports.plan_size(plan));
    return this.#use(plan);
  }

  #intermediates(
    owner: object,
    { k, symbolSize, fill }: { k: number; symbolSize: number; fill: Fill },
  ): Slab {
    return this.#cached(this.#slabs, owner, () => {
      const stride = roundUp(symbolSize, LANE);
      return {
        pointer: this.#encoded(k, stride, fill),
        stride,
        rows: this.#wasm.exports.code_intermediates(k),
      };
    });
  }

  /** The same for a block that is encoded by coefficients: its source symbols. */
  #sources(owner: object, { k, symbolSize, fill }: { k: number; symbolSize: number; fill: Fill }): Slab {
    return this.#cached(this.#slabs, owner, () => {
      const stride = roundUp(symbolSize, LANE);
      const pointer = this.#alloc(k * stride);
      fill(this.bytes, pointer, stride, k);
      return { pointer, stride, rows: k };
    });
  }

  #cheapestWay(k: number, wanted: number): SolveWay {
    if (k <= MAX_COEFFICIENT_K) return 'coefficients';
    if (!COEFFICIENT_LOSS.some((limit) => k <= limit.k && wanted <= limit.lost)) return 'cheapest';
    // A generator costs two solves, so it is made for a K' that comes again.
    const padded = this.#wasm.exports.code_padded(k);
    if (this.#seen.has(padded)) return 'coefficients';
    this.#seen.add(padded);
    return 'cheapest';
  }

  /** The factors of all symbols of a code: the intermediate symbols of K' unit vectors. */
  #generator(k: number): Slab {
    const padded = this.#wasm.exports.code_padded(k);
    return this.#cached(this.#generators, padded, () => {
      const stride = roundUp(padded, LANE);
      const units: Fill = (memory, offset, pitch, slots) => {
        memory.fill(0, offset, offset + slots * pitch);
        for (let i = 0; i < slots; i++) memory[offset + i * pitch + i] = 1;
      };
      const rows = this.#wasm.exports.code_intermediates(padded);
      return { pointer: this.#encoded(padded, stride, units), stride, rows };
    });
  }

  /** What a cache holds under `key`, or else what `make` makes; in use until the next call of the engine. */
  #cached<Key>(cache: Lru<Key, Slab>, key: Key, make: () => Slab & { rows: number }): Slab {
    let slab = cache.get(key);
    if (!slab) {
      const { pointer, stride, rows } = make();
      slab = { pointer, stride };
      cache.set(key, slab, rows * stride);
    }
    this.#use(slab.pointer);
    return slab;
  }

  #use(pointer: number): number {
    this.#inUse.add(pointer);
    return pointer;
  }

  /** Intermediate symbols of a block, in memory that the caller frees. */
  #encoded(k: number, stride: number, fill: Fill): number {
    const plan = this.#encodePlan(k);
    const pointer = this.#slab(plan, stride, fill);
    try {
      this.#apply(plan, pointer, stride);
    } catch (error) {
      this.#wasm.exports.mem_free(pointer);
      throw error;
    }
    this.#inUse.delete(plan);
    return pointer;
  }

  /** Memory for what goes into `plan` and what comes out, the former filled in. The caller frees it. */
  #slab(plan: number, stride: number, fill: Fill): number {
    const pointer = this.#alloc(this.#wasm.exports.plan_rows(plan) * stride);
    fill(this.bytes, pointer, stride, this.#wasm.exports.plan_data(plan));
    return pointer;
  }

  #apply(plan: number, slab: number, stride: number): void {
    this.#retry(() => this.#wasm.exports.plan_apply(plan, slab, stride));
  }

  #alloc(size: number): number {
    // Sizes beyond 2^31 would wrap on their way into a 32-bit parameter.
    if (size > this.limits.memory) throw outOfMemory(size, this.limits.memory);
    return this.#retry(() => this.#wasm.exports.mem_alloc(size), size);
  }

  /** Calls an allocating function; when memory is short, drops all that is cached and not in use, and calls it once more. */
  #retry(call: () => number, size?: number): number {
    let result = call();
    if (result !== 0) return result;
    this.#slabs.clear((slab) => this.#inUse.has(slab.pointer));
    this.#plans.clear((plan) => this.#inUse.has(plan));
    this.#generators.clear((units) => this.#inUse.has(units.pointer));
    result = call();
    if (result === 0) throw outOfMemory(size, this.limits.memory);
    return result;
  }
}

let shared: Engine | undefined;

/** The engine that all encoders and decoders of this thread share unless they are given another. Created on first use. */
export function sharedEngine(): Engine {
  shared ??= new Engine();
  return shared;
}

/** A Fill's work for consecutive symbols of `size` bytes, of which the last may be short or missing. */
export function copySymbols(
  source: Uint8Array,
  size: number,
  ...[memory, offset, stride, slots]: Parameters<Fill>
): void {
  if (stride === size) {
    memory.set(source, offset);
    memory.fill(0, offset + source.length, offset + slots * stride);
    return;
  }
  memory.fill(0, offset, offset + slots * stride);
  for (let at = 0, slot = offset; at < source.length; at += size, slot += stride)
    memory.set(source.subarray(at, at + size), slot);
}

function outOfMemory(size: number | undefined, limit: number): HeadwaterError {
  const what = size === undefined ? 'a solve' : `${size} bytes`;
  return new HeadwaterError(
    'OUT_OF_MEMORY',
    `codec: no room for ${what} within its ${limit} bytes of memory`,
  );
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

/** Symbols are at most 65535 bytes (a 16-bit T), rounded up to lanes. */
const OUTPUT_BYTES = 65536;
/** Symbols are worked on in 16-byte lanes. */
const LANE = 16;
/** The first three in the order of enum Recovery. */
const SOLVE_WAYS = ['cheapest', 'by-columns', 'direct', 'coefficients'] as const;
/** Blocks that are encoded and decoded by coefficients whatever was lost. */
const MAX_COEFFICIENT_K = 16;
/** How many lost symbols of larger blocks are: as measured. A generator is K'^2 bytes, which ends it at 1024. */
const COEFFICIENT_LOSS = [
  { k: 64, lost: 10 },
  { k: 256, lost: 7 },
  { k: 1024, lost: 4 },
];
/** What plan_decode returns where the symbols do not suffice. */
const SINGULAR = 1;
