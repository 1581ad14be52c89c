/**
 * A symbol as it is taken in, and the SYMBOL frame: one encoding symbol that can be verified alone, for what is so small that
 * a manifest would not pay (manifest.ts).
 *
 *   origin 2 | incarnation 6 | seq 4 | length 5 | T 2 | Z 1 | object hash 32      the descriptor
 *   depth 1 | leaf index 1 | signature 64 | proof 16 * depth                      the batch
 *   SBN 1 | ESI 3 | first hop 2 | symbol T                                        the leaf
 *
 * The origin signs descriptor and Merkle root; the leaf, hashed up the proof, must give that root. A member that serves an
 * object on request, or sends its own to a lone peer, puts the root of any signed batch in place of a proof, with depth
 * SERVED: the symbol then rests on the word of the one who sent it, and the object on its hash. In place of a leaf index it
 * says how many symbols follow the first one, those of the ESIs after its.
 */
import { Reader, Writer } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import {
  DESCRIPTOR_SIZE,
  HASH_SIZE,
  LEAF_HEADER_SIZE,
  MAX_PROOF_DEPTH,
  MAX_SOURCE_BLOCKS,
  MAX_SYMBOL_SIZE,
  maxBlockSymbols,
  NODE_SIZE,
  ROOT_SIZE,
  SIGNATURE_SIZE,
  SYMBOL_ALIGNMENT,
} from './limits.js';

/** The objects of one origin since it began with an empty store, numbered from 0. */
export interface StreamId {
  /** Member index. */
  origin: number;
  /** Grows with every new store of the origin; 48 bits. */
  incarnation: number;
}

/** Names an object: the `seq`-th of its stream. */
export interface ObjectId extends StreamId {
  /** From 0. */
  seq: number;
}

/** Names a message: the `index`-th of its object. The same for every member, and again after a restart. */
export interface MessageId extends ObjectId {
  /** From 0. */
  index: number;
}

/** The name of the `seq`-th object of a stream. */
export function objectId({ origin, incarnation }: StreamId, seq: number): ObjectId {
  return { origin, incarnation, seq };
}

/** Whether it names a transfer, which is no stream of messages: the uppermost of the 48 bits is set. A time in ms has it from the year 6429 on. */
export function isTransfer({ incarnation }: Pick<StreamId, 'incarnation'>): boolean {
  return incarnation >= TRANSFER_BIT;
}

/** The key of a stream in a map. */
export function streamKey({ origin, incarnation }: StreamId): string {
  return `${origin}/${incarnation}`;
}

/** The key of an object in a map. */
export function objectKey({ origin, incarnation, seq }: ObjectId): string {
  return `${origin}/${incarnation}/${seq}`;
}

export const TRANSFER_BIT = 2 ** 47;

export interface Descriptor extends ObjectId {
  /** Transfer length F of RFC 6330: the object's size in bytes. */
  length: number;
  /** T: bytes of a symbol. */
  symbolSize: number;
  /** Z: number of source blocks. */
  sourceBlocks: number;
  /** SHA-256 of the object. */
  hash: Uint8Array;
}

export interface Leaf {
  sbn: number;
  esi: number;
  /** The member that relays this symbol; others do not. */
  firstHop: number;
  /** T bytes; served ones may be several, of `esi` and the ESIs after it, one behind the other. */
  symbol: Uint8Array;
}

export interface SymbolFrame {
  descriptor: Descriptor;
  /** The descriptor's bytes as received: what the signature covers. */
  descriptorBytes: Uint8Array;
  /** Depth of the proof; SERVED: there is none, and `proof` is the root. */
  depth: number;
  /** Place of the leaf in its batch, less than 2^depth; SERVED: how many symbols follow the first. */
  index: number;
  signature: Uint8Array;
  proof: Uint8Array;
  /** The leaf's bytes as received: what the Merkle leaf hash covers. Empty where there is a manifest. */
  leafBytes: Uint8Array;
  leaf: Leaf;
  /** What it referred to, if it did not say all of the above itself. */
  manifest: Manifest | undefined;
}

