/** Objects as a member's store holds them, with genuine certificates of the small group's keys. */

import { writeParcel } from '../../src/broadcast/delivery/parcel.js';
import { signCertificate } from '../../src/broadcast/proof/certificate.js';
import { cutObject } from '../../src/broadcast/spread/plan.js';
import { sha256 } from '../../src/crypto/hash.js';
import type { KeyPair } from '../../src/crypto/keys.js';
import type { Loaded, StoredObject } from '../../src/store/store.js';
import {
  type Descriptor,
  type ObjectId,
  SERVED_OVERHEAD,
  writeDescriptor,
  writeServed,
} from '../../src/wire/symbol.js';
import { smallGroup } from './small-group.js';

const utf8 = new TextEncoder();

/** The bytes of an object with these messages. */
export function parcelOf(...messages: string[]): Uint8Array {
  return writeParcel({ dependencies: [], messages: messages.map((message) => utf8.encode(message)) });
}

export function textsOf(messages: readonly Uint8Array[]): string[] {
  return messages.map((message) => new TextDecoder().decode(message));
}

export function descriptorOf(id: ObjectId, bytes: Uint8Array): Descriptor {
  return { ...id, length: bytes.length, ...cutObject(bytes.length), hash: sha256(bytes) };
}

/** Signed by its origin, unless by another. */
export function storedObject(
  id: ObjectId,
  bytes: Uint8Array,
  { group, keys }: ReturnType<typeof smallGroup> = smallGroup(4),
  signer: KeyPair = keys[id.origin],
): StoredObject {
  const descriptorBytes = writeDescriptor(descriptorOf(id, bytes));
  return { ...id, certificate: signCertificate(group, descriptorBytes, signer.sign), bytes };
}

/** The body of a SYMBOL with these symbols, served together: `symbols` is one, or several one behind the other. */
export function servedSymbol(
  certificate: Uint8Array,
  first: { sbn: number; esi: number },
  symbols: Uint8Array,
  count = 1,
): Uint8Array {
  const body = new Uint8Array(SERVED_OVERHEAD + symbols.length);
  body.set(symbols, writeServed(body, certificate, { ...first, count }));
  return body;
}

/** What a new store holds. */
export function emptyStore(): Loaded {
  return { incarnation: 1, session: 2, streams: [], held: [], retired: [], sent: [], bytes: 0 };
}
