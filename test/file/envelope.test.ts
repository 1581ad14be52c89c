/** Messages and files in objects: what goes in comes out, and what was never put in is MALFORMED. */
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import { describe, expect, test } from 'vitest';
import { type Receipt, unwrap, wrapFile, wrapMessage, wrapReceipt } from '../../src/file/envelope.js';
import { holds } from '../wire/holds.js';

const content = fc.uint8Array({ maxLength: 300 });
const packr = new Packr({ useRecords: false });

test('a message', () =>
  holds(
    'message round trip',
    fc.property(content, (bytes) => {
      expect(unwrap(wrapMessage(bytes))).toEqual({ kind: 'message', bytes });
    }),
  ));

test('a file with its name', () =>
  holds(
    'file round trip',
    fc.property(fc.string({ unit: 'grapheme', maxLength: 255 }), content, (name, bytes) => {
      expect(unwrap(wrapFile(name, bytes))).toEqual({ kind: 'file', name, bytes });
    }),
  ));

test('a receipt', () =>
  holds(
    'receipt round trip',
    fc.property(
      fc.record({
        of: fc.record({
          origin: fc.nat(0xffff),
          incarnation: fc.nat(2 ** 48 - 1),
          seq: fc.nat(0xffffffff),
          index: fc.nat(0xffffffff),
        }),
        state: fc.constantFrom<Receipt['state']>('saved', 'failed', 'held'),
        reason: fc.string({ maxLength: 200 }),
      }),
      (receipt) => {
        expect(unwrap(wrapReceipt(receipt))).toEqual({ kind: 'receipt', receipt });
      },
    ),
  ));

test('the reason in a receipt is cut to what others take', () => {
  const of = { origin: 1, incarnation: 2, seq: 3, index: 4 };
  const object = wrapReceipt({ of, state: 'failed', reason: 'x'.repeat(5000) });
  expect(unwrap(object)).toMatchObject({ receipt: { reason: 'x'.repeat(200) } });
});

test('the content is a view of the object', () => {
  const object = wrapFile('a.txt', Uint8Array.of(1, 2, 3));
  expect(unwrap(object)).toMatchObject({ bytes: { buffer: object.buffer } });
});

describe('malformed', () => {
  test.each([
    ['nothing', Uint8Array.of()],
    ['an unknown kind', Uint8Array.of(3, 0, 0)],
    ['a receipt that is cut', Uint8Array.of(2, ...new Uint8Array(16))],
    ['a receipt of an unknown state', Uint8Array.of(2, ...new Uint8Array(16), 3)],
    ['a receipt with too long a reason', Uint8Array.of(2, ...new Uint8Array(17), ...new Uint8Array(201))],
    ['a file without the length of its header', Uint8Array.of(1, 0)],
    ['a file without a header', Uint8Array.of(1, 0, 0)],
    ['a header that is not MessagePack', withHeader(Uint8Array.of(0xc1))],
    ['a header that is a number', withHeader(packr.pack(7))],
    ['a header that is null', withHeader(packr.pack(null))],
    ['a header without a name', withHeader(packr.pack({ size: 3 }))],
    ['a name that is a number', withHeader(packr.pack({ name: 5, size: 3 }))],
    ['another size', withHeader(packr.pack({ name: 'a', size: 4 }))],
    ['a size as text', withHeader(packr.pack({ name: 'a', size: '3' }))],
    ['a header with more behind it', withHeader(Uint8Array.from([...packr.pack({ name: 'a', size: 3 }), 0]))],
    ['a list that claims 2^32 - 1 entries', withHeader(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff))],
    ['a text that claims 2^32 - 1 bytes', withHeader(Uint8Array.of(0xdb, 0xff, 0xff, 0xff, 0xff))],
    ['lists in lists, 65535 deep', withHeader(new Uint8Array(65_535).fill(0x91))],
    ['a header beyond the end, with the size that would make up for it', beyondTheEnd()],
  ])('%s', (_what, object) => {
    expect(() => unwrap(object)).toThrow(
      expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED' }),
    );
  });

  test('a file cut anywhere', () => {
    const object = wrapFile('a.txt', Uint8Array.of(1, 2, 3));
    for (let length = 0; length < object.length; length++)
      expect(() => unwrap(object.subarray(0, length))).toThrow(
        expect.objectContaining({ code: 'MALFORMED' }),
      );
  });

  test('any bytes give a content or MALFORMED, nothing else', () =>
    holds(
      'arbitrary objects',
      fc.property(
        fc.constantFrom(0, 1, 2),
        fc.nat(40),
        fc.uint8Array({ maxLength: 60 }),
        (kind, length, rest) => {
          const object = Uint8Array.from([kind, 0, length, ...rest]);
          try {
            expect(unwrap(object).kind).toBe(['message', 'file', 'receipt'][kind]);
          } catch (error) {
            expect(error).toMatchObject({ code: 'MALFORMED' });
          }
        },
      ),
      1000,
    ));

  /** A file object with this header and three bytes of content. */
  function withHeader(header: Uint8Array): Uint8Array {
    return Uint8Array.from([1, header.length >>> 8, header.length & 0xff, ...header, 1, 2, 3]);
  }

  function beyondTheEnd(): Uint8Array {
    const header = packr.pack({ name: 'a', size: -5 });
    return Uint8Array.from([1, 0, header.length + 5, ...header]);
  }
});
