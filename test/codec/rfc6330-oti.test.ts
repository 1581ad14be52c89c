/** Object layout: Partition[] (RFC 6330, 4.4.1.2) and the 12-byte OTI (3.3.2, 3.3.3). */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { MAX_TRANSFER_LENGTH, Oti, type OtiOptions, partition } from '../../src/codec/oti.js';
import { check } from './support.js';

const options = fc
  .record({
    alignment: fc.constantFrom(1, 4, 8, 16, 255),
    units: fc.integer({ min: 1, max: 257 }),
    symbols: fc.integer({ min: 1, max: 56403 * 255 }),
    cut: fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true }),
    blocks: fc.double({ min: 0, max: 1, noNaN: true }),
  })
  .map(({ alignment, units, symbols, cut, blocks }): Required<OtiOptions> => {
    const symbolSize = alignment * Math.min(units, Math.floor(65535 / alignment));
    const least = Math.ceil(symbols / 56403);
    const sourceBlocks = least + Math.floor(blocks * (Math.min(255, symbols) - least));
    return {
      alignment,
      symbolSize,
      sourceBlocks,
      transferLength: symbols * symbolSize - Math.floor(cut * symbolSize),
    };
  });

test('Partition[I, J] splits I into J parts that differ by one at most', () => {
  return check(
    'partition',
    1000,
    fc.property(fc.integer({ min: 1, max: 2 ** 40 }), fc.integer({ min: 1, max: 255 }), (total, parts) => {
      const { longSize, shortSize, longCount } = partition(total, parts);
      expect(longCount * longSize + (parts - longCount) * shortSize).toBe(total);
      expect(longSize - shortSize).toBe(total % parts === 0 ? 0 : 1);
      expect(longCount).toBeLessThan(parts);
    }),
  );
});

test('blocks cover the object without gap or overlap', () => {
  return check(
    'blocks',
    200,
    fc.property(options, (values) => {
      const oti = new Oti(values);
      let at = 0;
      for (let sbn = 0; sbn < oti.sourceBlocks; sbn++) {
        expect(oti.blockOffset(sbn)).toBe(at);
        expect(Math.ceil(oti.blockLength(sbn) / oti.symbolSize)).toBe(oti.blockSymbols(sbn));
        at += oti.blockLength(sbn);
      }
      expect(at).toBe(oti.transferLength);
    }),
  );
});

test('toBytes and parse are inverse', () => {
  return check(
    'oti',
    1000,
    fc.property(options, (values) => {
      const oti = new Oti(values);
      expect(oti).toMatchObject({ ...values, subBlocks: 1 });
      const parsed = Oti.parse(oti.toBytes());
      expect(parsed).toMatchObject(values);
      expect(parsed.toBytes()).toEqual(oti.toBytes());
    }),
  );
});

test('parse accepts bytes that toBytes writes and refuses all others with MALFORMED', async () => {
  let accepted = 0;
  const garbage = fc.oneof(
    fc.uint8Array({ minLength: 0, maxLength: 16 }),
    fc
      .tuple(options, fc.nat(11), fc.nat(255))
      .map(([values, at, byte]) => new Oti(values).toBytes().fill(byte, at, at + 1)),
  );
  await check(
    'oti-garbage',
    3000,
    fc.property(garbage, (bytes) => {
      try {
        expect(Oti.parse(bytes).toBytes()).toEqual(bytes);
        accepted++;
      } catch (error) {
        expect(error).toMatchObject({ name: 'HeadwaterError', code: 'MALFORMED' });
      }
    }),
  );
  expect(accepted).toBeGreaterThan(100);
});

test('the layout of the fields: F in 40 bits, a reserved byte, T, Z, N, Al', () => {
  const oti = new Oti({ transferLength: 0x0102030405, symbolSize: 0x1230, sourceBlocks: 200 });
  expect([...oti.toBytes()]).toEqual([1, 2, 3, 4, 5, 0, 0x12, 0x30, 200, 0, 1, 16]);
});

test.each([
  ['transferLength 0', { transferLength: 0, symbolSize: 16 }],
  ['transferLength over the largest', { transferLength: MAX_TRANSFER_LENGTH + 1, symbolSize: 65520 }],
  ['a fractional transferLength', { transferLength: 1.5, symbolSize: 16 }],
  ['symbolSize 0', { transferLength: 1, symbolSize: 0 }],
  ['symbolSize not a multiple of 16', { transferLength: 1, symbolSize: 24 }],
  ['symbolSize over 65535', { transferLength: 1, symbolSize: 65536 }],
  ['more blocks than symbols', { transferLength: 100, symbolSize: 64, sourceBlocks: 3 }],
  ['256 blocks', { transferLength: 1e6, symbolSize: 64, sourceBlocks: 256 }],
  ['blocks of more than 56403 symbols', { transferLength: 56404 * 64, symbolSize: 64, sourceBlocks: 1 }],
  ['an object that no 255 blocks hold', { transferLength: 56403 * 255 * 16 + 1, symbolSize: 16 }],
  ['alignment 0', { transferLength: 1, symbolSize: 16, alignment: 0 }],
])('%s is refused with INVALID_ARGUMENT', (_, values) => {
  expect(() => new Oti(values)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

describe('the number of blocks by default', () => {
  test.each([
    [1, 1],
    [1024, 1],
    [1025, 2],
    [4096, 4],
    [209_716, 205],
    [1_000_000, 255],
  ])('%i symbols: %i blocks', (symbols, blocks) => {
    expect(new Oti({ transferLength: symbols * 1280, symbolSize: 1280 }).sourceBlocks).toBe(blocks);
  });

  test('sbn out of range is refused', () => {
    const oti = new Oti({ transferLength: 5000, symbolSize: 16, sourceBlocks: 3 });
    for (const sbn of [-1, 3, 0.5, Number.NaN])
      expect(() => oti.blockSymbols(sbn)).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
  });
});
