/**
 * Makes the SYMBOL bodies of one object of ours: signed batches for what is to be relayed; for what is not, symbols that rest on
 * the session. In: which symbols, for whom. Out: bodies.
 */
import { Encoder } from '../../../codec/index.js';
import type { KeyPair } from '../../../crypto/keys.js';
import type { Group } from '../../../group/group.js';
import type { StoredObject } from '../../../store/store.js';
import { DESCRIPTOR_SIZE } from '../../../wire/limits.js';
import { type Descriptor, type Leaf, SERVED_OVERHEAD } from '../../../wire/symbol.js';
import { signBatch } from '../../proof/batch.js';
import { certifiedDescriptor, serveSymbols } from '../../proof/certificate.js';

/** A symbol for its first hop. */
export interface Dealt extends Leaf {
  /** Nobody relays it. */
  isDirect: boolean;
}

export class SymbolMaker {
  readonly descriptor: Descriptor;
  readonly encoder: Encoder;
  private readonly group: Group;
  private readonly keys: KeyPair;
  private readonly certificate: Uint8Array;

  constructor(
    group: Group,
    keys: KeyPair,
    { certificate, bytes }: Pick<StoredObject, 'certificate' | 'bytes'>,
  ) {
    this.group = group;
    this.keys = keys;
    this.certificate = certificate;
    this.descriptor = certifiedDescriptor(certificate);
    this.encoder = new Encoder(bytes, this.descriptor);
  }

  /** Writes up to `most` symbols from an ESI on to `target`, which the session vouches for. */
  run(
    first: { sbn: number; esi: number; most: number },
    target: Uint8Array,
  ): { count: number; bytes: number } {
    return serveSymbols(this.certificate, this.encoder, first, target);
  }

  /** The bodies of these symbols, in order. */
  bodies(leaves: readonly Dealt[]): Uint8Array[] {
    const relayed = leaves.filter(({ isDirect }) => !isDirect);
    const descriptorBytes = this.certificate.subarray(0, DESCRIPTOR_SIZE);
    const signed =
      relayed.length > 0
        ? signBatch(this.group, descriptorBytes, relayed, this.keys.sign).values()
        : undefined;
    return leaves.map((leaf) => (leaf.isDirect ? this.directBody(leaf) : signed!.next().value!));
  }

  dispose(): void {
    this.encoder.dispose();
  }

  private directBody({ sbn, esi }: Leaf): Uint8Array {
    const body = new Uint8Array(SERVED_OVERHEAD + this.descriptor.symbolSize);
    this.run({ sbn, esi, most: 1 }, body);
    return body;
  }
}
