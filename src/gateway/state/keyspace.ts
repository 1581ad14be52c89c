/**
 * All keys as they stand at this member. In: changes, in the order in which they are delivered here. Out: what each has
 * changed. Changes of one origin apply in its order, everywhere; where two members put one key, the later stamp wins, so that
 * all members end with the same value, though they may see the two in another order.
 */
import { isWithin, type KeyRange } from './bytes.js';
import type { Change, Put } from './change.js';
import type { KeyEvent, KeyState } from './records.js';

export class Keyspace {
  private readonly keys: Map<string, KeyState>;
  /** By origin: the stamp of its last change, which rises. */
  readonly stamps: Map<number, number>;

  constructor(keys: Iterable<[string, KeyState]> = [], stamps: Iterable<[number, number]> = []) {
    this.keys = new Map(keys);
    this.stamps = new Map(stamps);
  }

  get size(): number {
    return this.keys.size;
  }

  /** What a change of our own is to have. */
  get nextStamp(): number {
    return Math.max(0, ...this.stamps.values()) + 1;
  }

  find(key: string): KeyState | undefined {
    return this.keys.get(key);
  }

  /** In order of the keys. */
  range(range: KeyRange): [string, KeyState][] {
    if (range.to === undefined) {
      const one = this.keys.get(range.from);
      return one ? [[range.from, one]] : [];
    }
    const found = [...this.keys].filter(([key]) => isWithin(key, range));
    return found.sort(([a], [b]) => (a < b ? -1 : 1));
  }

  /** Keys that were put with this lease. */
  withLease(lease: bigint): string[] {
    return [...this.keys].filter(([, state]) => state.lease === lease).map(([key]) => key);
  }

  /** Leases that keys have, each once. */
  leases(): Set<bigint> {
    const all = new Set([...this.keys.values()].map(({ lease }) => lease));
    all.delete(0n);
    return all;
  }

  /** Revisions that hold the value of a key. */
  liveRevisions(): Set<number> {
    return new Set([...this.keys.values()].map(({ mod }) => mod));
  }

  /** Applies a change as `revision`. Without events it has changed nothing: it needs no revision then. */
  apply(revision: number, origin: number, change: Change): KeyEvent[] {
    // An origin that has started again may not know how far its clock was.
    const stamp = Math.max(change.stamp, (this.stamps.get(origin) ?? 0) + 1);
    this.stamps.set(origin, stamp);
    const deleted = change.revoked.flatMap((lease) => this.withLease(lease));
    const events = deleted.map((key) => this.delete(key));
    for (const put of change.puts) {
      const event = this.put(put, revision, stamp, origin);
      if (event) events.push(event);
    }
    return events;
  }

  private delete(key: string): KeyEvent {
    this.keys.delete(key);
    return { type: 'delete', key, create: 0, version: 0, lease: 0n, value: NOTHING };
  }

  private put(
    { key, value, lease }: Put,
    revision: number,
    stamp: number,
    origin: number,
  ): KeyEvent | undefined {
    const before = this.keys.get(key);
    if (before && before.origin !== origin) {
      const isLater = stamp > before.stamp || (stamp === before.stamp && origin > before.origin);
      if (!isLater) return undefined;
    }
    const create = before?.create ?? revision;
    const version = (before?.version ?? 0) + 1;
    this.keys.set(key, { create, mod: revision, version, lease, stamp, origin });
    return { type: 'put', key, create, version, lease, value };
  }
}

const NOTHING = new Uint8Array(0);
