/**
 * The codec of messages that need no other: MessagePack, plain data only (plain.ts). What another member sends is looked at before
 * anything is made of it, in one pass that allocates nothing: a byte can stand for an object of fifty, and some of MessagePack's
 * extensions for objects with a life of their own (errors, patterns, classes, references).
 */
import { Packr } from 'msgpackr';
import { HeadwaterError } from '../errors.js';
import type { Codec } from './network.js';
import { checkPlain } from './plain.js';

/** @param maxValues values that a message may have, each element, key and member of an array or map counted */
export function messagePack<Msg>(maxValues: number): Codec<Msg> {
  const packr = new Packr({ useRecords: false });
  return {
    encode(msg) {
      checkPlain(msg, maxValues);
      // The packer's buffer is its own, and reused.
      return Uint8Array.from(packr.pack(msg));
    },
    decode(bytes) {
      checkBytes(bytes, maxValues);
      return packr.unpack(bytes) as Msg;
    },
  };
}

/**
 * Throws MALFORMED unless `bytes` are one value of plain data: nil, booleans, numbers, strings, bytes, dates,
 * undefined, and arrays and maps of them, the keys of maps strings or numbers.
 */
function checkBytes(bytes: Uint8Array, maxValues: number): void {
  const fail = (expected: string, got: string): HeadwaterError =>
    new HeadwaterError('MALFORMED', `message: expected ${expected}, got ${got}`);
  /** What is still to come at each level, the root's at 0; of a map twice its size. */
  const left = [1];
  const isMap = [false];
  let values = 1;
  let at = 0;
  while (left.length > 0) {
    const level = left.length - 1;
    if (left[level] === 0) {
      left.pop();
      isMap.pop();
      continue;
    }
    if (at >= bytes.length) throw fail('a whole message', 'the beginning of one');
    const token = bytes[at];
    const kind = kindOf(token);
    const size = SIZES[token] ?? 0;
    // Of a map key and value take turns, and it ends with a value.
    if (isMap[level] && left[level] % 2 === 0 && kind !== 'scalar' && kind !== 'text')
      throw fail('keys that are strings or numbers', kind);
    left[level]--;
    const count = size > 0 ? numberAt(bytes, at + 1, size) : shortCount(token);
    at += 1 + size;
    if (kind === 'scalar' || kind === 'text' || kind === 'bytes') at += count;
    else if (kind === 'extension') {
      const type = bytes[at];
      if (!PLAIN_EXTENSIONS.has(type)) throw fail('plain data', `extension ${type} of MessagePack`);
      at += 1 + count;
    } else if (kind === 'array' || kind === 'map') {
      const elements = kind === 'map' ? 2 * count : count;
      values += elements;
      if (values > maxValues) throw fail(`at most ${maxValues} values`, `${values} or more`);
      if (left.length === MAX_DEPTH) throw fail(`at most ${MAX_DEPTH} levels`, 'more');
      left.push(elements);
      isMap.push(kind === 'map');
    } else throw fail('MessagePack', `the byte 0x${token.toString(16)}`);
    if (at > bytes.length) throw fail('a whole message', 'the beginning of one');
  }
  if (at !== bytes.length) throw fail('one value', `${bytes.length - at} bytes behind it`);
}

type Kind = 'scalar' | 'text' | 'bytes' | 'extension' | 'array' | 'map' | 'none';

function kindOf(token: number): Kind {
  if (token < 0x80 || token >= 0xe0) return 'scalar';
  if (token < 0x90 || token >= 0xde) return 'map';
  if (token < 0xa0 || token >= 0xdc) return 'array';
  if (token < 0xc0 || token >= 0xd9) return 'text';
  if (token === 0xc1) return 'none';
  if (token >= 0xc4 && token <= 0xc6) return 'bytes';
  if ((token >= 0xc7 && token <= 0xc9) || token >= 0xd4) return 'extension';
  return 'scalar';
}

/** Where a token says it itself: the length of what follows it, or the number of elements. */
function shortCount(token: number): number {
  if (token < 0x80 || token >= 0xe0) return 0;
  if (token < 0xa0) return token & 0x0f;
  if (token < 0xc0) return token & 0x1f;
  return SHORT_COUNTS[token] ?? 0;
}

function numberAt(bytes: Uint8Array, at: number, size: number): number {
  let value = 0;
  for (let i = 0; i < size; i++) value = value * 256 + (bytes[at + i] ?? 0);
  return value;
}

/** By token: bytes of the number behind it that says how long it is. https://github.com/msgpack/msgpack/blob/master/spec.md */
const SIZES: Record<number, number> = {
  196: 1,
  197: 2,
  198: 4, // bin
  199: 1,
  200: 2,
  201: 4, // ext
  217: 1,
  218: 2,
  219: 4, // str
  220: 2,
  221: 4, // array
  222: 2,
  223: 4, // map
};
/** By token: bytes of a number, or of a fixext. */
const SHORT_COUNTS: Record<number, number> = {
  202: 4,
  203: 8, // float
  204: 1,
  205: 2,
  206: 4,
  207: 8, // uint
  208: 1,
  209: 2,
  210: 4,
  211: 8, // int
  212: 1,
  213: 2,
  214: 4,
  215: 8,
  216: 16, // fixext
};
/** What the default packer writes: undefined, and the specification's timestamp. */
const PLAIN_EXTENSIONS: ReadonlySet<number | undefined> = new Set([0, 0xff]);
/** The decoder calls itself for each level. */
const MAX_DEPTH = 512;
