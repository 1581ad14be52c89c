/**
 * What a datagram says, once its session has opened it: a sequence of frames (frames.ts), and then, to its end, a symbol
 * or zeros. In: frames and symbols, or bytes. Out: bytes, or frames and symbols.
 */
import { Reader, Writer } from '../core/bytes.js';
import { listed } from './frames/symbols/listed.js';
import { manifest } from './frames/symbols/manifest.js';
import { served } from './frames/symbols/served.js';
import { sizedSymbol } from './frames/symbols/sized-symbol.js';
import { type Frame, frameSize, isElicitingFrame, parseFrame, writeFrame } from './frames.js';
import {
  DATAGRAM_SIZE,
  FRAME_TYPE_SIZE,
  LISTED_OVERHEAD,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
  RUN_OVERHEAD,
  SYMBOL_ALIGNMENT,
} from './limits.js';
import type { ListedSymbol, Manifest, SignedSymbol } from './manifest.js';

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
const LEAST_ROOM = LISTED_OVERHEAD + SYMBOL_ALIGNMENT;

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

/** The manifests that one peer is told. */
export interface Told {
  /** The number of one that it has been told; undefined of another. */
  numberOf(manifest: Manifest): number | undefined;
  /** It is told now, under this number. */
  tell(manifest: Manifest): number;
}

/**
 * A datagram as `writeDatagram` makes it, but with symbols that are written where they are to stand, as many as fit, and the
 * manifests that they refer to before them.
 */
export class SymbolWriter {
  protected readonly writer: Writer;
  protected readonly told: Told;
  /** Where the text has to end. */
  protected end: number;
  protected isUsed = false;
  protected isClosed = false;

  /** @param memory of the most bytes that the datagram may have */
  constructor(memory: Uint8Array, frames: readonly Frame[], told: Told) {
    this.writer = new Writer(memory);
    this.end = memory.length - PROTECTED_TAG;
    this.told = told;
    this.writer.offset = PROTECTED_HEADER;
    for (const frame of frames) writeFrame(this.writer, frame);
  }

  /** Whether there may be room for another symbol. */
  get hasRoom(): boolean {
    return !this.isClosed && this.room >= LEAST_ROOM;
  }

  /** Whether it has nothing but the frames. */
  get isEmpty(): boolean {
    return !this.isUsed;
  }

  /** Bytes that are left. */
  get room(): number {
    return this.isClosed ? 0 : this.end - this.writer.offset;
  }

  /** Adds a symbol that others may check; false if it does not fit. */
  signed(symbol: SignedSymbol): boolean {
    return symbol instanceof Uint8Array
      ? this.body(symbol.length, (target) => target.set(symbol))
      : this.listed(symbol);
  }

  /**
   * Adds a SYMBOL of so many bytes, which `fill` writes, with its length before it unless it would not fit then.
   *
   * @returns false if it does not fit
   */
  body(length: number, fill: (target: Uint8Array) => void): boolean {
    const { writer, room } = this;
    const isSized = room >= SIZED_SYMBOL_OVERHEAD + length;
    if (!isSized && room < FRAME_TYPE_SIZE + length) return false;
    if (isSized) writer.u8(sizedSymbol.type).u16(length);
    else writer.u8(SYMBOL);
    fill(writer.bytes.subarray(writer.offset, writer.offset + length));
    writer.offset += length;
    this.isUsed = true;
    this.isClosed = !isSized;
    return true;
  }

  /**
   * Adds symbols in a row that are served.
   *
   * @param fill writes so many of them to its target
   * @returns how many fit, at most `most`; 0 if not even one does
   */
  served(
    manifest: Manifest,
    { sbn, esi, most }: { sbn: number; esi: number; most: number },
    fill: (count: number, target: Uint8Array) => void,
  ): number {
    const number = this.refer(manifest);
    const { symbolSize } = manifest.descriptor;
    const count = Math.min(most, Math.floor((this.room - RUN_OVERHEAD) / symbolSize));
    if (number === undefined || count < 1) return 0;
    const { writer } = this;
    writer.u8(served.type).u16(number).u8(sbn).u24(esi);
    const end = writer.offset + count * symbolSize;
    fill(count, writer.bytes.subarray(writer.offset, end));
    writer.offset = end;
    this.isUsed = true;
    // It goes to the end of the text.
    this.isClosed = true;
    return count;
  }

  /** Adds a MANIFEST under a number; false if it does not fit. */
  manifest(number: number, { bytes }: Manifest): boolean {
    if (this.room < FRAME_TYPE_SIZE + 2 + bytes.length) return false;
    this.writer.u8(manifest.type).u16(number).put(bytes);
    this.isUsed = true;
    return true;
  }

  /** The datagram; undefined if it has nothing but the frames. */
  finish(): Uint8Array | undefined {
    this.writer.offset += PROTECTED_TAG;
    return this.isUsed ? this.writer.finish() : undefined;
  }

  private listed({ manifest, place, symbol }: ListedSymbol): boolean {
    const number = this.refer(manifest);
    if (number === undefined || this.room < LISTED_OVERHEAD + symbol.length) return false;
    this.writer.u8(listed.type).u16(number).u8(place).u16(symbol.length).put(symbol);
    this.isUsed = true;
    return true;
  }

  /** Its number, told here if it has not been before; undefined if there is no room to tell it. */
  private refer(of: Manifest): number | undefined {
    const number = this.told.numberOf(of);
    if (number !== undefined) return number;
    if (this.room < FRAME_TYPE_SIZE + 2 + of.bytes.length) return undefined;
    const fresh = this.told.tell(of);
    this.manifest(fresh, of);
    return fresh;
  }
}

/**
 * What a datagram asks for: `now`: to be acknowledged at once; `soon`: after so many, or so long, as ACK_POLICY says; `some-time`: with
 * whatever goes the same way next, if that is not long; `none`: not at all.
 */
export type AckWish = 'now' | 'soon' | 'some-time' | 'none';

/**
 * When a datagram wants to be acknowledged. Symbols come in streams, which acks sample; confirms are repeated until they are heard;
 * whatever else asks is rare, and shows how far away the peer is.
 */
export function ackWish({ frames, symbol }: Contents): AckWish {
  if (symbol !== undefined || frames.some(({ kind }) => SYMBOLS.has(kind))) return 'soon';
  const asking = frames.filter(isElicitingFrame);
  if (asking.length === 0) return 'none';
  return asking.every(({ kind }) => CONFIRMS.has(kind)) ? 'some-time' : 'now';
}

/** With a VECTOR alone, or with a wish that rides along. */
const CONFIRMS: ReadonlySet<Frame['kind']> = new Set(['vector', 'ack-policy']);
/** With what streams may have: symbols, and what others send each other. */
const SYMBOLS: ReadonlySet<Frame['kind']> = new Set([
  'sized-symbol',
  'manifest',
  'listed',
  'served',
  'part',
  'forward',
]);

/** The rest of the datagram is zeros. */
const PADDING = 0;
/** The rest of the datagram is a symbol: see symbol.ts. */
const SYMBOL = 1;
