/**
 * Where messages went, by key: as many as a store keeps, in a few flat arrays, since objects and strings of a map take five times
 * the memory. In: numbered entries, each in the place of the one whose number is lower by MAX_SENT_KEYS. Out: the newest of a key.
 */
import { MAX_SENT_KEYS, type SentKey } from '../../store/store.js';

export class KeyTable {
  /** Places that there are: a power of two. */
  private room = 0;
  /** Bytes that each key has there. */
  private stride = 0;
  private keys = new Uint8Array(0);
  private lengths = new Uint8Array(0);
  private incarnations = new Float64Array(0);
  private seqs = new Float64Array(0);
  private indices = new Uint32Array(0);
  /** By hash: the place of the newest; by place: that of the next older one with this hash. Counted from 1. */
  private heads = new Uint32Array(0);
  private older = new Uint32Array(0);

  add({ number, key, incarnation, seq, index }: SentKey): void {
    const place = number % MAX_SENT_KEYS;
    if (place >= this.room || key.length > this.stride) this.grow(place, key.length);
    if (this.lengths[place] > 0) this.unlink(place);
    this.keys.set(key, place * this.stride);
    this.lengths[place] = key.length;
    this.incarnations[place] = incarnation;
    this.seqs[place] = seq;
    this.indices[place] = index;
    this.link(place);
  }

  /** Where the newest message with this key went. */
  find(key: Uint8Array): Pick<SentKey, 'incarnation' | 'seq' | 'index'> | undefined {
    const place = this.placeOf(key);
    if (place < 0) return undefined;
    return { incarnation: this.incarnations[place], seq: this.seqs[place], index: this.indices[place] };
  }

  /** The keys whose newest messages went into this object, by their index. */
  keysOf(incarnation: number, seq: number): (Uint8Array | undefined)[] {
    const keys: (Uint8Array | undefined)[] = [];
    for (let place = 0; place < this.room; place++) {
      if (this.lengths[place] === 0 || this.seqs[place] !== seq || this.incarnations[place] !== incarnation)
        continue;
      const key = this.keyAt(place);
      if (this.placeOf(key) === place) keys[this.indices[place]] = key.slice();
    }
    return keys;
  }

  private placeOf(key: Uint8Array): number {
    if (this.room === 0) return -1;
    for (let next = this.heads[this.bucketOf(key)]; next > 0; next = this.older[next - 1])
      if (this.isAt(next - 1, key)) return next - 1;
    return -1;
  }

  private isAt(place: number, key: Uint8Array): boolean {
    if (this.lengths[place] !== key.length) return false;
    const from = place * this.stride;
    for (let i = 0; i < key.length; i++) if (this.keys[from + i] !== key[i]) return false;
    return true;
  }

  private keyAt(place: number): Uint8Array {
    const from = place * this.stride;
    return this.keys.subarray(from, from + this.lengths[place]);
  }

  private link(place: number): void {
    const bucket = this.bucketOf(this.keyAt(place));
    this.older[place] = this.heads[bucket];
    this.heads[bucket] = place + 1;
  }

  private unlink(place: number): void {
    const bucket = this.bucketOf(this.keyAt(place));
    if (this.heads[bucket] === place + 1) {
      this.heads[bucket] = this.older[place];
      return;
    }
    let newer = this.heads[bucket] - 1;
    while (this.older[newer] !== place + 1) newer = this.older[newer] - 1;
    this.older[newer] = this.older[place];
  }

  /** FNV-1a, 32 bits. */
  private bucketOf(key: Uint8Array): number {
    let hash = 0x811c9dc5;
    for (const byte of key) hash = Math.imul(hash ^ byte, 0x01000193);
    return (hash ^ (hash >>> 16)) & (this.room - 1);
  }

  private grow(place: number, length: number): void {
    const { room, stride, keys, heads, older } = this;
    this.room = powerOf2(Math.max(room, place + 1, MIN_ROOM));
    this.stride = powerOf2(Math.max(stride, length));
    this.keys = new Uint8Array(this.room * this.stride);
    for (let i = 0; i < room; i++)
      this.keys.set(keys.subarray(i * stride, (i + 1) * stride), i * this.stride);
    this.lengths = grown(this.lengths, this.room);
    this.incarnations = grown(this.incarnations, this.room);
    this.seqs = grown(this.seqs, this.room);
    this.indices = grown(this.indices, this.room);
    this.heads = new Uint32Array(this.room);
    this.older = new Uint32Array(this.room);
    // The oldest of each first, or an older one would be found.
    const chain: number[] = [];
    for (const head of heads) {
      for (let next = head; next > 0; next = older[next - 1]) chain.push(next - 1);
      while (chain.length > 0) this.link(chain.pop()!);
    }
  }
}

function grown<T extends Uint8Array | Uint32Array | Float64Array>(old: T, room: number): T {
  const array = new (old.constructor as new (length: number) => T)(room);
  array.set(old);
  return array;
}

function powerOf2(least: number): number {
  return 2 ** Math.ceil(Math.log2(least));
}

const MIN_ROOM = 64;
