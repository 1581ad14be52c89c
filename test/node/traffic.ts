/** What members send about objects: symbols as their origin signs them, symbols served on request, and confirms. */

import { Stream } from '../../src/broadcast/agreement/stream.js';
import { signBatch } from '../../src/broadcast/proof/batch.js';
import { Encoder } from '../../src/codec/index.js';
import { sha256 } from '../../src/crypto/hash.js';
import type { KeyPair } from '../../src/crypto/keys.js';
import type { Group } from '../../src/group/group.js';
import type { StoredObject } from '../../src/store/store.js';
import type { VectorEntry } from '../../src/wire/frames/vector.js';
import { type ObjectId, type StreamId, writeDescriptor } from '../../src/wire/symbol.js';
import { boundsOf } from '../broadcast/bounds.js';
import { descriptorOf, servedSymbol } from '../broadcast/objects.js';

/** All source symbols of an object of one block, signed by its origin. */
export function signedSymbols(
  { group, keys }: { group: Group; keys: KeyPair[] },
  id: ObjectId,
  bytes: Uint8Array,
  firstHop = id.origin,
): Uint8Array[] {
  const descriptor = descriptorOf(id, bytes);
  using encoder = new Encoder(bytes, descriptor);
  const leaves = Array.from({ length: encoder.oti.blockSymbols(0) }, (_, esi) => ({
    sbn: 0,
    esi,
    firstHop,
    symbol: encoder.symbol(0, esi),
  }));
  return signBatch(group, writeDescriptor(descriptor), leaves, keys[id.origin].sign);
}

/** The same as who holds the object serves them; `bytes` may be other ones than its certificate says. */
export function servedSymbols({ certificate, bytes }: StoredObject): Uint8Array[] {
  const descriptor = descriptorOf({ origin: 0, incarnation: 0, seq: 0 }, bytes);
  using encoder = new Encoder(bytes, descriptor);
  return Array.from({ length: encoder.oti.blockSymbols(0) }, (_, esi) =>
    servedSymbol(certificate, { sbn: 0, esi }, encoder.symbol(0, esi)),
  );
}

/** What a member says that holds these objects of a stream, and keeps them from `base` on. */
export function entryOf(id: StreamId, objects: readonly Uint8Array[], base = 0): VectorEntry {
  return { ...streamOf(id, objects).telling.entry(), base };
}

/** The whole digest of these objects. */
export function chainOf(objects: readonly Uint8Array[]): Uint8Array {
  return streamOf({ origin: 0, incarnation: 0 }, objects).ledger.chainAt(objects.length)!;
}

function streamOf(id: StreamId, objects: readonly Uint8Array[]): Stream {
  const stream = new Stream(id, boundsOf(0, 1));
  objects.forEach((bytes, seq) => {
    stream.hold(seq, sha256(bytes));
  });
  return stream;
}
