/** The rule of the plan, K <= (n - 1 - k) * b - Cp with the least b, and how objects are cut, checked as properties. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  cutObject,
  esiOf,
  pullsFor,
  symbolsPerPeer,
  symbolsToReach,
} from '../../../src/broadcast/spread/plan.js';
import { MAX_INLINE_SYMBOL, MAX_MEMBERS, MAX_SYMBOL_SIZE, symbolSizeFor } from '../../../src/wire/limits.js';
import { parseSymbol, writeDescriptor, writeLeaf, writeSymbol } from '../../../src/wire/symbol.js';
import { holds } from '../../wire/holds.js';

/** K' of RFC 6330 section 5.1.2 ends here. */
const MAX_BLOCK_SYMBOLS = 56403;
const GIB = 2 ** 30;

const setting = fc.integer({ min: 3, max: MAX_MEMBERS }).chain((members) =>
  fc.record({
    members: fc.constant(members),
    faulty: fc.nat(Math.floor((members - 1) / 2)),
    pessimism: fc.nat(1000),
  }),
);

describe('symbols per peer', () => {
  test('b satisfies K <= (n - 1 - k) * b - Cp, and b - 1 does not', () =>
    holds(
      'the rule of b',
      fc.property(setting, fc.integer({ min: 3, max: MAX_BLOCK_SYMBOLS }), ({ members, ...rest }, k) => {
        const b = symbolsPerPeer(k, members, rest);
        const usable = (perPeer: number): number => (members - 1 - rest.faulty) * perPeer - rest.pessimism;
        expect(Number.isInteger(b)).toBe(true);
        expect(usable(b)).toBeGreaterThanOrEqual(k);
        expect(usable(b - 1)).toBeLessThan(k);
      }),
      1000,
    ));

  test('blocks of one or two symbols travel as copies: each peer gets each, and no more', () =>
    holds(
      'copies',
      fc.property(setting, fc.constantFrom(1, 2), ({ members, ...rest }, k) => {
        const b = symbolsPerPeer(k, members, rest);
        const esis = new Set(Array.from({ length: b }, (_, i) => esiOf(i, k)));
        expect([...esis].sort()).toEqual(Array.from({ length: k }, (_, i) => i));
        expect(b).toBe(k);
      }),
    ));

  test('a lone peer gets the block as it is: there is no relay whose loss to plan for', () => {
    expect(symbolsPerPeer(100, 2, { faulty: 0, pessimism: 2 })).toBe(100);
  });

  test.each([
    [100, 5, 1, 2, 34],
    [100, 5, 0, 2, 26],
    [100, 16, 5, 2, 11],
    [4, 3, 0, 0, 2],
  ])('K = %i, n = %i, k = %i, Cp = %i: b = %i', (k, members, faulty, pessimism, b) => {
    expect(symbolsPerPeer(k, members, { faulty, pessimism })).toBe(b);
  });
});

describe('symbols to reach all, where datagrams are lost', () => {
  test('are K where none is', () => {
    expect(symbolsToReach(100, { peers: 7, arrival: 1 })).toBe(100);
  });

  test('give each peer K on average, and some to spare', () =>
    holds(
      'reach',
      fc.property(
        fc.integer({ min: 3, max: MAX_BLOCK_SYMBOLS }),
        fc.integer({ min: 1, max: MAX_MEMBERS - 1 }),
        fc.double({ min: 0.2, max: 0.99, noNaN: true }),
        (k, peers, arrival) => {
          const own = symbolsToReach(k, { peers, arrival }) / peers;
          expect(own * arrival + own * (peers - 1) * arrival ** 2).toBeGreaterThan(k);
        },
      ),
    ));
});

test('with less to spare fewer are sent, but those that are needed on average', () => {
  const [few, more] = [0.5, undefined].map((spare) => symbolsToReach(450, { peers: 1, arrival: 0.8, spare }));
  expect(few).toBeLessThan(0.98 * more);
  expect(few * 0.8).toBeGreaterThan(450);
});

test('what absent relays keep is sent besides', () => {
  const dealt = { peers: 3, arrival: 0.95 };
  const own = symbolsToReach(100, { ...dealt, absent: 1 }) / 3;
  expect(own * 0.95 + own * 0.95 ** 2).toBeGreaterThan(100);
});

