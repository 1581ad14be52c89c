/**
 * Byte for byte against npm raptorq, in both directions: our symbols are its symbols, each decodes what the other encodes.
 * 300 random (K, T, loss), and fixed K up to the largest. T is a multiple of 8 from 64 on, where the oracle uses one block
 * without sub-blocks (Z = 1, N = 1).
 */
import { describe, expect, test } from 'vitest';
import { Oti } from '../../src/codec/oti.js';
import { Rng } from '../../src/core/rng.js';
import { withSeeds } from '../util/seed.js';
import {
  decodeBlock,
  encoderOf,
  engineOf,
  expectSame,
  lossyEsis,
  oracle,
  randomBytes,
  VARIANTS,
} from './support.js';

/** What random sets fail with at K + h symbols is 256^-(h+1): four more than K never fail in our lifetime. */
const SPARE = 4;

function compare(
  k: number,
  symbolSize: number,
  loss: number,
  rng: Rng,
  short: number,
  ourDecode = true,
): void {
  const bytes = randomBytes(rng, k * symbolSize - short);
  const padding = engineOf('simd').parameters(k).K - k;
  const repair = SPARE + Math.min(k, Math.ceil(loss * k * 1.3) + 60);
  const theirs = oracle.encode(bytes, symbolSize, k, repair, padding);
  const esis = rng
    .shuffle([...theirs.keys()].filter((esi) => esi >= k || !rng.chance(loss)))
    .slice(0, k + SPARE);
  for (const variant of VARIANTS) {
    const engine = engineOf(variant);
    using encoder = encoderOf(bytes, symbolSize, engine, 8);
    for (const [esi, symbol] of theirs)
      expectSame(encoder.symbol(0, esi), symbol, `${variant} symbol ${esi}`);
    const ours = decodeBlock(
      encoder.oti,
      engine,
      esis.map((esi) => [esi, theirs.get(esi) as Uint8Array]),
    );
    expectSame(ours as Uint8Array, bytes, `${variant} decodes the oracle's symbols`);
  }
  if (!ourDecode) return;
  const engine = engineOf('simd');
  using encoder = encoderOf(bytes, symbolSize, engine, 8);
  const sent = lossyEsis(rng, k, loss, k + SPARE).filter((esi) => esi + padding < 2 ** 24);
  const decoded = oracle.decode(
    bytes.length,
    symbolSize,
    k,
    padding,
    sent.map((esi) => [esi, encoder.symbol(0, esi)]),
  );
  expectSame(decoded as Uint8Array, bytes, 'the oracle decodes our symbols');
}

test('300 random (K, T, loss)', () =>
  withSeeds(
    300,
    (seed) => {
      const rng = new Rng(seed);
      const k = rng.chance(0.1)
        ? rng.integer(300, 1500)
        : rng.chance(0.5)
          ? rng.integer(1, 30)
          : rng.integer(30, 300);
      const symbolSize = 64 + 8 * rng.integer(0, 20);
      const loss = rng.pick([0.01, 0.1, 0.3, 0.6, 1]);
      // The oracle takes K from the object's length, so at most one symbol may be cut short.
      compare(k, symbolSize, loss, rng, rng.chance(0.5) ? 0 : rng.integer(0, symbolSize - 1));
    },
    'oracle',
  ));

describe.each([1, 2, 10, 11, 26, 101, 1000, 10000, 56403])('K = %i', (k) => {
  test.each(k > 1000 ? [0.1] : [0.02, 0.3, 1])('loss %d', (loss) =>
    withSeeds(1, (seed) => compare(k, 64, loss, new Rng(seed), 5), `oracle-${k}-${loss}`),
  );
});

test('the oracle lays objects out as we do', () => {
  const oti = new Oti({ transferLength: 64 * 56403, symbolSize: 64, sourceBlocks: 1 });
  expect(oti.blockSymbols(0)).toBe(56403);
});

test('K symbols that do not suffice for us do not for the oracle', () => {
  const rng = new Rng('insufficient');
  const engine = engineOf('simd');
  for (const k of [10, 26, 60]) {
    const padding = engine.parameters(k).K - k;
    const bytes = randomBytes(rng, k * 64);
    using encoder = encoderOf(bytes, 64, engine);
    for (let found = 0; found < 8; ) {
      const first = rng.integer(k, 2 ** 24 - 1 - padding - k);
      const symbols = Array.from({ length: k }, (_, i): [number, Uint8Array] => [
        first + i,
        encoder.symbol(0, first + i),
      ]);
      if (decodeBlock(encoder.oti, engine, symbols)) continue;
      expect(oracle.decode(bytes.length, 64, k, padding, symbols)).toBeUndefined();
      found++;
    }
  }
});
