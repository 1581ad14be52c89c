/**
 * Protocol buffers, as much of them as etcd's interface takes: a message is a table of its fields. In: bytes, or plain
 * objects. Out: the other. Fields that the table does not have are skipped; what is left out has proto3's default.
 */
import { HeadwaterError } from '../../errors.js';

/** `int`: int64 as a number, exact up to 2^53. `id`: 64 bits as a bigint. */
export type Scalar = 'int' | 'id' | 'bool' | 'text' | 'bytes';

interface Field {
  number: number;
  type: Scalar | Message<object>;
  isList: boolean;
}

type NamedField = readonly [name: string, field: Field];

/** How messages of this type are written. `T` is what they look like here. */
export interface Message<out T> {
  readonly name: string;
  readonly fields: readonly NamedField[];
  readonly byNumber: ReadonlyMap<number, NamedField>;
  /** Never there: it only carries the type. */
  readonly example?: T;
}

export function field(number: number, type: Scalar | Message<object>): Field {
  return { number, type, isList: false };
}

export function list(number: number, type: Scalar | Message<object>): Field {
  return { number, type, isList: true };
}

/**
 * @example
 * const RANGE = message<{ key: Uint8Array }>('RangeRequest', { key: field(1, 'bytes') });
 */
export function message<T>(name: string, fields: Record<string & keyof T, Field>): Message<T> {
  const named = Object.entries<Field>(fields);
  return { name, fields: named, byNumber: new Map(named.map((one) => [one[1].number, one])) };
}

/** Lists may be left out, and whatever has its default. */
export function encode<T extends object>(type: Message<T>, value: Partial<T>): Uint8Array {
  const parts: Uint8Array[] = [];
  write(parts, type, value as Record<string, unknown>);
  return Buffer.concat(parts);
}

/**
 * The bytes in it are views. Messages within that are left out are undefined.
 *
 * @throws HeadwaterError MALFORMED
 */
export function decode<T extends object>(type: Message<T>, bytes: Uint8Array, depth = 0): T {
  if (depth > MAX_DEPTH) throw malformed(`${type.name}: expected at most ${MAX_DEPTH} levels, got more`);
  const value: Record<string, unknown> = {};
  for (const [name, each] of type.fields) value[name] = defaultOf(each);
  const input = new Input(bytes);
  while (!input.isAtEnd) {
    const tag = input.varint();
    const found = type.byNumber.get(tag >>> 3);
    const wire = tag & 7;
    if (!found) input.skip(wire);
    else read(value, found[0], found[1], input, wire, depth);
  }
  return value as T;
}

function read(
  value: Record<string, unknown>,
  name: string,
  { type, isList }: Field,
  input: Input,
  wire: number,
  depth: number,
): void {
  const isDelimited = typeof type === 'object' || type === 'bytes' || type === 'text';
  // Lists of numbers come packed as well.
  if (isList && !isDelimited && wire === DELIMITED) {
    const packed = new Input(input.delimited());
    while (!packed.isAtEnd) (value[name] as unknown[]).push(scalar(type, packed));
    return;
  }
  if (wire !== (isDelimited ? DELIMITED : VARINT))
    throw malformed(`${name}: expected wire type ${isDelimited ? DELIMITED : VARINT}, got ${wire}`);
  const one = typeof type === 'object' ? decode(type, input.delimited(), depth + 1) : scalar(type, input);
  if (isList) (value[name] as unknown[]).push(one);
  else value[name] = one;
}

function scalar(type: Scalar, input: Input): unknown {
  switch (type) {
    case 'bytes':
      return input.delimited();
    case 'text':
      return Buffer.from(input.delimited()).toString('utf8');
    case 'bool':
      return input.varint64() !== 0n;
    case 'id':
      return input.varint64();
    case 'int':
      return input.int();
  }
}

function defaultOf({ type, isList }: Field): unknown {
  if (isList) return [];
  if (typeof type === 'object') return undefined;
  return DEFAULTS[type];
}

function write(parts: Uint8Array[], type: Message<object>, value: Record<string, unknown>): void {
  for (const [name, each] of type.fields) {
    const content = value[name];
    if (content === undefined) continue;
    if (each.isList) for (const one of content as unknown[]) writeField(parts, each, one, true);
    else writeField(parts, each, content, false);
  }
}

