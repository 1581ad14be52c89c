/**
 * soak codec: random small decodings by the million, every byte compared, memory watched; then how often K, K + 1 and K + 2
 * random symbols do not suffice.
 *   npm run soak -- codec [--runs 1000000] [--overhead 400000] [--seed text]
 * Fails (exit code 1) on a wrong byte, on memory that grows, and on rates beyond what RFC 6330, 5.8
 * allows (1 in 100, 10^4, 10^6) or outside of 0.5 to 2.5 times 256^-(h+1): the law leaves out that the binary rows are at times
 * dependent among themselves, which makes it some 1.3 to 1.9 times that at h = 0, depending on K.
 */
import { stdout } from 'node:process';
import { Engine } from '../../src/codec/engine.js';
import { Decoder, Encoder } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';
import { readOptions } from '../options.js';

const MAX_K = 64;
const SIZES = [1, 8, 16, 24, 48, 64, 80, 112];

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      runs: { type: 'string', default: '1000000' },
      overhead: { type: 'string', default: '400000' },
      seed: { type: 'string', default: 'soak' },
    },
  });
  stdout.write(`soak codec: seed '${values.seed}'\n`);
  const right = decodings(Number(values.runs), new Rng(`${values.seed} decodings`));
  const lawful = overhead(Number(values.overhead), new Rng(`${values.seed} overhead`));
  if (!right || !lawful) process.exitCode = 1;
}

/** Three of four on the SIMD build. Returns whether all bytes were right and memory stayed flat. */
function decodings(runs: number, rng: Rng): boolean {
  const engines = [new Engine('simd'), new Engine('scalar')];
  const pool = new Uint8Array(1 << 20);
  for (let i = 0; i < pool.length; i++) pool[i] = rng.uint32();
  const state = () => engines.map((engine) => engine.usage());
  let early = state();
  let wrong = 0;
  let symbolsOver = 0;
  const start = performance.now();
  for (let n = 0; n < runs; n++) {
    const engine = engines[n % 4 === 3 ? 1 : 0];
    const k = rng.integer(1, MAX_K);
    const size = rng.pick(SIZES);
    const length = k * size - rng.integer(0, size - 1);
    const from = rng.integer(0, pool.length - length);
    const bytes = pool.subarray(from, from + length);
    const encoder = new Encoder(bytes, { symbolSize: size, sourceBlocks: 1, alignment: 1, engine });
    const decoder = new Decoder(encoder.oti, { engine });
    const needed = transfer(encoder, decoder, k, rng);
    symbolsOver += needed - k;
    if (Buffer.compare(decoder.object(), bytes) !== 0) {
      wrong++;
      stdout.write(`WRONG: run ${n}, K = ${k}, T = ${size}\n`);
    }
    encoder.dispose();
    decoder.dispose();
    if (n === Math.floor(runs / 10)) early = state();
  }
  const late = state();
  const flat = late.every(
    (usage, i) => usage.used <= early[i].used + 65536 && usage.reserved <= early[i].reserved + 65536,
  );
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  stdout.write(`${runs} decodings, K <= ${MAX_K}, in ${seconds} s: ${wrong} wrong, `);
  stdout.write(`${(symbolsOver / runs).toFixed(5)} symbols over K on average\n`);
  for (const [i, engine] of engines.entries())
    stdout.write(
      `${engine.variant}: ${early[i].used} bytes in use after a tenth of the runs, ${late[i].used} at the end; ` +
        `linear memory ${early[i].reserved} and ${late[i].reserved}: ${flat ? 'flat' : 'GROWS'}\n`,
    );
  return wrong === 0 && flat;
}

/** Sends source symbols that survive a random loss, then repair symbols from a random ESI on, shuffled; how many it took. */
function transfer(encoder: Encoder, decoder: Decoder, k: number, rng: Rng): number {
  const loss = rng.float() < 0.2 ? 1 : rng.float();
  const esis: number[] = [];
  for (let esi = 0; esi < k; esi++) if (!rng.chance(loss)) esis.push(esi);
  const first = rng.integer(k, 2 ** 24 - 1 - 200);
  while (esis.length < k) esis.push(first + esis.length);
  const order = rng.shuffle(esis);
  for (let n = 0; ; n++) {
    const esi = n < k ? order[n] : first + n;
    if (decoder.add(0, esi, encoder.symbol(0, esi))) return n + 1;
  }
}

/** Random sets of K + h ESIs, half of the source symbols lost or all of them. Returns whether the failures fit the law. */
function overhead(runs: number, rng: Rng): boolean {
  const engine = new Engine();
  const { exports } = engine;
  const counts = [0, 1, 2].map(() => ({ tried: 0, failed: 0 }));
  const list = exports.mem_alloc(4 * 1024);
  for (let n = 0; n < runs; n++) {
    const k = rng.pick([1, 5, 10, 18, 26, 60, 101, 248]);
    const loss = rng.pick([0.5, 1]);
    const esis = new Set<number>();
    for (let esi = 0; esi < k; esi++) if (!rng.chance(loss)) esis.add(esi);
    while (esis.size < k + 2) esis.add(rng.integer(k, 2 ** 24 - 1));
    const order = rng.shuffle([...esis]);
    // Sets of K + 2 are tried every time, not only where K + 1 failed, so that the three rates stand for themselves.
    for (const [h, count] of counts.entries()) {
      if (h === 1 && n % 4 !== 0) continue;
      if (h === 2 && n % 4 !== 1) continue;
      new Uint32Array(engine.bytes.buffer, list, k + h).set(order.slice(0, k + h));
      const plan = exports.plan_decode(k, list, k + h, 0, 0);
      count.tried++;
      if (plan === 1) count.failed++;
      else exports.plan_free(plan);
    }
  }
  let lawful = true;
  for (const [h, { tried, failed }] of counts.entries()) {
    const expected = tried / 256 ** (h + 1);
    // Five standard deviations of a Poisson count, and one for counts near zero.
    const least = 0.5 * expected - 5 * Math.sqrt(expected) - 1;
    const most = 2.5 * expected + 5 * Math.sqrt(expected) + 1;
    const fits = failed >= least && failed <= most && (tried < 1000 || h > 0 || failed < tried / 100);
    lawful &&= fits;
    const rate = (failed / tried).toExponential(2);
    stdout.write(
      `K + ${h} symbols: ${failed} of ${tried} sets do not suffice, rate ${rate}; ` +
        `256^-${h + 1} is ${(256 ** -(h + 1)).toExponential(2)}, ${expected.toFixed(1)} expected: ${fits ? 'agrees' : 'DISAGREES'}\n`,
    );
  }
  return lawful;
}
