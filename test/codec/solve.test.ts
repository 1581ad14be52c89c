/** The solve itself: every K' of the table, and the ways through it that ordinary reception seldom takes. */
import { describe, expect, test } from 'vitest';
import { copySymbols, type Engine, type Fill } from '../../src/codec/engine.js';
import { Rng } from '../../src/core/rng.js';
import { seedFor, withSeeds } from '../util/seed.js';
import { encoderOf, engineOf, expectSame, lossyEsis, randomBytes, VARIANTS } from './support.js';

const T = 16;

/** Source symbols 0 to K-1, recovered by a solve from the symbols with these ESIs even where they are among them. */
function solveAll(
  engine: Engine,
  k: number,
  esis: number[],
  symbolOf: (esi: number) => Uint8Array,
): Uint8Array | undefined {
  const object = new Uint8Array(k * T);
  const symbols = Uint8Array.from(esis.flatMap((esi) => [...symbolOf(esi)]));
  const solved = engine.solve(
    { k, symbolSize: T, esis: Uint32Array.from(esis), fill: (...slots) => copySymbols(symbols, T, ...slots) },
    Array.from({ length: k }, (_, esi) => esi),
    (esi, symbol) => object.set(symbol, esi * T),
    'cheapest',
  );
  return solved ? object : undefined;
}

/** The fields of a plan (wasm/plan.h): where q goes, or 0 if the HDPC rows are not used. */
function usesHdpc(engine: Engine, k: number, esis: number[]): boolean {
  const { exports } = engine;
  const list = exports.mem_alloc(esis.length * 4);
  new Uint32Array(engine.bytes.buffer, list, esis.length).set(esis);
  const plan = exports.plan_decode(k, list, esis.length, 0, 0);
  const hdpc = new Uint32Array(engine.bytes.buffer, plan, 6)[5];
  exports.plan_free(plan);
  exports.mem_free(list);
  return hdpc !== 0;
}

test('every K` of the table has a plan, and its code is systematic', () => {
  const engine = engineOf('simd');
  const rng = new Rng(seedFor('every K'));
  const table = new Uint16Array(engine.bytes.buffer, engine.exports.table_systematic(), 477 * 5).slice();
  for (let row = 0; row < 477; row++) {
    const k = table[row * 5];
    const source = randomBytes(rng, k * T);
    const owner = {};
    const block = {
      k,
      symbolSize: T,
      fill: (...slots: Parameters<Fill>) => copySymbols(source, T, ...slots),
    };
    const symbol = new Uint8Array(T);
    for (let n = 0; n < 20; n++) {
      const esi = n === 0 ? 0 : n === 1 ? k - 1 : rng.integer(0, k - 1);
      engine.encode(owner, block, esi, 1, symbol, 'intermediates');
      expectSame(symbol, source.subarray(esi * T, (esi + 1) * T), `K = ${k}, symbol ${esi}`);
    }
    engine.release(owner);
  }
});

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);

  test('with enough symbols the HDPC rows are left out, and the result is the same', () =>
    withSeeds(
      20,
      (seed) => {
        const rng = new Rng(seed);
        const k = rng.integer(1, 300);
        const bytes = randomBytes(rng, k * T);
        using encoder = encoderOf(bytes, T, engine);
        const esis = lossyEsis(rng, k, rng.float(), k + 40);
        expect(usesHdpc(engine, k, esis)).toBe(false);
        expect(usesHdpc(engine, k, esis.slice(0, k + 3))).toBe(true);
        for (const some of [esis, esis.slice(0, k + 3)]) {
          const object = solveAll(engine, k, some, (esi) => encoder.symbol(0, esi));
          expectSame(object as Uint8Array, bytes);
        }
      },
      'no-hdpc',
    ));

  test('the solve of source symbols alone gives them back', () => {
    for (const k of [1, 9, 10, 11, 60, 500]) {
      const bytes = randomBytes(new Rng(k), k * T);
      const esis = Array.from({ length: k }, (_, esi) => esi);
      const object = solveAll(engine, k, esis, (esi) => bytes.subarray(esi * T, (esi + 1) * T));
      expectSame(object as Uint8Array, bytes);
    }
  });

  test('fewer than K symbols, or none, are reported as not enough', () => {
    const bytes = randomBytes(new Rng(1), 50 * T);
    using encoder = encoderOf(bytes, T, engine);
    for (const count of [0, 1, 30, 49]) {
      const esis = Array.from({ length: count }, (_, i) => 60 + i);
      expect(solveAll(engine, 50, esis, (esi) => encoder.symbol(0, esi))).toBeUndefined();
    }
  });
});
