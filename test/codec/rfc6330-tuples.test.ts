/** The random, degree and tuple generators (RFC 6330, 5.3.5), against a second rendering of the text and its ranges. */
import { describe, expect, test } from 'vitest';
import { Rng } from '../../src/core/rng.js';
import { seedFor } from '../util/seed.js';
import { engineOf, VARIANTS } from './support.js';

const KS = [1, 10, 11, 26, 101, 257, 1000, 1698, 8837, 10000, 56403];

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);
  const V = new Uint32Array(engine.bytes.buffer, engine.exports.table_random(), 1024);
  const thresholds = new Uint32Array(engine.bytes.buffer, engine.exports.table_degree(), 31);
  const rand = (y: number, i: number, m: number) => {
    const part = (n: number) => V[n * 256 + ((Math.floor(y / 256 ** n) + i) % 256)];
    return ((part(0) ^ part(1) ^ part(2) ^ part(3)) >>> 0) % m;
  };
  const tupleOf = (k: number, isi: number) =>
    engine.words(6, (target) => engine.exports.code_tuple(k, isi, target));

  test('Rand[y, i, m] for random and extreme arguments', () => {
    const rng = new Rng(seedFor('rand'));
    for (let n = 0; n < 2000; n++) {
      const y = n < 4 ? [0, 255, 65535, 2 ** 32 - 1][n] : rng.uint32();
      const i = rng.integer(0, 7);
      const m = rng.integer(1, 2 ** 20);
      expect(engine.exports.rand_rfc(y, i, m)).toBe(rand(y, i, m));
    }
  });

  test.each(KS)('Tuple[K`, X] for K = %i: as the text has it, for any X below 2^24 + K`', (k) => {
    const { J, W, P1 } = engine.parameters(k);
    const rng = new Rng(seedFor(`tuple ${k}`));
    for (let n = 0; n < 300; n++) {
      const X = n < 50 ? n : rng.integer(0, 2 ** 24 + k);
      const A = (53591 + J * 997) | 1;
      const y = Number((BigInt(10267 * (J + 1)) + BigInt(X) * BigInt(A)) % 2n ** 32n);
      const v = rand(y, 0, 2 ** 20);
      const d = Math.min(
        W - 2,
        thresholds.findIndex((threshold) => v < threshold),
      );
      const d1 = d < 4 ? 2 + rand(X, 3, 2) : 2;
      const expected = [d, 1 + rand(y, 1, W - 1), rand(y, 2, W), d1, 1 + rand(X, 4, P1 - 1), rand(X, 5, P1)];
      expect(tupleOf(k, X)).toEqual(expected);
    }
  });

  test('degrees follow the distribution of the table', () => {
    const count = 20000;
    const seen = new Array<number>(31).fill(0);
    for (let X = 0; X < count; X++) seen[tupleOf(1000, X)[0]]++;
    for (let d = 1; d <= 30; d++) {
      const probability = (thresholds[d] - thresholds[d - 1]) / 2 ** 20;
      const deviation = Math.sqrt(count * probability * (1 - probability));
      expect(Math.abs(seen[d] - count * probability)).toBeLessThan(5 * deviation + 1);
    }
  });
});
