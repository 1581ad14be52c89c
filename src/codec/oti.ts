/**
 * Object Transmission Information (RFC 6330, 3.3): how an object is cut into source blocks and symbols. Pure numbers, cheap
 * to make and to check; 12 bytes on the wire. Everything else about an object's layout follows from it.
 */

import { assertBytes, assertInteger, HeadwaterError } from '../errors.js';

/** What an object's layout is made from. */
export interface OtiOptions {
  /** F: bytes of the object, 1..942574504275. RFC 6330 has no empty objects. */
  readonly transferLength: number;
  /** T: bytes of a symbol, a multiple of `alignment`, at most 65535. */
  readonly symbolSize: number;
  /** Z: number of source blocks, 1..255. Default: as few as keep blocks within 1024 symbols (more if that takes over 255). */
  readonly sourceBlocks?: number;
  /** Al: default 16, the unit that symbol arithmetic works in. */
  readonly alignment?: number;
}

/**
 * The layout of one object. Source block `sbn` has `blockSymbols(sbn)` symbols; the first blocks are one symbol longer
 * than the last ones where they cannot all be equal (Partition[], RFC 6330, 4.4.1.2). Sub-blocks are not used (N = 1).
 *
 * @example
 * const oti = new Oti({ transferLength: 5_000_000, symbolSize: 1280 });
 * oti.sourceBlocks; // 4
 * Oti.parse(oti.toBytes()).blockSymbols(0); // 977
 */
export class Oti {
  /** F: bytes of the object. */
  readonly transferLength: number;
  /** T: bytes of a symbol. */
  readonly symbolSize: number;
  /** Z: number of source blocks. */
  readonly sourceBlocks: number;
  /** N, always 1. */
  readonly subBlocks = 1;
  /** Al: symbols are whole multiples of so many bytes. */
  readonly alignment: number;
  readonly #blocks: Partition;

  /** @throws HeadwaterError INVALID_ARGUMENT if a value is out of range, or a block would have more than 56403 symbols. */
  constructor(options: OtiOptions) {
    const { transferLength, symbolSize, alignment = DEFAULT_ALIGNMENT } = options;
    assertInteger('transferLength', transferLength, 1, MAX_TRANSFER_LENGTH);
    assertInteger('alignment', alignment, 1, 255);
    assertInteger('symbolSize', symbolSize, alignment, MAX_SYMBOL_SIZE);
    if (symbolSize % alignment !== 0)
      throw invalid(`symbolSize: expected a multiple of ${alignment}, got ${symbolSize}`);
    const symbols = Math.ceil(transferLength / symbolSize);
    const { sourceBlocks = Math.min(MAX_SOURCE_BLOCKS, Math.ceil(symbols / BLOCK_TARGET)) } = options;
    assertInteger('sourceBlocks', sourceBlocks, 1, Math.min(MAX_SOURCE_BLOCKS, symbols));
    this.transferLength = transferLength;
    this.symbolSize = symbolSize;
    this.sourceBlocks = sourceBlocks;
    this.alignment = alignment;
    this.#blocks = partition(symbols, sourceBlocks);
    if (this.#blocks.longSize > MAX_BLOCK_SYMBOLS)
      throw invalid(
        `sourceBlocks: ${sourceBlocks} blocks of ${this.#blocks.longSize} symbols, over ${MAX_BLOCK_SYMBOLS}`,
      );
  }

  /**
   * Reads the 12 bytes that `toBytes` writes.
   * @throws HeadwaterError MALFORMED if they are not exactly such bytes: any other length, reserved bits set, N other
   * than 1, or values that the constructor would refuse.
   */
  static parse(bytes: Uint8Array): Oti {
    assertBytes('bytes', bytes);
    if (bytes.length !== OTI_BYTES) throw malformed(`expected ${OTI_BYTES} bytes, got ${bytes.length}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (view.getUint8(5) !== 0) throw malformed('reserved byte is not zero');
    if (view.getUint16(9) !== 1) throw malformed(`expected 1 sub-block, got ${view.getUint16(9)}`);
    try {
      return new Oti({
        transferLength: view.getUint8(0) * 2 ** 32 + view.getUint32(1),
        symbolSize: view.getUint16(6),
        sourceBlocks: view.getUint8(8),
        alignment: view.getUint8(11),
      });
    } catch (error) {
      throw malformed(error instanceof Error ? error.message : String(error));
    }
  }

  /** The common (F, reserved, T) and scheme-specific (Z, N, Al) parts, RFC 6330, 3.3.2 and 3.3.3. */
  toBytes(): Uint8Array {
    const bytes = new Uint8Array(OTI_BYTES);
    const view = new DataView(bytes.buffer);
    view.setUint8(0, Math.floor(this.transferLength / 2 ** 32));
    view.setUint32(1, this.transferLength % 2 ** 32);
    view.setUint16(6, this.symbolSize);
    view.setUint8(8, this.sourceBlocks);
    view.setUint16(9, this.subBlocks);
    view.setUint8(11, this.alignment);
    return bytes;
  }

  /** K of a block. @throws HeadwaterError INVALID_ARGUMENT unless sbn is in 0..sourceBlocks-1. */
  blockSymbols(sbn: number): number {
    this.#assertBlock(sbn);
    return sbn < this.#blocks.longCount ? this.#blocks.longSize : this.#blocks.shortSize;
  }

  /** Where a block starts in the object, in bytes. @throws HeadwaterError INVALID_ARGUMENT as blockSymbols. */
  blockOffset(sbn: number): number {
    this.#assertBlock(sbn);
    const { longSize, shortSize, longCount } = this.#blocks;
    const symbols = sbn < longCount ? sbn * longSize : longCount * longSize + (sbn - longCount) * shortSize;
    return symbols * this.symbolSize;
  }

  /** Bytes of the object in a block: K symbols, but for the last block, whose last symbol may be cut short. */
  blockLength(sbn: number): number {
    return Math.min(this.blockSymbols(sbn) * this.symbolSize, this.transferLength - this.blockOffset(sbn));
  }

  /** Source symbols of the whole object (Kt). */
  get sourceSymbols(): number {
    return Math.ceil(this.transferLength / this.symbolSize);
  }

  #assertBlock(sbn: number): void {
    assertInteger('sbn', sbn, 0, this.sourceBlocks - 1);
  }
}

/** A split of I into J parts: `longCount` of `longSize`, then the rest of `shortSize`. */
export interface Partition {
  readonly longSize: number;
  readonly shortSize: number;
  readonly longCount: number;
}

/** Partition[I, J] (RFC 6330, 4.4.1.2). */
export function partition(total: number, parts: number): Partition {
  const shortSize = Math.floor(total / parts);
  return { longSize: Math.ceil(total / parts), shortSize, longCount: total - shortSize * parts };
}

function invalid(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', message);
}

function malformed(message: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', `OTI: ${message}`);
}

/** ESIs are 24 bits (RFC 6330, 3.2). */
export const MAX_ESI = 2 ** 24 - 1;
/** 56403 symbols of 65535 bytes in 255 blocks; the RFC's 946270874880 counts a block that Z cannot (erratum 5548). */
export const MAX_TRANSFER_LENGTH = 942_574_504_275;
const MAX_SYMBOL_SIZE = 65535;
const MAX_SOURCE_BLOCKS = 255;
const MAX_BLOCK_SYMBOLS = 56403;
const DEFAULT_ALIGNMENT = 16;
/** Keeps one solve to a few milliseconds, so that a single-threaded node stays responsive. */
const BLOCK_TARGET = 1024;
const OTI_BYTES = 12;
