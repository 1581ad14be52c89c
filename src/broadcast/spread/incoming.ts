/**
 * An object that another member broadcasts: the symbols held of it, what is relayed of it, and what is still missing.
 * In: verified symbols and the peers' progress. Out: the bytes once they are complete and match the origin's hash.
 */

import { Decoder, Oti } from '../../codec/index.js';
import { Bitset, bitAt } from '../../core/bitset.js';
import { equalBytes } from '../../core/bytes.js';
import { Sha256, sha256 } from '../../crypto/hash.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { MAX_PROGRESS_ENTRIES } from '../../wire/limits.js';
import type { Descriptor, Leaf } from '../../wire/symbol.js';

export type AddResult = 'added' | 'complete' | 'tainted';

export class Incoming {
  readonly descriptor: Descriptor;
  /** Undefined once the object is complete or tainted. */
  private decoder: Decoder | undefined;
  private readonly oti: Oti;
  /** Of a large object: the hash of what is there without a gap. */
  private readonly hash: Sha256 | undefined;
  private hashedBytes = 0;
  /** By block: ESIs of first-hop symbols that went to the others. */
  private readonly relayed = new Map<number, Bitset>();
  /** By peer: the newest progress. */
  private readonly peers = new Map<number, ProgressFrame>();
  /** The rebuilt object, from completion to delivery. */
  bytes: Uint8Array | undefined;
  tainted = false;
  heldSymbols = 0;
  receivedSymbols = 0;

  /** @param allocate memory for the rebuilt object, which need not be zero; default: fresh */
  constructor(descriptor: Descriptor, allocate?: (size: number) => Uint8Array) {
    // The hash is a view of a datagram: keep a copy instead.
    this.descriptor = { ...descriptor, hash: descriptor.hash.slice() };
    this.oti = new Oti({
      transferLength: descriptor.length,
      symbolSize: descriptor.symbolSize,
      sourceBlocks: descriptor.sourceBlocks,
    });
    this.decoder = new Decoder(this.oti, { allocate });
    if (descriptor.length > HASHED_AT_ONCE) this.hash = new Sha256();
  }

  get complete(): boolean {
    return !this.decoder && !this.tainted;
  }

  /** Source symbols of the whole object. */
  get neededSymbols(): number {
    let sum = 0;
    for (let sbn = 0; sbn < this.oti.sourceBlocks; sbn++) sum += this.oti.blockSymbols(sbn);
    return sum;
  }

  sourceSymbols(sbn: number): number {
    return this.oti.blockSymbols(sbn);
  }

  /** Whether this symbol would bring nothing; a look only, changes nothing. */
  redundancy(leaf: Leaf): 'duplicate' | 'late' | undefined {
    if (!this.decoder || this.decoder.blockComplete(leaf.sbn)) return 'late';
    const end = leaf.esi + leaf.symbol.length / this.descriptor.symbolSize;
    for (let esi = leaf.esi; esi < end; esi++) if (!this.decoder.has(leaf.sbn, esi)) return undefined;
    return 'duplicate';
  }

  isRelayed(leaf: Leaf): boolean {
    return this.relayed.get(leaf.sbn)?.has(leaf.esi) ?? false;
  }

  markRelayed(leaf: Leaf): void {
    let block = this.relayed.get(leaf.sbn);
    if (!block) {
      block = new Bitset();
      this.relayed.set(leaf.sbn, block);
    }
    block.add(leaf.esi);
  }

  onProgress(peer: number, frame: ProgressFrame): void {
    if (frame.sourceBlocks !== this.oti.sourceBlocks) return;
    // Kept, and the datagram's memory is not ours.
    this.peers.set(peer, { ...frame, complete: frame.complete.slice() });
  }

