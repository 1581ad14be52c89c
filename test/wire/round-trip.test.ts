/** What is written is read back, field by field, for every value a field can hold; the bytes themselves are in format.test.ts. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { frameSize, parseControl, splitControl, writeControl } from '../../src/wire/control.js';
import { datagramOf, parseHeader } from '../../src/wire/header.js';
import { HEADER_SIZE } from '../../src/wire/limits.js';
import { parseSymbol, writeDescriptor, writeLeaf } from '../../src/wire/symbol.js';
import { bytes, control, controlFrame, header, symbolBody, symbolParts } from './arbitrary.js';
import { holds } from './holds.js';

test('a header, and the body behind it', () =>
  holds(
    'header round trip',
    fc.property(header, fc.uint8Array({ maxLength: 50 }), (written, body) => {
      const datagram = datagramOf(written, body);
      expect(parseHeader(datagram)).toEqual(written);
      expect(datagram.subarray(HEADER_SIZE)).toEqual(body);
    }),
  ));

test('a symbol, with the bytes that its hash and its signature cover', () =>
  holds(
    'symbol round trip',
    fc.property(symbolParts, fc.nat(40), (parts, offset) => {
      const datagram = Uint8Array.from([...new Uint8Array(offset), ...symbolBody(parts)]);
      expect(parseSymbol(datagram, offset)).toEqual({
        ...parts,
        descriptorBytes: writeDescriptor(parts.descriptor),
        leafBytes: writeLeaf(parts.leaf),
      });
    }),
  ));

describe('a control datagram', () => {
  test('with any frames', () =>
    holds(
      'control round trip',
      fc.property(header, control, bytes(64), (outer, inner, signature) => {
        const datagram = writeControl(outer, inner, () => signature);
        expect(parseHeader(datagram)).toEqual(outer);
        expect(parseControl(datagram)).toEqual(inner);
      }),
    ));

  test('is signed over everything that precedes the signature', () =>
    holds(
      'control signature',
      fc.property(header, control, bytes(64), (outer, inner, signature) => {
        let covered: Uint8Array | undefined;
        const datagram = writeControl(outer, inner, (signed) => {
          covered = signed.slice();
          return signature;
        });
        expect(splitControl(datagram)).toEqual({ signed: covered, signature });
        expect(covered).toEqual(datagram.subarray(0, datagram.length - 64));
      }),
    ));

  test('grows with each frame by its frameSize', () =>
    holds(
      'frame sizes',
      fc.property(header, control, controlFrame, (outer, inner, frame) => {
        const more = { ...inner, frames: [...inner.frames, frame] };
        const growth = write(more).length - write(inner).length;
        expect(growth).toBe(frameSize(frame));

        function write(content: typeof inner): Uint8Array {
          return writeControl(outer, content, () => new Uint8Array(64));
        }
      }),
    ));

  test('an echo held for more than 71 minutes is still an echo, of the longest delay there is', () => {
    const echo = { timestamp: 7, delay: 2 ** 33 };
    const inner = {
      receiver: 0,
      incarnation: 1,
      timestamp: 0,
      ackedIncarnation: 0,
      received: 0,
      highest: 0,
      frames: [],
    };
    const outer = { type: 'control', groupTag: new Uint8Array(8), sender: 0, packetNumber: 1 } as const;
    const datagram = writeControl(outer, { ...inner, echo }, () => new Uint8Array(64));
    expect(parseControl(datagram).echo).toEqual({ timestamp: 7, delay: 2 ** 32 - 2 });
  });
});
