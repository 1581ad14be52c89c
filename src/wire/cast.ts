/**
 * Datagrams to a multicast group. In: what is to be said, and the cipher of the transfer's key. Out: bytes, and back.
 *
 *   0x36 | number 6 | text | tag 16              additional data: the first 7 bytes; nonce: six zeros, number 6
 *   text = 0, zeros                                           a probe
 *        | 1, manifests to its end                            (manifest.ts), each of a share
 *        | 2, name 6, place 1, symbol                         one that the manifest of that name lists
 *        | 3, the body of a SYMBOL
 *
 * The name of a manifest are the first 6 bytes of its SHA-256: who has the key too cannot put another one in its place.
 */
import { Reader, Writer } from '../core/bytes.js';
import type { Cipher } from '../crypto/aead.js';
import { sha256 } from '../crypto/hash.js';
import { HeadwaterError } from '../errors.js';
import { PROTECTED_TAG } from './limits.js';
import { type ListedSymbol, type Manifest, parseManifest } from './manifest.js';

/** What a datagram to a group says. */
export type CastText =
  | { kind: 'probe' }
  | { kind: 'manifests'; manifests: Manifest[] }
  | { kind: 'listed'; number: number; place: number; symbol: Uint8Array }
  | { kind: 'body'; body: Uint8Array };

/** The first byte; what stands before the text, and what else surrounds it. */
const CAST = 0x36;
const HEADER = 1 + 6;
export const CAST_OVERHEAD = HEADER + PROTECTED_TAG;
/** What a listed symbol takes besides itself. */
const LISTED_HEAD = 1 + 6 + 1;

/** See above; 48 bits. */
export function nameOf({ bytes }: Manifest): number {
  return new Reader(sha256(bytes)).u48('name');
}

/** A probe of `size` bytes. */
export function castProbe(size: number): Uint8Array {
  return new Uint8Array(Math.max(size, CAST_OVERHEAD + 1)).fill(0);
}

/** Manifests, of which at least one fits any datagram. */
export function castManifests(manifests: readonly Manifest[]): Uint8Array {
  const length = manifests.reduce((sum, { bytes }) => sum + bytes.length, 1);
  const writer = begin(length).u8(1);
  for (const { bytes } of manifests) writer.put(bytes);
  return writer.bytes;
}

/** @param name that of its manifest */
export function castListed(name: number, { place, symbol }: Omit<ListedSymbol, 'manifest'>): Uint8Array {
  return begin(LISTED_HEAD + symbol.length)
    .u8(2)
    .u48(name)
    .u8(place)
    .put(symbol).bytes;
}

/** Whether a datagram of `size` bytes has room for all of these manifests. */
export function fitManifests(manifests: readonly Manifest[], size: number): boolean {
  return manifests.reduce((sum, { bytes }) => sum + bytes.length, 1) + CAST_OVERHEAD <= size;
}

/** Bytes of the datagram of a listed symbol of T bytes. */
export function listedSize(symbolSize: number): number {
  return CAST_OVERHEAD + LISTED_HEAD + symbolSize;
}

export function castBody(body: Uint8Array): Uint8Array {
  return begin(1 + body.length)
    .u8(3)
    .put(body).bytes;
}

/** Seals in place what one of those above has made. A number is never used twice under one key. */
export function sealCast(cipher: Cipher, number: number, datagram: Uint8Array): Uint8Array {
  const head = new Writer(datagram.subarray(0, HEADER)).u8(CAST).u48(number);
  cipher.seal(nonceOf(number), head.bytes.slice(), datagram.subarray(HEADER));
  return datagram;
}

/** Opens a datagram in place: its number and its text; undefined if it is not under this key, 'malformed' if it says nothing known. */
export function openCast(
  cipher: Cipher,
  datagram: Uint8Array,
): { number: number; text: CastText } | 'malformed' | undefined {
  if (datagram.length <= CAST_OVERHEAD || datagram[0] !== CAST) return undefined;
  const head = datagram.slice(0, HEADER);
  const number = new Reader(head.subarray(1)).u48('number');
  const text = cipher.open(nonceOf(number), head, datagram.subarray(HEADER));
  if (!text) return undefined;
  try {
    return { number, text: parse(new Reader(text)) };
  } catch (error) {
    if (!(error instanceof HeadwaterError) || error.code !== 'MALFORMED') throw error;
    return 'malformed';
  }
}

function parse(reader: Reader): CastText {
  const kind = reader.u8('kind');
  if (kind === 0) return { kind: 'probe' };
  if (kind === 1) {
    const manifests: Manifest[] = [];
    while (reader.remaining > 0) manifests.push(parseManifest(reader));
    return { kind: 'manifests', manifests };
  }
  if (kind === 2) {
    const number = reader.u48('name');
    const place = reader.u8('place');
    return { kind: 'listed', number, place, symbol: reader.take(reader.remaining, 'symbol') };
  }
  if (kind === 3) return { kind: 'body', body: reader.take(reader.remaining, 'symbol') };
  throw new HeadwaterError('MALFORMED', `cast: expected 0 to 3, got ${kind}`);
}

function begin(length: number): Writer {
  const writer = new Writer(new Uint8Array(length + CAST_OVERHEAD));
  writer.offset = HEADER;
  return writer;
}

/** A number is not above 2^48 on the wire. */
function nonceOf(number: number): Uint8Array {
  return new Writer(new Uint8Array(NONCE)).put(ZEROS).u48(number).bytes;
}

const NONCE = 12;
const ZEROS = new Uint8Array(6);
