/** The codec's memory: bounded, given back, and short of it a clear failure. */
import { describe, expect, test } from 'vitest';
import { Engine } from '../../src/codec/engine.js';
import { Decoder, Encoder, Oti } from '../../src/codec/index.js';
import { Lru } from '../../src/codec/lru.js';
import { bestVariant, instantiate, type Variant } from '../../src/codec/wasm.js';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';
import { engineOf, expectSame, patternBytes, randomBytes, VARIANTS } from './support.js';

/** Blocks of K <= 16 with repair symbols from an engine that has memory enough, which the oracle's tests hold to the RFC. */
const smallBlocks = (variant: Variant) => {
  const engine = engineOf(variant);
  const rng = new Rng('short of memory');
  return Array.from({ length: 150 }, () => {
    const k = rng.integer(1, 16);
    const symbolSize = 16 * rng.integer(1, 256);
    const bytes = randomBytes(rng, k * symbolSize);
    using encoder = new Encoder(bytes, { symbolSize, sourceBlocks: 1, engine });
    return {
      k,
      symbolSize,
      bytes,
      repair: Array.from({ length: k + 3 }, (_, i) => encoder.symbol(0, k + i)),
    };
  });
};

const code = (value: string) => expect.objectContaining({ name: 'HeadwaterError', code: value });

test('this host has SIMD, and takes that build', () => expect(bestVariant()).toBe('simd'));

