/**
 * What the codec's tests share: one engine per build, test objects, deliveries with loss, and the oracle, npm `raptorq`.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import fc from 'fast-check';
import * as raptorq from 'raptorq/raptorq.js';
import { expect } from 'vitest';
import { Decoder } from '../../src/codec/decoder.js';
import { Encoder } from '../../src/codec/encoder.js';
import { Engine } from '../../src/codec/engine.js';
import type { Oti } from '../../src/codec/oti.js';
import type { Variant } from '../../src/codec/wasm.js';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';

export const VARIANTS: readonly Variant[] = ['simd', 'scalar'];

const engines = new Map<Variant, Engine>();

/** One engine per build and test file. */
export function engineOf(variant: Variant): Engine {
  const engine = engines.get(variant) ?? new Engine(variant);
  engines.set(variant, engine);
  return engine;
}

export function randomBytes(rng: Rng, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) bytes[i] = rng.uint32();
  return bytes;
}

/** The object of the digests in rfc6330-vectors.test.ts: byte i is 131 i + 17 floor(i / 256) + 7. */
export function patternBytes(length: number): Uint8Array {
  return new Uint8Array(length).map((_, i) => 131 * i + 17 * (i >> 8) + 7);
}

/** Runs a fast-check property under the seed rules of all tests: fixed by default, replayed by HEADWATER_SEED. */
export function check<T>(name: string, runs: number, property: fc.IProperty<T>): Promise<void> {
  return withSeeds(
    1,
    (seed) => fc.assert(property, { numRuns: runs, seed: new Rng(seed).uint32() | 0 }),
    name,
  );
}

export function expectSame(actual: Uint8Array, expected: Uint8Array, what = 'bytes'): void {
  if (Buffer.compare(actual, expected) === 0) return;
  const at = actual.findIndex((byte, i) => byte !== expected[i]);
  expect.fail(`${what}: differ at ${at} (lengths ${actual.length} and ${expected.length})`);
}

/** ESIs as they arrive: source symbols that survive `loss`, then repair symbols from a random ESI on; shuffled. */
export function lossyEsis(rng: Rng, k: number, loss: number, count: number): number[] {
  const esis: number[] = [];
  for (let esi = 0; esi < k; esi++) if (!rng.chance(loss)) esis.push(esi);
  const first = k + (rng.chance(0.5) ? 0 : rng.integer(0, 2 ** 24 - 1 - 3 * k - 200));
  for (let esi = first; esis.length < count; esi++) esis.push(esi);
  return rng.shuffle(esis);
}

/** Decodes block 0 from the given symbols; undefined if they do not suffice. */
export function decodeBlock(
  oti: Oti,
  engine: Engine,
  symbols: Iterable<readonly [number, Uint8Array]>,
): Uint8Array | undefined {
  using decoder = new Decoder(oti, { engine });
  for (const [esi, symbol] of symbols) if (decoder.add(0, esi, symbol)) return decoder.object();
  return undefined;
}

export function encoderOf(bytes: Uint8Array, symbolSize: number, engine: Engine, alignment = 16): Encoder {
  return new Encoder(bytes, { symbolSize, sourceBlocks: 1, alignment, engine });
}

/** The oracle: npm raptorq 1.7.24. Its repair ids count from K' instead of K, and packets start with the 4-byte payload id. */
export const oracle = {
  /** Symbols by ESI: all source symbols and `repair` repair symbols of a block of K. */
  encode(bytes: Uint8Array, symbolSize: number, k: number, repair: number, padding: number) {
    load();
    const encoder = raptorq.Encoder.with_defaults(bytes, symbolSize);
    const symbols = new Map<number, Uint8Array>();
    for (const packet of encoder.encode(repair)) {
      const id = (packet[1] << 16) | (packet[2] << 8) | packet[3];
      expect(packet[0], 'the oracle used more than one block').toBe(0);
      symbols.set(id < k ? id : id - padding, packet.subarray(4));
    }
    encoder.free();
    expect(symbols.size).toBe(k + repair);
    return symbols;
  },

  decode(
    length: number,
    symbolSize: number,
    k: number,
    padding: number,
    symbols: Iterable<readonly [number, Uint8Array]>,
  ): Uint8Array | undefined {
    load();
    const decoder = raptorq.Decoder.with_defaults(BigInt(length), symbolSize);
    try {
      for (const [esi, symbol] of symbols) {
        const packet = new Uint8Array(4 + symbol.length);
        new DataView(packet.buffer).setUint32(0, esi < k ? esi : esi + padding);
        packet.set(symbol, 4);
        const object = decoder.decode(packet);
        if (object) return object;
      }
      return undefined;
    } finally {
      decoder.free();
    }
  },
};

let loaded = false;

function load(): void {
  if (loaded) return;
  raptorq.initSync(readFileSync(createRequire(import.meta.url).resolve('raptorq/raptorq_bg.wasm')));
  loaded = true;
}
