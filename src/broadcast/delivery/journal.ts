/**
 * Between the broadcast and its store: collects what must be durable into one commit after the other, however much comes
 * meanwhile, and keeps the latest objects at hand so that most are never read back.
 */
import { AT_ONCE, MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import {
  type Loaded,
  type SentKey,
  type StoredObject,
  type StoreWrite,
  storedSize,
} from '../../store/store.js';
import { type ObjectId, objectKey } from '../../wire/symbol.js';
import type { Stream } from '../agreement/stream.js';

/** What the shell is to do with its store; the answer goes to `handleCommitted`, `handleCommitFailed` or `handleRead`. */
export type StoreRequest = { type: 'commit'; writes: readonly StoreWrite[] } | { type: 'read'; id: ObjectId };

export class Journal {
  /** What all objects in the store take, as of the last commit: see `storedSize`. */
  storedBytes: number;
  /** What the objects take that are not yet in the store. */
  pendingBytes = 0;
  /** The same by origin. */
  private readonly pending = new Map<number, number>();
  isFull = false;
  private writes: StoreWrite[] = [];
  private committing: StoreWrite[] | undefined;
  /** Durable, while they are given. */
  private giving: readonly StoreWrite[] = [];
  /** Of both: what is no longer wanted. */
  private readonly voided = new Set<StoreWrite>();
  private readonly cursors = new Set<Stream>();
  /** Of them those of which others wait to be told. */
  private readonly said = new Set<Stream>();
  private cursorAt: Micros = NEVER;
  private retryAt: Micros = AT_ONCE;
  private readonly reads: ObjectId[] = [];
  /** By object that is being read: whether it has been dropped since, so that the answer is of what was there before. */
  private readonly reading = new Map<string, { id: ObjectId; isStale: boolean }>();
  private readonly cache = new Map<string, StoredObject>();
  private cachedBytes = 0;

  constructor(loaded: Loaded) {
    this.storedBytes = loaded.bytes;
  }

  get isCommitting(): boolean {
    return this.committing !== undefined;
  }

  /** What the objects of this origin take that are not yet in the store. */
  pendingOf(origin: number): number {
    return this.pending.get(origin) ?? 0;
  }

  /** When the store is slow the network has to wait, but for members, of so many, of which little waits for it. */
  isBusyWith(origin: number, members: number): boolean {
    return this.pendingBytes > MAX_PENDING && this.pendingOf(origin) > MAX_PENDING / members;
  }

  put(object: StoredObject, keys?: readonly SentKey[]): void {
    this.writes.push(keys ? { type: 'object', object, keys } : { type: 'object', object });
    this.account(object.origin, storedSize(object.bytes.length));
    this.remember(object);
  }

  write(write: StoreWrite): void {
    this.writes.push(write);
  }

  /** The consumer has come further in this stream: worth a place in the next commit, or one of its own after a while. */
  moveCursor(now: Micros, stream: Stream): void {
    this.cursors.add(stream);
    this.cursorAt = Math.min(this.cursorAt, now + CURSOR_DELAY);
  }

  /** The state of this stream is to be said to others, who wait for that: with the next commit. */
  recordSoon(now: Micros, stream: Stream): void {
    this.cursors.add(stream);
    this.said.add(stream);
    this.cursorAt = Math.min(this.cursorAt, now);
  }

  forget(stream: Stream): void {
    this.cursors.delete(stream);
    this.said.delete(stream);
  }

  poll(now: Micros): StoreRequest | undefined {
    const id = this.reads.shift();
    if (id) return { type: 'read', id };
    if (this.committing || now < this.retryAt) return undefined;
    if (this.writes.length === 0 && this.cursorAt > now) return undefined;
    // On a full disk a little at a time, so that what has been freed is used.
    const writes = this.flush();
    const end = this.isFull ? firstOf(writes) : writes.length;
    this.committing = writes.slice(0, end);
    this.writes = writes.slice(end);
    this.cursorAt = NEVER;
    return { type: 'commit', writes: this.committing };
  }

  /** All that is not in the store yet, for the last commit of a member that stops in order. */
  flush(): readonly StoreWrite[] {
    for (const stream of this.cursors) {
      const write: StoreWrite = { type: 'stream', state: stream.state };
      this.writes.push(this.said.has(stream) ? { ...write, isSaid: true } : write);
    }
    this.cursors.clear();
    this.said.clear();
    return this.writes.splice(0);
  }

  nextTimeout(): Micros {
    if (this.reads.length > 0) return AT_ONCE;
    if (this.committing) return NEVER;
    return this.writes.length > 0 ? this.retryAt : Math.max(this.cursorAt, this.retryAt);
  }

  /** @returns what is durable now, one by one: what is dropped on account of one is not given any more */
  onCommitted(bytes: number): Iterable<StoreWrite> {
    const writes = this.committing ?? [];
    this.committing = undefined;
    this.storedBytes = bytes;
    this.isFull = false;
    for (const write of writes)
      if (write.type === 'object') this.account(write.object.origin, -storedSize(write.object.bytes.length));
    this.giving = writes;
    return this.give();
  }

  private *give(): Generator<StoreWrite> {
    for (const write of this.giving) if (!this.voided.has(write)) yield write;
    this.giving = [];
    this.voided.clear();
  }

  /** Nothing of it was written: it is tried again, before all else. */
  onFailed(now: Micros): void {
    this.writes = [...(this.committing ?? []), ...this.writes];
    this.committing = undefined;
    this.isFull = true;
    this.retryAt = now + RETRY;
  }

  /** The object if it is at hand; else it is asked for, and comes with `onRead`. */
  read(id: ObjectId): StoredObject | undefined {
    const key = objectKey(id);
    const object = this.cache.get(key);
    if (!object && !this.reading.has(key)) {
      this.reading.set(key, { id, isStale: false });
      this.reads.push(id);
    }
    return object;
  }

  /** The consumer has had it: who asks for it now may wait for the disk. */
  release(id: ObjectId): void {
    const key = objectKey(id);
    const object = this.cache.get(key);
    if (!object) return;
    this.cache.delete(key);
    this.cachedBytes -= object.bytes.length;
  }

  /**
   * @param isWanted the consumer has yet to have it
   * @returns false if the answer tells nothing of what is there now: who needs it has to ask again
   */
  onRead(id: ObjectId, object: StoredObject | undefined, isWanted: boolean): boolean {
    const key = objectKey(id);
    const isStale = this.reading.get(key)?.isStale === true;
    this.reading.delete(key);
    if (object && isWanted && !isStale) this.remember(object);
    return !isStale;
  }

  /**
   * What is held of this stream from `from` on is not what it was taken for: it is deleted, and what is being stored of it
   * counts as if it had not been.
   */
  drop(stream: Stream, from: number): void {
    // What we are READY for in place of it must not be forgotten if it is gone.
    if (stream.state.ready) this.writes.push({ type: 'stream', state: stream.state });
    const { origin, incarnation } = stream;
    const isOf = (write: StoreWrite) =>
      write.type === 'object' && stream.includes(write.object) && write.object.seq >= from;
    for (const writes of [this.committing ?? [], this.giving])
      for (const write of writes) if (isOf(write)) this.voided.add(write);
    for (const write of this.writes)
      if (write.type === 'object' && isOf(write))
        this.account(stream.origin, -storedSize(write.object.bytes.length));
    this.writes = this.writes.filter((write) => !isOf(write));
    this.writes.push({ type: 'drop', stream: { origin, incarnation }, from });
    for (const read of this.reading.values())
      if (stream.includes(read.id) && read.id.seq >= from) read.isStale = true;
    for (const [key, object] of this.cache) {
      if (!stream.includes(object) || object.seq < from) continue;
      this.cache.delete(key);
      this.cachedBytes -= object.bytes.length;
    }
  }

  /** Whether what waits for the store is counted as it is. */
  check(): string | undefined {
    let pending = 0;
    for (const write of [...(this.committing ?? []), ...this.writes])
      if (write.type === 'object') pending += storedSize(write.object.bytes.length);
    let counted = 0;
    for (const bytes of this.pending.values()) counted += bytes;
    if (pending !== this.pendingBytes || pending !== counted)
      return `${this.pendingBytes} bytes counted, by origin ${counted}, of ${pending} that wait for the store`;
    return undefined;
  }

  private account(origin: number, bytes: number): void {
    this.pendingBytes += bytes;
    this.pending.set(origin, this.pendingOf(origin) + bytes);
  }

  private remember(object: StoredObject): void {
    const key = objectKey(object);
    if (this.cache.has(key)) return;
    this.cache.set(key, object);
    this.cachedBytes += object.bytes.length;
    for (const [old, { bytes }] of this.cache) {
      if (this.cachedBytes <= MAX_CACHED || old === key) break;
      this.cache.delete(old);
      this.cachedBytes -= bytes.length;
    }
  }
}

/** How many writes make a small commit. */
function firstOf(writes: readonly StoreWrite[]): number {
  let bytes = 0;
  const end = writes.findIndex((write) => {
    bytes += write.type === 'object' ? write.object.bytes.length : 0;
    return bytes > SMALL_COMMIT;
  });
  return end < 0 ? writes.length : Math.max(1, end);
}

/** What waits for the store, of all members, as it is counted there; beyond them each may still have its part. */
export const MAX_PENDING = 64 * 1024 * 1024;
/** A commit for a cursor alone would be in the way of the next object's. What a crash repeats is known by its id. */
const CURSOR_DELAY: Micros = 200 * MILLISECOND;
const RETRY: Micros = SECOND;
const SMALL_COMMIT = 1024 * 1024;
/** Of all members: the oldest goes, and is read again. */
export const MAX_CACHED = 16 * 1024 * 1024;