  /** Source symbols that `peer` lacks by its last report. */
  missingAt(peer: number): number {
    const progress = this.peers.get(peer);
    const missing = new Map(progress?.missing.map(({ sbn, symbols }) => [sbn, symbols]));
    let sum = 0;
    for (let sbn = 0; sbn < this.oti.sourceBlocks; sbn++)
      if (!this.peerHasBlock(peer, sbn)) sum += missing.get(sbn) ?? this.oti.blockSymbols(sbn);
    return sum;
  }

  /** Members that have reported to have some of it. */
  reporters(): Iterable<number> {
    return this.peers.keys();
  }

  /** Whether `peer` has reported this block complete. */
  peerHasBlock(peer: number, sbn: number): boolean {
    const progress = this.peers.get(peer);
    return progress !== undefined && bitAt(progress.complete, sbn);
  }

  /** Adds what is not redundant of verified symbols. */
  add({ sbn, esi, symbol }: Leaf): AddResult {
    const decoder = this.decoder!;
    this.heldSymbols += decoder.addSymbols(sbn, esi, symbol);
    if (this.hash) this.hashPrefix(decoder, this.hash);
    if (!decoder.complete) return 'added';
    const bytes = decoder.object();
    decoder.dispose();
    this.decoder = undefined;
    if (!equalBytes(this.hash?.digest() ?? sha256(bytes), this.descriptor.hash)) {
      this.tainted = true;
      return 'tainted';
    }
    this.bytes = bytes;
    return 'complete';
  }

  /** Symbols missing of blocks that are not complete, of as many as fit a frame; none if nothing is held at all. */
  deficits(): ProgressFrame['missing'] {
    const { decoder, oti } = this;
    const missing: ProgressFrame['missing'] = [];
    if (!decoder || this.heldSymbols === 0) return missing;
    for (let sbn = 0; sbn < oti.sourceBlocks && missing.length < MAX_PROGRESS_ENTRIES; sbn++)
      if (!decoder.blockComplete(sbn)) missing.push({ sbn, symbols: Math.max(1, decoder.missing(sbn)) });
    return missing;
  }

  /** `peer` has lost what it had reported. */
  onRestart(peer: number): void {
    this.peers.delete(peer);
  }

  /** What to report; undefined once tainted: then nothing can be said. */
  progress(): ProgressFrame | undefined {
    const { decoder, oti, tainted } = this;
    if (tainted) return undefined;
    const complete = new Bitset();
    const missing: ProgressFrame['missing'] = [];
    for (let sbn = 0; sbn < oti.sourceBlocks; sbn++) {
      if (!decoder || decoder.blockComplete(sbn)) complete.add(sbn);
      else if (decoder.held(sbn) > 0 && missing.length < MAX_PROGRESS_ENTRIES)
        missing.push({ sbn, symbols: Math.max(1, decoder.missing(sbn)) });
    }
    const { origin, incarnation, seq } = this.descriptor;
    return {
      kind: 'progress',
      id: { origin, incarnation, seq },
      sourceBlocks: oti.sourceBlocks,
      complete: complete.toBytes(oti.sourceBlocks),
      missing,
    };
  }

  /** Blocks rebuilt so far. */
  completeBlocks(): number {
    let count = 0;
    for (let sbn = 0; sbn < this.oti.sourceBlocks; sbn++)
      if (!this.decoder || this.decoder.blockComplete(sbn)) count++;
    return count;
  }

  /** While the processor has the bytes at hand, and so that the end of a large object holds up nothing else. */
  private hashPrefix(decoder: Decoder, hash: Sha256): void {
    const { prefixLength } = decoder;
    if (prefixLength - this.hashedBytes < HASHED_AT_ONCE && !decoder.complete) return;
    hash.update(decoder.bytes(this.hashedBytes, prefixLength));
    this.hashedBytes = prefixLength;
  }

  /** The bytes were delivered: they are the consumer's now. */
  release(): void {
    this.bytes = undefined;
  }

  dispose(): void {
    this.decoder?.dispose();
    this.decoder = undefined;
    this.bytes = undefined;
  }
}

/** Bytes: what the fastest caches hold. */
const HASHED_AT_ONCE = 32 * 1024;
