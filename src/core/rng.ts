/**
 * Seeded randomness: xoshiro128** (Blackman and Vigna, 2018), its state filled by SplitMix32 from a text or number seed.
 * Every random choice outside the shell draws from one of these, so a seed replays a run exactly. Not for secrets.
 */

/**
 * A seeded generator.
 *
 * @example
 * const rng = new Rng('a');
 * rng.fork('losses').chance(0.1);
 */
export class Rng {
  // Four fields and not an array: there are several for each peer, and an array of its own would take ten times as much.
  private a: number;
  private b: number;
  private c: number;
  private d: number;

  /** The same seed gives the same numbers, on every machine. */
  constructor(seed: string | number) {
    let mixed = typeof seed === 'number' ? seed >>> 0 : hash32(seed);
    const next = () => {
      mixed = (mixed + 0x9e3779b9) >>> 0;
      let z = mixed;
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
      return z ^ (z >>> 16);
    };
    this.a = next();
    this.b = next();
    this.c = next();
    this.d = next();
    if ((this.a | this.b | this.c | this.d) === 0) this.a = 1;
  }

  /** An independent generator named `label`: adding draws to one stream does not shift another. */
  fork(label: string): Rng {
    return new Rng(hash32(`${label}:${this.uint32()}:${this.uint32()}`));
  }

  /** 32 random bits. */
  uint32(): number {
    const { a, b } = this;
    const c = this.c ^ a;
    const d = this.d ^ b;
    this.a = a ^ d;
    this.b = b ^ c;
    this.c = c ^ (b << 9);
    this.d = rotl(d, 11);
    return Math.imul(rotl(Math.imul(b, 5), 7), 9) >>> 0;
  }

  /** A float in [0, 1) with 53 random bits. */
  float(): number {
    return ((this.uint32() >>> 5) * 67108864 + (this.uint32() >>> 6)) / 9007199254740992;
  }

  /** An integer in [min, max], both included. */
  integer(min: number, max: number): number {
    return min + Math.floor(this.float() * (max - min + 1));
  }

  /** True with this probability. */
  chance(probability: number): boolean {
    return probability > 0 && this.float() < probability;
  }

  /** One of these. */
  pick<T>(items: readonly T[]): T {
    return items[this.integer(0, items.length - 1)];
  }

  /** A shuffled copy (Fisher-Yates). */
  shuffle<T>(items: readonly T[]): T[] {
    const result = [...items];
    for (let i = result.length - 1; i > 0; i--) {
      const j = this.integer(0, i);
      [result[i], result[j]] = [result[j], result[i]];
    }
    return result;
  }

  /** Random bytes. */
  bytes(length: number): Uint8Array {
    const result = new Uint8Array(length);
    for (let i = 0; i < length; i += 4) {
      const word = this.uint32();
      for (let j = 0; j < 4 && i + j < length; j++) result[i + j] = word >>> (8 * j);
    }
    return result;
  }
}

/** FNV-1a, 32 bits: spreads a text seed over a word. */
function hash32(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

function rotl(x: number, k: number): number {
  return (x << k) | (x >>> (32 - k));
}
