/**
 * Intermediate symbols C satisfy what defines them (RFC 6330, 5.3.3.3 and 5.3.3.4): the LDPC and HDPC rows give zero, the
 * LT rows give the source symbols. The rows are built here by the text, without the shortcuts of wasm/.
 */
import { describe, expect, test } from 'vitest';
import { copySymbols, type Engine, type Fill } from '../../src/codec/engine.js';
import { engineOf, expectSame, patternBytes, VARIANTS } from './support.js';

const T = 32;

/** C as L arrays of T bytes. */
function intermediates(engine: Engine, k: number, source: Uint8Array): Uint8Array[] {
  const fill: Fill = (...slots) => copySymbols(source, T, ...slots);
  const slab = engine.intermediates({}, { k, symbolSize: T, fill });
  const { L } = engine.parameters(k);
  return Array.from({ length: L }, (_, i) =>
    engine.bytes.slice(slab.pointer + i * T, slab.pointer + (i + 1) * T),
  );
}

function addTo(target: Uint8Array, source: Uint8Array): void {
  for (let i = 0; i < T; i++) target[i] ^= source[i];
}

const isZero = (symbol: Uint8Array) => symbol.every((byte) => byte === 0);

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);
  const mul = engine.exports.gf_mul;

  describe.each([1, 10, 11, 26, 101, 257, 1000, 1698])('K = %i', (k) => {
    const { K, S, H, W, L, P, P1, B } = engine.parameters(k);
    const source = patternBytes(k * T);
    const C = intermediates(engine, k, source);

    test('LDPC rows', () => {
      const D = Array.from({ length: S }, () => new Uint8Array(T));
      for (let i = 0; i < S; i++) addTo(D[i], C[B + i]);
      for (let i = 0; i < B; i++) {
        const a = 1 + Math.floor(i / S);
        for (let n = 0, b = i % S; n < 3; n++, b = (b + a) % S) addTo(D[b], C[i]);
      }
      for (let i = 0; i < S; i++) {
        addTo(D[i], C[W + (i % P)]);
        addTo(D[i], C[W + ((i + 1) % P)]);
      }
      expect(D.every(isZero)).toBe(true);
    });

    test('HDPC rows, as the product of MT and GAMMA', () => {
      const n = K + S;
      const product = Array.from({ length: H }, () => new Uint8Array(n));
      const addColumn = (row: number, i: number, factor: number) => {
        for (let j = 0; j <= i; j++) product[row][j] ^= mul(factor, engine.exports.gf_exp(i - j));
      };
      for (let j = 0; j < n - 1; j++) {
        const first = engine.exports.rand_rfc(j + 1, 6, H);
        addColumn(first, j, 1);
        addColumn((first + engine.exports.rand_rfc(j + 1, 7, H - 1) + 1) % H, j, 1);
      }
      for (let h = 0; h < H; h++) addColumn(h, n - 1, engine.exports.gf_exp(h));
      for (let h = 0; h < H; h++) {
        const sum = C[n + h].slice();
        for (let j = 0; j < n; j++)
          if (product[h][j]) for (let i = 0; i < T; i++) sum[i] ^= mul(product[h][j], C[j][i]);
        expect(isZero(sum), `row ${h}`).toBe(true);
      }
    });

    test('LT rows give the source symbols, and zeros for padding', () => {
      for (let isi = 0; isi < K; isi++) {
        let [d, a, b, d1, a1, b1] = engine.words(6, (target) => engine.exports.code_tuple(k, isi, target));
        const sum = new Uint8Array(T);
        for (; d > 0; d--, b = (b + a) % W) addTo(sum, C[b]);
        for (; d1 > 0; b1 = (b1 + a1) % P1) {
          if (b1 >= P) continue;
          addTo(sum, C[W + b1]);
          d1--;
        }
        expectSame(sum, isi < k ? source.subarray(isi * T, (isi + 1) * T) : new Uint8Array(T), `ISI ${isi}`);
      }
      expect(L).toBe(C.length);
    });
  });
});
