/**
 * Makes the symbols of one object of ours: signed batches for what is to be relayed; for what is not, symbols that rest on the
 * session. In: which symbols, for whom. Out: symbols that can be written to datagrams.
 */
import { Encoder } from '../../../codec/index.js';
import type { KeyPair } from '../../../crypto/keys.js';
import type { Group } from '../../../group/group.js';
import type { StoredObject } from '../../../store/store.js';
import type { SymbolWriter } from '../../../wire/datagram.js';
import { DESCRIPTOR_SIZE } from '../../../wire/limits.js';
import type { SignedSymbol } from '../../../wire/manifest.js';
import type { Descriptor } from '../../../wire/symbol.js';
import { signBatch, signShares } from '../../proof/batch.js';
import { certifiedDescriptor, type ServedFrom, servedFrom, serveSymbols } from '../../proof/certificate.js';

/** Symbols of one block for one first hop, in a row if there are several. */
export interface Dealt {
  sbn: number;
  /** Of the first. */
  esi: number;
  count: number;
  firstHop: number;
  /** Nobody relays them. */
  isDirect: boolean;
}

/** A symbol that waits to be written: one that is not signed is made only then. */
export type MadeSymbol = SignedSymbol | { sbn: number; esi: number };

export class SymbolMaker {
  readonly descriptor: Descriptor;
  readonly encoder: Encoder;
  private readonly group: Group;
  private readonly keys: KeyPair;
  private readonly source: ServedFrom;

  constructor(
    group: Group,
    keys: KeyPair,
    { certificate, bytes }: Pick<StoredObject, 'certificate' | 'bytes'>,
  ) {
    this.group = group;
    this.keys = keys;
    this.descriptor = certifiedDescriptor(certificate);
    this.encoder = new Encoder(bytes, this.descriptor);
    this.source = servedFrom(certificate, this.encoder);
  }

  /** Whether each goes out in a SYMBOL that says all itself. */
  get isInline(): boolean {
    return this.source.manifest === undefined;
  }

  /** Adds up to `most` symbols from an ESI on to a datagram, which the session vouches for. Returns their number. */
  run(first: { sbn: number; esi: number; most: number }, writer: SymbolWriter): number {
    return serveSymbols(this.source, first, writer);
  }

  /** Adds one that was made; false if it does not fit. */
  write(symbol: MadeSymbol, writer: SymbolWriter): boolean {
    return 'sbn' in symbol ? this.run({ ...symbol, most: 1 }, writer) > 0 : writer.signed(symbol);
  }

  /** These symbols, all that are to be relayed under one signature. */
  make(dealt: readonly Dealt[]): MadeSymbol[][] {
    const relayed = dealt.filter(({ isDirect }) => !isDirect);
    const signed = relayed.length > 0 ? this.sign(relayed).values() : undefined;
    return dealt.map((share) => (share.isDirect ? direct(share) : signed!.next().value!));
  }

  dispose(): void {
    this.encoder.dispose();
  }

  private sign(dealt: readonly Dealt[]): SignedSymbol[][] {
    const descriptorBytes = this.source.certificate.subarray(0, DESCRIPTOR_SIZE);
    const { encoder, group, keys } = this;
    if (!this.isInline) {
      const shares = dealt.map(({ sbn, esi, count, firstHop }) => {
        const symbols = Array.from({ length: count }, (_, i) => encoder.symbol(sbn, esi + i));
        return { sbn, esi, firstHop, symbols };
      });
      return signShares(group, descriptorBytes, shares, keys.sign);
    }
    const leaves = dealt.map(({ sbn, esi, firstHop }) => {
      return { sbn, esi, firstHop, symbol: encoder.symbol(sbn, esi) };
    });
    return signBatch(group, descriptorBytes, leaves, keys.sign).map((body) => [body]);
  }
}

function direct({ sbn, esi, count }: Dealt): MadeSymbol[] {
  return Array.from({ length: count }, (_, i) => ({ sbn, esi: esi + i }));
}
