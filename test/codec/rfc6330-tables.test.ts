/** RFC 6330's tables, held to the text by SHA-256 (little-endian words of the width given), and what follows from them. */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { engineOf, VARIANTS } from './support.js';

describe.each(VARIANTS)('%s', (variant) => {
  const engine = engineOf(variant);
  const sha256 = (from: number, length: number) =>
    createHash('sha256')
      .update(engine.bytes.subarray(from, from + length))
      .digest('hex');

  test('V0 to V3 (5.5), 256 words of 32 bits each', () => {
    const at = engine.exports.table_random();
    expect([0, 1, 2, 3].map((i) => sha256(at + i * 1024, 1024))).toEqual([
      '4d5c4604adeeda01f3dfc768cd0569051058d92d8a8b1b0b089a6ba40ccf197a',
      '6ae539cc42696f3b1cb7aedbc3cb35420af9b038449325abc488aa79cd6a2015',
      '07d95c3504ee479744504c910d56c5a2f6a2ea3b2e858c33de70d96b7b4f4e8b',
      '1ce3f1e7667a0e187a048be07a9a0972d629471d6af7d20a1f80575e2934a8d7',
    ]);
  });

  test('systematic indices (5.6, table 2), 477 rows of five 16-bit words', () => {
    const digest = sha256(engine.exports.table_systematic(), 477 * 10);
    expect(digest).toBe('7aebb1ad06d1841dc10f0390cb7fc6111c60239272e9df8c7df84d17fb21886b');
  });

  test('degree distribution (5.3.5.2, table 1), 31 words of 32 bits', () => {
    const digest = sha256(engine.exports.table_degree(), 31 * 4);
    expect(digest).toBe('101ca640d28b0a5df187db89e2316aac533319c4b98b479e29f02429999c4a1d');
  });

  test('OCT_EXP (5.7.3) and OCT_LOG (5.7.4), derived here, are those of the text', () => {
    const exp = Uint8Array.from({ length: 510 }, (_, i) => engine.exports.gf_exp(i));
    const log = Uint8Array.from({ length: 256 }, (_, i) => (i === 0 ? 0 : engine.exports.gf_log(i)));
    const digest = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');
    expect(digest(exp)).toBe('b2d7f9a24d36d8d9c34f819cdaf4c3621aeab37f1f101b0b50608c242000dce4');
    expect(digest(log)).toBe('aeaa639586841d2e0434d8198a86c91623e672d9c0012b4f8f6692768fe1bbf4');
  });

  test('products in GF(256) are those of polynomials modulo x^8 + x^4 + x^3 + x^2 + 1', () => {
    for (let a = 0; a < 256; a++) {
      for (let b = 0; b < 256; b++) {
        let product = 0;
        for (let bit = 7; bit >= 0; bit--) {
          product = (product << 1) ^ (product & 0x80 ? 0x11d : 0);
          if ((b >> bit) & 1) product ^= a;
        }
        if (engine.exports.gf_mul(a, b) !== product) expect.fail(`${a} * ${b}`);
      }
    }
  });

  test('K, 1 to 56403, takes the least table row K` >= K, and the parameters fit each other', () => {
    const table = new Uint16Array(engine.bytes.buffer, engine.exports.table_systematic(), 477 * 5);
    const isPrime = (n: number) => {
      for (let i = 2; i * i <= n; i++) if (n % i === 0) return false;
      return n > 1;
    };
    for (let row = 0, before = 0; row < 477; row++) {
      const [K, J, S, H, W] = table.slice(row * 5, row * 5 + 5);
      for (const k of new Set([before + 1, Math.floor((before + 1 + K) / 2), K])) {
        const parameters = engine.parameters(k);
        expect(parameters).toMatchObject({ K, J, S, H, W, L: K + S + H, P: K + S + H - W, B: W - S });
        expect(parameters.P).toBeGreaterThanOrEqual(H);
        expect([S, W, parameters.P1].every(isPrime)).toBe(true);
        for (let p = parameters.P; p < parameters.P1; p++) expect(isPrime(p)).toBe(false);
      }
      before = K;
    }
  });
});
