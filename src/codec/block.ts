/**
 * Reception of one source block: which symbols are held, where their bytes are, and when to try a solve. Source symbols
 * are written once, to their final place in the object; repair symbols to chunks of their own until the block is done.
 */

import { copySymbols, type Engine, type Fill } from './engine.js';

export class BlockReception {
  readonly #k: number;
  readonly #size: number;
  /** The block's part of the object; shorter than k symbols if the object's last symbol is. */
  readonly #source: Uint8Array;
  readonly #hasSource: Uint8Array;
  #sourceCount = 0;
  /** Repair ESIs in order of arrival; the n-th one's bytes are in #chunks. */
  readonly #repair = new Map<number, number>();
  #chunks: Uint8Array[] = [];
  #attemptAt: number;
  #attemptStep = 1;
  #held = 0;
  complete = false;

  constructor(k: number, symbolSize: number, source: Uint8Array) {
    this.#k = k;
    this.#size = symbolSize;
    this.#source = source;
    this.#hasSource = new Uint8Array(k);
    this.#attemptAt = k;
  }

  /** Distinct symbols held; stays as it was when the block was completed. */
  get held(): number {
    return this.#held;
  }

  /** Symbols to go until the next solve attempt. */
  get missing(): number {
    return this.complete ? 0 : this.#attemptAt - this.#held;
  }

  has(esi: number): boolean {
    return this.complete || (esi < this.#k ? this.#hasSource[esi] === 1 : this.#repair.has(esi));
  }

  /** Keeps a symbol that is not held yet, and solves the block if it is time. */
  add(esi: number, symbol: Uint8Array, engine: Engine): void {
    if (esi < this.#k) this.#addSource(esi, symbol);
    else if (this.#repair.size >= this.#k + SPARE_REPAIR) return;
    else this.#addRepair(esi, symbol);
    this.#held = this.#sourceCount + this.#repair.size;
    if (this.#sourceCount === this.#k) this.#finish();
    else if (this.#held >= this.#attemptAt) this.#attempt(engine);
  }

  #addSource(esi: number, symbol: Uint8Array): void {
    const at = esi * this.#size;
    const room = this.#source.length - at;
    this.#source.set(room < this.#size ? symbol.subarray(0, room) : symbol, at);
    this.#hasSource[esi] = 1;
    this.#sourceCount++;
  }

  #addRepair(esi: number, symbol: Uint8Array): void {
    const index = this.#repair.size;
    const perChunk = this.#symbolsPerChunk();
    if (index % perChunk === 0) this.#chunks.push(new Uint8Array(perChunk * this.#size));
    this.#chunks[Math.floor(index / perChunk)].set(symbol, (index % perChunk) * this.#size);
    this.#repair.set(esi, index);
  }

  #attempt(engine: Engine): void {
    const missing: number[] = [];
    for (let esi = 0; esi < this.#k; esi++) if (this.#hasSource[esi] === 0) missing.push(esi);
    // Slot i holds source symbol i where that is held; repair symbols take the other slots, then those behind.
    const esis = new Uint32Array(this.#held);
    for (let esi = 0; esi < this.#k; esi++) esis[esi] = esi;
    const slotOf = (index: number) =>
      index < missing.length ? missing[index] : this.#k + index - missing.length;
    for (const [esi, index] of this.#repair) esis[slotOf(index)] = esi;
    const fill: Fill = (memory, offset, stride, slots) => {
      copySymbols(this.#source, this.#size, memory, offset, stride, slots);
      for (const index of this.#repair.values())
        memory.set(this.#repairBytes(index), offset + slotOf(index) * stride);
    };
    const block = { k: this.#k, symbolSize: this.#size, esis, fill };
    // Set before the attempt: one that throws for lack of memory must not be made again with every symbol.
    this.#attemptAt = this.#held + this.#attemptStep;
    this.#attemptStep *= 2;
    if (engine.solve(block, missing, (esi, symbol) => this.#addSource(esi, symbol))) this.#finish();
  }

  #repairBytes(index: number): Uint8Array {
    const perChunk = this.#symbolsPerChunk();
    const at = (index % perChunk) * this.#size;
    return this.#chunks[Math.floor(index / perChunk)].subarray(at, at + this.#size);
  }

  #symbolsPerChunk(): number {
    return Math.max(1, Math.min(this.#k, Math.floor(CHUNK_BYTES / this.#size)));
  }

  #finish(): void {
    this.complete = true;
    this.#chunks = [];
    this.#repair.clear();
  }
}

/** Repair symbols come in chunks of at most this size (or one symbol), so that a few of them cost little. */
const CHUNK_BYTES = 16 * 1024;
/**
 * K + h random symbols fail to determine a block once in 256^(h+1) times, so whoever sent K + 128 repair symbols of rank
 * below K chose them to. Source symbols are still taken then.
 */
const SPARE_REPAIR = 128;
