/** Decoder and Encoder as a caller sees them: what completes an object, what is ignored, what is refused, and when. */
import { describe, expect, test } from 'vitest';
import { Decoder, Encoder, Oti } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';
import { seedFor, withSeeds } from '../util/seed.js';
import { encoderOf, engineOf, expectSame, patternBytes, randomBytes, VARIANTS } from './support.js';

const code = (value: string) => expect.objectContaining({ name: 'HeadwaterError', code: value });

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);

  /** Sends block 0's ESIs in order until complete; returns how many it took, the object checked. */
  function transfer(bytes: Uint8Array, symbolSize: number, esis: Iterable<number>, alignment = 16): number {
    using encoder = encoderOf(bytes, symbolSize, engine, alignment);
    using decoder = new Decoder(encoder.oti, { engine });
    let sent = 0;
    for (const esi of esis) {
      sent++;
      if (!decoder.add(0, esi, encoder.symbol(0, esi))) continue;
      expectSame(decoder.object(), bytes);
      return sent;
    }
    return Number.POSITIVE_INFINITY;
  }

  function* from(first: number): Generator<number> {
    for (let esi = first; ; esi++) yield esi;
  }

  test.each([1, 2, 3, 10, 11, 100, 1000])('all source symbols of K = %i complete it, in any order', (k) => {
    const rng = new Rng(seedFor(`order ${k}`));
    const esis = Array.from({ length: k }, (_, esi) => esi);
    expect(transfer(patternBytes(k * 16 - 3), 16, rng.shuffle(esis))).toBe(k);
  });

  test.each([1, 2, 3, 10, 11, 100, 1000])('repair symbols alone complete K = %i', (k) => {
    expect(transfer(patternBytes(k * 32 - 31), 32, from(k))).toBeLessThan(k + 4);
    expect(transfer(patternBytes(k * 32 - 31), 32, from(2 ** 24 - k - 20))).toBeLessThan(k + 4);
  });

  test.each([2, 10, 100, 1000])('one lost source symbol of K = %i, first or last', (k) => {
    const bytes = patternBytes(k * 48 - 1);
    expect(transfer(bytes, 48, from(1))).toBeLessThan(k + 4);
    const withoutLast = [...Array.from({ length: k - 1 }, (_, esi) => esi), k, k + 1, k + 2, k + 3];
    expect(transfer(bytes, 48, withoutLast)).toBeLessThan(k + 4);
  });

  test('symbol sizes of every strip width, and those that are no multiple of 16', () => {
    for (const size of [16, 32, 48, 64, 112, 128, 144, 240, 256, 272, 1184, 1280, 1400, 65520])
      expect(transfer(patternBytes(12 * size - 7), size, from(5), 8)).toBeLessThan(16);
    for (const size of [1, 2, 3, 7, 8, 15, 17, 33, 100, 129, 1311, 65535])
      expect(transfer(patternBytes(12 * size), size, from(5), 1)).toBeLessThan(16);
  });

  test('blocks of an object complete one by one, their symbols interleaved at 30 % loss', () =>
    withSeeds(5, (seed) => {
      const rng = new Rng(seed);
      const bytes = randomBytes(rng, 64 * 333 - 5);
      using encoder = new Encoder(bytes, { symbolSize: 64, sourceBlocks: 7, engine });
      using decoder = new Decoder(Oti.parse(encoder.oti.toBytes()), { engine });
      for (let esi = 0; !decoder.complete; esi++) {
        for (let sbn = 0; sbn < 7; sbn++) {
          if (rng.chance(0.3)) continue;
          const before = decoder.blockComplete(sbn);
          expect(decoder.has(sbn, esi)).toBe(before);
          const complete = decoder.add(sbn, esi, encoder.symbol(sbn, esi));
          expect(decoder.has(sbn, esi)).toBe(true);
          expect(complete).toBe(decoder.complete);
          expect(decoder.missing(sbn) === 0).toBe(decoder.blockComplete(sbn));
        }
      }
      expectSame(decoder.object(), bytes);
      expect(decoder.object()).toBe(decoder.object());
    }));

  test('runs of symbols do what their symbols do one by one, and the prefix is what is there without a gap', () =>
    withSeeds(20, (seed) => {
      const rng = new Rng(seed);
      const bytes = randomBytes(rng, 64 * rng.integer(30, 200) - rng.integer(0, 63));
      using encoder = new Encoder(bytes, { symbolSize: 64, sourceBlocks: rng.integer(1, 5), engine });
      const { oti } = encoder;
      using decoder = new Decoder(oti, { engine });
      using single = new Decoder(oti, { engine });
      for (let turn = 0; turn < 2000 && !decoder.complete; turn++) {
        const sbn = rng.integer(0, oti.sourceBlocks - 1);
        const count = rng.integer(1, 9);
        const esi = rng.integer(0, oti.blockSymbols(sbn) + 4);
        const run = encoder.symbolsInto(sbn, esi, count, new Uint8Array(count * 64));
        const fresh = Array.from({ length: count }, (_, i) => esi + i).filter(
          (each) => !decoder.has(sbn, each),
        );
        const added = decoder.addSymbols(sbn, esi, run);
        for (let i = 0; i < count; i++) single.add(sbn, esi + i, run.subarray(i * 64, (i + 1) * 64));
        // A run that completes its block midway leaves the rest of itself aside.
        if (!decoder.blockComplete(sbn)) expect(added).toBe(fresh.length);
        expect(decoder.blockComplete(sbn)).toBe(single.blockComplete(sbn));
        const { prefixLength } = decoder;
        expectSame(decoder.bytes(0, prefixLength), bytes.subarray(0, prefixLength));
        let block = 0;
        while (block < oti.sourceBlocks && decoder.blockComplete(block)) block++;
        expect(prefixLength).toBeGreaterThanOrEqual(
          block < oti.sourceBlocks ? oti.blockOffset(block) : bytes.length,
        );
      }
      expectSame(decoder.object(), bytes);
      expect(decoder.prefixLength).toBe(bytes.length);
    }));

  test('K random symbols fail about once in 256 times, and never give wrong bytes', () =>
    withSeeds(1, (seed) => {
      const rng = new Rng(seed);
      const runs = 4000;
      let failures = 0;
      for (let run = 0; run < runs; run++) {
        const k = rng.integer(1, 40);
        if (transfer(randomBytes(rng, k * 16), 16, from(rng.integer(k, 1_000_000))) > k) failures++;
      }
      // 15.6 expected, 4 standard deviations
      expect(failures).toBeLessThan(32);
      expect(failures).toBeGreaterThan(2);
    }));

  test('a symbol is the same whenever it is asked for, and symbolInto writes it in place', () => {
    const bytes = patternBytes(100 * 32);
    using one = encoderOf(bytes, 32, engine);
    using two = encoderOf(bytes, 32, engine);
    const datagram = new Uint8Array(100).fill(9);
    for (const esi of [0, 99, 100, 101, 2 ** 24 - 1]) {
      const symbol = one.symbol(0, esi);
      two.symbolInto(0, esi, datagram.subarray(20, 52));
      expectSame(datagram.subarray(20, 52), symbol);
      expectSame(one.symbol(0, esi), symbol);
    }
    expect([datagram[19], datagram[52]]).toEqual([9, 9]);
  });
});

