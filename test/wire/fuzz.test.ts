/**
 * Whatever text a member seals: each parser returns, or throws MALFORMED, and nothing else; what it returns are views of
 * the datagram, so no length that somebody wrote is ever memory of ours. The texts stand inside a larger buffer, as those
 * of a datagram do: what lies around them must not be read.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rangesFault } from '../../src/core/ranges.js';
import { HeadwaterError } from '../../src/errors.js';
import { type Contents, parseContents } from '../../src/wire/datagram.js';
import { ACK_SPAN } from '../../src/wire/frames/ack.js';
import { featureOf, frameSize } from '../../src/wire/frames.js';
import { MAX_AHEAD, MAX_PROGRESS_ENTRIES } from '../../src/wire/limits.js';
import { parseSymbol, SERVED, type SymbolFrame } from '../../src/wire/symbol.js';
import { contentsText, framesText, symbolText, textOf } from './arbitrary.js';
import { holds } from './holds.js';

test('arbitrary bytes', () =>
  holds(
    'arbitrary bytes',
    fc.property(fc.uint8Array({ maxLength: 1500 }), (bytes) => {
      const text = inLargerBuffer(bytes);
      checkViews(text, parseAll(text));
    }),
    1000,
  ));

test('arbitrary bytes behind a good frame type', () =>
  holds(
    'arbitrary bodies',
    fc.property(fc.integer({ min: 0, max: 14 }), fc.uint8Array({ maxLength: 1500 }), (type, body) => {
      const text = inLargerBuffer([type, ...body]);
      checkViews(text, parseAll(text));
    }),
    1000,
  ));

test('a symbol cut anywhere is malformed', () =>
  holds(
    'cut symbols',
    fc.property(symbolText, ({ text, frames, symbol }) => {
      const bytes = inLargerBuffer(text);
      const start = bytes.length - symbol.length;
      expect(parseAll(bytes.subarray(0, start)).contents?.frames).toEqual(frames);
      const parsed = [];
      for (let length = start; length < bytes.length; length++)
        if (parseAll(bytes.subarray(0, length)).symbol) parsed.push(length);
      expect(parsed).toEqual([]);
      expect(parseAll(bytes).symbol).toBeDefined();
    }),
    20,
  ));

test('frames cut anywhere are malformed, or fewer frames where one ends', () =>
  holds(
    'cut frames',
    fc.property(framesText, (text) => {
      const bytes = inLargerBuffer(text);
      const whole = parseAll(bytes).contents!.frames;
      const ends = new Map([[0, 0]]);
      whole.reduce((at, frame, i) => {
        ends.set(at + frameSize(frame), i + 1);
        return at + frameSize(frame);
      }, 0);
      for (let length = 0; length <= bytes.length; length++) {
        const cut = bytes.subarray(0, length);
        const parsed = parseAll(cut);
        checkViews(cut, parsed);
        const count = ends.get(length);
        if (count === undefined) expect(parsed.contents).toBeUndefined();
        else expect(parsed.contents).toEqual({ frames: whole.slice(0, count), symbol: undefined });
      }
    }),
    20,
  ));

test('valid texts, mutated', async () => {
  const seen = { parsed: 0, malformed: 0 };
  await holds(
    'mutations',
    fc.property(
      fc.tuple(contentsText, contentsText),
      fc.array(mutation(), { minLength: 1, maxLength: 4 }),
      ([text, other], mutations) => {
        const bytes = inLargerBuffer(mutations.reduce((now, mutate) => mutate(now, other), text));
        const parsed = parseAll(bytes);
        checkViews(bytes, parsed);
        if (parsed.contents) seen.parsed++;
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
  const number = (value: number) => [0, 0, 0, 0, value >> 8, value & 255];
  const ack = (form: number, largest: number, ...rest: number[]) => [
    2,
    form,
    ...number(largest),
    0,
    0,
    0,
    ...number(0),
    ...rest,
  ];

  test.each([
    [
      'a vector of 65,535 entries, all missing',
      [3, ...zeros(12), 255, 255],
      'origin: expected 2 bytes, got 0',
    ],
    [
      'a vector with 33 bytes of bitmap',
      [3, ...zeros(12), 0, 1, ...zeros(49), 33],
      'bitmap: expected at most 32 bytes, got 33',
    ],
    [
      'a vector with 32 bytes of bitmap, all missing',
      [3, ...zeros(12), 0, 1, ...zeros(49), 32],
      'bitmap: expected 32 bytes, got 0',
    ],
    [
      'a vector that keeps less than it holds, the wrong way round',
      [3, ...zeros(12), 0, 1, ...zeros(11), 2, ...zeros(3), 1, ...zeros(34)],
      'base: expected at most 1, got 2',
    ],
    [
      'a vector that is READY for more than it holds',
      [3, ...zeros(12), 0, 1, ...zeros(15), 1, ...zeros(32), 1, ...zeros(3), 2, 0],
      'ready: expected 1 to 1, got 2',
    ],
    [
      'a vector that is READY for nothing, said at length',
      [3, ...zeros(12), 0, 1, ...zeros(15), 1, ...zeros(32), 1, ...zeros(4), 0],
      'ready: expected 1 to 1, got 0',
    ],
    [
      'a vector of a stream that is the first, and has not ended',
      [3, ...zeros(12), 0, 1, ...zeros(48), 8, 0],
      'entry flags: expected READY, and none or ENDED, or ENDED with FIRST or, without READY, with OVER; got 8',
    ],
    [
      'a vector of a stream that is over and has not ended',
      [3, ...zeros(12), 0, 1, ...zeros(48), 4, 0],
      'entry flags: expected READY, and none or ENDED, or ENDED with FIRST or, without READY, with OVER; got 4',
    ],
    [
      'a vector of a stream that is over and kept',
      [3, ...zeros(12), 0, 1, ...zeros(15), 1, ...zeros(32), 6, 0],
      'a stream that is over: expected base 1 and no bitmap, got 0',
    ],
    ['a pull of 255 entries', [9, ...id(), 255], 'deficits: expected at most 64, got 255'],
    ['a pull of 64 entries, all missing', [9, ...id(), 64], 'deficit SBN: expected 1 bytes, got 0'],
    [
      'a pull of a block that no object has',
      [9, ...id(), 1, 255, 0, 1],
      'deficit SBN: expected less than 255, got 255',
    ],
    ['a gone without its digest', [10, ...zeros(12)], 'chain: expected 32 bytes, got 0'],
    [
      'a progress of 255 blocks without their bitmap',
      [4, ...id(), 255],
      'complete bitmap: expected 32 bytes, got 0',
    ],
    ['a progress of 255 entries', [4, ...id(), 8, 0, 255], 'deficits: expected at most 64, got 255'],
    ['a progress of 64 entries, all missing', [4, ...id(), 8, 0, 64], 'deficit SBN: expected 1 bytes, got 0'],
    [
      'a progress about a block that is not there',
      [4, ...id(), 8, 0, 1, 8, 0, 1],
      'deficit SBN: expected less than 8, got 8',
    ],
    ['an ack of no known form', ack(2, 9), 'ack: form: expected 0 or 1, got 2'],
    ['an ack of 65,535 ranges', ack(0, 9, 255, 255), 'ack: range count: expected at most 2048, got 65535'],
    ['an ack of 2048 ranges, all missing', ack(0, 9, 8, 0), 'ack range: expected 1 bytes, got 0'],
    ['an ack of no range', ack(0, 9, 0, 0), 'ack: no range'],
    ['an ack of numbers below zero', ack(0, 9, 0, 1, 10), 'ack: below zero'],
    ['an ack that reaches too far back', ack(0, 9000, 0, 1, 0x90, 0), 'ack: reaches too far back'],
    [
      'an ack with a range in two bytes that fits one',
      ack(0, 9, 0, 1, 0x80, 5),
      'ack: range longer than it needs',
    ],
    [
      'an ack with 65,535 bytes of bitmap',
      ack(1, 9, 255, 255),
      'ack: bitmap length: expected at most 512, got 65535',
    ],
    [
      'an ack with 512 bytes of bitmap, all missing',
      ack(1, 9, 2, 0),
      'ack bitmap: expected 512 bytes, got 0',
    ],
    [
      'an ack with an empty byte at the end of its bitmap',
      ack(1, 99, 0, 2, 1, 0),
      'ack: bitmap ends in an empty byte',
    ],
    ['an ack whose bitmap goes below zero', ack(1, 3, 0, 1, 255), 'ack: below zero'],
    ['a policy without its delay', [6, 0, 1], 'ack delay: expected 3 bytes, got 0'],
    ['a probe without its size', [7, 1], 'probe size: expected 2 bytes, got 1'],
    ['a symbol longer than the datagram', [11, 0, 3, 1, 2], 'symbol: expected 3 bytes, got 2'],
    ['a frame of no known type', [16, ...id()], 'frame type: expected one that is known, got 16'],
    ['a part of a third half', [15, 0, 1, 2], 'half: expected 0 or 1, got 2'],
    ['an optional frame longer than the text', [99, 0, 3, 1, 2], 'frame: expected 3 bytes, got 2'],
    ['an optional frame that is known and too short', [64, 0, 1, 9], 'path size: expected 2 bytes, got 1'],
    [
      'a path size below what every path carries',
      [64, 0, 2, 4, 207],
      'path size: expected 1232 or more, got 1231',
    ],
    ['a listed symbol longer than the datagram', [13, 0, 1, 0, 0, 3, 1], 'symbol: expected 3 bytes, got 1'],
    ['a manifest without its hashes', [12, 0, 1, ...zeros(52)], 'length: expected at least 1, got 0'],
  ])('%s', (_what, text, message) => {
    expect(() => parseContents(inLargerBuffer(text))).toThrow(
      expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message }),
    );
  });

  function id(): number[] {
    return zeros(12);
  }

  function zeros(count: number): number[] {
    return Array(count).fill(0);
  }
});

test('nothing behind the first byte of padding is looked at', () => {
  const text = [...textOf({ frames: [{ kind: 'ping' }], symbol: undefined }), 0, 255, 255, 1, 2];
  expect(parseContents(inLargerBuffer(text))).toEqual({ frames: [{ kind: 'ping' }], symbol: undefined });
});

interface Parsed {
  contents: Contents | undefined;
  /** Of the SYMBOL in the contents. */
  symbol: SymbolFrame | undefined;
}

