/**
 * What a datagram says, once its session has opened it: a sequence of frames, each a type byte and its fields.
 *
 *   PADDING  0  the rest of the datagram is zeros
 *   SYMBOL   1  to the end of the datagram: see symbol.ts
 *   ACK      2  see ack.ts
 *   CONFIRM  3 | object id 12 | hash 32 | flags 1 | length 1 | confirmed bitmap
 *   PROGRESS 4 | object id 12 | Z 1 | complete bitmap ceil(Z/8) | count 1 | count * (SBN 1, missing 2)
 *   PING     5  asks for an acknowledgement
 *   ACK_POLICY 6 | packets 2 | delay 3: how often the sender of the frame wants to be acknowledged; delay in microseconds
 *   MTU_PROBE  7 | size 2, padded to that size: 'say so if this arrives'
 *   MTU_REPORT 8 | size 2: 'it did'
 *   SIZED_SYMBOL 11 | length 2 | as SYMBOL: for those before the last, where several fit
 *
 * ACK and PADDING alone ask for no acknowledgement.
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { type Ack, ackLength, parseAck, writeAck } from './ack.js';
import {
  DATAGRAM_SIZE,
  FRAME_TYPE_SIZE,
  HASH_SIZE,
  MAX_MEMBERS,
  MAX_PROGRESS_ENTRIES,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
} from './limits.js';
import type { ObjectId } from './symbol.js';

/** 'I hold this object', with what the sender knows of who else does. */
export interface ConfirmFrame {
  kind: 'confirm';
  id: ObjectId;
  hash: Uint8Array;
  /** The sender wants to be told that this confirm arrived: it repeats it until then. */
  wantsAck: boolean;
  /** Bit i: the sender has member i's confirm. Hearsay: good to stop repeating, never counted as a confirm. */
  confirmed: Uint8Array;
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
export type ObjectFrame = ConfirmFrame | ProgressFrame;

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
    case 'confirm':
      return FRAME_TYPE_SIZE + OBJECT_ID_SIZE + HASH_SIZE + 2 + frame.confirmed.length;
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

/** ACK_POLICY fits beside the largest symbol. */
export const ACK_POLICY_SIZE = FRAME_TYPE_SIZE + 2 + 3;
/** What a symbol takes besides its body where another one follows. */
export const SIZED_SYMBOL_OVERHEAD = FRAME_TYPE_SIZE + 2;

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

/** Whether frames ask for an acknowledgement. */
export function isEliciting({ frames, symbol }: Contents): boolean {
  return symbol !== undefined || frames.some((frame) => frame.kind !== 'ack');
}

function parseFrame(type: number, reader: Reader): Frame {
  switch (type) {
    case ACK:
      return { kind: 'ack', ack: parseAck(reader) };
    case CONFIRM:
      return parseConfirm(reader);
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
    case SIZED_SYMBOL:
      return { kind: 'symbol', body: reader.take(reader.u16('symbol length'), 'symbol') };
    default:
      throw new HeadwaterError('MALFORMED', `frame type: expected 0 to ${SIZED_SYMBOL}, got ${type}`);
  }
}

function parseConfirm(reader: Reader): ConfirmFrame {
  const id = parseId(reader);
  const hash = reader.take(HASH_SIZE, 'confirm hash');
  const flags = reader.u8('confirm flags');
  const length = reader.u8('confirmed bitmap length');
  if (length > MAX_MEMBERS / 8)
    throw new HeadwaterError(
      'MALFORMED',
      `confirmed bitmap: expected at most ${MAX_MEMBERS / 8} bytes, got ${length}`,
    );
  const confirmed = reader.take(length, 'confirmed bitmap');
  return { kind: 'confirm', id, hash, wantsAck: (flags & WANTS_ACK) !== 0, confirmed };
}

function parseProgress(reader: Reader): ProgressFrame {
  const id = parseId(reader);
  const sourceBlocks = reader.u8('Z');
  const complete = reader.take(Math.ceil(sourceBlocks / 8), 'complete bitmap');
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
  return { kind: 'progress', id, sourceBlocks, complete, missing };
}

function parseId(reader: Reader): ObjectId {
  return { origin: reader.u16('origin'), incarnation: reader.u48('incarnation'), seq: reader.u32('seq') };
}

function writeFrame(writer: Writer, frame: Frame): void {
  switch (frame.kind) {
    case 'ack':
      writeAck(writer.u8(ACK), frame.ack);
      break;
    case 'confirm':
      writeId(writer.u8(CONFIRM), frame.id);
      writer.put(frame.hash).u8(frame.wantsAck ? WANTS_ACK : 0);
      writer.u8(frame.confirmed.length).put(frame.confirmed);
      break;
    case 'progress':
      writeId(writer.u8(PROGRESS), frame.id);
      writer.u8(frame.sourceBlocks).put(frame.complete).u8(frame.missing.length);
      for (const { sbn, symbols } of frame.missing) writer.u8(sbn).u16(symbols);
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

function writeId(writer: Writer, { origin, incarnation, seq }: ObjectId): void {
  writer.u16(origin).u48(incarnation).u32(seq);
}

const PADDING = 0;
const SYMBOL = 1;
const ACK = 2;
const CONFIRM = 3;
const PROGRESS = 4;
const PING = 5;
const ACK_POLICY = 6;
const MTU_PROBE = 7;
const MTU_REPORT = 8;
const SIZED_SYMBOL = 11;
const WANTS_ACK = 1;
const OBJECT_ID_SIZE = 12;
