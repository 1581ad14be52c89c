/**
 * What we hold of one stream. In: objects that our store has, those that are consumed, lost or let go of. Out: how many there
 * are, and the digest over the hashes of all objects below a count, as far back as it is kept.
 */
import { Bitset } from '../../core/bitset.js';
import { equalBytes, Writer } from '../../core/bytes.js';
import { SparseMap, SparseSet } from '../../core/sparse.js';
import { sha256 } from '../../crypto/hash.js';
import { type StreamState, storedSize } from '../../store/store.js';
import { HASH_SIZE, MAX_AHEAD } from '../../wire/limits.js';

/** So many objects, those with this digest. */
export interface Digest {
  count: number;
  chain: Uint8Array;
}

type Held = Pick<StreamState, 'base' | 'delivered' | 'index' | 'chain' | 'baseChain'>;

export class Ledger {
  /** Objects below are no longer kept. */
  base: number;
  /** Objects below have been consumed whole, and `index` messages of the next one. */
  delivered: number;
  index: number;
  /** Objects below are held. */
  count: number;
  /** What the objects take of the store that are held but not consumed. */
  backlog = 0;
  /** Bytes of the largest object that we hold, or more: what is kept from before a restart is not known. */
  largest: number;
  /** Objects that count as held, but can no longer be read: they are asked for again, and are not served meanwhile. */
  readonly damaged = new SparseSet<number>();
  /** By seq: what an object that waits takes of the store. */
  private readonly sizes = new SparseMap<number, number>();
  /** Hashes of the objects at and above `count` that are held. */
  private readonly beyondGap = new SparseMap<number, Uint8Array>();
  /** By count, from `base` to `count`, with gaps far below `delivered`: the digest. */
  private readonly chains = new Map<number, Uint8Array>();

  constructor({ base, delivered, index, chain, baseChain }: Held = EMPTY) {
    this.base = base;
    this.delivered = delivered;
    this.index = index;
    this.count = delivered;
    this.largest = base < delivered ? Number.POSITIVE_INFINITY : 0;
    this.chains.set(base, baseChain);
    this.chains.set(delivered, chain);
  }

  get state(): Held {
    const { base, delivered, index, chains } = this;
    return { base, delivered, index, chain: chains.get(delivered)!, baseChain: chains.get(base)! };
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    const { base, delivered, count, chains, beyondGap } = this;
    if (!(base <= delivered && delivered <= count))
      return `base ${base}, delivered ${delivered}, count ${count}`;
    for (const seq of [base, delivered, count]) if (!chains.has(seq)) return `no digest at ${seq}`;
    for (const seq of beyondGap.keys()) if (seq <= count) return `${seq} held as if beyond ${count}`;
    if (this.backlog !== [...this.sizes.values()].reduce((sum, size) => sum + size, 0))
      return `backlog of ${this.backlog} bytes`;
    for (const seq of this.sizes.keys())
      if (seq < delivered || !this.holds(seq)) return `${seq} counted as waiting, ${delivered} delivered`;
    for (const seq of this.damaged)
      if (seq < base || !this.holds(seq)) return `${seq} damaged, though not kept`;
    return undefined;
  }

  holds(seq: number): boolean {
    return seq < this.count || this.beyondGap.has(seq);
  }

  /** Whether we want the bytes of this object. */
  lacks(seq: number): boolean {
    return !this.holds(seq) || this.damaged.has(seq);
  }

  /** Whether an object with this hash is the one that we hold, as far as its digests still tell. */
  fits(seq: number, hash: Uint8Array): boolean {
    const [before, after] = [this.chains.get(seq), this.chains.get(seq + 1)];
    return !before || !after || equalBytes(link(before, hash), after);
  }

  /** Objects that are held but not consumed. */
  get waiting(): number {
    return this.sizes.size;
  }

  /** Whether no object is held, nor ever was. */
  get isEmpty(): boolean {
    return this.count === 0 && this.beyondGap.size === 0;
  }

  /** Whether all objects are consumed, and there are some. */
  get isConsumed(): boolean {
    return this.count > 0 && this.delivered === this.count && this.beyondGap.size === 0;
  }

  /** Whether all objects are consumed, and none is kept. */
  get isSpent(): boolean {
    const { base, delivered, count } = this;
    return base === count && delivered === count && this.beyondGap.size === 0;
  }