const engine = engineOf('simd');

test('solves are tried at K symbols, then after 1, 2, 4, ... more', () => {
  const k = 10;
  using encoder = encoderOf(patternBytes(k * 16), 16, engine);
  const dependent = dependentEsis(k, 40);
  using decoder = new Decoder(encoder.oti, { engine });
  const missing: number[] = [];
  for (const esi of dependent) {
    decoder.add(0, esi, encoder.symbol(0, esi));
    missing.push(decoder.missing(0));
  }
  expect(decoder.complete).toBe(false);
  expect(missing.slice(0, 26)).toEqual([
    9, 8, 7, 6, 5, 4, 3, 2, 1, 1, 2, 1, 4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1, 16, 15,
  ]);
  for (let esi = 0; esi < k; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
  expectSame(decoder.object(), patternBytes(k * 16));
});

/** Repair ESIs in which source symbol 0 has the factor 0, as one in 256 has: no number of them determines the block. */
function dependentEsis(k: number, count: number): number[] {
  const unit = new Uint8Array(k * 16);
  unit[0] = 1;
  using encoder = encoderOf(unit, 16, engine);
  const found: number[] = [];
  for (let esi = k; found.length < count; esi++) if (encoder.symbol(0, esi)[0] === 0) found.push(esi);
  return found;
}

test('repair symbols of low rank are held up to K + 128; source symbols still complete the block', () => {
  const k = 10;
  using encoder = encoderOf(patternBytes(k * 16), 16, engine);
  using decoder = new Decoder(encoder.oti, { engine });
  for (const esi of dependentEsis(k, 200)) decoder.add(0, esi, encoder.symbol(0, esi));
  expect(decoder.held(0)).toBe(k + 128);
  for (let esi = 0; esi < k; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
  expectSame(decoder.object(), patternBytes(k * 16));
});

test('repair symbols chosen for their high degree are given up on early; source symbols still complete the block', () => {
  const k = 1000;
  const { K } = engine.parameters(k);
  using encoder = encoderOf(patternBytes(k * 16), 16, engine);
  using decoder = new Decoder(encoder.oti, { engine });
  for (let esi = k; decoder.held(0) < k + 10; esi++) {
    const [degree] = engine.words(6, (target) => engine.exports.code_tuple(k, esi + K - k, target));
    if (degree >= 12) decoder.add(0, esi, encoder.symbol(0, esi));
  }
  expect(decoder.complete).toBe(false);
  for (let esi = 0; esi < k; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
  expectSame(decoder.object(), patternBytes(k * 16));
});

test('held counts distinct symbols; duplicates and symbols of a completed block change nothing', () => {
  using encoder = encoderOf(patternBytes(1000), 16, engine);
  using decoder = new Decoder(encoder.oti, { engine });
  const k = encoder.oti.blockSymbols(0);
  expect([decoder.held(0), decoder.missing(0)]).toEqual([0, k]);
  for (const esi of [3, 3, k + 5, k + 5, 3]) {
    expect(decoder.add(0, esi, encoder.symbol(0, esi))).toBe(false);
    decoder.add(0, esi, new Uint8Array(16).fill(0xee));
  }
  expect([decoder.held(0), decoder.missing(0)]).toEqual([2, k - 2]);
  expect([decoder.has(0, 3), decoder.has(0, 4), decoder.has(0, k + 5)]).toEqual([true, false, true]);
  expect(() => decoder.object()).toThrow(code('NOT_ENOUGH_SYMBOLS'));
  for (let esi = 0; esi < k; esi++) decoder.add(0, esi, encoder.symbol(0, esi));
  expect(decoder.add(0, k + 9, new Uint8Array(16).fill(0xee))).toBe(true);
  expectSame(decoder.object(), patternBytes(1000));
});

test('wrong arguments are refused with INVALID_ARGUMENT and leave the decoder as it was', () => {
  using encoder = encoderOf(patternBytes(1000), 16, engine);
  using decoder = new Decoder(encoder.oti, { engine });
  const symbol = new Uint8Array(16);
  const bad: (() => unknown)[] = [
    () => decoder.add(1, 0, symbol),
    () => decoder.add(-1, 0, symbol),
    () => decoder.add(0, -1, symbol),
    () => decoder.add(0, 2 ** 24, symbol),
    () => decoder.add(0, 0.5, symbol),
    () => decoder.add(0, 0, new Uint8Array(15)),
    () => decoder.add(0, 0, new Uint8Array(17)),
    () => decoder.add(0, 0, 'symbol' as unknown as Uint8Array),
    () => decoder.has(0, 2 ** 24),
    () => decoder.held(1),
    () => decoder.missing(Number.NaN),
    () => decoder.blockComplete(7),
    () => encoder.symbol(1, 0),
    () => encoder.symbol(0, 2 ** 24),
    () => encoder.symbolInto(0, 0, new Uint8Array(17)),
    () => new Encoder(new Uint8Array(0), { symbolSize: 16 }),
    () => new Encoder(new Uint8Array(9), { symbolSize: 24 }),
    () => new Encoder([1, 2] as unknown as Uint8Array, { symbolSize: 16 }),
  ];
  for (const call of bad) expect(call, call.toString()).toThrow(code('INVALID_ARGUMENT'));
  expect(decoder.held(0)).toBe(0);
});

test('after dispose every call throws CLOSED, and disposing again does nothing', () => {
  const encoder = encoderOf(patternBytes(1000), 16, engine);
  const decoder = new Decoder(encoder.oti, { engine });
  for (let n = 0; n < 2; n++) {
    encoder.dispose();
    decoder.dispose();
  }
  expect(() => encoder.symbol(0, 0)).toThrow(code('CLOSED'));
  expect(() => decoder.add(0, 0, new Uint8Array(16))).toThrow(code('CLOSED'));
  expect(() => decoder.object()).toThrow(code('CLOSED'));
  expect(() => decoder.has(0, 0)).toThrow(code('CLOSED'));
  expect(() => decoder.missing(0)).toThrow(code('CLOSED'));
});

test('the shared engine is used by default', () => {
  const bytes = patternBytes(100_000);
  using encoder = new Encoder(bytes, { symbolSize: 1280 });
  using decoder = new Decoder(encoder.oti);
  for (let esi = 10; !decoder.add(0, esi, encoder.symbol(0, esi)); esi++);
  expectSame(decoder.object(), bytes);
});
