/**
 * A cache bounded by the bytes of what it holds: the entry used longest ago goes first. The entry just added stays even
 * if it alone is over the bound, since its owner is about to use it.
 */

export class Lru<Key, Value> {
  readonly #limit: number;
  readonly #free: (value: Value) => void;
  readonly #entries = new Map<Key, { value: Value; size: number }>();
  #size = 0;

  constructor(limit: number, free: (value: Value) => void) {
    this.#limit = limit;
    this.#free = free;
  }

  get size(): number {
    return this.#size;
  }

  get(key: Key): Value | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: Key, value: Value, size: number): void {
    this.delete(key);
    for (const oldest of this.#entries.keys()) {
      if (this.#size + size <= this.#limit) break;
      this.delete(oldest);
    }
    this.#entries.set(key, { value, size });
    this.#size += size;
  }

  delete(key: Key): void {
    const entry = this.#entries.get(key);
    if (!entry) return;
    this.#entries.delete(key);
    this.#size -= entry.size;
    this.#free(entry.value);
  }

  /** Drops all entries but those whose value is to be kept. */
  clear(keep: (value: Value) => boolean = () => false): void {
    for (const [key, entry] of this.#entries) if (!keep(entry.value)) this.delete(key);
  }
}
