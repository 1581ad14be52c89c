/**
 * The ACK frame on the wire. In: an `Ack`, or bytes. Out: bytes, or an `Ack` that is sound in itself (whether its numbers
 * were ever sent is for `Recovery` to say). The received numbers go as ranges or as a bitmap, whichever is shorter: at
 * 1 % loss ranges take a fifth of the bitmap, from 7 % on they are longer.
 *
 *     u8 form (0 ranges, 1 bitmap) | u48 largest | u24 delay, 8 µs units | u48 received
 *     ranges: u16 count | (count times) run, gap: 1 or 2 bytes each; the last gap is left out
 *     bitmap: u16 bytes | bit i of byte b: largest - 1 - (8 b + i) arrived
 */
import type { Reader, Writer } from '../../core/bytes.js';
import { collectRanges, type Ranges, rangesFault } from '../../core/ranges.js';
import type { Micros } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import type { FrameType } from './frame.js';

/** What an acknowledgement says. */
export interface Ack {
  /** Received numbers, newest first, flat; the first is the largest of all. */
  ranges: Ranges;
  /** How long the largest number was held back before this ack was made. */
  delay: Micros;
  /** Packets received on this path since its start: says what was lost even where older acks were. */
  received: number;
}

export interface AckFrame {
  kind: 'ack';
  ack: Ack;
}

export const ack: FrameType<AckFrame> = {
  type: 2,
  name: 'ack',
  eliciting: false,
  parse: (reader) => ({ kind: 'ack', ack: parseAck(reader) }),
  size: (frame) => ackLength(frame.ack),
  write: (writer, frame) => writeAck(writer, frame.ack),
};

/** Bytes that `writeAck` will write. */
export function ackLength(ack: Ack): number {
  return HEAD + Math.min(rangesLength(ack), bitmapLength(ack));
}

/** Writes an ack as made by `AckTracker.take`. */
export function writeAck(writer: Writer, ack: Ack): void {
  const { ranges } = ack;
  const asRanges = rangesLength(ack) <= bitmapLength(ack);
  writer.u8(asRanges ? RANGES : BITMAP).u48(ranges[0]);
  writer.u24(Math.min(0xffffff, Math.floor(ack.delay / DELAY_UNIT))).u48(ack.received);
  if (!asRanges) {
    const bitmap = bitmapOf(ack);
    writer.u16(bitmap.length).put(bitmap);
    return;
  }
  writer.u16(ranges.length / 2);
  for (let i = 0; i < ranges.length; i += 2) {
    writeSmall(writer, ranges[i] - ranges[i + 1]);
    if (i + 2 < ranges.length) writeSmall(writer, ranges[i + 1] - ranges[i + 2] - 2);
  }
}

/** @throws HeadwaterError MALFORMED */
export function parseAck(reader: Reader): Ack {
  const form = reader.u8('ack form');
  const largest = reader.u48('ack largest');
  const delay = reader.u24('ack delay') * DELAY_UNIT;
  const received = reader.u48('ack received');
  let ranges: number[];
  if (form === RANGES) ranges = parseRanges(reader, largest);
  else if (form === BITMAP) ranges = parseBitmap(reader, largest);
  else throw malformed(`form: expected ${RANGES} or ${BITMAP}, got ${form}`);
  const fault = rangesFault(ranges, largest);
  if (fault !== undefined) throw malformed(fault);
  if (largest - ranges[ranges.length - 1] >= ACK_SPAN) throw malformed('reaches too far back');
  return { ranges, delay, received };
}

function parseRanges(reader: Reader, largest: number): number[] {
  const count = reader.u16('ack range count');
  if (count > ACK_SPAN / 2) throw malformed(`range count: expected at most ${ACK_SPAN / 2}, got ${count}`);
  const ranges: number[] = [];
  let high = largest;
  for (let i = 0; i < count; i++) {
    const low = high - readSmall(reader);
    ranges.push(high, low);
    if (i + 1 < count) high = low - 2 - readSmall(reader);
  }
  return ranges;
}

function parseBitmap(reader: Reader, largest: number): number[] {
  const length = reader.u16('ack bitmap length');
  if (length > ACK_SPAN / 8)
    throw malformed(`bitmap length: expected at most ${ACK_SPAN / 8}, got ${length}`);
  const bitmap = reader.take(length, 'ack bitmap');
  // The byte of the oldest number is not empty, so that each set has one encoding only.
  if (length > 0 && bitmap[length - 1] === 0) throw malformed('bitmap ends in an empty byte');
  const has = (number: number) => {
    const bit = largest - 1 - number;
    return bit < 0 || (bitmap[bit >>> 3] & (1 << (bit & 7))) !== 0;
  };
  return collectRanges(largest, largest - 8 * length, has);
}

function bitmapOf({ ranges }: Ack): Uint8Array {
  const bitmap = new Uint8Array(Math.ceil((ranges[0] - ranges[ranges.length - 1]) / 8));
  for (let i = 0; i < ranges.length; i += 2)
    for (let number = ranges[i]; number >= ranges[i + 1]; number--) {
      const bit = ranges[0] - 1 - number;
      if (bit >= 0) bitmap[bit >>> 3] |= 1 << (bit & 7);
    }
  return bitmap;
}

function bitmapLength({ ranges }: Ack): number {
  return 2 + Math.ceil((ranges[0] - ranges[ranges.length - 1]) / 8);
}

function rangesLength({ ranges }: Ack): number {
  let length = 2;
  for (let i = 0; i < ranges.length; i += 2) {
    length += ranges[i] - ranges[i + 1] < 128 ? 1 : 2;
    if (i + 2 < ranges.length) length += ranges[i + 1] - ranges[i + 2] - 2 < 128 ? 1 : 2;
  }
  return length;
}

/** One byte below 128, else two with the top bit set: all a span of 4096 needs. */
function writeSmall(writer: Writer, value: number): void {
  if (value < 128) writer.u8(value);
  else writer.u16(0x8000 | value);
}

function readSmall(reader: Reader): number {
  const first = reader.u8('ack range');
  if (first < 128) return first;
  const value = (first & 0x7f) * 256 + reader.u8('ack range');
  if (value < 128) throw malformed('range longer than it needs');
  return value;
}

function malformed(reason: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', `ack: ${reason}`);
}

/** How far back an ack reaches: 4 times the most packets between two, and its bitmap (512 bytes) fits a datagram. */
export const ACK_SPAN = 4096;

const RANGES = 0;
const BITMAP = 1;
const HEAD = 1 + 6 + 3 + 6;
/** RFC 9000 section 18.2: the default ack_delay_exponent is 3. */
const DELAY_UNIT = 8;
