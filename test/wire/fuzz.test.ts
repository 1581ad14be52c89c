/**
 * Whatever bytes arrive: each parser returns, or throws MALFORMED, and nothing else; what it returns are views of the
 * datagram, so no length that a stranger wrote is ever memory of ours. The datagrams stand inside a larger buffer, as
 * those of a socket do: what lies around them must not be read.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { HeadwaterError } from '../../src/errors.js';
import { type Control, frameSize, parseControl, splitControl } from '../../src/wire/control.js';
import { type Header, parseHeader } from '../../src/wire/header.js';
import { HEADER_SIZE, SIGNATURE_SIZE } from '../../src/wire/limits.js';
import { parseSymbol, type SymbolFrame } from '../../src/wire/symbol.js';
import { controlDatagram, symbolDatagram } from './arbitrary.js';
import { holds } from './holds.js';

const CONTROL_FIXED = HEADER_SIZE + 34 + SIGNATURE_SIZE;
const anyDatagram = fc.oneof(symbolDatagram, controlDatagram);

test('arbitrary bytes', () =>
  holds(
    'arbitrary bytes',
    fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
      checkViews(bytes, parseAll(bytes));
    }),
    1000,
  ));

test('arbitrary bytes behind a good header', () =>
  holds(
    'arbitrary bodies',
    fc.property(anyDatagram, fc.uint8Array({ maxLength: 1500 }), (datagram, body) => {
      const bytes = inLargerBuffer([...datagram.subarray(0, HEADER_SIZE), ...body]);
      const parsed = parseAll(bytes);
      expect(parsed.header).toBeDefined();
      checkViews(bytes, parsed);
    }),
    1000,
  ));

test('a symbol datagram cut anywhere is malformed', () =>
  holds(
    'cut symbols',
    fc.property(symbolDatagram, (datagram) => {
      const bytes = inLargerBuffer(datagram);
      for (let length = 0; length < bytes.length; length++)
        expect(parseAll(bytes.subarray(0, length)).symbol).toBeUndefined();
      expect(parseAll(bytes).symbol).toBeDefined();
    }),
    20,
  ));

test('a control datagram cut anywhere is malformed, or a shorter one of fewer frames', () =>
  holds(
    'cut control',
    fc.property(controlDatagram, (datagram) => {
      const bytes = inLargerBuffer(datagram);
      const whole = parseAll(bytes).control!;
      for (let length = 0; length < bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const parsed = parseAll(cut);
        checkViews(cut, parsed);
        // Its last 64 bytes are taken for the signature, so it cannot pass for one; see endpoint.ts.
        if (parsed.control)
          expect(parsed.control.frames).toEqual(whole.frames.slice(0, parsed.control.frames.length));
        if (parsed.control)
          expect(parsed.control.frames.length).toBeLessThan(Math.max(1, whole.frames.length));
      }
    }),
    20,
  ));

test('valid datagrams, mutated', async () => {
  const seen = { parsed: 0, malformed: 0 };
  await holds(
    'mutations',
    fc.property(
      fc.tuple(anyDatagram, anyDatagram),
      fc.array(mutation(), { minLength: 1, maxLength: 4 }),
      ([datagram, other], mutations) => {
        const bytes = inLargerBuffer(mutations.reduce((now, mutate) => mutate(now, other), datagram));
        const parsed = parseAll(bytes);
        checkViews(bytes, parsed);
        if (parsed.symbol || parsed.control) seen.parsed++;
        else seen.malformed++;
      },
    ),
    1500,
  );
  // The mutations are worth something: many get past the parser, many do not.
  expect(seen.parsed).toBeGreaterThan(150);
  expect(seen.malformed).toBeGreaterThan(150);
});

describe('lengths and counts that promise more than there is', () => {
  test.each([
    [
      'a confirm with 255 bytes of bitmap',
      [1, ...id(), ...hash(), 0, 255],
      'confirmed bitmap: expected at most 64 bytes, got 255',
    ],
    [
      'a confirm with 64 bytes of bitmap, all missing',
      [1, ...id(), ...hash(), 0, 64],
      'confirmed bitmap: expected 64 bytes, got 0',
    ],
    [
      'a progress of 255 blocks without their bitmap',
      [2, ...id(), 255],
      'complete bitmap: expected 32 bytes, got 0',
    ],
    ['a progress of 255 entries', [2, ...id(), 8, 0, 255], 'deficits: expected at most 64, got 255'],
    ['a progress of 64 entries, all missing', [2, ...id(), 8, 0, 64], 'deficit SBN: expected 1 bytes, got 0'],
    [
      'a progress about a block that is not there',
      [2, ...id(), 8, 0, 1, 8, 0, 1],
      'deficit SBN: expected less than 8, got 8',
    ],
    ['a frame of no known type', [3, ...id()], 'frame type: expected 1 or 2, got 3'],
  ])('%s', (_what, frame, message) => {
    const datagram = Uint8Array.from([
      ...new Uint8Array(CONTROL_FIXED - SIGNATURE_SIZE),
      ...frame,
      ...new Uint8Array(SIGNATURE_SIZE),
    ]);
    expect(() => parseControl(datagram)).toThrow(
      expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message }),
    );
  });

  function id(): number[] {
    return Array(12).fill(0);
  }

  function hash(): number[] {
    return Array(32).fill(0);
  }
});

test('a control datagram without room for header and signature has no signature', () => {
  expect(splitControl(new Uint8Array(HEADER_SIZE + SIGNATURE_SIZE)).signed).toHaveLength(HEADER_SIZE);
  expect(() => splitControl(new Uint8Array(HEADER_SIZE + SIGNATURE_SIZE - 1))).toThrow(
    expect.objectContaining({
      code: 'MALFORMED',
      message: 'control: expected a signature, got 79 bytes in all',
    }),
  );
});

interface Parsed {
  header: Header | undefined;
  symbol: SymbolFrame | undefined;
  control: Control | undefined;
  split: { signed: Uint8Array; signature: Uint8Array } | undefined;
}

/** Runs every parser over the bytes, whatever their header says; undefined stands for MALFORMED. */
function parseAll(bytes: Uint8Array): Parsed {
  return {
    header: attempt(() => parseHeader(bytes)),
    symbol: attempt(() => parseSymbol(bytes, HEADER_SIZE)),
    control: attempt(() => parseControl(bytes)),
    split: attempt(() => splitControl(bytes)),
  };
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}

