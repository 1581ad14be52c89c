/**
 * Datagrams with symbols of a member that lies. In: symbols that the honest endpoint under it means to send. Out: what its `Tamper`
 * makes of them: where that leaves all but the symbol's own bytes as it is, in the form that it would have had, and else in a
 * SYMBOL, which may be larger than the path's datagrams.
 */
import { inlineBody } from '../broadcast/proof/batch.js';
import { certificateOf } from '../broadcast/proof/certificate.js';
import { equalBytes } from '../core/bytes.js';
import { SymbolWriter, type Told } from '../wire/datagram.js';
import type { Frame } from '../wire/frames.js';
import {
  FRAME_TYPE_SIZE,
  LISTED_OVERHEAD,
  MAX_DATAGRAM,
  PROTECTED_TAG,
  RUN_OVERHEAD,
} from '../wire/limits.js';
import type { Manifest, SignedSymbol } from '../wire/manifest.js';
import { SERVED_OVERHEAD, writeServed } from '../wire/symbol.js';

/** See `Tamper.symbol`. */
type Change = (body: Uint8Array, room: number) => Uint8Array | undefined;

export class TamperedWriter extends SymbolWriter {
  private readonly change: Change;

  /** @param size of an honest datagram */
  constructor(size: number, frames: readonly Frame[], { told, change }: { told: Told; change: Change }) {
    super(new Uint8Array(MAX_DATAGRAM), frames, told);
    this.end = size - PROTECTED_TAG;
    this.change = change;
  }

  override signed(symbol: SignedSymbol): boolean {
    if (symbol instanceof Uint8Array) return super.signed(symbol);
    const isTold = this.told.numberOf(symbol.manifest) !== undefined;
    const manifest = isTold ? 0 : FRAME_TYPE_SIZE + 2 + symbol.manifest.bytes.length;
    // Told first, as ever.
    if (this.room < manifest + LISTED_OVERHEAD + symbol.symbol.length) return super.signed(symbol);
    const body = inlineBody(symbol);
    const said = this.said(body);
    if (!said) return true;
    const { length } = symbol.symbol;
    if (!isSameBut(said, body, length)) return this.sayWhole(said);
    return super.signed({ ...symbol, symbol: said.subarray(said.length - length) });
  }

  override body(length: number, fill: (target: Uint8Array) => void): boolean {
    if (this.room < FRAME_TYPE_SIZE + length) return false;
    const body = new Uint8Array(length);
    fill(body);
    const said = this.said(body);
    if (!said) return true;
    return said.length <= length
      ? super.body(said.length, (target) => target.set(said))
      : this.sayWhole(said);
  }

  override served(
    manifest: Manifest,
    first: { sbn: number; esi: number; most: number },
    fill: (count: number, target: Uint8Array) => void,
  ): number {
    let whole: Uint8Array | undefined;
    let isSilent = false;
    const { isUsed } = this;
    const wasTold = this.told.numberOf(manifest) !== undefined;
    let start = this.writer.offset;
    const written = super.served(manifest, first, (count, target) => {
      fill(count, target);
      start = target.byteOffset - this.writer.bytes.byteOffset - RUN_OVERHEAD;
      const body = new Uint8Array(SERVED_OVERHEAD + target.length);
      body.set(target, writeServed(body, certificateOf(manifest), { ...first, count }));
      const said = this.said(body);
      isSilent = said === undefined;
      if (said && !isSameBut(said, body, target.length)) whole = said;
      else if (said) target.set(said.subarray(said.length - target.length));
    });
    if (!isSilent && !whole) return written;
    this.writer.offset = start;
    this.isUsed = isUsed || !wasTold;
    if (whole) this.sayWhole(whole);
    return written;
  }

  override finish(): Uint8Array | undefined {
    return super.finish()?.slice();
  }

  /** What is said in place of a body; nothing more in this datagram if that is nothing. */
  private said(body: Uint8Array): Uint8Array | undefined {
    const said = this.change(body.slice(), MAX_SAID);
    if (!said || said.length > MAX_SAID) this.isClosed = true;
    return said && said.length <= MAX_SAID ? said : undefined;
  }

  /** In a SYMBOL, whatever its size. */
  private sayWhole(body: Uint8Array): boolean {
    this.isClosed = false;
    this.end = this.writer.offset + 2 * MAX_SAID;
    super.body(body.length, (target) => target.set(body));
    this.isClosed = true;
    return true;
  }
}

function isSameBut(a: Uint8Array, b: Uint8Array, last: number): boolean {
  return a.length === b.length && equalBytes(a.subarray(0, a.length - last), b.subarray(0, b.length - last));
}

/** Of one symbol, or of as many as an honest datagram holds. */
const MAX_SAID = 16 * 1024;
