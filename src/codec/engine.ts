/**
 * The codec's one instance of WebAssembly and everything that lives in its memory: plans (how to solve a block),
 * intermediate symbols of encoded blocks, and the scratch slab of a solve. Encoders and decoders hold no memory here that
 * must be freed by hand: both caches are bounded and drop what was used longest ago, scratch is freed before a call
 * returns. So nothing leaks even if a caller forgets dispose(), which only frees sooner.
 */

import { HeadwaterError } from '../errors.js';
import { Lru } from './lru.js';
import { bestVariant, type CodecInstance, instantiate, type Variant } from './wasm.js';

export interface EngineLimits {
  /** Linear memory in bytes; a block whose solve needs more fails with OUT_OF_MEMORY. */
  readonly memory: number;
  /** Bytes of encode plans kept, one per K' in use. */
  readonly plans: number;
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

/** How a solve forms the symbols wanted: see wasm/plan.h. Other than 'cheapest' only for tests. */
export type Recovery = (typeof RECOVERIES)[number];

/** Writes symbols to `slots` consecutive slots of `stride` bytes, from `offset` on: every byte, with zeros where there is no data. */
export type Fill = (memory: Uint8Array, offset: number, stride: number, slots: number) => void;

export const DEFAULT_LIMITS: EngineLimits = { memory: 2 ** 30, plans: 32 * 2 ** 20, slabs: 64 * 2 ** 20 };

export class Engine {
  readonly variant: Variant;
  readonly limits: EngineLimits;
  readonly #wasm: CodecInstance;
  readonly #plans: Lru<number, number>;
  readonly #slabs: Lru<object, Slab>;
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

  /** The intermediate symbols of a block, computed from its K source symbols unless they are still cached under `owner`. */
  intermediates(owner: object, k: number, symbolSize: number, fill: Fill): Slab {
    const cached = this.#slabs.get(owner);
    if (cached) return cached;
    const exports = this.#wasm.exports;
    const stride = roundUp(symbolSize, LANE);
    const plan = this.#encodePlan(k);
    const pointer = this.#slab(plan, stride, fill);
    this.#apply(plan, pointer, stride);
    const size = exports.code_intermediates(k) * stride;
    const slab = { pointer, stride };
    this.#slabs.set(owner, slab, size);
    return slab;
  }

  /** Drops all plans and intermediate symbols: what comes next is computed anew. */
  clear(): void {
    this.#slabs.clear();
    this.#plans.clear();
  }

  /** Frees what is cached under `owner`. */
  release(owner: object): void {
    this.#slabs.delete(owner);
  }

  /** Writes `count` encoding symbols of a block of K symbols, from `esi` on, to `target`, count * symbolSize bytes. */
  encodeSymbols(
    k: number,
    slab: Slab,
    symbolSize: number,
    esi: number,
    count: number,
    target: Uint8Array,
  ): void {
    const { stride } = slab;
    const batch = stride === symbolSize ? Math.floor(OUTPUT_BYTES / stride) : 1;
    for (let at = 0; at < count; at += batch) {
      const symbols = Math.min(batch, count - at);
      this.#wasm.exports.symbols_encode(k, slab.pointer, stride, esi + at, symbols, this.#output);
      target.set(this.bytes.subarray(this.#output, this.#output + symbols * symbolSize), at * symbolSize);
    }
  }

  /**
   * Solves a block from the encoding symbols with these ESIs. Returns false if they do not determine it. Otherwise calls
   * `recovered` for each source ESI in `wanted` with its bytes, a view that is valid during the call only.
   */
  solve(
    block: { k: number; symbolSize: number; esis: Uint32Array; fill: Fill },
    wanted: readonly number[],
    recovered: (esi: number, symbol: Uint8Array) => void,
    recovery: Recovery = 'cheapest',
  ): boolean {
    const exports = this.#wasm.exports;
    const stride = roundUp(block.symbolSize, LANE);
    const plan = this.#decodePlan(block.k, block.esis, wanted, recovery);
    if (plan === SINGULAR) return false;
    let slab = 0;
    try {
      slab = this.#slab(plan, stride, block.fill);
      this.#apply(plan, slab, stride);
      const bytes = this.bytes;
      for (let i = 0, at = slab; i < wanted.length; i++, at += stride)
        recovered(wanted[i], bytes.subarray(at, at + block.symbolSize));
    } finally {
      if (slab !== 0) exports.mem_free(slab);
      exports.plan_free(plan);
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
    if (cached) return cached;
    const plan = this.#retry(() => this.#wasm.exports.plan_encode(padded));
    this.#plans.set(padded, plan, this.#wasm.exports.plan_size(plan));
    return plan;
  }

  #decodePlan(k: number, esis: Uint32Array, wanted: readonly number[], recovery: Recovery): number {
    const list = this.#alloc((esis.length + wanted.length) * 4);
    try {
      const words = new Uint32Array(this.#wasm.memory.buffer, list, esis.length + wanted.length);
      words.set(esis);
      words.set(wanted, esis.length);
      const how = RECOVERIES.indexOf(recovery);
      return this.#retry(() => this.#wasm.exports.plan_decode(k, list, esis.length, wanted.length, how));
    } finally {
      this.#wasm.exports.mem_free(list);
    }
  }

  /** Memory for what goes into `plan` and what comes out, the former filled in. The caller frees it. */
  #slab(plan: number, stride: number, fill: Fill): number {
    const pointer = this.#alloc(this.#wasm.exports.plan_rows(plan) * stride, plan);
    fill(this.bytes, pointer, stride, this.#wasm.exports.plan_data(plan));
    return pointer;
  }

  #apply(plan: number, slab: number, stride: number): void {
    this.#retry(() => this.#wasm.exports.plan_apply(plan, slab, stride, stride, WIDEST_STRIP), plan);
  }

  #alloc(size: number, keepPlan?: number): number {
    // Sizes beyond 2^31 would wrap on their way into a 32-bit parameter.
    if (size > this.limits.memory) throw outOfMemory(size, this.limits.memory);
    return this.#retry(() => this.#wasm.exports.mem_alloc(size), keepPlan, size);
  }

  /** Calls an allocating function; when memory is short, drops the caches and calls it once more. */
  #retry(call: () => number, keepPlan?: number, size?: number): number {
    let result = call();
    if (result !== 0) return result;
    this.#slabs.clear();
    this.#plans.clear(keepPlan);
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
/** Bytes of a symbol that a plan is applied to at a time. */
const WIDEST_STRIP = 128;
/** In the order of enum Recovery. */
const RECOVERIES = ['cheapest', 'by-columns', 'direct'] as const;
/** What plan_decode returns where the symbols do not suffice. */
const SINGULAR = 1;
