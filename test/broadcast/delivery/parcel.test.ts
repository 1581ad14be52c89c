/** Parcels: what is packed is unpacked, message for message; any other bytes are MALFORMED, and nothing worse. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  compareStreams,
  DEPENDENCY_SIZE,
  MAX_MESSAGES,
  MESSAGE_OVERHEAD,
  PARCEL_OVERHEAD,
  type Parcel,
  parseParcel,
  writeParcel,
} from '../../../src/broadcast/delivery/parcel.js';
import { toHex } from '../../../src/core/bytes.js';
import { Sha256, sha256 } from '../../../src/crypto/hash.js';
import { HeadwaterError } from '../../../src/errors.js';
import { u16, u32, u48 } from '../../wire/arbitrary.js';
import { holds } from '../../wire/holds.js';

/** Of the largest group there can be on the wire: no origin is unknown. */
const MEMBERS = 0x10000;
const STREAM = { origin: MEMBERS, incarnation: 7 };

const parcel: fc.Arbitrary<Parcel> = fc.record({
  dependencies: fc
    .array(fc.record({ origin: u16, incarnation: u48, count: u32 }), { maxLength: 5 })
    .map((all) =>
      all.sort(compareStreams).filter((one, i) => i === 0 || compareStreams(all[i - 1], one) !== 0),
    ),
  messages: fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }),
});

test('come out as they went in, empty messages too, in as many bytes as are reckoned with', () =>
  holds(
    'parcels',
    fc.property(parcel, (written) => {
      const bytes = writeParcel(written);
      expect(attempt(bytes)).toEqual(written);
      const content = written.messages.reduce((sum, { length }) => sum + MESSAGE_OVERHEAD + length, 0);
      expect(bytes).toHaveLength(PARCEL_OVERHEAD + DEPENDENCY_SIZE * written.dependencies.length + content);
    }),
  ));

test('are these bytes', () => {
  const written = writeParcel({
    dependencies: [{ origin: 0x0102, incarnation: 0x030405060708, count: 0x090a0b0c }],
    messages: [Uint8Array.of(0xaa, 0xbb), new Uint8Array(0)],
  });
  expect(toHex(written)).toBe(
    ['01', '0001', '0102', '030405060708', '090a0b0c', '00000002', 'aabb', '00000000'].join(''),
  );
});

test.each([0, 5, 200_000])('are hashed as they are written, with a message of %i bytes', (length) => {
  const hash = new Sha256();
  const written = writeParcel({ dependencies: [], messages: [new Uint8Array(length).fill(7)] }, hash);
  expect(hash.digest()).toEqual(sha256(written));
});

test('stand alone in their memory, so that a small one kept does not keep a large pool', () => {
  const { buffer, length } = writeParcel({ dependencies: [], messages: [new Uint8Array(5)] });
  expect(buffer.byteLength).toBe(length);
});

test('cut short anywhere but behind a message, or with bytes changed, are malformed or other parcels', () =>
  holds(
    'parcel fuzz',
    fc.property(parcel, fc.nat(), fc.uint8Array({ maxLength: 60 }), (written, cut, noise) => {
      const bytes = writeParcel(written);
      for (const hostile of [noise, bytes.subarray(0, cut % bytes.length), Uint8Array.of(1, ...noise)]) {
        const parsed = attempt(hostile);
        // What is taken for a parcel is one: written again it is the same.
        if (parsed) expect(writeParcel(parsed)).toEqual(Uint8Array.from(hostile));
      }
    }),
    500,
  ));

test.each([
  ['no bytes', [], 'parcel version: expected 1 bytes, got 0'],
  ['another version', [2, 0, 0], 'parcel version: expected 1, got 2'],
  ['65,535 dependencies, all missing', [1, 255, 255], 'origin: expected 2 bytes, got 0'],
  ['a message of 4 GiB', [1, 0, 0, 255, 255, 255, 255, 7], 'message: expected 4294967295 bytes, got 1'],
])('of %s are malformed', (_what, bytes, message) => {
  expect(() => parseParcel(Uint8Array.from(bytes), STREAM, MEMBERS)).toThrow(
    expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message }),
  );
});

test.each([
  ['a stream twice', [1, 1], 'dependencies: expected each stream once, in order, got another order'],
  [
    'streams in another order',
    [2, 1],
    'dependencies: expected each stream once, in order, got another order',
  ],
  ['a member that is not there', [1, 4], 'dependency: expected one of 4 members, got 4'],
  ['its own stream', [1, 3], 'dependency: expected another stream, got its own'],
])('with dependencies on %s are malformed', (_what, origins, message) => {
  const dependencies = origins.map((origin) => ({ origin, incarnation: 7, count: 1 }));
  const bytes = writeParcel({ dependencies, messages: [] });
  expect(() => parseParcel(bytes, { origin: 3, incarnation: 7 }, 4)).toThrow(
    expect.objectContaining({ code: 'MALFORMED', message }),
  );
});

test('give their messages in any order, again and again', () => {
  const written = [3, 0, 5, 0, 1].map((length, i) => new Uint8Array(length).fill(i));
  const { messages } = parseParcel(writeParcel({ dependencies: [], messages: written }), STREAM, 4);
  const order = [2, 2, 4, 0, 1, 3];
  expect(order.map((i) => messages.get(i))).toEqual(order.map((i) => written[i]));
});

test('with more messages than there may be are malformed', () => {
  const parse = (count: number) => parseParcel(empty(count), STREAM, 4);
  expect(parse(MAX_MESSAGES).messages.length).toBe(MAX_MESSAGES);
  expect(() => parse(MAX_MESSAGES + 1)).toThrow('messages: expected at most 256, got more');
});

test('take no memory for each message', () => {
  const bytes = empty(MAX_MESSAGES);
  const before = process.memoryUsage().heapUsed;
  const all = Array.from({ length: 10_000 }, () => parseParcel(bytes, STREAM, 4));
  // As views they would take 250 MB.
  expect([all.length, process.memoryUsage().heapUsed - before < 50e6]).toEqual([10_000, true]);
});

/** A parcel of messages without bytes. */
function empty(count: number): Uint8Array {
  const bytes = new Uint8Array(PARCEL_OVERHEAD + MESSAGE_OVERHEAD * count);
  bytes[0] = 1;
  return bytes;
}

test('with more dependencies than there can be streams are malformed', () => {
  const dependencies = Array.from({ length: 1025 }, (_, incarnation) => ({
    origin: 1,
    incarnation,
    count: 1,
  }));
  const parse = (count: number) =>
    parseParcel(writeParcel({ dependencies: dependencies.slice(0, count), messages: [] }), STREAM, 4);
  expect(parse(1024).dependencies).toHaveLength(1024);
  expect(() => parse(1025)).toThrow('dependencies: expected at most 1024, got 1025');
});

function attempt(bytes: Uint8Array): Parcel | undefined {
  try {
    const { dependencies, messages } = parseParcel(bytes, STREAM, MEMBERS);
    return { dependencies, messages: Array.from({ length: messages.length }, (_, i) => messages.get(i)) };
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}
