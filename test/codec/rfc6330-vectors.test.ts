/**
 * Digests of repair symbols, made once with npm raptorq 1.7.24: T = 64, the object of patternBytes(), the first three
 * repair symbols one after the other, the first 16 bytes of their SHA-256.
 */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { copySymbols, type Fill } from '../../src/codec/engine.js';
import { encoderOf, engineOf, expectSame, patternBytes, VARIANTS } from './support.js';

const T = 64;
const DIGESTS: readonly [number, string][] = [
  [4, '4a622358ba1e18b53e4c31bdc4268ce8'],
  [10, '693b3eec4d761075bb0f6c713714abcd'],
  [11, '2c6f9474729669b79352f3cd95d96651'],
  [26, '691746416442a9a11f1c32efcea34662'],
  [101, '5cecdf2970d655a3be9c8140652c28de'],
  [257, 'b8853ca58fe6c3826045118cd4bb4ef3'],
];

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);

  test.each(DIGESTS)('repair symbols K, K+1, K+2 of K = %i', (k, digest) => {
    using encoder = encoderOf(patternBytes(k * T), T, engine);
    const hash = createHash('sha256');
    for (let esi = k; esi < k + 3; esi++) hash.update(encoder.symbol(0, esi));
    expect(hash.digest('hex').slice(0, 32)).toBe(digest);
  });

  test.each([1, 2, 10, 26, 257])(
    'the code is systematic: Enc[] of ISI i < K is source symbol i, K = %i',
    (k) => {
      const source = patternBytes(k * T);
      using encoder = encoderOf(source, T, engine);
      const fill: Fill = (...slots) => copySymbols(source, T, ...slots);
      const owner = {};
      const target = new Uint8Array(T);
      for (let esi = 0; esi < k; esi++) {
        engine.encode(owner, { k, symbolSize: T, fill }, esi, 1, target, 'intermediates');
        expectSame(target, source.subarray(esi * T, (esi + 1) * T));
        expectSame(encoder.symbol(0, esi), target);
      }
    },
  );
});
