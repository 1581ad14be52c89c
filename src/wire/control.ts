/**
 * The control datagram: what one member tells another about itself, signed by the sender as a whole.
 *
 *   header 16 | receiver 2 | incarnation 6 | timestamp 4 | echo 4 | echo delay 4
 *   | acked incarnation 6 | received 4 | highest 4 | frames ... | signature 64
 *
 * Timestamps are the low 32 bits of the sender's clock in microseconds. `echo` returns the newest one received from
 * the other side, held for `echo delay` microseconds. `received` and `highest` count the datagrams of this path as in
 * an acknowledgement with cumulative counters: a lost report costs nothing. Frames fill the rest:
 *
 *   CONFIRM  1 | object id 12 | hash 32 | flags 1 | length 1 | confirmed bitmap
 *   PROGRESS 2 | object id 12 | Z 1 | complete bitmap ceil(Z/8) | count 1 | count * (SBN 1, missing 2)
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { type Header, writeHeader } from './header.js';
import {
  DATAGRAM_SIZE,
  HASH_SIZE,
  HEADER_SIZE,
  MAX_MEMBERS,
  MAX_PROGRESS_ENTRIES,
  SIGNATURE_SIZE,
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

export type ControlFrame = ConfirmFrame | ProgressFrame;

export interface Control {
  receiver: number;
  incarnation: number;
  timestamp: number;
  /** Undefined while nothing has been received to echo. */
  echo: { timestamp: number; delay: number } | undefined;
  ackedIncarnation: number;
  received: number;
  highest: number;
  frames: ControlFrame[];
}

/** Room for frames in a control datagram of the default size. */
export const CONTROL_ROOM = DATAGRAM_SIZE - HEADER_SIZE - 34 - SIGNATURE_SIZE;

/** Parses a control datagram without checking its signature; throws MALFORMED. */
export function parseControl(datagram: Uint8Array): Control {
  const reader = new Reader(datagram, HEADER_SIZE, datagram.length - SIGNATURE_SIZE);
  const control: Control = {
    receiver: reader.u16('receiver'),
    incarnation: reader.u48('incarnation'),
    timestamp: reader.u32('timestamp'),
    echo: readEcho(reader),
    ackedIncarnation: reader.u48('acked incarnation'),
    received: reader.u32('received'),
    highest: reader.u32('highest'),
    frames: [],
  };
  while (reader.remaining > 0) control.frames.push(parseFrame(reader));
  return control;
}

/** The part of a control datagram that is signed, and its signature; throws MALFORMED. */
export function splitControl(datagram: Uint8Array): { signed: Uint8Array; signature: Uint8Array } {
  const cut = datagram.length - SIGNATURE_SIZE;
  if (cut < HEADER_SIZE)
    throw new HeadwaterError(
      'MALFORMED',
      `control: expected a signature, got ${datagram.length} bytes in all`,
    );
  return { signed: datagram.subarray(0, cut), signature: datagram.subarray(cut) };
}

/** A whole control datagram, signed by `sign` over all that precedes the signature. */
export function writeControl(
  header: Header,
  control: Control,
  sign: (signed: Uint8Array) => Uint8Array,
): Uint8Array {
  const framesSize = control.frames.reduce((size, frame) => size + frameSize(frame), 0);
  const writer = new Writer(HEADER_SIZE + 34 + framesSize + SIGNATURE_SIZE);
  writeHeader(writer, header);
  writer.u16(control.receiver).u48(control.incarnation).u32(control.timestamp);
  writer
    .u32(control.echo?.timestamp ?? 0)
    .u32(control.echo ? Math.min(control.echo.delay, NO_ECHO - 1) : NO_ECHO);
  writer.u48(control.ackedIncarnation).u32(control.received).u32(control.highest);
  for (const frame of control.frames) writeFrame(writer, frame);
  return writer.put(sign(writer.finish())).finish();
}

export function frameSize(frame: ControlFrame): number {
  return frame.kind === 'confirm'
    ? 1 + OBJECT_ID_SIZE + HASH_SIZE + 2 + frame.confirmed.length
    : 1 + OBJECT_ID_SIZE + 1 + frame.complete.length + 1 + 3 * frame.missing.length;
}

function readEcho(reader: Reader): Control['echo'] {
  const timestamp = reader.u32('echo');
  const delay = reader.u32('echo delay');
  return delay === NO_ECHO ? undefined : { timestamp, delay };
}

function parseFrame(reader: Reader): ControlFrame {
  const type = reader.u8('frame type');
  const id = { origin: reader.u16('origin'), incarnation: reader.u48('incarnation'), seq: reader.u32('seq') };
  if (type === CONFIRM) {
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
  if (type === PROGRESS) {
    const sourceBlocks = reader.u8('Z');
    const complete = reader.take(Math.ceil(sourceBlocks / 8), 'complete bitmap');
    const count = reader.u8('deficit count');
    if (count > MAX_PROGRESS_ENTRIES)
      throw new HeadwaterError(
        'MALFORMED',
        `deficits: expected at most ${MAX_PROGRESS_ENTRIES}, got ${count}`,
      );
    const missing = [];
    for (let i = 0; i < count; i++) {
      const sbn = reader.u8('deficit SBN');
      if (sbn >= sourceBlocks)
        throw new HeadwaterError('MALFORMED', `deficit SBN: expected less than ${sourceBlocks}, got ${sbn}`);
      missing.push({ sbn, symbols: reader.u16('deficit') });
    }
    return { kind: 'progress', id, sourceBlocks, complete, missing };
  }
  throw new HeadwaterError('MALFORMED', `frame type: expected ${CONFIRM} or ${PROGRESS}, got ${type}`);
}

function writeFrame(writer: Writer, frame: ControlFrame): void {
  const { id } = frame;
  writer
    .u8(frame.kind === 'confirm' ? CONFIRM : PROGRESS)
    .u16(id.origin)
    .u48(id.incarnation)
    .u32(id.seq);
  if (frame.kind === 'confirm') {
    writer.put(frame.hash).u8(frame.wantsAck ? WANTS_ACK : 0);
    writer.u8(frame.confirmed.length).put(frame.confirmed);
  } else {
    writer.u8(frame.sourceBlocks).put(frame.complete).u8(frame.missing.length);
    for (const { sbn, symbols } of frame.missing) writer.u8(sbn).u16(symbols);
  }
}

const CONFIRM = 1;
const PROGRESS = 2;
const WANTS_ACK = 1;
const OBJECT_ID_SIZE = 12;
const NO_ECHO = 0xffffffff;
