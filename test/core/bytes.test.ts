/** Network byte order both ways, the bounds of a Reader, and the small byte helpers against those of Node. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compareBytes, equalBytes, Reader, toHex, Writer } from '../../src/core/bytes.js';
import { u8, u16, u24, u32, u40, u48 } from '../wire/arbitrary.js';
import { holds } from '../wire/holds.js';

const anyBytes = fc.uint8Array({ maxLength: 12 });

describe('fields', () => {
  test('are big-endian', () => {
    const writer = new Writer(23).u8(0x01).u16(0x0203).u24(0x040506).u32(0x0708090a).u40(0x0b0c0d0e0f);
    const written = writer.u48(0x101112131415).put(Uint8Array.of(0x16, 0x17)).finish();
    expect(toHex(written)).toBe('0102030405060708090a0b0c0d0e0f1011121314151617');
  });

  test('are read as they were written, whatever their values', () =>
    holds(
      'fields round trip',
      fc.property(u8, u16, u24, u32, u40, u48, anyBytes, (a, b, c, d, e, f, rest) => {
        const writer = new Writer(21 + rest.length).u8(a).u16(b).u24(c).u32(d).u40(e).u48(f).put(rest);
        const reader = new Reader(writer.finish());
        const read = [
          reader.u8('a'),
          reader.u16('b'),
          reader.u24('c'),
          reader.u32('d'),
          reader.u40('e'),
          reader.u48('f'),
        ];
        expect(read).toEqual([a, b, c, d, e, f]);
        expect(reader.take(rest.length, 'rest')).toEqual(rest);
        expect(() => reader.finish('all')).not.toThrow();
      }),
    ));
});

describe('a reader', () => {
  // The bytes around the part that is read are there, and must not be seen.
  const around = Uint8Array.from([9, 9, 1, 2, 3, 9, 9, 9, 9, 9, 9]);

  test.each<[string, (reader: Reader) => unknown, number]>([
    ['u8', (reader) => reader.u8('port'), 1],
    ['u16', (reader) => reader.u16('port'), 2],
    ['u24', (reader) => reader.u24('port'), 3],
    ['u32', (reader) => reader.u32('port'), 4],
    ['u40', (reader) => reader.u40('port'), 5],
    ['u48', (reader) => reader.u48('port'), 6],
    ['take', (reader) => reader.take(4, 'port'), 4],
  ])('does not read past its end: %s', (_name, read, size) => {
    const end = 2 + size - 1;
    for (const reader of [new Reader(around, 2, end), new Reader(around.subarray(0, end), 2)])
      expect(() => read(reader)).toThrow(
        expect.objectContaining({
          code: 'MALFORMED',
          message: `port: expected ${size} bytes, got ${size - 1}`,
        }),
      );
  });

  test('does not move on a failure', () => {
    const reader = new Reader(around, 2, 5);
    expect(() => reader.u32('port')).toThrow();
    expect([reader.remaining, reader.u24('port')]).toEqual([3, 0x010203]);
  });

  test('reads a view in the middle of a buffer', () => {
    const reader = new Reader(around.subarray(2, 5));
    expect([reader.u16('a'), reader.u8('b'), reader.remaining]).toEqual([0x0102, 3, 0]);
  });

  test('takes views and no copies', () => {
    expect(new Reader(around, 2).take(3, 'part').buffer).toBe(around.buffer);
  });

  test('that has not reached its end says how much is left', () => {
    expect(() => new Reader(around, 2, 5).finish('frame')).toThrow(
      expect.objectContaining({ code: 'MALFORMED', message: 'frame: expected its end, got 3 more bytes' }),
    );
  });
});

test('compareBytes and equalBytes agree with Buffer', () =>
  holds(
    'byte order',
    fc.property(anyBytes, anyBytes, (a, b) => {
      expect(Math.sign(compareBytes(a, b))).toBe(Buffer.compare(a, b));
      expect(equalBytes(a, b)).toBe(Buffer.compare(a, b) === 0);
      expect(equalBytes(a, a.slice())).toBe(true);
    }),
  ));

test('toHex agrees with Buffer', () =>
  holds(
    'hex',
    fc.property(anyBytes, (bytes) => {
      expect(toHex(bytes)).toBe(Buffer.from(bytes).toString('hex'));
    }),
  ));
