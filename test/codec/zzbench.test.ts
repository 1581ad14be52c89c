import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import * as raptorq from 'raptorq/raptorq.js';
import { test } from 'vitest';
import { Engine } from '../../src/codec/engine.js';
import { Decoder, Encoder } from '../../src/codec/index.js';

test('bench', () => {
  raptorq.initSync(readFileSync(createRequire(import.meta.url).resolve('raptorq/raptorq_bg.wasm')));
  const T = 1280;
  for (const K of [10, 100, 1000, 10000]) {
    const n = K > 5000 ? 3 : K > 500 ? 15 : K > 50 ? 100 : 500;
    const bytes = new Uint8Array(K * T).map((_, i) => i * 31 + (i >> 8));
    const R = Math.ceil(K / 10);
    const med = (f: () => void, count = n) => {
      const a: number[] = [];
      for (let i = 0; i < count; i++) {
        const s = performance.now();
        f();
        a.push(performance.now() - s);
      }
      a.sort((x, y) => x - y);
      return a[a.length >> 2];
    };
    const mbs = (ms: number) => (K * T) / 1e3 / ms;
    const encodeWith = (engine: Engine) => {
      const e = new Encoder(bytes, { symbolSize: T, sourceBlocks: 1, engine });
      for (let i = 0; i < K + R; i++) e.symbol(0, i);
      e.dispose();
    };
    const engine = new Engine('simd');
    for (let i = 0; i < 5; i++) encodeWith(engine);
    const warm = med(() => encodeWith(engine));
    const repairOnly = med(() => {
      const e = new Encoder(bytes, { symbolSize: T, sourceBlocks: 1, engine });
      for (let i = 0; i < R; i++) e.symbol(0, K + i);
      e.dispose();
    });
    const cold = med(
      () => {
        engine.exports;
        (engine as any).dropPlans?.();
        const g = engines.pop()!;
        const s = performance.now();
        encodeWith(g);
        last = performance.now() - s;
      },
      Math.min(n, 15),
    );
    // decode
    const enc = new Encoder(bytes, { symbolSize: T, sourceBlocks: 1, engine });
    const rnd = (() => {
      let s = 12345;
      return () => (s = (s * 1103515245 + 12345) & 0x7fffffff) / 0x7fffffff;
    })();
    const decodeAt = (loss: number, count = n) => {
      let rep = K;
      const pk: [number, Uint8Array][] = [];
      for (let i = 0; i < K; i++) if (rnd() >= loss) pk.push([i, enc.symbol(0, i)]);
      while (pk.length < K + 3) pk.push([rep, enc.symbol(0, rep++)]);
      let over = 0;
      const ours = med(() => {
        const d = new Decoder(enc.oti, { engine });
        let i = 0;
        while (!d.add(0, pk[i][0], pk[i][1])) i++;
        over = i + 1 - K;
        d.object();
        d.dispose();
      }, count);
      const Kp = engine.parameters(K).K;
      const packets = pk.map(([esi, s]) => {
        const p = new Uint8Array(4 + T);
        new DataView(p.buffer).setUint32(0, esi < K ? esi : esi + Kp - K);
        p.set(s, 4);
        return p;
      });
      const theirs =
        K > 5000 && loss < 0.1
          ? NaN
          : med(
              () => {
                const d = raptorq.Decoder.with_defaults(BigInt(K * T), T);
                for (const p of packets) if (d.decode(p)) break;
                d.free();
              },
              Math.min(count, K > 500 ? 3 : 30),
            );
      return `loss ${loss}: ${mbs(ours).toFixed(0)} vs ${mbs(theirs).toFixed(1)} = ${(theirs / ours).toFixed(1)}x (+${over})`;
    };
    const npm = med(
      () => {
        const e = raptorq.Encoder.with_defaults(bytes, T);
        e.encode(R);
        e.free();
      },
      Math.min(n, K > 5000 ? 2 : K > 500 ? 5 : 50),
    );
    console.log(
      `K=${K} npm enc ${mbs(npm).toFixed(1)} | warm ${mbs(warm).toFixed(0)} = ${(npm / warm).toFixed(1)}x (repair only ${(npm / repairOnly).toFixed(1)}x) | cold ${mbs(cold).toFixed(0)} = ${(npm / cold).toFixed(1)}x | ${[0.01, 0.1, 0.5, 1].map((l) => decodeAt(l)).join(' | ')}`,
    );
  }
});
let last = 0;
const engines = Array.from({ length: 70 }, () => {
  const e = new Engine('simd');
  const w = new Encoder(new Uint8Array(1300 * 5).fill(1), { symbolSize: 16, engine: e });
  for (let i = 0; i < 30; i++) w.symbol(0, 500 + i);
  w.dispose();
  return e;
});