describe.each(VARIANTS)('%s', (variant) => {
  test('thousands of encoders and decoders leave nothing behind', () => {
    const engine = new Engine(variant);
    const round = () => {
      const encoders = Array.from({ length: 100 }, (_, i) => {
        const encoder = new Encoder(patternBytes(1000 + 40 * (i % 20)), { symbolSize: 64, engine });
        encoder.symbol(0, 100);
        return encoder;
      });
      for (const encoder of encoders) {
        const decoder = new Decoder(encoder.oti, { engine });
        for (let esi = 5; !decoder.add(0, esi, encoder.symbol(0, esi)); esi++);
        decoder.dispose();
      }
      for (const encoder of encoders) encoder.dispose();
    };
    round();
    const baseline = engine.usage();
    expect(baseline.slabs).toBe(0);
    for (let n = 0; n < 30; n++) round();
    expect(engine.usage()).toEqual(baseline);
  });

  test('hundreds of objects in flight at once, of many sizes, do not fragment linear memory', () => {
    const engine = new Engine(variant);
    const rng = new Rng('in flight');
    const flight = () => {
      const pairs = Array.from({ length: 300 }, () => {
        const k = rng.integer(1, 120);
        const encoder = new Encoder(patternBytes(48 * k - 5), { symbolSize: 48, engine });
        return { encoder, decoder: new Decoder(encoder.oti, { engine }) };
      });
      // Symbol by symbol in turn, every fifth lost.
      for (let esi = 0; pairs.some(({ decoder }) => !decoder.complete); esi++)
        for (const { encoder, decoder } of pairs)
          if (!decoder.complete && !rng.chance(0.2)) decoder.add(0, esi, encoder.symbol(0, esi));
      for (const { encoder, decoder } of pairs) {
        expectSame(decoder.object(), patternBytes(encoder.oti.transferLength));
        encoder.dispose();
      }
      return engine.usage();
    };
    flight();
    const { reserved, slabs } = flight();
    expect(slabs).toBe(0);
    for (let n = 0; n < 4; n++) expect(flight().reserved).toBeLessThanOrEqual(reserved + 2 ** 17);
    expect(reserved).toBeLessThan(6 * 2 ** 20);
  });

  test('encoders that nobody disposes of are bounded by the cache', () => {
    const engine = new Engine(variant, { slabs: 100_000, plans: 20_000 });
    for (let n = 0; n < 300; n++)
      new Encoder(patternBytes(64 * (10 + (n % 90))), { symbolSize: 64, engine }).symbol(0, 500);
    const { slabs, plans, reserved } = engine.usage();
    expect(slabs).toBeLessThanOrEqual(100_000);
    expect(plans).toBeLessThanOrEqual(20_000);
    expect(reserved).toBeLessThan(2 ** 20);
  });

  test('a block whose intermediate symbols were dropped is computed again, to the same symbols', () => {
    const engine = new Engine(variant, { slabs: 20_000 });
    using encoder = new Encoder(patternBytes(64 * 800), { symbolSize: 64, sourceBlocks: 8, engine });
    const first = Array.from({ length: 8 }, (_, sbn) => encoder.symbol(sbn, 1000));
    for (let sbn = 0; sbn < 8; sbn++) expectSame(encoder.symbol(sbn, 1000), first[sbn]);
  });

  test('a block that does not fit fails with OUT_OF_MEMORY; smaller ones still work', () => {
    const engine = new Engine(variant, { memory: 3 * 2 ** 20 });
    const big = new Encoder(patternBytes(2000 * 1280), { symbolSize: 1280, sourceBlocks: 1, engine });
    expectSame(big.symbol(0, 5), patternBytes(2000 * 1280).subarray(5 * 1280, 6 * 1280));
    expect(() => big.symbol(0, 2000)).toThrow(code('OUT_OF_MEMORY'));
    const decoder = new Decoder(big.oti, { engine });
    for (let esi = 1; esi < 2000; esi++) decoder.add(0, esi, big.symbol(0, esi));
    expect(() => decoder.add(0, 3000, new Uint8Array(1280))).toThrow(code('OUT_OF_MEMORY'));
    // The decoder still completes from source symbols, and the memory serves others.
    expect(decoder.add(0, 0, big.symbol(0, 0))).toBe(true);
    expectSame(decoder.object(), patternBytes(2000 * 1280));
    using small = new Encoder(patternBytes(1280 * 300), { symbolSize: 1280, engine });
    using other = new Decoder(small.oti, { engine });
    for (let esi = 9; !other.add(0, esi, small.symbol(0, esi)); esi++);
    expectSame(other.object(), patternBytes(1280 * 300));
    expect(engine.usage().reserved).toBeLessThanOrEqual(3 * 2 ** 20);
  });

  test('an engine short of memory makes right symbols of small blocks, or none', () => {
    const blocks = smallBlocks(variant);
    // Caches that are never full by themselves: it is a lack of memory that takes from them.
    for (let memory = 2 ** 19; memory <= 2.5 * 2 ** 20; memory += 2 ** 16) {
      const engine = new Engine(variant, { memory });
      let made = 0;
      for (const { k, symbolSize, bytes, repair } of blocks) {
        const what = `${memory} bytes, K = ${k}, T = ${symbolSize}`;
        const encoder = new Encoder(bytes, { symbolSize, sourceBlocks: 1, engine });
        const decoder = new Decoder(encoder.oti, { engine });
        try {
          for (const [i, symbol] of repair.entries()) expectSame(encoder.symbol(0, k + i), symbol, what);
          made += repair.length;
          // Each symbol but one source symbol is lost, if there is a choice.
          if (k > 1) decoder.add(0, k - 1, encoder.symbol(0, k - 1));
          for (let i = 0; i < repair.length && !decoder.complete; i++) decoder.add(0, k + i, repair[i]);
          expectSame(decoder.object(), bytes, what);
        } catch (error) {
          expect(error).toEqual(code('OUT_OF_MEMORY'));
        }
        // Nobody disposes of them: what is cached fills the memory.
      }
      expect(made).toBeGreaterThan(1000);
    }
  });

  test.each([
    ['small', 10],
    ['large', 100],
  ])('making room for a %s block takes from other blocks, never from what it is made of', (_, k) => {
    const blocks = [1, 2, 3].map((mask) => patternBytes(256 * k).map((byte) => byte ^ mask));
    const open = (engine: Engine) =>
      blocks.map((bytes) => new Encoder(bytes, { symbolSize: 256, sourceBlocks: 1, engine }));
    const expected = open(engineOf(variant)).map((encoder) => encoder.symbol(0, 500));
    // Asked for when the first two are cached, and there is no other room left: one of these, or the third.
    for (const asked of [0, 2]) {
      const engine = new Engine(variant, { memory: 2 ** 20 });
      const encoders = open(engine);
      for (const i of [0, 1]) expectSame(encoders[i].symbol(0, 500), expected[i]);
      for (let size = 2 ** 16; size >= 64; size /= 2) while (engine.exports.mem_alloc(size) !== 0);
      expectSame(encoders[asked].symbol(0, 500), expected[asked]);
    }
  });

  test('what a symbol takes while it is made takes no room from what it is made of', () => {
    const blocks = [1, 2].map((mask) => patternBytes(2560).map((byte) => byte ^ mask));
    const open = (engine: Engine) =>
      blocks.map((bytes) => new Encoder(bytes, { symbolSize: 256, sourceBlocks: 1, engine }));
    const [expected] = open(engineOf(variant)).map((encoder) => encoder.symbol(0, 500));
    const engine = new Engine(variant, { memory: 2 ** 20, plans: 1 });
    const encoders = open(engine);
    for (const encoder of encoders) encoder.symbol(0, 500);
    // The one plan that is cached is then large: the smallest piece that can be freed is one of the two blocks.
    const large = new Encoder(patternBytes(64 * 400), { symbolSize: 64, sourceBlocks: 1, engine });
    large.symbol(0, 500);
    large.dispose();
    for (let size = 2 ** 16; size >= 64; size /= 2) while (engine.exports.mem_alloc(size) !== 0);

    expectSame(encoders[0].symbol(0, 500), expected);
  });

  test('the allocator keeps blocks apart and merges what is freed', () =>
    withSeeds(
      5,
      (seed) => {
        const rng = new Rng(seed);
        const { exports, memory } = instantiate(variant, 16 * 2 ** 20);
        const live = new Map<number, { size: number; mark: number }>();
        const check = (pointer: number) => {
          const { size, mark } = live.get(pointer)!;
          const bytes = new Uint8Array(memory.buffer, pointer, size);
          if (bytes.some((byte) => byte !== mark)) expect.fail(`block of ${size} bytes overwritten`);
        };
        for (let step = 0; step < 3000; step++) {
          const choice = rng.float();
          if (choice < 0.5) {
            const size = rng.integer(0, rng.chance(0.1) ? 300_000 : 2000);
            const pointer = exports.mem_alloc(size);
            if (pointer === 0) continue;
            expect(pointer % 64).toBe(0);
            new Uint8Array(memory.buffer, pointer, size).fill(step);
            live.set(pointer, { size, mark: step & 255 });
            continue;
          }
          const pointer = rng.pick([...live.keys(), 0]);
          if (pointer === 0) continue;
          check(pointer);
          if (choice < 0.6) {
            const block = live.get(pointer)!;
            block.size = rng.integer(0, block.size);
            exports.mem_trim(pointer, block.size);
          } else {
            exports.mem_free(pointer);
            live.delete(pointer);
          }
        }
        for (const pointer of live.keys()) {
          check(pointer);
          exports.mem_free(pointer);
        }
        expect(exports.mem_used()).toBe(0);
        // All of it is one block again.
        const whole = memory.buffer.byteLength;
        expect(exports.mem_alloc(whole - 400_000)).not.toBe(0);
        expect(memory.buffer.byteLength).toBe(whole);
      },
      'allocator',
    ));
});

