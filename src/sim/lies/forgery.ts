/**
 * What only an origin can forge: symbols under its own signature that are not of the object that it stored. In: the SYMBOL
 * bodies that it sends. Out: others in their place.
 */

import { writeParcel } from '../../broadcast/delivery/parcel.js';
import { signBatch } from '../../broadcast/proof/batch.js';
import { servedBody, signCertificate } from '../../broadcast/proof/certificate.js';
import { cutObject } from '../../broadcast/spread/plan.js';
import { Encoder } from '../../codec/index.js';
import type { Rng } from '../../core/rng.js';
import { sha256 } from '../../crypto/hash.js';
import type { KeyPair } from '../../crypto/keys.js';
import type { Group } from '../../group/group.js';
import type { Tamper } from '../../member/tamper.js';
import {
  type ObjectId,
  objectKey,
  parseSymbol,
  SERVED,
  type SymbolFrame,
  writeDescriptor,
} from '../../wire/symbol.js';

export interface Signer {
  group: Group;
  self: number;
  keys: KeyPair;
  rng: Rng;
}

type Change = NonNullable<Tamper['symbol']>;

/** An object of a liar's own, of whatever bytes, signed. */
export class Forgery {
  private readonly signer: Signer;
  private readonly bytes: Uint8Array;
  readonly certificate: Uint8Array;
  private readonly descriptorBytes: Uint8Array;
  private readonly cut: { symbolSize: number; sourceBlocks: number };

  constructor(signer: Signer, id: ObjectId, bytes: Uint8Array, cut = cutObject(bytes.length)) {
    this.signer = signer;
    this.bytes = bytes;
    this.cut = cut;
    const { origin, incarnation, seq } = id;
    const descriptor = { origin, incarnation, seq, length: bytes.length, hash: sha256(bytes), ...cut };
    this.descriptorBytes = writeDescriptor(descriptor);
    this.certificate = signCertificate(signer.group, this.descriptorBytes, signer.keys.sign);
  }

  /** A symbol that `firstHop` is to relay, under a signature of its own. */
  signed(sbn: number, esi: number, firstHop: number): Uint8Array {
    return this.encode((encoder) => {
      const leaf = { sbn, esi, firstHop, symbol: encoder.symbol(sbn, esi) };
      return signBatch(this.signer.group, this.descriptorBytes, [leaf], this.signer.keys.sign)[0];
    });
  }

  /** As many symbols from `esi` on, as if they had been asked for, as `room` bytes hold. */
  served(sbn: number, esi: number, room: number): Uint8Array {
    return this.encode((encoder) => {
      const body = servedBody(this.certificate, encoder, { sbn, esi, most: 1 });
      return body.length <= room ? body : new Uint8Array(0);
    });
  }

  private encode(make: (encoder: Encoder) => Uint8Array): Uint8Array {
    const encoder = new Encoder(this.bytes, this.cut);
    const made = make(encoder);
    encoder.dispose();
    return made;
  }
}

/** Symbols of another object under the same name, to members of its choice. */
export function otherObject(signer: Signer): Change {
  const { group, self, rng } = signer;
  const others = new Map<string, { forgery: Forgery; deceived: ReadonlySet<number> }>();
  return (_now, peer, body, room) => {
    const { descriptor, depth, leaf } = parseSymbol(body);
    if (descriptor.origin !== self) return body;
    let other = others.get(objectKey(descriptor));
    if (!other) {
      const bytes = writeParcel({ dependencies: [], messages: [rng.bytes(rng.integer(1, 40))] });
      const deceived = new Set(group.members.flatMap(({ index }) => (rng.chance(0.5) ? [index] : [])));
      other = { forgery: new Forgery(signer, descriptor, bytes), deceived };
      others.set(objectKey(descriptor), other);
    }
    if (!other.deceived.has(peer)) return body;
    return depth === SERVED ? other.forgery.served(0, 0, room) : other.forgery.signed(0, 0, leaf.firstHop);
  };
}

/** Symbols of an object that differs in one bit from the one that its hash is of. */
export function wrongSymbols(signer: Signer): Change {
  const { self, rng, group, keys } = signer;
  const places = new Map<string, number>();
  return (_now, _peer, body) => {
    const frame = parseSymbol(body.slice());
    const { descriptor, leaf } = frame;
    if (descriptor.origin !== self) return body;
    const key = objectKey(descriptor);
    const place = places.get(key) ?? rng.integer(0, 8 * descriptor.length - 1);
    places.set(key, place);
    addDifference(frame, place);
    if (frame.depth === SERVED) {
      const wrong = body.slice();
      wrong.set(leaf.symbol, body.length - leaf.symbol.length);
      return wrong;
    }
    return signBatch(group, frame.descriptorBytes, [leaf], keys.sign)[0];
  };
}

/** The code is linear: the symbols of an object with one bit changed are the sums of its own and those of that bit alone. */
function addDifference({ descriptor, leaf }: SymbolFrame, place: number): void {
  const bytes = new Uint8Array(descriptor.length);
  bytes[place >> 3] = 1 << (place & 7);
  const { symbolSize, sourceBlocks } = descriptor;
  const encoder = new Encoder(bytes, { symbolSize, sourceBlocks });
  for (let i = 0; i * symbolSize < leaf.symbol.length; i++) {
    const difference = encoder.symbol(leaf.sbn, leaf.esi + i);
    for (let at = 0; at < symbolSize; at++) leaf.symbol[i * symbolSize + at] ^= difference[at];
  }
  encoder.dispose();
}
