/**
 * The manifests that one peer has told, and its symbols that came before theirs. In: MANIFEST, LISTED and SERVED frames. Out:
 * symbols that can be examined. Nothing is checked here but that they fit each other: no more is kept than stated below.
 */
import { equalBytes } from '../../../core/bytes.js';
import { type Micros, SECOND } from '../../../core/time.js';
import { HeadwaterError } from '../../../errors.js';
import type { ListedFrame } from '../../../wire/frames/symbols/listed.js';
import type { ServedFrame } from '../../../wire/frames/symbols/served.js';
import { copyOf, listedFrame, type Manifest, servedFrame } from '../../../wire/manifest.js';
import type { SymbolFrame } from '../../../wire/symbol.js';

export type Reference = ListedFrame | ServedFrame;

interface Held {
  reference: Reference;
  at: Micros;
}

export class HeardManifests {
  /** By number, those told last at the end. */
  private readonly manifests = new Map<number, Manifest>();
  /** By number: what waits for it, the oldest first. */
  private readonly held = new Map<number, Held[]>();
  private heldBytes = 0;

  /** A manifest has come. Returns what has waited for it. */
  onManifest(number: number, manifest: Manifest): Reference[] {
    const known = this.manifests.get(number);
    if (known && equalBytes(known.bytes, manifest.bytes)) return [];
    this.manifests.delete(number);
    // Of its own: it is kept for longer than the datagram.
    this.manifests.set(number, copyOf(manifest));
    if (this.manifests.size > MAX_HEARD) this.manifests.delete(this.manifests.keys().next().value!);
    const waiting = this.held.get(number) ?? [];
    this.release(number);
    return waiting.map(({ reference }) => reference);
  }

  /** The symbol that a reference is to; undefined if its manifest has not come, 'malformed' if it does not fit that. */
  find(reference: Reference): SymbolFrame | 'malformed' | undefined {
    const manifest = this.manifests.get(reference.number);
    if (!manifest) return undefined;
    try {
      return reference.kind === 'listed'
        ? listedFrame(manifest, reference.place, reference.symbol)
        : servedFrame(manifest, reference.sbn, reference.esi, reference.symbols);
    } catch (error) {
      if (error instanceof HeadwaterError) return 'malformed';
      throw error;
    }
  }

  /**
   * Keeps a symbol until its manifest comes.
   *
   * @returns how many are given up for that: those that have waited for too long, or the oldest where there is no room
   */
  hold(now: Micros, reference: Reference): number {
    let dropped = 0;
    const bytes = sizeOf(reference);
    for (const [number, [{ at }]] of this.held) {
      if (this.heldBytes + bytes <= MAX_HELD_BYTES && now - at < PATIENCE) break;
      dropped += this.release(number);
    }
    if (bytes > MAX_HELD_BYTES) return dropped + 1;
    const waiting = this.held.get(reference.number);
    const kept = { reference: ownedReference(reference), at: now };
    if (waiting) waiting.push(kept);
    else this.held.set(reference.number, [kept]);
    this.heldBytes += bytes;
    return dropped;
  }

  /** Numbers of manifests that symbols have waited for since `since` or longer, at most `most` of them. */
  lacking(since: Micros, most: number): number[] {
    const numbers: number[] = [];
    for (const [number, [{ at }]] of this.held) {
      if (at > since || numbers.length === most) break;
      numbers.push(number);
    }
    return numbers;
  }

  /** The peer has begun anew: its numbers name others now. */
  clear(): void {
    this.manifests.clear();
    this.held.clear();
    this.heldBytes = 0;
  }

  private release(number: number): number {
    const waiting = this.held.get(number) ?? [];
    for (const { reference } of waiting) this.heldBytes -= sizeOf(reference);
    this.held.delete(number);
    return waiting.length;
  }
}

function bytesOf(reference: Reference): Uint8Array {
  return reference.kind === 'listed' ? reference.symbol : reference.symbols;
}

/** With what it takes to keep it. */
function sizeOf(reference: Reference): number {
  return bytesOf(reference).length + HELD_OVERHEAD;
}

/** The same in memory of its own: the datagram's is not ours. */
function ownedReference(reference: Reference): Reference {
  const bytes = bytesOf(reference).slice();
  return reference.kind === 'listed' ? { ...reference, symbol: bytes } : { ...reference, symbols: bytes };
}

/** Of one peer: what is under way of 16 MB, with 32 symbols each. */
export const MAX_HEARD = 512;
/** Bytes of one peer's symbols whose manifests have not come: of a hundred lists under way, what one in eight lost ones brings. */
export const MAX_HELD_BYTES = 512 * 1024;
const HELD_OVERHEAD = 128;
/** A manifest that was lost is told again a round trip later. */
const PATIENCE: Micros = 3 * SECOND;
