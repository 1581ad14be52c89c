/**
 * What a datagram says, once its session has opened it: a sequence of frames, each a type byte and its fields.
 *
 *   PADDING  0  the rest of the datagram is zeros
 *   SYMBOL   1  to the end of the datagram: see symbol.ts
 *   ACK      2  see ack.ts
 *   VECTOR   3 | version 4 | heard 4 | heard before 4 | count 2 | count * entry: what the sender holds, durably
 *              entry: origin 2 | incarnation 6 | base 4 | count 4 | chain 20 | length 1 | bitmap of those beyond;
 *              with 0x80 in the length, ready 4 before the bitmap
 *              (of one stream there may be several: the last is the claim, those before it are digests of fewer objects)
 *   PROGRESS 4 | object id 12 | Z 1 | complete bitmap ceil(Z/8) | count 1 | count * (SBN 1, missing 2)
 *   PING     5  asks for an acknowledgement
 *   ACK_POLICY 6 | packets 2 | delay 3: how often the sender of the frame wants to be acknowledged; delay in microseconds
 *   MTU_PROBE  7 | size 2, padded to that size: 'say so if this arrives'
 *   MTU_REPORT 8 | size 2: 'it did'
 *   PULL     9 | object id 12 | count 1 | count * (SBN 1, missing 2): 'send me this'; no blocks named: all of it
 *   GONE    10 | origin 2 | incarnation 6 | base 4 | chain 32: 'of this stream I have nothing below base any more'
 *   SIZED_SYMBOL 11 | length 2 | as SYMBOL: for those before the last, where several fit
 *
 * ACK and PADDING alone ask for no acknowledgement.
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { type Ack, ackLength, parseAck, writeAck } from './ack.js';
import {
  DATAGRAM_SIZE,
  DESCRIPTOR_SIZE,
  FRAME_TYPE_SIZE,
  HASH_SIZE,
  LEAF_HEADER_SIZE,
  MAX_AHEAD,
  MAX_PROGRESS_ENTRIES,
  MAX_SOURCE_BLOCKS,
  MAX_SYMBOL_BODY,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
  SIGNATURE_SIZE,
  SYMBOL_ALIGNMENT,
} from './limits.js';
import type { ObjectId, StreamId } from './symbol.js';

/** What a member holds of one stream, in its own store: its confirm. */
export interface VectorEntry extends StreamId {
  /** Objects below are no longer kept. */
  base: number;
  /** All objects below are held, or were. */
  count: number;
  /** For all below the sender is READY. At most `count`. */
  ready: number;
  /** A later stream of the same origin is known. */
  ended: boolean;
  /** And the sender knows of no earlier one. */
  first: boolean;
  /** The sender has retired the stream, and all earlier ones of its origin: what it says of it is the last that it will. */
  over: boolean;
  /** Digest over the hashes of the first `count` objects: two that agree in it agree in all. */
  chain: Uint8Array;
  /** Bit i: object count + 1 + i is held too. At most MAX_AHEAD bytes. */
  ahead: Uint8Array;
}

export interface VectorFrame {
  kind: 'vector';
  /** Numbers the vectors to this peer that hold entries; 0 if there are none, which is not to be answered. */
  version: number;
  /** The newest version received from the peer, 0 for none; bit i of `heardBefore`: version heard - 1 - i came too. */
  heard: number;
  heardBefore: number;
  entries: VectorEntry[];
}

/** 'Send me symbols of this object': so many of the blocks named, or enough for all of it. */
export interface PullFrame {
  kind: 'pull';
  id: ObjectId;
  missing: { sbn: number; symbols: number }[];
}

/** The answer to a PULL for an object that is no longer kept. */
export interface GoneFrame extends StreamId {
  kind: 'gone';
  base: number;
  /** The whole digest of the first `base` objects. */
  chain: Uint8Array;
}

/** 'Of this object I still need so much.' */
export interface ProgressFrame {
  kind: 'progress';
  id: ObjectId;
  sourceBlocks: number;
  /** Bit s: source block s is complete. */
  complete: Uint8Array;
  /** Blocks of which symbols are held, with the number still missing; at most MAX_PROGRESS_ENTRIES. */
  missing: { sbn: number; symbols: number }[];
}

/** Frames about objects: what the broadcast layer makes and takes. */
export type ObjectFrame = VectorFrame | ProgressFrame | PullFrame | GoneFrame;

export type Frame =
  | ObjectFrame
  | { kind: 'ack'; ack: Ack }
  | { kind: 'ping' }
  | { kind: 'ack-policy'; packets: number; delay: number }
  | { kind: 'mtu-probe'; size: number }
  | { kind: 'mtu-report'; size: number }
  | { kind: 'symbol'; body: Uint8Array };

