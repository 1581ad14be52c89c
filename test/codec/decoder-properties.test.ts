/** Any set of symbols, in any order, with repeats: the object or nothing, never other bytes; both builds alike. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Decoder } from '../../src/codec/index.js';
import { Rng } from '../../src/core/rng.js';
import { check, encoderOf, engineOf, expectSame, randomBytes, VARIANTS } from './support.js';

const arrival = fc.record({
  k: fc.oneof({ arbitrary: fc.integer({ min: 1, max: 60 }), weight: 4 }, fc.integer({ min: 61, max: 400 })),
  lanes: fc.integer({ min: 1, max: 12 }),
  short: fc.nat(15),
  extra: fc.integer({ min: -1, max: 5 }),
  sourceShare: fc.double({ min: 0, max: 1, noNaN: true }),
  firstRepair: fc.oneof(fc.constant(0), fc.nat(2 ** 24 - 2000)),
  seed: fc.nat(),
});

test('K - 1 to K + 5 symbols of any kind', () => {
  return check(
    'arrivals',
    600,
    fc.property(arrival, ({ k, lanes, short, extra, sourceShare, firstRepair, seed }) => {
      const rng = new Rng(seed);
      const bytes = randomBytes(rng, k * lanes * 16 - short);
      const source = rng
        .shuffle(Array.from({ length: k }, (_, esi) => esi))
        .slice(0, Math.round(k * sourceShare));
      const repair = Array.from(
        { length: Math.max(0, k + extra - source.length) },
        (_, i) => k + firstRepair + i,
      );
      const esis = rng.shuffle([...source, ...repair, ...source.slice(0, 3)]);
      const outcomes = VARIANTS.map((variant) => {
        const engine = engineOf(variant);
        using encoder = encoderOf(bytes, lanes * 16, engine);
        using decoder = new Decoder(encoder.oti, { engine });
        for (const esi of esis) decoder.add(0, esi, encoder.symbol(0, esi));
        if (decoder.complete) expectSame(decoder.object(), bytes);
        else expect(() => decoder.object()).toThrow();
        return decoder.complete;
      });
      expect(outcomes[0]).toBe(outcomes[1]);
      const held = new Set(esis).size;
      if (source.length === k) expect(outcomes[0]).toBe(true);
      if (held < k) expect(outcomes[0]).toBe(false);
      // Fails once in 2^40 times: an attempt was made with at least K + 3 symbols.
      if (held >= k + 4) expect(outcomes[0]).toBe(true);
    }),
  );
});
