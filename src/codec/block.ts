/**
 * Reception of one source block: which symbols are held, where their bytes are, and when to try a solve. Source symbols
 * are written once, to their final place in the object; repair symbols to chunks of their own until the block is done.
 */

import { copySymbols, type Engine, type Fill } from './engine.js';
import type { SolveJob } from './job.js';

export class BlockReception {
  readonly #k: number;
  readonly #size: number;
  /** The block's part of the object; shorter than k symbols if the object's last symbol is. */
  readonly #source: Uint8Array;
  readonly #hasSource: Uint8Array;
  #sourceCount = 0;
  /** All source symbols below are held. */
  #prefix = 0;
  /** Repair ESIs in order of arrival; the n-th one's bytes are in #chunks. */
  readonly #repair = new Map<number, number>();
  #chunks: Uint8Array[] = [];
  #attemptAt: number;
  #attemptStep = 1;
  #held = 0;
  complete = false;
  /** The job that somebody else runs, from its making to its result. */
  #job: { job: SolveJob; wanted: number[] } | undefined;

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

  /** How many source symbols are held before the first that is not. */
  get prefix(): number {
    while (this.#prefix < this.#k && this.#hasSource[this.#prefix] === 1) this.#prefix++;
    return this.#prefix;
  }

  has(esi: number): boolean {
    return this.complete || (esi < this.#k ? this.#hasSource[esi] === 1 : this.#repair.has(esi));
  }

  /** Keeps a symbol that is not held yet, and solves the block if it is time, unless somebody else is to do that. */
  add(esi: number, symbol: Uint8Array, engine: Engine | undefined): void {
    if (esi < this.#k) this.#addSource(esi, symbol);
    else if (this.#repair.size >= this.#k + SPARE_REPAIR) return;
    else this.#addRepair(esi, symbol);
    this.#onAdded(engine);
  }

  /** Keeps those of consecutive symbols that are not held yet, and solves as add() does; returns how many were new. */
  addRun(esi: number, symbols: Uint8Array, engine: Engine | undefined): number {
    const size = this.#size;
    const end = esi + symbols.length / size;
    let next = esi;
    while (next < end && next < this.#k && this.#hasSource[next] === 0) next++;
    if (next === end) {
      this.#addSource(esi, symbols);
      this.#onAdded(engine);
      return end - esi;
    }
    let added = 0;
    next = esi;
    for (let at = 0; next < end; at += size, next++) {
      if (this.has(next)) continue;
      this.add(next, symbols.subarray(at, at + size), engine);
      added++;
    }
    return added;
  }

  /** The solve that is due, as a job, if none is out. */
  takeJob(sbn: number): SolveJob | undefined {
    if (this.complete || this.#job || this.#held < this.#attemptAt) return undefined;
    const { lost, esis, fill } = this.#system();
    const symbols = new Uint8Array(esis.length * this.#size);
    fill(symbols, 0, this.#size, esis.length);
    const wanted = Uint32Array.from(lost);
    const job: SolveJob = { kind: 'solve', sbn, k: this.#k, symbolSize: this.#size, esis, wanted, symbols };
    // The job's own arrays may be transferred away, so what the result belongs to is kept here.
    this.#job = { job, wanted: lost };
    this.#planNextAttempt();
    return job;
  }

  /** Takes the result of a job: the wanted symbols, or undefined if the job's symbols did not suffice. */
  finishJob(job: SolveJob, result: Uint8Array | undefined): void {
    if (this.#job?.job !== job) return;
    const { wanted } = this.#job;
    this.#job = undefined;
    if (this.complete || !result) return;
    for (const [i, esi] of wanted.entries())
      if (this.#hasSource[esi] === 0)
        this.#addSource(esi, result.subarray(i * this.#size, (i + 1) * this.#size));
    this.#finish();
  }

  #onAdded(engine: Engine | undefined): void {
    this.#held = this.#sourceCount + this.#repair.size;
    if (this.#sourceCount === this.#k) this.#finish();
    else if (engine && this.#held >= this.#attemptAt) this.#attempt(engine);
  }

  /** One source symbol, or several that stand one behind the other. */
  #addSource(esi: number, symbols: Uint8Array): void {
    const at = esi * this.#size;
    const room = this.#source.length - at;
    this.#source.set(room < symbols.length ? symbols.subarray(0, room) : symbols, at);
    const end = esi + symbols.length / this.#size;
    for (let held = esi; held < end; held++) this.#hasSource[held] = 1;
    this.#sourceCount += end - esi;
  }

  #addRepair(esi: number, symbol: Uint8Array): void {
    const index = this.#repair.size;
    const perChunk = this.#symbolsPerChunk();
    if (index % perChunk === 0) this.#chunks.push(new Uint8Array(perChunk * this.#size));
    this.#chunks[Math.floor(index / perChunk)].set(symbol, (index % perChunk) * this.#size);
    this.#repair.set(esi, index);
  }

  #attempt(engine: Engine): void {
    const { lost, esis, fill } = this.#system();
    const block = { k: this.#k, symbolSize: this.#size, esis, fill };
    // Before the attempt: one that throws for lack of memory must not be made again with every symbol.
    this.#planNextAttempt();
    if (engine.solve(block, lost, (esi, symbol) => this.#addSource(esi, symbol))) this.#finish();
  }

  #planNextAttempt(): void {
    this.#attemptAt = this.#held + this.#attemptStep;
    this.#attemptStep *= 2;
  }

  /** What is lost, and what is held: in row i source symbol i, or a repair symbol in its place; then the other repair symbols. */
  #system(): { lost: number[]; esis: Uint32Array<ArrayBuffer>; fill: Fill } {
    const lost: number[] = [];
    const esis = new Uint32Array(this.#held);
    for (let esi = 0; esi < this.#k; esi++) {
      if (this.#hasSource[esi] === 1) esis[esi] = esi;
      else lost.push(esi);
    }
    const rowOf = (index: number) => (index < lost.length ? lost[index] : this.#k + index - lost.length);
    for (const [esi, index] of this.#repair) esis[rowOf(index)] = esi;
    const fill: Fill = (memory, offset, stride, rows) => {
      copySymbols(this.#source, this.#size, memory, offset, stride, rows);
      for (const index of this.#repair.values())
        memory.set(this.#repairBytes(index), offset + rowOf(index) * stride);
    };
    return { lost, esis, fill };
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