test('K = 56403, T = 1280: encode and decode stay within 176 MiB', () => {
  const engine = new Engine('simd', { memory: 176 * 2 ** 20 });
  const k = 56403;
  const bytes = patternBytes(k * 1280);
  using encoder = new Encoder(bytes, { symbolSize: 1280, sourceBlocks: 1, engine });
  const repair = Array.from({ length: 20 }, (_, i) => encoder.symbol(0, k + i));
  encoder.dispose();
  using decoder = new Decoder(encoder.oti, { engine });
  for (let esi = 16; esi < k; esi++) decoder.add(0, esi, bytes.subarray(esi * 1280, (esi + 1) * 1280));
  for (let i = 0; i < 20 && !decoder.complete; i++) decoder.add(0, k + i, repair[i]);
  expectSame(decoder.object(), bytes);
});

test('a decoder allocates nothing before its first symbol, whatever its OTI says', () => {
  const decoder = new Decoder(new Oti({ transferLength: 900_000_000_000, symbolSize: 65520 }));
  expect(decoder.missing(0)).toBeGreaterThan(50_000);
  expect(decoder.has(254, 5)).toBe(false);
  expect(() => decoder.add(0, 0, new Uint8Array(65520))).toThrow(code('OUT_OF_MEMORY'));
});

test('Lru drops what was used longest ago, and never what was just added', () => {
  const freed: string[] = [];
  const lru = new Lru<string, string>(10, (value) => freed.push(value));
  lru.set('a', 'A', 4);
  lru.set('b', 'B', 4);
  expect(lru.get('a')).toBe('A');
  lru.set('c', 'C', 4);
  expect(freed).toEqual(['B']);
  lru.set('d', 'D', 40);
  expect(freed).toEqual(['B', 'A', 'C']);
  expect([lru.get('d'), lru.get('a'), lru.size]).toEqual(['D', undefined, 40]);
  lru.clear((value) => value === 'D');
  lru.delete('none');
  expect(lru.size).toBe(40);
  lru.clear();
  expect([freed.at(-1), lru.size]).toEqual(['D', 0]);
});
