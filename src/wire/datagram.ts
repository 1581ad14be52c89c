/**
 * What a datagram says, once its session has opened it: a sequence of frames (frames.ts), and then, to its end, a symbol
 * or zeros. In: frames and symbols, or bytes. Out: bytes, or frames and symbols.
 */
import { Reader, Writer } from '../core/bytes.js';
import { sizedSymbol } from './frames/sized-symbol.js';
import { type Frame, frameSize, isElicitingFrame, parseFrame, writeFrame } from './frames.js';
import {
  DATAGRAM_SIZE,
  DESCRIPTOR_SIZE,
  FRAME_TYPE_SIZE,
  LEAF_HEADER_SIZE,
  MAX_SYMBOL_BODY,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
  SIGNATURE_SIZE,
  SYMBOL_ALIGNMENT,
} from './limits.js';

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
    if (isSized) writer.u8(sizedSymbol.type).u16(length);
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
  return symbol !== undefined || frames.some(isElicitingFrame);
}

/** Whether it carries symbols: one to its end, or some of which each says how long it is. */
export function hasSymbols({ frames, symbol }: Contents): boolean {
  return symbol !== undefined || frames.some((frame) => frame.kind === 'sized-symbol');
}

/** The rest of the datagram is zeros. */
const PADDING = 0;
/** The rest of the datagram is a symbol: see symbol.ts. */
const SYMBOL = 1;