/** Defaults are not written, but for the items of a list and for messages. */
function writeField(parts: Uint8Array[], { number, type }: Field, content: unknown, isItem: boolean): void {
  if (typeof type === 'object') {
    const inner: Uint8Array[] = [];
    write(inner, type, content as Record<string, unknown>);
    const length = inner.reduce((sum, part) => sum + part.length, 0);
    parts.push(varint(number * 8 + DELIMITED), varint(length), ...inner);
    return;
  }
  if (type === 'bytes' || type === 'text') {
    const bytes = type === 'text' ? Buffer.from(content as string) : (content as Uint8Array);
    if (bytes.length > 0 || isItem) parts.push(varint(number * 8 + DELIMITED), varint(bytes.length), bytes);
    return;
  }
  const value = Number(content);
  // Of most the number is exact, and cheaper.
  const isSmall = value >= 0 && value <= Number.MAX_SAFE_INTEGER;
  const bits = isSmall ? value : BigInt.asUintN(64, BigInt(content as number | bigint));
  if (value !== 0 || isItem) parts.push(varint(number * 8), varint(bits));
}

function varint(bits: number | bigint): Uint8Array {
  if (typeof bits === 'bigint') return longVarint(bits);
  if (bits < 0x80) return ONE_BYTE[bits];
  let size = 1;
  for (let rest = bits; rest > 0x7f; rest = Math.floor(rest / 0x80)) size++;
  const bytes = new Uint8Array(size);
  let rest = bits;
  for (let i = 0; i < size - 1; i++) {
    bytes[i] = (rest % 0x80) | 0x80;
    rest = Math.floor(rest / 0x80);
  }
  bytes[size - 1] = rest;
  return bytes;
}

/** Ids of the cluster and of members, which are in each answer: the last are remembered. */
function longVarint(bits: bigint): Uint8Array {
  const known = LONG.get(bits);
  if (known) return known;
  const bytes: number[] = [];
  let rest = bits;
  for (; rest > 0x7fn; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  bytes.push(Number(rest));
  if (LONG.size >= MAX_LONG) LONG.clear();
  const result = Uint8Array.from(bytes);
  LONG.set(bits, result);
  return result;
}

class Input {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isAtEnd(): boolean {
    return this.at >= this.bytes.length;
  }

  /** Of a tag or a length: at most 32 bits. */
  varint(): number {
    const bits = this.short() ?? this.varint64();
    if (bits > 0xffffffff) throw malformed(`varint: expected at most 32 bits, got ${bits}`);
    return Number(bits);
  }

  int(): number {
    return this.short() ?? Number(BigInt.asIntN(64, this.varint64()));
  }

  /** One of at most four bytes; undefined if the next is longer, or broken. */
  private short(): number | undefined {
    const { bytes, at } = this;
    let value = 0;
    for (let i = 0; i < 4 && at + i < bytes.length; i++) {
      const byte = bytes[at + i];
      value |= (byte & 0x7f) << (7 * i);
      if (byte >= 0x80) continue;
      this.at = at + i + 1;
      return value;
    }
    return undefined;
  }

  varint64(): bigint {
    let bits = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      if (this.isAtEnd) throw malformed('varint: expected its end, got that of the message');
      const byte = this.bytes[this.at++];
      bits |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, bits);
    }
    throw malformed('varint: expected at most 10 bytes, got more');
  }

  delimited(): Uint8Array {
    return this.take(this.varint());
  }

  skip(wire: number): void {
    if (wire === VARINT) this.varint64();
    else if (wire === DELIMITED) this.delimited();
    else if (wire === FIXED64) this.take(8);
    else if (wire === FIXED32) this.take(4);
    else throw malformed(`wire type: expected 0, 1, 2 or 5, got ${wire}`);
  }

  private take(length: number): Uint8Array {
    const end = this.at + length;
    if (end > this.bytes.length)
      throw malformed(`field: expected ${length} bytes, got ${this.bytes.length - this.at}`);
    const taken = this.bytes.subarray(this.at, end);
    this.at = end;
    return taken;
  }
}

function malformed(text: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', text);
}

/** Wire types of the encoding. */
const VARINT = 0;
const FIXED64 = 1;
const DELIMITED = 2;
const FIXED32 = 5;
/** Transactions in transactions are the only recursion that etcd has, and we take none. */
const MAX_DEPTH = 16;
const DEFAULTS = { int: 0, id: 0n, bool: false, text: '', bytes: new Uint8Array(0) };
const ONE_BYTE = Array.from({ length: 0x80 }, (_, byte) => Uint8Array.of(byte));
const LONG = new Map<bigint, Uint8Array>();
const MAX_LONG = 64;
