/**
 * What many symbols have in common, told once on each path under a number (the MANIFEST frame), so that the symbols need only
 * refer to it. Of a *share*, symbols of one batch in a row that one member relays, it lists the hashes; of what is served it
 * is the certificate.
 *
 *   descriptor 52 | depth 1 | signature 64                        as in a SYMBOL
 *   root 20                                                       depth is SERVED
 *   position 1 | count 1 | SBN 1 | ESI 3 | first hop 2 | hash 16 * count | proof 16 * (depth - level)       else
 */
import { Reader, Writer } from '../core/bytes.js';
import { treeDepth } from '../crypto/merkle.js';
import { HeadwaterError } from '../errors.js';
import {
  CERTIFICATE_SIZE,
  DESCRIPTOR_SIZE,
  LEAF_HEADER_SIZE,
  MAX_PROOF_DEPTH,
  MAX_SHARE,
  NODE_SIZE,
  ROOT_SIZE,
  SIGNATURE_SIZE,
} from './limits.js';
import {
  checkBlock,
  type Descriptor,
  type Leaf,
  type Manifest,
  NO_HOP,
  parseDescriptor,
  SERVED,
  type SymbolFrame,
  writeLeafHeader,
} from './symbol.js';

export type { Manifest };

/** A symbol that a manifest lists, and which of them it is. */
export interface ListedSymbol {
  manifest: Manifest;
  place: number;
  symbol: Uint8Array;
}

/** A symbol that others may check: the body of a SYMBOL, or one that a manifest lists. */
export type SignedSymbol = Uint8Array | ListedSymbol;

/** Reads what stands behind the number; throws MALFORMED. Views, no copies. */
export function parseManifest(reader: Reader): Manifest {
  const start = reader.offset;
  const descriptorBytes = reader.take(DESCRIPTOR_SIZE, 'descriptor');
  const descriptor = parseDescriptor(descriptorBytes);
  const depth = reader.u8('depth');
  const signature = reader.take(SIGNATURE_SIZE, 'signature');
  const share = depth === SERVED ? parseRoot(reader) : parseShare(reader, depth, descriptor);
  const bytes = reader.bytes.subarray(start, reader.offset);
  return { bytes, descriptor, descriptorBytes, depth, signature, ...share, root: undefined };
}

type Share = Pick<Manifest, 'position' | 'count' | 'sbn' | 'esi' | 'firstHop' | 'hashes' | 'proof'>;

function parseRoot(reader: Reader): Share {
  const proof = reader.take(ROOT_SIZE, 'root');
  return { position: 0, count: 0, sbn: 0, esi: 0, firstHop: NO_HOP, hashes: NOTHING, proof };
}

function parseShare(reader: Reader, depth: number, { sourceBlocks }: Descriptor): Share {
  const position = reader.u8('position');
  const count = reader.u8('count');
  const level = treeDepth(count);
  if (depth > MAX_PROOF_DEPTH)
    throw malformed(`depth: expected 0 to ${MAX_PROOF_DEPTH} or ${SERVED}, got ${depth}`);
  if (count < 1 || count > MAX_SHARE || level > depth)
    throw malformed(`count: expected 1 to ${Math.min(MAX_SHARE, 2 ** depth)}, got ${count}`);
  if (position % 2 ** level !== 0 || position >= 2 ** depth)
    throw malformed(`position: expected a multiple of ${2 ** level} below ${2 ** depth}, got ${position}`);
  const sbn = reader.u8('SBN');
  const esi = reader.u24('ESI');
  checkBlock(sbn, sourceBlocks);
  if (esi + count > 1 << 24) throw malformed(`ESI: expected at most ${(1 << 24) - count}, got ${esi}`);
  const firstHop = reader.u16('first hop');
  const hashes = reader.take(count * NODE_SIZE, 'hashes');
  const proof = reader.take((depth - level) * NODE_SIZE, 'proof');
  return { position, count, sbn, esi, firstHop, hashes, proof };
}

/** The manifest of a share. In memory of its own, as it is remembered for long: a view would keep all of a pool. */
export function shareManifest(fields: Omit<Manifest, 'bytes' | 'descriptor' | 'root' | 'count'>): Manifest {
  const { descriptorBytes, depth, signature, position, sbn, esi, firstHop, hashes, proof } = fields;
  const size = DESCRIPTOR_SIZE + 1 + SIGNATURE_SIZE + 2 + LEAF_HEADER_SIZE + hashes.length + proof.length;
  const writer = new Writer(new Uint8Array(size)).put(descriptorBytes).u8(depth).put(signature).u8(position);
  writer.u8(hashes.length / NODE_SIZE);
  return parseManifest(
    new Reader(writeLeafHeader(writer, { sbn, esi, firstHop }).put(hashes).put(proof).finish()),
  );
}

/** The manifest of symbols of an object that are served; in memory of its own, too. */
export function servedManifest(certificate: Uint8Array): Manifest {
  const rootEnd = DESCRIPTOR_SIZE + ROOT_SIZE;
  const writer = new Writer(new Uint8Array(CERTIFICATE_SIZE + 1))
    .put(certificate.subarray(0, DESCRIPTOR_SIZE))
    .u8(SERVED)
    .put(certificate.subarray(rootEnd))
    .put(certificate.subarray(DESCRIPTOR_SIZE, rootEnd));
  return parseManifest(new Reader(writer.finish()));
}

/** The same in memory of its own. */
export function copyOf({ bytes }: Manifest): Manifest {
  return parseManifest(new Reader(bytes.slice()));
}

/** The symbol that a manifest lists at `place`; throws MALFORMED if there is none such. */
export function listedFrame(manifest: Manifest, place: number, symbol: Uint8Array): SymbolFrame {
  const { depth, count, position, sbn, esi, firstHop } = manifest;
  if (depth === SERVED || place >= count) throw malformed(`place: expected less than ${count}, got ${place}`);
  if (symbol.length !== manifest.descriptor.symbolSize)
    throw malformed(`symbol: expected ${manifest.descriptor.symbolSize} bytes, got ${symbol.length}`);
  return frameOf(manifest, position + place, { sbn, esi: esi + place, firstHop, symbol });
}

/** Symbols that are served, from one ESI on; throws MALFORMED if the manifest is not of such, or they are none of its object. */
export function servedFrame(manifest: Manifest, sbn: number, esi: number, symbol: Uint8Array): SymbolFrame {
  const { symbolSize, sourceBlocks } = manifest.descriptor;
  if (manifest.depth !== SERVED) throw malformed('manifest: expected that of a certificate');
  checkBlock(sbn, sourceBlocks);
  if (symbol.length === 0 || symbol.length % symbolSize !== 0)
    throw malformed(`symbols: expected a multiple of ${symbolSize} bytes, got ${symbol.length}`);
  return frameOf(manifest, symbol.length / symbolSize - 1, { sbn, esi, firstHop: NO_HOP, symbol });
}

function frameOf(manifest: Manifest, index: number, leaf: Leaf): SymbolFrame {
  const { descriptor, descriptorBytes, depth, signature, proof } = manifest;
  return { descriptor, descriptorBytes, depth, index, signature, proof, leafBytes: NOTHING, leaf, manifest };
}

function malformed(message: string): HeadwaterError {
  return new HeadwaterError('MALFORMED', message);
}

const NOTHING = new Uint8Array(0);