/** What many symbols have in common: see manifest.ts. */
export interface Manifest {
  /** As it goes over the wire, behind its number. */
  readonly bytes: Uint8Array;
  readonly descriptor: Descriptor;
  readonly descriptorBytes: Uint8Array;
  /** Of the batch's tree; SERVED: of what is served, and has no leaves. */
  readonly depth: number;
  readonly signature: Uint8Array;
  /** Place of the first leaf in the batch, a multiple of 2^level, level = ceil(log2(count)). */
  readonly position: number;
  /** Of the first symbol; those after it have the ESIs after it. */
  readonly sbn: number;
  readonly esi: number;
  readonly firstHop: number;
  /** Symbols; 0 of what is served. */
  readonly count: number;
  /** Of the leaves, one behind the other. */
  readonly hashes: Uint8Array;
  /** From the node above the leaves to the root; SERVED: the root. */
  readonly proof: Uint8Array;
  /** What hashes and proof lead to, once that is known to be signed. */
  root: Uint8Array | undefined;
}

/** Parses the body of a SYMBOL; views, no copies. Throws MALFORMED. */
export function parseSymbol(body: Uint8Array): SymbolFrame {
  const reader = new Reader(body);
  const descriptorBytes = reader.take(DESCRIPTOR_SIZE, 'descriptor');
  const descriptor = parseDescriptor(descriptorBytes);
  const depth = reader.u8('proof depth');
  if (depth > MAX_PROOF_DEPTH && depth !== SERVED)
    throw new HeadwaterError('MALFORMED', `proof depth: expected 0 to ${MAX_PROOF_DEPTH}, got ${depth}`);
  const index = reader.u8('leaf index');
  if (depth !== SERVED && index >= 1 << depth)
    throw new HeadwaterError('MALFORMED', `leaf index: expected less than ${1 << depth}, got ${index}`);
  const signature = reader.take(SIGNATURE_SIZE, 'signature');
  const proof = reader.take(depth === SERVED ? ROOT_SIZE : depth * NODE_SIZE, 'proof');
  const leafBytes = body.subarray(reader.offset);
  const leaf: Leaf = {
    sbn: reader.u8('SBN'),
    esi: reader.u24('ESI'),
    firstHop: reader.u16('first hop'),
    symbol: reader.take((depth === SERVED ? index + 1 : 1) * descriptor.symbolSize, 'symbol'),
  };
  reader.finish('leaf');
  checkBlock(leaf.sbn, descriptor.sourceBlocks);
  return {
    descriptor,
    descriptorBytes,
    depth,
    index,
    signature,
    proof,
    leafBytes,
    leaf,
    manifest: undefined,
  };
}

/** Throws MALFORMED if the object has no such block. */
export function checkBlock(sbn: number, sourceBlocks: number): void {
  if (sbn >= sourceBlocks)
    throw new HeadwaterError('MALFORMED', `SBN: expected less than ${sourceBlocks}, got ${sbn}`);
}

export function parseDescriptor(bytes: Uint8Array): Descriptor {
  const reader = new Reader(bytes);
  const descriptor: Descriptor = {
    origin: reader.u16('origin'),
    incarnation: reader.u48('incarnation'),
    seq: reader.u32('seq'),
    length: reader.u40('length'),
    symbolSize: reader.u16('T'),
    sourceBlocks: reader.u8('Z'),
    hash: reader.take(HASH_SIZE, 'object hash'),
  };
  const { length, symbolSize, sourceBlocks } = descriptor;
  if (length === 0) throw new HeadwaterError('MALFORMED', 'length: expected at least 1, got 0');
  if (symbolSize === 0 || symbolSize % SYMBOL_ALIGNMENT !== 0)
    throw new HeadwaterError('MALFORMED', `T: expected a multiple of ${SYMBOL_ALIGNMENT}, got ${symbolSize}`);
  // What fits no datagram would stand for ever at the head of a queue.
  if (symbolSize > MAX_SYMBOL_SIZE)
    throw new HeadwaterError('MALFORMED', `T: expected at most ${MAX_SYMBOL_SIZE}, got ${symbolSize}`);
  const symbols = Math.ceil(length / symbolSize);
  if (sourceBlocks === 0 || sourceBlocks > Math.min(MAX_SOURCE_BLOCKS, symbols))
    throw new HeadwaterError('MALFORMED', `Z: expected 1 to the number of symbols, got ${sourceBlocks}`);
  // A solve of a large block would hold up everything else.
  const blockSymbols = Math.ceil(symbols / sourceBlocks);
  if (blockSymbols > maxBlockSymbols(length))
    throw new HeadwaterError(
      'MALFORMED',
      `K: expected at most ${maxBlockSymbols(length)}, got ${blockSymbols}`,
    );
  return descriptor;
}

