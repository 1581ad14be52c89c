/**
 * Certificates: what shows to anyone, for ever, that a member broadcast an object: its descriptor, the Merkle root of a batch
 * of its symbols and the origin's signature over both. Stored with the object, and sent with symbols served on request.
 */
import type { Encoder } from '../../codec/index.js';
import { Writer } from '../../core/bytes.js';
import type { Group } from '../../group/group.js';
import { CERTIFICATE_SIZE, DESCRIPTOR_SIZE, NODE_SIZE } from '../../wire/limits.js';
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
  const root = new Uint8Array(NODE_SIZE);
  return writeCertificate(descriptorBytes, root, sign(batchMessage(group, descriptorBytes, root)));
}

export function writeCertificate(
  descriptorBytes: Uint8Array,
  root: Uint8Array,
  signature: Uint8Array,
): Uint8Array {
  return new Writer(CERTIFICATE_SIZE).put(descriptorBytes).put(root).put(signature).finish().slice();
}

/** What a certificate is about. Throws MALFORMED. */
export function certifiedDescriptor(certificate: Uint8Array): Descriptor {
  return parseDescriptor(certificate.subarray(0, DESCRIPTOR_SIZE));
}

/**
 * Writes the body of a SYMBOL with symbols of a block from `esi` on to `target`: as many as fit it and `most` allows.
 *
 * @returns their number, and the bytes written; both 0 if not even one fits
 */
export function serveSymbols(
  certificate: Uint8Array,
  encoder: Encoder,
  { sbn, esi, most }: { sbn: number; esi: number; most: number },
  target: Uint8Array,
): { count: number; bytes: number } {
  const { symbolSize } = encoder.oti;
  // Repair symbols of K = 1 are mere multiples of the one source symbol.
  const limit = encoder.oti.blockSymbols(sbn) === 1 ? 1 : MAX_SERVED;
  const count = Math.min(most, limit, Math.floor((target.length - SERVED_OVERHEAD) / symbolSize));
  if (count < 1) return { count: 0, bytes: 0 };
  const at = writeServed(target, certificate, { sbn, esi, count });
  const bytes = at + count * symbolSize;
  encoder.symbolsInto(sbn, esi, count, target.subarray(at, bytes));
  return { count, bytes };
}
