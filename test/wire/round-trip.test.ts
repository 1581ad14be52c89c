/** What is written is read back, field by field, for every value a field can hold; the bytes themselves are in format.test.ts. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reader, Writer } from '../../src/core/bytes.js';
import { countRanges } from '../../src/core/ranges.js';
import { ackWish, parseContents, writeDatagram } from '../../src/wire/datagram.js';
import { ackLength, parseAck, writeAck } from '../../src/wire/frames/ack.js';
import { frameSize } from '../../src/wire/frames.js';
import {
  FRAME_TYPE_SIZE,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
} from '../../src/wire/limits.js';
import { parseSymbol, writeDescriptor, writeLeaf } from '../../src/wire/symbol.js';
import { ack, contents, frame, frames, symbolBody, symbolParts, textOf } from './arbitrary.js';
import { holds } from './holds.js';

test('a symbol, with the bytes that its hash and its signature cover', () =>
  holds(
    'symbol round trip',
    fc.property(symbolParts, fc.nat(40), (parts, offset) => {
      const around = Uint8Array.from([...new Uint8Array(offset), ...symbolBody(parts), 1, 2, 3]);
      expect(parseSymbol(around.subarray(offset, around.length - 3))).toEqual({
        ...parts,
        descriptorBytes: writeDescriptor(parts.descriptor),
        leafBytes: writeLeaf(parts.leaf),
      });
    }),
  ));

test('an ack, in as many bytes as it says', () =>
  holds(
    'ack round trip',
    fc.property(ack, (written) => {
      const writer = new Writer(ackLength(written));
      writeAck(writer, written);
      expect(writer.offset).toBe(ackLength(written));
      const reader = new Reader(writer.bytes);
      expect(parseAck(reader)).toEqual(written);
      expect(reader.remaining).toBe(0);
      // 16 bytes, and then two at most for each eight numbers that it reaches back.
      const reach = written.ranges[0] - written.ranges[written.ranges.length - 1];
      expect(ackLength(written)).toBeLessThanOrEqual(18 + Math.ceil(reach / 8));
      expect(countRanges(written.ranges)).toBeGreaterThan(0);
    }),
  ));

describe('the contents of a datagram', () => {
  test('with any frames, with a symbol or without', () =>
    holds(
      'contents round trip',
      fc.property(contents, (written) => {
        expect(parseContents(textOf(written))).toEqual(written);
      }),
    ));

  test('and zeros behind the frames, if a size is asked for', () =>
    holds(
      'padding round trip',
      fc.property(frames, fc.nat(9000), (written, size) => {
        const datagram = writeDatagram(written, undefined, size);
        expect(datagram.length).toBe(Math.max(size, writeDatagram(written).length));
        const text = datagram.subarray(PROTECTED_HEADER, datagram.length - PROTECTED_TAG);
        expect(parseContents(text)).toEqual({ frames: written, symbol: undefined });
      }),
    ));

  test('take as many bytes as their frames say, a symbol one more than its body', () =>
    holds(
      'frame sizes',
      fc.property(contents, frame, (written, another) => {
        const length = (made: typeof written): number => writeDatagram(made.frames, made.symbol).length;
        const own = written.symbol ? FRAME_TYPE_SIZE + written.symbol.length : 0;
        const sum = written.frames.reduce((all, each) => all + frameSize(each), own);
        expect(length(written)).toBe(PROTECTED_OVERHEAD + sum);
        const more = { ...written, frames: [another, ...written.frames] };
        expect(length(more) - length(written)).toBe(frameSize(another));
      }),
    ));

  test('ask for an acknowledgement if there is anything but acks in them', () =>
    holds(
      'eliciting',
      fc.property(contents, (written) => {
        const others = written.frames.filter(({ kind }) => kind !== 'ack').length;
        expect(ackWish(written) !== 'none').toBe(others > 0 || written.symbol !== undefined);
      }),
    ));
});