export function writeDescriptor(descriptor: Descriptor): Uint8Array {
  return new Writer(DESCRIPTOR_SIZE)
    .u16(descriptor.origin)
    .u48(descriptor.incarnation)
    .u32(descriptor.seq)
    .u40(descriptor.length)
    .u16(descriptor.symbolSize)
    .u8(descriptor.sourceBlocks)
    .put(descriptor.hash)
    .finish();
}

/**
 * Writes the body of a SYMBOL with `count` symbols served together, but for the symbols: at most MAX_SERVED, 1 if K is 1.
 *
 * @returns where in `target` they go
 */
export function writeServed(
  target: Uint8Array,
  certificate: Uint8Array,
  { sbn, esi, count }: { sbn: number; esi: number; count: number },
): number {
  // Most follow one of the same object.
  if (certificate !== latestHead?.certificate) latestHead = { certificate, bytes: servedHead(certificate) };
  target.set(latestHead.bytes);
  target[DESCRIPTOR_SIZE + 1] = count - 1;
  const writer = new Writer(target);
  writer.offset = latestHead.bytes.length;
  return writer.u8(sbn).u24(esi).u16(NO_HOP).offset;
}

/** What stands before the leaf, but for the number of symbols. */
function servedHead(certificate: Uint8Array): Uint8Array {
  const rootEnd = DESCRIPTOR_SIZE + ROOT_SIZE;
  return new Writer(SERVED_OVERHEAD - LEAF_HEADER_SIZE)
    .put(certificate.subarray(0, DESCRIPTOR_SIZE))
    .u8(SERVED)
    .u8(0)
    .put(certificate.subarray(rootEnd))
    .put(certificate.subarray(DESCRIPTOR_SIZE, rootEnd))
    .finish();
}

let latestHead: { certificate: Uint8Array; bytes: Uint8Array } | undefined;

export function writeLeaf(leaf: Leaf): Uint8Array {
  const writer = new Writer(LEAF_HEADER_SIZE + leaf.symbol.length);
  return writeLeafHeader(writer, leaf).put(leaf.symbol).finish();
}

/** What stands in a leaf before the symbol. */
export function writeLeafHeader(writer: Writer, { sbn, esi, firstHop }: Omit<Leaf, 'symbol'>): Writer {
  return writer.u8(sbn).u24(esi).u16(firstHop);
}

/** In place of a proof's depth: symbols served on request, or sent to a lone peer. */
export const SERVED = 0xff;
/** What served symbols take besides themselves, and how many go together at most: their count less one is a byte. */
export const SERVED_OVERHEAD = DESCRIPTOR_SIZE + 2 + SIGNATURE_SIZE + ROOT_SIZE + LEAF_HEADER_SIZE;
export const MAX_SERVED = 256;
/** Nobody relays what is served. */
export const NO_HOP = 0xffff;

/** The body of a SYMBOL: what goes behind its frame type. */
export function writeSymbol(
  frame: Pick<SymbolFrame, 'descriptorBytes' | 'depth' | 'index' | 'signature' | 'proof' | 'leafBytes'>,
): Uint8Array {
  const size = DESCRIPTOR_SIZE + 2 + SIGNATURE_SIZE + frame.proof.length + frame.leafBytes.length;
  return new Writer(size)
    .put(frame.descriptorBytes)
    .u8(frame.depth)
    .u8(frame.index)
    .put(frame.signature)
    .put(frame.proof)
    .put(frame.leafBytes)
    .finish();
}