/** Room for frames in a datagram of the default size. */
export const FRAMES_ROOM = DATAGRAM_SIZE - PROTECTED_OVERHEAD;

/** What a datagram held: its frames, and the SYMBOL at its end, if there is one, as a view. Others are among the frames. */
export interface Contents {
  frames: Frame[];
  symbol: Uint8Array | undefined;
}

/** Parses the text of a datagram; throws MALFORMED. Views, no copies. */
export function parseContents(text: Uint8Array): Contents {
  const reader = new Reader(text);
  const frames: Frame[] = [];
  while (reader.remaining > 0) {
    const type = reader.u8('frame type');
    if (type === PADDING) break;
    if (type === SYMBOL) return { frames, symbol: reader.take(reader.remaining, 'symbol') };
    frames.push(parseFrame(type, reader));
  }
  return { frames, symbol: undefined };
}

/** Bytes that `writeDatagram` gives to a frame. */
export function frameSize(frame: Frame): number {
  switch (frame.kind) {
    case 'ack':
      return FRAME_TYPE_SIZE + ackLength(frame.ack);
    case 'vector':
      return VECTOR_FRAME_SIZE + frame.entries.reduce((sum, entry) => sum + vectorEntrySize(entry), 0);
    case 'pull':
      return FRAME_TYPE_SIZE + OBJECT_ID_SIZE + 1 + 3 * frame.missing.length;
    case 'gone':
      return FRAME_TYPE_SIZE + STREAM_ID_SIZE + 4 + HASH_SIZE;
    case 'progress':
      return FRAME_TYPE_SIZE + OBJECT_ID_SIZE + 2 + frame.complete.length + 3 * frame.missing.length;
    case 'ping':
      return FRAME_TYPE_SIZE;
    case 'ack-policy':
      return ACK_POLICY_SIZE;
    case 'symbol':
      return SIZED_SYMBOL_OVERHEAD + frame.body.length;
    default:
      return FRAME_TYPE_SIZE + 2;
  }
}

/** Bytes of one entry of a VECTOR. */
export function vectorEntrySize({ ready, ahead }: Pick<VectorEntry, 'ready' | 'ahead'>): number {
  return STREAM_ID_SIZE + 8 + HASH_SIZE + 2 + (ready > 0 ? 4 : 0) + ahead.length;
}

/** ACK_POLICY fits beside the largest symbol. */
export const ACK_POLICY_SIZE = FRAME_TYPE_SIZE + 2 + 3;
/** What a symbol takes besides its body where another one may follow. */
const SIZED_SYMBOL_OVERHEAD = FRAME_TYPE_SIZE + 2;
/** With less room than this it is not worth asking for a symbol more. */
const LEAST_ROOM =
  SIZED_SYMBOL_OVERHEAD + DESCRIPTOR_SIZE + 2 + SIGNATURE_SIZE + LEAF_HEADER_SIZE + SYMBOL_ALIGNMENT;

/**
 * A datagram to be sealed in place: room for the session's header, the frames, the SYMBOL body if given, zeros up to
 * `size` if given, room for the tag.
 */
export function writeDatagram(frames: readonly Frame[], symbol?: Uint8Array, size = 0): Uint8Array {
  let length = PROTECTED_OVERHEAD + (symbol ? FRAME_TYPE_SIZE + symbol.length : 0);
  for (const frame of frames) length += frameSize(frame);
  const writer = new Writer(Math.max(length, size));
  writer.offset = PROTECTED_HEADER;
  for (const frame of frames) writeFrame(writer, frame);
  if (symbol) writer.u8(SYMBOL).put(symbol);
  writer.bytes.fill(0, writer.offset, writer.bytes.length - PROTECTED_TAG);
  return writer.bytes;
}

/**
 * A datagram as `writeDatagram` makes it, but with symbols that are written where they are to stand, as many as fit. Each has
 * its length before it, unless the largest one would not fit then.
 */
export class SymbolWriter {
  private readonly writer: Writer;
  private readonly end: number;
  private hasSymbols = false;

  /** @param memory of the most bytes that the datagram may have */
  constructor(memory: Uint8Array, frames: readonly Frame[]) {
    this.writer = new Writer(memory);
    this.end = memory.length - PROTECTED_TAG;
    this.writer.offset = PROTECTED_HEADER;
    for (const frame of frames) writeFrame(this.writer, frame);
  }

