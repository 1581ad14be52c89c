/**
 * Certificates: what shows to anyone, for ever, that a member broadcast an object: its descriptor, the Merkle root of a batch
 * of its symbols and the origin's signature over both. Stored with the object, and sent with symbols served on request.
 */
import type { Encoder } from '../../codec/index.js';
import { Writer } from '../../core/bytes.js';
import type { Group } from '../../group/group.js';
import type { SymbolWriter } from '../../wire/datagram.js';
import {
  CERTIFICATE_SIZE,
  DESCRIPTOR_SIZE,
  FRAME_TYPE_SIZE,
  MAX_INLINE_SYMBOL,
  ROOT_SIZE,
} from '../../wire/limits.js';
import { type Manifest, servedManifest } from '../../wire/manifest.js';
import {
  type Descriptor,
  MAX_SERVED,
  parseDescriptor,
  SERVED_OVERHEAD,
  writeServed,
} from '../../wire/symbol.js';
import { batchMessage } from './batch.js';

/** A certificate for an object of which no batch has been made yet: its root is that of no leaves at all. */
export function signCertificate(
  group: Group,
  descriptorBytes: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const root = new Uint8Array(ROOT_SIZE);
  return writeCertificate(descriptorBytes, root, sign(batchMessage(group, descriptorBytes, root)));
}

export function writeCertificate(
  descriptorBytes: Uint8Array,
  root: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return new Writer(CERTIFICATE_SIZE).put(descriptorBytes).put(root).put(signature).finish().slice();
}

/** The certificate that what is served refers to. */
export function certificateOf({ descriptorBytes, proof, signature }: Manifest): Uint8Array {
  return writeCertificate(descriptorBytes, proof, signature);
}

/** What a certificate is about. Throws MALFORMED. */
export function certifiedDescriptor(certificate: Uint8Array): Descriptor {
  return parseDescriptor(certificate.subarray(0, DESCRIPTOR_SIZE));
}

/** What symbols of an object are served from. */
export interface ServedFrom {
  encoder: Encoder;
  certificate: Uint8Array;
  /** What they refer to; undefined where each says all itself. */
  manifest: Manifest | undefined;
}

/** Small objects are served in SYMBOLs: a manifest would be a datagram more, which may be lost. */
export function servedFrom(certificate: Uint8Array, encoder: Encoder): ServedFrom {
  const { transferLength, symbolSize } = encoder.oti;
  const isSmall = Math.ceil(transferLength / symbolSize) <= INLINE_SYMBOLS && symbolSize <= MAX_INLINE_SYMBOL;
  return { encoder, certificate, manifest: isSmall ? undefined : servedManifest(certificate) };
}

/**
 * Adds symbols of a block from `esi` on to a datagram, which the session vouches for: as many as fit it and `most` allows.
 *
 * @returns their number; 0 if not even one fits
 */
export function serveSymbols(
  { certificate, encoder, manifest }: ServedFrom,
  first: { sbn: number; esi: number; most: number },
  writer: SymbolWriter,
): number {
  const { sbn, esi, most } = first;
  if (manifest)
    return writer.served(manifest, first, (count, target) => encoder.symbolsInto(sbn, esi, count, target));
  const { symbolSize } = encoder.oti;
  // Repair symbols of K = 1 are mere multiples of the one source symbol.
  const limit = encoder.oti.blockSymbols(sbn) === 1 ? 1 : MAX_SERVED;
  const fitting = Math.floor((writer.room - FRAME_TYPE_SIZE - SERVED_OVERHEAD) / symbolSize);
  const count = Math.min(most, limit, fitting);
  if (count < 1) return 0;
  writer.body(SERVED_OVERHEAD + count * symbolSize, (target) => {
    fillServed(target, certificate, encoder, { sbn, esi, count });
  });
  return count;
}

/** The body of a SYMBOL with so many symbols that are served. */
export function servedBody(
  certificate: Uint8Array,
  encoder: Encoder,
  { sbn, esi, most }: { sbn: number; esi: number; most: number },
): Uint8Array {
  const body = new Uint8Array(SERVED_OVERHEAD + most * encoder.oti.symbolSize);
  fillServed(body, certificate, encoder, { sbn, esi, count: most });
  return body;
}

function fillServed(
  target: Uint8Array,
  certificate: Uint8Array,
  encoder: Encoder,
  { sbn, esi, count }: { sbn: number; esi: number; count: number },
): void {
  const at = writeServed(target, certificate, { sbn, esi, count });
  encoder.symbolsInto(sbn, esi, count, target.subarray(at));
}

/** Symbols of an object in all: as many as go to each peer whole. */
export const INLINE_SYMBOLS = 2;