/** Parses as an endpoint does; undefined stands for MALFORMED. */
function parseAll(text: Uint8Array): Parsed {
  const contents = attempt(() => parseContents(text));
  return { contents, symbol: contents?.symbol && attempt(() => parseSymbol(contents.symbol!)) };
}

function attempt<T>(parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}

/** All byte strings are views of the text, all lists are within their limits, and frames fill exactly the bytes there are. */
function checkViews(bytes: Uint8Array, { contents, symbol }: Parsed): void {
  if (!contents) return;
  const views: Uint8Array[] = [];
  if (contents.symbol) views.push(contents.symbol);
  if (symbol) {
    views.push(symbol.descriptorBytes, symbol.descriptor.hash, symbol.signature, symbol.proof);
    views.push(symbol.leafBytes, symbol.leaf.symbol);
    const count = symbol.depth === SERVED ? symbol.index + 1 : 1;
    expect(symbol.leaf.symbol).toHaveLength(count * symbol.descriptor.symbolSize);
  }
  let size = contents.symbol ? 1 + contents.symbol.length : 0;
  for (const frame of contents.frames) {
    size += frameSize(frame);
    if (frame.kind === 'vector') {
      for (const { base, count, ready, chain, ahead } of frame.entries) {
        views.push(chain, ahead);
        expect(base).toBeLessThanOrEqual(count);
        expect(ready).toBeLessThanOrEqual(count);
        expect(ahead.length).toBeLessThanOrEqual(MAX_AHEAD);
      }
    } else if (frame.kind === 'gone') views.push(frame.chain);
    else if (frame.kind === 'pull') expect(frame.missing.length).toBeLessThanOrEqual(MAX_PROGRESS_ENTRIES);
    else if (frame.kind === 'progress') {
      views.push(frame.complete);
      expect(frame.missing.length).toBeLessThanOrEqual(MAX_PROGRESS_ENTRIES);
    } else if (frame.kind === 'sized-symbol') {
      views.push(frame.body);
    } else if (frame.kind === 'unknown') {
      views.push(frame.body);
    } else if (frame.kind === 'part') {
      views.push(frame.bytes);
    } else if (frame.kind === 'listed') {
      views.push(frame.symbol);
    } else if (frame.kind === 'served') {
      views.push(frame.symbols);
    } else if (frame.kind === 'manifest') {
      const { bytes: all, descriptorBytes, signature, hashes, proof, count } = frame.manifest;
      // What is served lists none.
      views.push(all, descriptorBytes, signature, proof, ...(count > 0 ? [hashes] : []));
    } else if (frame.kind === 'ack') {
      const { ranges } = frame.ack;
      expect(rangesFault(ranges, 2 ** 48 - 1)).toBeUndefined();
      expect(ranges[0] - ranges[ranges.length - 1]).toBeLessThan(ACK_SPAN);
    }
  }
  // An ack may have come in the longer of its two forms, an optional frame with more than we know. What is left over is padding.
  if (!contents.frames.some((frame) => frame.kind === 'ack' || featureOf(frame))) {
    expect(size).toBeLessThanOrEqual(bytes.length);
    if (contents.symbol) expect(size).toBe(bytes.length);
    else if (size < bytes.length) expect(bytes[size]).toBe(0);
  }
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
  // Where types, counts and lengths stand: in the first frame, and in a SYMBOL that is alone.
  const lengthField = fc.constantFrom(0, 1, 13, 14, 16, 17, 18, 19, 20, 21, 23, 27, 47, 48, 51, 53, 54);
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