/** All byte strings are views of the datagram; the frames of a control datagram fill exactly the bytes there are for them. */
function checkViews(bytes: Uint8Array, { header, symbol, control, split }: Parsed): void {
  const views: Uint8Array[] = [];
  if (header) views.push(header.groupTag);
  if (symbol) {
    views.push(symbol.descriptorBytes, symbol.descriptor.hash, symbol.signature, symbol.proof);
    views.push(symbol.leafBytes, symbol.leaf.symbol);
    expect(symbol.leaf.symbol).toHaveLength(symbol.descriptor.symbolSize);
  }
  if (control) {
    for (const frame of control.frames)
      if (frame.kind === 'confirm') views.push(frame.hash, frame.confirmed);
      else views.push(frame.complete);
    const framesSize = control.frames.reduce((sum, frame) => sum + frameSize(frame), 0);
    expect(framesSize).toBe(bytes.length - CONTROL_FIXED);
  }
  if (split) views.push(split.signed, split.signature);
  const end = bytes.byteOffset + bytes.length;
  const outside = views.filter(
    (view) =>
      view.buffer !== bytes.buffer ||
      view.byteOffset < bytes.byteOffset ||
      view.byteOffset + view.length > end,
  );
  expect(outside).toEqual([]);
}

/** A view of the bytes between others that are all 0xff. */
function inLargerBuffer(bytes: ArrayLike<number>): Uint8Array {
  const buffer = new Uint8Array(bytes.length + 96).fill(0xff);
  buffer.set(bytes, 32);
  return buffer.subarray(32, 32 + bytes.length);
}

type Mutation = (datagram: Uint8Array, other: Uint8Array) => Uint8Array;

function mutation(): fc.Arbitrary<Mutation> {
  const place = fc.double({ min: 0, max: 1, noNaN: true, maxExcluded: true });
  // Where counts and lengths stand: after the header, and where the first frame of a control datagram begins.
  const lengthField = fc.constantFrom(
    16 + 17,
    16 + 18,
    16 + 19,
    16 + 52,
    16 + 53,
    50,
    50 + 13,
    50 + 14,
    50 + 46,
    50 + 47,
  );
  return fc.oneof(
    fc.record({ place, bit: fc.nat(7) }).map(
      ({ place: p, bit }): Mutation =>
        (datagram) => {
          const changed = datagram.slice();
          if (changed.length > 0) changed[Math.floor(p * changed.length)] ^= 1 << bit;
          return changed;
        },
    ),
    fc.record({ at: lengthField, value: fc.nat(255) }).map(
      ({ at, value }): Mutation =>
        (datagram) => {
          const changed = datagram.slice();
          if (at < changed.length) changed[at] = value;
          return changed;
        },
    ),
    fc.record({ from: place, to: place }).map(
      ({ from, to }): Mutation =>
        (datagram, other) =>
          Uint8Array.from([
            ...datagram.subarray(0, Math.floor(from * datagram.length)),
            ...other.subarray(Math.floor(to * other.length)),
          ]),
    ),
    fc.record({ at: place, count: fc.integer({ min: 1, max: 40 }) }).map(
      ({ at, count }): Mutation =>
        (datagram) => {
          const cut = Math.floor(at * datagram.length);
          return Uint8Array.from([...datagram.subarray(0, cut), ...datagram.subarray(cut + count)]);
        },
    ),
    fc.record({ at: place, more: fc.uint8Array({ maxLength: 40 }) }).map(
      ({ at, more }): Mutation =>
        (datagram) => {
          const cut = Math.floor(at * datagram.length);
          return Uint8Array.from([...datagram.subarray(0, cut), ...more, ...datagram.subarray(cut)]);
        },
    ),
  );
}
