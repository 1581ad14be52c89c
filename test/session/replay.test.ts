/** The replay window and packet number reconstruction, each against a model that is slow and plain. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { RecentNumbers } from '../../src/core/bitset.js';
import { fullNumber } from '../../src/core/serial.js';
import { REPLAY_WINDOW } from '../../src/session/limits.js';

/** Remembers everything. */
class Model {
  private readonly seen = new Set<number>();
  private highest: number;
  private readonly size: number;

  constructor(size: number, next: number) {
    this.size = size;
    this.highest = next - 1;
  }

  accepts(number: number): boolean {
    return number > this.highest - this.size && !this.seen.has(number);
  }

  mark(number: number): void {
    this.seen.add(number);
    this.highest = Math.max(this.highest, number);
  }
}

describe('the window', () => {
  test('takes each number once, back to exactly 8192 numbers', () => {
    const window = new RecentNumbers(REPLAY_WINDOW);
    window.mark(100_000);
    expect(window.has(100_000)).toBe(true);
    expect(window.isBehind(100_000 - 8191)).toBe(false);
    expect(window.has(100_000 - 8191)).toBe(false);
    window.mark(100_000 - 8191);
    expect(window.has(100_000 - 8191)).toBe(true);
    expect(window.isBehind(100_000 - 8192)).toBe(true);
    window.mark(100_001);
    expect(window.isBehind(100_000 - 8191)).toBe(true);
    expect(window.has(100_000)).toBe(true);
    expect(window.has(100_001 - 8191)).toBe(false);
  });

  test('forgets all when a number leaps past it, and works at 2^47', () => {
    const window = new RecentNumbers(REPLAY_WINDOW, 5);
    for (let i = 5; i < 9000; i++) window.mark(i);
    window.mark(2 ** 47);
    for (let i = 2 ** 47 - 8191; i < 2 ** 47; i++) expect(window.has(i)).toBe(false);
    expect(window.has(2 ** 47)).toBe(true);
  });

  test.each([64, REPLAY_WINDOW])('agrees with the model, size %i', (size) => {
    const step = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -40, max: 40 }) },
      {
        weight: 2,
        arbitrary: fc.constantFrom(-size - 1, -size, -size + 1, size - 1, size, size + 1, size + 32),
      },
      { weight: 1, arbitrary: fc.integer({ min: -2 * size, max: 3 * size }) },
    );
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 2 ** 40 }), fc.array(step, { maxLength: 400 }), (next, steps) => {
        const window = new RecentNumbers(size, next);
        const model = new Model(size, next);
        for (const offset of steps) {
          const number = Math.max(0, window.highest + offset);
          const accepted = !window.isBehind(number) && !window.has(number);
          expect(accepted).toBe(model.accepts(number));
          if (!accepted) continue;
          window.mark(number);
          model.mark(number);
        }
      }),
      { numRuns: 200, seed: 8192 },
    );
  });
});

describe('packet numbers', () => {
  test('the example of RFC 9000, appendix A.3, at 32 bits', () => {
    expect(fullNumber(0x9b32, 0xa82f30ea - 0)).toBe(0x100009b32);
    expect(fullNumber(5, -1)).toBe(5);
    expect(fullNumber(1, 0xffffffff)).toBe(0x100000001);
    expect(fullNumber(0xfffffffe, 0x100000003)).toBe(0xfffffffe);
  });

  test('any number within 2^31 of the expected one is told from its low 32 bits', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 2 ** 47 }),
        fc.integer({ min: -(2 ** 31) + 1, max: 2 ** 31 }),
        (expected, offset) => {
          const number = expected + offset;
          fc.pre(number >= 0);
          expect(fullNumber(number % 2 ** 32, expected - 1)).toBe(number);
        },
      ),
      { numRuns: 2000, seed: 3 },
    );
  });
});