  /**
   * Adds one SYMBOL body.
   *
   * @param fill writes it to the beginning of the room it is given, and returns its length; 0 for none
   * @returns whether there may be room for another
   */
  add(fill: (room: Uint8Array) => number): boolean {
    const { writer, end } = this;
    const start = writer.offset;
    const isSized = this.hasSymbols || end - start >= SIZED_SYMBOL_OVERHEAD + MAX_SYMBOL_BODY;
    const at = start + (isSized ? SIZED_SYMBOL_OVERHEAD : FRAME_TYPE_SIZE);
    const length = fill(writer.bytes.subarray(at, end));
    if (length === 0) return false;
    if (isSized) writer.u8(SIZED_SYMBOL).u16(length);
    else writer.u8(SYMBOL);
    writer.offset = at + length;
    this.hasSymbols = true;
    return isSized && end - writer.offset >= LEAST_ROOM;
  }

  /** The datagram; undefined if it has no symbols. */
  finish(): Uint8Array | undefined {
    this.writer.offset += PROTECTED_TAG;
    return this.hasSymbols ? this.writer.finish() : undefined;
  }
}

/** Whether frames ask for an acknowledgement. */
export function isEliciting({ frames, symbol }: Contents): boolean {
  return symbol !== undefined || frames.some((frame) => frame.kind !== 'ack');
}

/** Whether it carries symbols: one to its end, or some of which each says how long it is. */
export function hasSymbols({ frames, symbol }: Contents): boolean {
  return symbol !== undefined || frames.some((frame) => frame.kind === 'symbol');
}

function parseFrame(type: number, reader: Reader): Frame {
  switch (type) {
    case ACK:
      return { kind: 'ack', ack: parseAck(reader) };
    case VECTOR:
      return parseVector(reader);
    case PROGRESS:
      return parseProgress(reader);
    case PING:
      return { kind: 'ping' };
    case ACK_POLICY:
      return { kind: 'ack-policy', packets: reader.u16('ack packets'), delay: reader.u24('ack delay') };
    case MTU_PROBE:
      return { kind: 'mtu-probe', size: reader.u16('probe size') };
    case MTU_REPORT:
      return { kind: 'mtu-report', size: reader.u16('report size') };
    case PULL:
      return { kind: 'pull', id: parseId(reader), missing: parseMissing(reader, MAX_SOURCE_BLOCKS) };
    case GONE:
      return {
        kind: 'gone',
        ...parseStreamId(reader),
        base: reader.u32('base'),
        chain: reader.take(HASH_SIZE, 'chain'),
      };
    case SIZED_SYMBOL:
      return { kind: 'symbol', body: reader.take(reader.u16('symbol length'), 'symbol') };
    default:
      throw new HeadwaterError('MALFORMED', `frame type: expected 0 to ${SIZED_SYMBOL}, got ${type}`);
  }
}

function parseVector(reader: Reader): VectorFrame {
  const version = reader.u32('vector version');
  const heard = reader.u32('version heard');
  const heardBefore = reader.u32('versions heard before');
  const count = reader.u16('vector entries');
  const entries: VectorEntry[] = [];
  for (let i = 0; i < count; i++) {
    const stream = parseStreamId(reader);
    const base = reader.u32('base');
    const held = reader.u32('count');
    if (base > held) throw new HeadwaterError('MALFORMED', `base: expected at most ${held}, got ${base}`);
    const chain = reader.take(HASH_SIZE, 'chain');
    const flags = reader.u8('entry flags');
    if (!VALID_FLAGS.includes(flags & ~HAS_READY) || (flags & (OVER | HAS_READY)) === (OVER | HAS_READY))
      throw new HeadwaterError(
        'MALFORMED',
        `entry flags: expected READY, and none or ENDED, or ENDED with FIRST or, without READY, with OVER; got ${flags}`,
      );
    const hasReady = (flags & HAS_READY) !== 0;
    const ready = hasReady ? reader.u32('ready') : 0;
    if (hasReady && (ready === 0 || ready > held))
      throw new HeadwaterError('MALFORMED', `ready: expected 1 to ${held}, got ${ready}`);
    const length = reader.u8('bitmap length');
    if (length > MAX_AHEAD)
      throw new HeadwaterError('MALFORMED', `bitmap: expected at most ${MAX_AHEAD} bytes, got ${length}`);
    const ahead = reader.take(length, 'bitmap');
    const over = (flags & OVER) !== 0;
    if (over && (base !== held || length > 0))
      throw new HeadwaterError(
        'MALFORMED',
        `a stream that is over: expected base ${held} and no bitmap, got ${base}`,
      );
    entries.push({
      ...stream,
      base,
      count: held,
      ready,
      ended: (flags & ENDED) !== 0,
      first: (flags & FIRST) !== 0,
      over,
      chain,
      ahead,
    });
  }
  return { kind: 'vector', version, heard, heardBefore, entries };
}

