/**
 * Reading and writing big-endian fields of network formats. A Reader never reads past its end: it throws MALFORMED
 * and names the field, so a parser needs no length check of its own. A Writer fills a buffer of known size.
 */
import { HeadwaterError } from '../errors.js';

export class Reader {
  readonly bytes: Uint8Array;
  offset: number;
  private readonly end: number;

  constructor(bytes: Uint8Array, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get remaining(): number {
    return this.end - this.offset;
  }

  u8(field: string): number {
    return this.bytes[this.advance(1, field)];
  }

  u16(field: string): number {
    return uint16(this.bytes, this.advance(2, field));
  }

  u24(field: string): number {
    const at = this.advance(3, field);
    return this.bytes[at] * 0x10000 + uint16(this.bytes, at + 1);
  }

  u32(field: string): number {
    return uint32(this.bytes, this.advance(4, field));
  }

  u40(field: string): number {
    const at = this.advance(5, field);
    return this.bytes[at] * 0x100000000 + uint32(this.bytes, at + 1);
  }

  u48(field: string): number {
    const at = this.advance(6, field);
    return uint16(this.bytes, at) * 0x100000000 + uint32(this.bytes, at + 2);
  }

  skip(length: number, field: string): void {
    this.advance(length, field);
  }

  /** A view, not a copy. */
  take(length: number, field: string): Uint8Array {
    const at = this.advance(length, field);
    return this.bytes.subarray(at, at + length);
  }

  finish(what: string): void {
    if (this.remaining !== 0)
      throw new HeadwaterError('MALFORMED', `${what}: expected its end, got ${this.remaining} more bytes`);
  }

  private advance(length: number, field: string): number {
    const at = this.offset;
    if (at + length > this.end)
      throw new HeadwaterError('MALFORMED', `${field}: expected ${length} bytes, got ${this.end - at}`);
    this.offset = at + length;
    return at;
  }
}

export class Writer {
  readonly bytes: Uint8Array;
  offset = 0;

  /** @param room bytes to be allocated, or where to write */
  constructor(room: number | Uint8Array) {
    this.bytes = typeof room === 'number' ? allocate(room) : room;
  }

  u8(value: number): this {
    this.bytes[this.offset++] = value;
    return this;
  }

  u16(value: number): this {
    return this.u8(value >>> 8).u8(value);
  }

  u24(value: number): this {
    return this.u8(value >>> 16).u16(value & 0xffff);
  }

  u32(value: number): this {
    return this.u16(value >>> 16).u16(value & 0xffff);
  }

  u40(value: number): this {
    return this.u8(Math.floor(value / 0x100000000)).u32(value >>> 0);
  }

  u48(value: number): this {
    return this.u16(Math.floor(value / 0x100000000)).u32(value >>> 0);
  }

  put(bytes: Uint8Array): this {
    this.bytes.set(bytes, this.offset);
    this.offset += bytes.length;
    return this;
  }

  /** What has been written so far, as a view. */
  finish(): Uint8Array {
    return this.bytes.subarray(0, this.offset);
  }
}

/** Not zeroed. Cut from a pool: an ArrayBuffer for each datagram would be most of the cost of making it. */
function allocate(size: number): Uint8Array {
  if (size > POOL_BYTES / 4) return new Uint8Array(size);
  if (poolUsed + size > pool.byteLength) {
    // Node's own pool of 8 KiB is used up by six datagrams.
    pool = Buffer.allocUnsafeSlow(POOL_BYTES).buffer;
    poolUsed = 0;
  }
  const bytes = new Uint8Array(pool, poolUsed, size);
  poolUsed += size;
  return bytes;
}

function uint16(bytes: Uint8Array, at: number): number {
  return (bytes[at] << 8) | bytes[at + 1];
}

function uint32(bytes: Uint8Array, at: number): number {
  return uint16(bytes, at) * 0x10000 + uint16(bytes, at + 2);
}

export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false;
  return true;
}

/** Lowercase hex. */
export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0');
  return text;
}

/** Enough of an id for people to tell it from others. */
export function shortHex(bytes: Uint8Array): string {
  return `${toHex(bytes.subarray(0, 8))}...`;
}

/** Big-endian byte order, as memcmp. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] - b[i];
  return a.length - b.length;
}

/** Who keeps a view of it keeps the pool, so it is no larger than it takes to make its cost disappear. */
const POOL_BYTES = 64 * 1024;
let pool: ArrayBufferLike = new ArrayBuffer(0);
let poolUsed = 0;