  /** The digest of all objects below `count`; undefined if that is not known (any more). */
  chainAt(count: number): Uint8Array | undefined {
    return this.chains.get(count);
  }

  /** Whether these objects are known to be other ones than ours, and ours are not consumed. */
  contradicts({ count, chain }: Digest): boolean {
    const ours = this.chains.get(count);
    return ours !== undefined && count > this.delivered && !equalBytes(chain, ours);
  }

  /** The objects held behind the first gap, as a VECTOR names them. */
  ahead(): Uint8Array {
    const ahead = new Bitset();
    let bits = 0;
    for (const seq of this.beyondGap.keys()) {
      const bit = seq - this.count - 1;
      if (bit >= 8 * MAX_AHEAD) continue;
      ahead.add(bit);
      bits = Math.max(bits, bit + 1);
    }
    return ahead.toBytes(bits);
  }

  /** Object `seq` with this hash is in our store. */
  hold(seq: number, hash: Uint8Array, length: number): void {
    this.sizes.set(seq, storedSize(length));
    this.backlog += storedSize(length);
    this.largest = Math.max(this.largest, length);
    this.beyondGap.set(seq, hash);
    this.closeGap();
  }

  /** One more message of the object `delivered` has been consumed. */
  onMessage(): void {
    this.index++;
  }

  /** The whole object `delivered` has been consumed. */
  onDelivered(): void {
    this.backlog -= this.sizes.get(this.delivered) ?? 0;
    this.sizes.delete(this.delivered);
    this.delivered++;
    this.index = 0;
    // Of those long past a few will do: see `prune`.
    const old = this.delivered - RECENT;
    if (old > this.base && old % COARSE !== 0) this.chains.delete(old);
  }

  /** Objects below `below`, or nearly all of them, are no longer kept. */
  prune(below: number): void {
    // Members that begin anew hold less than what all once held.
    if (below <= this.base) return;
    let base = Math.min(below, this.delivered);
    while (!this.chains.has(base)) base--;
    for (let seq = this.base; seq < base; seq++) this.chains.delete(seq);
    for (const seq of this.damaged) if (seq < base) this.damaged.delete(seq);
    this.base = base;
  }

  /** Starts again from `from`, at least `delivered` and at most `count`, as if nothing from there on were held. */
  restart(from: number): void {
    this.count = from;
    this.beyondGap.clear();
    for (const seq of this.damaged) if (seq >= from) this.damaged.delete(seq);
    this.dropSizes((seq) => seq >= from);
    for (const count of this.chains.keys()) if (count > from) this.chains.delete(count);
  }

  /** Goes on from `base`, with what is held beyond. */
  skipTo(base: number, chain: Uint8Array): void {
    this.base = base;
    this.delivered = base;
    this.index = 0;
    this.count = base;
    for (const seq of this.beyondGap.keys()) if (seq < base) this.beyondGap.delete(seq);
    this.dropSizes((seq) => seq < base);
    this.damaged.clear();
    this.chains.clear();
    this.chains.set(base, chain.slice());
    this.closeGap();
  }

  private dropSizes(isDropped: (seq: number) => boolean): void {
    for (const [seq, size] of this.sizes)
      if (isDropped(seq)) {
        this.sizes.delete(seq);
        this.backlog -= size;
      }
  }

  private closeGap(): void {
    for (let next = this.beyondGap.get(this.count); next; next = this.beyondGap.get(this.count)) {
      this.beyondGap.delete(this.count);
      this.chains.set(this.count + 1, link(this.chains.get(this.count)!, next));
      this.count++;
    }
  }
}

/** The digest of one more object. */
export function link(chain: Uint8Array, hash: Uint8Array): Uint8Array {
  return sha256(new Writer(2 * HASH_SIZE).put(chain).put(hash).finish());
}

/** The digest before the first object. */
export const FIRST_CHAIN = new Uint8Array(HASH_SIZE);
const EMPTY: Held = { base: 0, delivered: 0, index: 0, chain: FIRST_CHAIN, baseChain: FIRST_CHAIN };
/** Every digest is kept for the last RECENT objects that are consumed, and each COARSE-th one before them. */
export const RECENT = 1024;
export const COARSE = 64;
