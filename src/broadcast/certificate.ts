/**
 * Certificates: what shows to anyone, for ever, that a member broadcast an object: its descriptor, the Merkle root of a batch
 * of its symbols and the origin's signature over both. Stored with the object, and sent with symbols served on request.
 */
import { Writer } from '../core/bytes.js';
import { CERTIFICATE_SIZE, DESCRIPTOR_SIZE, NODE_SIZE } from '../wire/limits.js';
import { type Descriptor, parseDescriptor, SERVED, writeLeaf, writeSymbol } from '../wire/symbol.js';
import { batchMessage } from './batch.js';
import type { Group } from './group.js';

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

/** The body of a SYMBOL that is served on request. */
export function servedSymbol(
  certificate: Uint8Array,
  leaf: { sbn: number; esi: number; symbol: Uint8Array },
): Uint8Array {
  const rootEnd = DESCRIPTOR_SIZE + NODE_SIZE;
  return writeSymbol({
    descriptorBytes: certificate.subarray(0, DESCRIPTOR_SIZE),
    depth: SERVED,
    index: 0,
    proof: certificate.subarray(DESCRIPTOR_SIZE, rootEnd),
    signature: certificate.subarray(rootEnd),
    leafBytes: writeLeaf({ ...leaf, firstHop: NO_HOP }),
  });
}

/** Nobody relays what was asked for. */
const NO_HOP = 0xffff;
