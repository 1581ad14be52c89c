/**
 * Every way to encode and to decode gives the same bytes, on both builds: each is forced here and compared with the general
 * solve, whose own correctness the other tests hold to the text and to the oracle.
 */
import { describe, expect, test } from 'vitest';
import { copySymbols, type Engine, type Fill, type SolveWay } from '../../src/codec/engine.js';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';
import { encoderOf, engineOf, expectSame, randomBytes, VARIANTS } from './support.js';

const SOLVE_WAYS: readonly SolveWay[] = ['by-columns', 'direct', 'coefficients', 'cheapest'];

interface Loss {
  readonly k: number;
  readonly size: number;
  readonly bytes: Uint8Array;
  readonly lost: number[];
  /** By row: the source ESI, or the repair ESI that stands in its place; then surplus repair symbols. */
  readonly esis: number[];
  readonly symbols: Uint8Array;
}

function randomLoss(rng: Rng, engine: Engine, k: number, lostCount: number, surplus: number): Loss {
  const size = rng.pick([16, 32, 48, 112, 1280, 17, 5]);
  const bytes = randomBytes(rng, k * size);
  using encoder = encoderOf(bytes, size, engine, 1);
  const all = Array.from({ length: k }, (_, esi) => esi);
  const lost = rng.shuffle(all).slice(0, lostCount);
  const first = k + rng.integer(0, 1000);
  const repair = Array.from({ length: lostCount + surplus }, (_, i) => first + i);
  const esis = [...all, ...repair.slice(lostCount)];
  for (const [i, esi] of lost.entries()) esis[esi] = repair[i];
  const symbols = new Uint8Array(esis.length * size);
  for (const [row, esi] of esis.entries())
    encoder.symbolInto(0, esi, symbols.subarray(row * size, (row + 1) * size));
  return { k, size, bytes, lost, esis, symbols };
}

/** The lost symbols one after the other, or undefined if the symbols do not suffice. */
function recover(engine: Engine, loss: Loss, way: SolveWay): Uint8Array | undefined {
  const { k, size, lost, esis, symbols } = loss;
  const fill: Fill = (...slots) => copySymbols(symbols, size, ...slots);
  const found = new Uint8Array(lost.length * size);
  let at = 0;
  const block = { k, symbolSize: size, esis: Uint32Array.from(esis), fill };
  const solved = engine.solve(
    block,
    lost,
    (esi, symbol) => {
      expect(esi).toBe(lost[at / size]);
      found.set(symbol, at);
      at += size;
    },
    way,
  );
  return solved ? found : undefined;
}

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);

  test('all ways to decode agree, bytes and failures alike', () =>
    withSeeds(
      150,
      (seed) => {
        const rng = new Rng(seed);
        const k = rng.chance(0.5) ? rng.integer(1, 20) : rng.integer(21, 300);
        const loss = randomLoss(
          rng,
          engine,
          k,
          rng.integer(1, rng.chance(0.5) ? k : Math.min(k, 8)),
          rng.integer(0, 2),
        );
        const expected = Buffer.concat(
          loss.lost.map((esi) => loss.bytes.subarray(esi * loss.size, (esi + 1) * loss.size)),
        );
        const outcomes = SOLVE_WAYS.map((way) => recover(engine, loss, way));
        for (const [i, found] of outcomes.entries()) {
          expect(found === undefined, SOLVE_WAYS[i]).toBe(outcomes[0] === undefined);
          if (found) expectSame(found, expected, `K = ${k}, ${SOLVE_WAYS[i]}`);
        }
      },
      'ways',
    ));

  test.each([1000, 1024, 3000])('and at K = %i', (k) =>
    withSeeds(
      1,
      (seed) => {
        const rng = new Rng(seed);
        for (const lost of [1, 5, 100, k]) {
          const loss = randomLoss(rng, engine, k, lost, 3);
          const ways = lost <= 5 ? SOLVE_WAYS : SOLVE_WAYS.filter((way) => way !== 'coefficients');
          const [first, ...others] = ways.map((way) => recover(engine, loss, way) as Uint8Array);
          for (const found of others) expectSame(found, first);
        }
      },
      `ways-${k}`,
    ),
  );

  test('too few symbols are refused alike', () => {
    const loss = randomLoss(new Rng('too few'), engine, 12, 12, 0);
    for (const way of SOLVE_WAYS)
      expect(recover(engine, { ...loss, esis: loss.esis.slice(0, 11) }, way), way).toBeUndefined();
  });

  test('repair symbols by coefficients are those of the intermediate symbols', () =>
    withSeeds(
      60,
      (seed) => {
        const rng = new Rng(seed);
        const k = rng.chance(0.7) ? rng.integer(1, 16) : rng.integer(17, 260);
        const size = rng.pick([1, 16, 31, 64, 80, 1280]);
        const bytes = randomBytes(rng, k * size - rng.integer(0, size - 1));
        const fill: Fill = (...slots) => copySymbols(bytes, size, ...slots);
        const block = { k, symbolSize: size, fill };
        const first = rng.integer(k, 2 ** 24 - 100);
        const count = rng.integer(1, 90);
        const [one, two] = (['coefficients', 'intermediates'] as const).map((way) => {
          const target = new Uint8Array(count * size);
          const owner = {};
          engine.encode(owner, block, first, count, target, way);
          engine.release(owner);
          return target;
        });
        expectSame(one, two, `K = ${k}`);
      },
      'encode-ways',
    ));

  test('symbolsInto gives what symbol gives, over the end of the source symbols', () => {
    const rng = new Rng('batches');
    for (const k of [1, 2, 10, 16, 17, 100])
      for (const size of [7, 16, 1280]) {
        using encoder = encoderOf(randomBytes(rng, k * size - 1 || 1), size, engine, 1);
        const K = encoder.oti.blockSymbols(0);
        const target = new Uint8Array((K + 70) * size).fill(0xaa);
        encoder.symbolsInto(0, 0, K + 70, target);
        for (let esi = 0; esi < K + 70; esi++)
          expectSame(target.subarray(esi * size, (esi + 1) * size), encoder.symbol(0, esi), `symbol ${esi}`);
        expect(encoder.symbolsInto(0, 3, 0, new Uint8Array(0)).length).toBe(0);
      }
  });
});

test('symbolsInto refuses what goes past the last ESI, or a target of another size', () => {
  using encoder = encoderOf(new Uint8Array(160), 16, engineOf('simd'));
  const invalid = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
  expect(() => encoder.symbolsInto(0, 2 ** 24 - 1, 2, new Uint8Array(32))).toThrow(invalid);
  expect(() => encoder.symbolsInto(0, -1, 2, new Uint8Array(32))).toThrow(invalid);
  expect(() => encoder.symbolsInto(0, 0, 2, new Uint8Array(31))).toThrow(invalid);
  expect(() => encoder.symbolsInto(0, 0, -1, new Uint8Array(0))).toThrow(invalid);
  expect(() => encoder.symbolsInto(1, 0, 1, new Uint8Array(16))).toThrow(invalid);
});
