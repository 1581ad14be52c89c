/**
 * Collections of which there are many for each member of a group, and which mostly stay empty: an empty Map takes 190 bytes, an
 * empty Set 150, an array of all members 4 kB in a group of 512, and in such a group each member has a quarter of a million of
 * them. These take next to nothing until there is something in them. In and out: as their names say.
 */

/** A Map that is there while it has entries. One that is added while the last of them is taken off in a loop is not seen by it. */
export class SparseMap<Key, Value> {
  private map: Map<Key, Value> | undefined;

  get size(): number {
    return this.map?.size ?? 0;
  }

  get(key: Key): Value | undefined {
    return this.map?.get(key);
  }

  has(key: Key): boolean {
    return this.map?.has(key) === true;
  }

  set(key: Key, value: Value): void {
    this.map ??= new Map();
    this.map.set(key, value);
  }

  delete(key: Key): boolean {
    if (!this.map?.delete(key)) return false;
    if (this.map.size === 0) this.map = undefined;
    return true;
  }

  clear(): void {
    this.map = undefined;
  }

  keys(): IterableIterator<Key> {
    return this.map?.keys() ?? NOTHING.values();
  }

  values(): IterableIterator<Value> {
    return this.map?.values() ?? NOTHING.values();
  }

  [Symbol.iterator](): Iterator<[Key, Value]> {
    return (this.map ?? NOTHING)[Symbol.iterator]();
  }
}

/** A Set that is there while it has members; in a loop as `SparseMap`. */
export class SparseSet<T> {
  private set: Set<T> | undefined;

  get size(): number {
    return this.set?.size ?? 0;
  }

  has(item: T): boolean {
    return this.set?.has(item) === true;
  }

  add(item: T): void {
    this.set ??= new Set();
    this.set.add(item);
  }

  delete(item: T): boolean {
    if (!this.set?.delete(item)) return false;
    if (this.set.size === 0) this.set = undefined;
    return true;
  }

  clear(): void {
    this.set = undefined;
  }

  [Symbol.iterator](): Iterator<T> {
    return (this.set ?? NOTHING)[Symbol.iterator]();
  }
}

/**
 * Something of each member: an array of all of them once two have anything else than `none`, for most streams are spoken of by
 * their origin alone.
 */
export class ByMember<T> {
  private readonly members: number;
  private readonly none: T;
  private all: T[] | undefined;
  private member = -1;
  private single: T;

  /** @param none of a member before it is set; the same for all */
  constructor(members: number, none: T) {
    this.members = members;
    this.none = none;
    this.single = none;
  }

  get(member: number): T {
    if (this.all) return this.all[member];
    return member === this.member ? this.single : this.none;
  }

  set(member: number, value: T): void {
    if (!this.all && member !== this.member) {
      if (value === this.none) return;
      if (this.member < 0 || this.single === this.none) this.member = member;
      else {
        this.all = new Array(this.members).fill(this.none);
        this.all[this.member] = this.single;
      }
    }
    if (this.all) this.all[member] = value;
    else this.single = value;
  }

  /** Of all members, by index: to be read at once. */
  values(): readonly T[] {
    if (this.all) return this.all;
    const all = new Array<T>(this.members).fill(this.none);
    if (this.member >= 0) all[this.member] = this.single;
    return all;
  }
}

const NOTHING: readonly never[] = [];