describe('ESIs', () => {
  test('of more than two symbols are never used twice', () => {
    expect([0, 1, 2, 3, 1_000_000].map((i) => esiOf(i, 3))).toEqual([0, 1, 2, 3, 1_000_000]);
  });

  test('of one symbol is always the symbol itself: its repair symbols are multiples of it, or nothing', () => {
    expect(Array.from({ length: 5 }, (_, i) => esiOf(i, 1))).toEqual([0, 0, 0, 0, 0]);
  });

  test('of two symbols never come round: dealt in turn, each of two peers would get the same one for ever', () => {
    expect(Array.from({ length: 5 }, (_, i) => esiOf(i, 2))).toEqual([0, 1, 2, 3, 4]);
  });
});

describe('cutting an object of 1 byte to 1 GiB', () => {
  const length = fc.oneof(fc.integer({ min: 1, max: GIB }), fc.integer({ min: 1, max: 4 * MAX_SYMBOL_SIZE }));

  test('gives symbols of a multiple of 16 bytes that fit a datagram, in 1 to 255 blocks that the code can take', () =>
    holds(
      'cuts',
      fc.property(length, (bytes) => {
        const { symbolSize, sourceBlocks } = cutObject(bytes);
        expect(symbolSize % 16).toBe(0);
        expect(symbolSize).toBeGreaterThan(0);
        expect(symbolSize).toBeLessThanOrEqual(MAX_SYMBOL_SIZE);
        expect(Number.isInteger(sourceBlocks) && sourceBlocks >= 1 && sourceBlocks <= 255).toBe(true);
        const symbols = Math.ceil(bytes / symbolSize);
        expect(Math.ceil(symbols / sourceBlocks)).toBeLessThanOrEqual(MAX_BLOCK_SYMBOLS);
      }),
      1000,
    ));

  test('pads an object of one symbol by less than 16 bytes', () =>
    holds(
      'padding',
      fc.property(fc.integer({ min: 1, max: MAX_INLINE_SYMBOL }), (bytes) => {
        const { symbolSize, sourceBlocks } = cutObject(bytes);
        expect(sourceBlocks).toBe(1);
        expect(symbolSize - bytes).toBeGreaterThanOrEqual(0);
        expect(symbolSize - bytes).toBeLessThan(16);
      }),
    ));

  test('pads a larger one by less than 16 bytes a symbol', () =>
    holds(
      'padding of several',
      fc.property(fc.integer({ min: 1, max: 1000 * MAX_SYMBOL_SIZE }), (bytes) => {
        const { symbolSize } = cutObject(bytes);
        const symbols = Math.ceil(bytes / symbolSize);
        expect(symbols * symbolSize - bytes).toBeLessThan(16 * symbols + 1);
      }),
    ));

  test('gives one or two symbols only where each fits a SYMBOL, and three to the next larger ones', () => {
    const symbols = (bytes: number) => Math.ceil(bytes / cutObject(bytes).symbolSize);
    const lengths = [
      MAX_INLINE_SYMBOL,
      MAX_INLINE_SYMBOL + 1,
      2 * MAX_INLINE_SYMBOL,
      2 * MAX_INLINE_SYMBOL + 1,
    ];
    expect(lengths.map(symbols)).toEqual([1, 2, 2, 3]);
    expect(cutObject(1 << 20, 1452).symbolSize).toBe(1408);
  });

  test('gives a descriptor that the parser takes', () =>
    holds(
      'cut descriptors',
      fc.property(length, (bytes) => {
        const cut = cutObject(bytes);
        const descriptor = {
          origin: 0,
          incarnation: 1,
          seq: 0,
          length: bytes,
          ...cut,
          hash: new Uint8Array(32),
        };
        const symbol = new Uint8Array(cut.symbolSize);
        const body = writeSymbol({
          descriptorBytes: writeDescriptor(descriptor),
          depth: 0,
          index: 0,
          signature: new Uint8Array(64),
          proof: new Uint8Array(0),
          leafBytes: writeLeaf({ sbn: cut.sourceBlocks - 1, esi: 0, firstHop: 0, symbol }),
        });
        expect(parseSymbol(body).descriptor).toEqual(descriptor);
      }),
    ));

  test.each([1232, 1452])('for %i bytes keeps blocks at 512 symbols while 255 blocks suffice', (size) => {
    const block = 512 * symbolSizeFor(size);
    const blocksOf = (length: number) => cutObject(length, size).sourceBlocks;
    expect([blocksOf(block), blocksOf(block + 1), blocksOf(255 * block)]).toEqual([1, 2, 255]);
    expect(blocksOf(GIB)).toBe(255);
  });
});

test('PULLs bring nothing so often by loss alone: where none is lost one, at 10 % three, at most eight', () => {
  expect([0, 0.1, 0.4, 0.9].map(pullsFor)).toEqual([1, 3, 8, 8]);
});
