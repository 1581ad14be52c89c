/**
 * Instantiates the codec's WebAssembly module (built from wasm/*.c by tools/build-wasm.mjs and embedded as base64), with
 * SIMD where the host has it. Input: which build, and the most memory it may take. Output: its exports and its memory.
 */

import { SCALAR_WASM } from './generated/codec-scalar.js';
import { SIMD_WASM } from './generated/codec-simd.js';

export type Variant = 'simd' | 'scalar';

/** What wasm/*.c exports. Pointers are byte offsets into the memory; 0 stands for none. */
export interface CodecExports {
  mem_alloc(size: number): number;
  mem_free(pointer: number): void;
  mem_trim(pointer: number, size: number): void;
  mem_used(): number;
  /** K' and L of the least K' >= k. */
  code_padded(k: number): number;
  code_intermediates(k: number): number;
  code_parameters(k: number, target: number): void;
  code_tuple(k: number, isi: number, target: number): void;
  rand_rfc(y: number, i: number, m: number): number;
  gf_exp(exponent: number): number;
  gf_log(value: number): number;
  gf_mul(a: number, b: number): number;
  table_random(): number;
  table_systematic(): number;
  table_degree(): number;
  plan_encode(k: number): number;
  plan_decode(k: number, esis: number, count: number, wanted: number, recovery: number): number;
  plan_size(plan: number): number;
  plan_rows(plan: number): number;
  plan_data(plan: number): number;
  plan_apply(plan: number, slab: number, stride: number): number;
  plan_free(plan: number): void;
  coefficients_encode(
    k: number,
    generator: number,
    pitch: number,
    source: number,
    stride: number,
    esi: number,
    count: number,
    target: number,
  ): number;
  coefficients_decode(
    k: number,
    generator: number,
    pitch: number,
    esis: number,
    count: number,
    wanted: number,
    slab: number,
    stride: number,
  ): number;
  symbols_encode(k: number, slab: number, stride: number, esi: number, count: number, target: number): void;
}

export interface WasmMemory {
  readonly buffer: ArrayBuffer;
}

export interface CodecInstance {
  readonly exports: CodecExports;
  readonly memory: WasmMemory;
}

/** The build that this host can run: SIMD if its engine accepts the module. */
export function bestVariant(): Variant {
  return WebAssembly.validate(decode('simd')) ? 'simd' : 'scalar';
}

/** A fresh instance with a memory of its own, which grows up to `maxBytes` (rounded down to 64 KiB pages). */
export function instantiate(variant: Variant, maxBytes: number): CodecInstance {
  const memory = new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum: Math.floor(maxBytes / PAGE) });
  const module = modules.get(variant) ?? new WebAssembly.Module(decode(variant));
  modules.set(variant, module);
  const instance = new WebAssembly.Instance(module, { env: { memory } });
  return { exports: instance.exports, memory };
}

function decode(variant: Variant): Uint8Array {
  return Buffer.from(variant === 'simd' ? SIMD_WASM : SCALAR_WASM, 'base64');
}

/** Compiled once each: instances of one module share its optimized code. */
const modules = new Map<Variant, object>();
const PAGE = 65536;
/** Holds the module's stack (64 KiB) and data (some 20 KiB) with room for the first small blocks. */
const INITIAL_PAGES = 8;

// The part of the WebAssembly API used here; neither the ES2023 library nor @types/node 20 declares it.
declare const WebAssembly: {
  validate(bytes: Uint8Array): boolean;
  Module: new (bytes: Uint8Array) => object;
  Instance: new (module: object, imports: { env: { memory: WasmMemory } }) => { exports: CodecExports };
  Memory: new (limits: { initial: number; maximum: number }) => WasmMemory;
};