function parseProgress(reader: Reader): ProgressFrame {
  const id = parseId(reader);
  const sourceBlocks = reader.u8('Z');
  const complete = reader.take(Math.ceil(sourceBlocks / 8), 'complete bitmap');
  return { kind: 'progress', id, sourceBlocks, complete, missing: parseMissing(reader, sourceBlocks) };
}

function parseMissing(reader: Reader, sourceBlocks: number): { sbn: number; symbols: number }[] {
  const count = reader.u8('deficit count');
  if (count > MAX_PROGRESS_ENTRIES)
    throw new HeadwaterError('MALFORMED', `deficits: expected at most ${MAX_PROGRESS_ENTRIES}, got ${count}`);
  const missing = [];
  for (let i = 0; i < count; i++) {
    const sbn = reader.u8('deficit SBN');
    if (sbn >= sourceBlocks)
      throw new HeadwaterError('MALFORMED', `deficit SBN: expected less than ${sourceBlocks}, got ${sbn}`);
    missing.push({ sbn, symbols: reader.u16('deficit') });
  }
  return missing;
}

function parseStreamId(reader: Reader): StreamId {
  return { origin: reader.u16('origin'), incarnation: reader.u48('incarnation') };
}

function parseId(reader: Reader): ObjectId {
  return { ...parseStreamId(reader), seq: reader.u32('seq') };
}

function writeFrame(writer: Writer, frame: Frame): void {
  switch (frame.kind) {
    case 'ack':
      writeAck(writer.u8(ACK), frame.ack);
      break;
    case 'vector':
      writer.u8(VECTOR).u32(frame.version).u32(frame.heard).u32(frame.heardBefore).u16(frame.entries.length);
      for (const entry of frame.entries) {
        writer.u16(entry.origin).u48(entry.incarnation).u32(entry.base).u32(entry.count).put(entry.chain);
        writer.u8(
          (entry.ready > 0 ? HAS_READY : 0) |
            (entry.ended ? ENDED : 0) |
            (entry.first ? FIRST : 0) |
            (entry.over ? OVER : 0),
        );
        if (entry.ready > 0) writer.u32(entry.ready);
        writer.u8(entry.ahead.length).put(entry.ahead);
      }
      break;
    case 'progress':
      writeId(writer.u8(PROGRESS), frame.id);
      writer.u8(frame.sourceBlocks).put(frame.complete);
      writeMissing(writer, frame.missing);
      break;
    case 'pull':
      writeId(writer.u8(PULL), frame.id);
      writeMissing(writer, frame.missing);
      break;
    case 'gone':
      writer.u8(GONE).u16(frame.origin).u48(frame.incarnation).u32(frame.base).put(frame.chain);
      break;
    case 'ping':
      writer.u8(PING);
      break;
    case 'ack-policy':
      writer.u8(ACK_POLICY).u16(frame.packets).u24(frame.delay);
      break;
    case 'mtu-probe':
      writer.u8(MTU_PROBE).u16(frame.size);
      break;
    case 'mtu-report':
      writer.u8(MTU_REPORT).u16(frame.size);
      break;
    case 'symbol':
      writer.u8(SIZED_SYMBOL).u16(frame.body.length).put(frame.body);
      break;
  }
}

function writeMissing(writer: Writer, missing: readonly { sbn: number; symbols: number }[]): void {
  writer.u8(missing.length);
  for (const { sbn, symbols } of missing) writer.u8(sbn).u16(symbols);
}

function writeId(writer: Writer, { origin, incarnation, seq }: ObjectId): void {
  writer.u16(origin).u48(incarnation).u32(seq);
}

const PADDING = 0;
const SYMBOL = 1;
const ACK = 2;
const VECTOR = 3;
const PROGRESS = 4;
const PING = 5;
const ACK_POLICY = 6;
const MTU_PROBE = 7;
const MTU_REPORT = 8;
const PULL = 9;
const GONE = 10;
const SIZED_SYMBOL = 11;
/** Flags of a VECTOR's entry. */
const HAS_READY = 1;
const ENDED = 2;
const OVER = 4;
const FIRST = 8;
const VALID_FLAGS = [0, ENDED, ENDED | FIRST, ENDED | OVER];
const STREAM_ID_SIZE = 8;
const OBJECT_ID_SIZE = STREAM_ID_SIZE + 4;
/** A VECTOR without entries. */
export const VECTOR_FRAME_SIZE = FRAME_TYPE_SIZE + 3 * 4 + 2;
