/**
 * A simulated disk with one member's store on it: commits and reads take virtual time, a crash may or may not lose the
 * commit that was under way, the disk can be full, slow or damaged. In: the time, requests. Out: their completions, and
 * after a crash what a store opened anew would find. Keeps its state over crashes of the member, as a disk does.
 */
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import { MemoryStore } from '../store/memory.js';
import type { DeadLetter, Loaded, MessageRef, StoredObject, StoreWrite } from '../store/store.js';
import { type ObjectId, objectKey } from '../wire/symbol.js';

/** What a member's disk is like; times in µs. */
export interface SimDiskOptions {
  /** Of a commit or a read, whatever its size, µs. Default 1 ms. */
  delay?: Micros;
  /** Bytes per second. Default 200 MB/s. */
  rate?: number;
  /** Probability that a request begins a slow phase. Default 0. */
  slow?: number;
  /** How long a slow phase lasts, µs. Default 2 s. */
  slowTime?: Micros;
  /** By how much a slow phase multiplies the time of requests. Default 50. */
  slowFactor?: number;
  /** Of all objects. Default: no limit. */
  maxBytes?: number;
}

export type DiskCompletion =
  | { type: 'committed'; bytes: number }
  | { type: 'failed'; code: 'STORE_FULL' }
  | { type: 'read'; id: ObjectId; object: StoredObject | undefined };

/**
 * @example
 * const disk = new SimDisk(rng.fork('disk 0'), 1, { delay: 2 * MILLISECOND });
 * disk.submit(now, writes);
 * disk.nextTimeout(); // when to poll
 * disk.poll(then); // { type: 'committed', bytes: 812 }
 */
export class SimDisk {
  /** While true, commits that put objects fail, and others may: deleting takes new pages, too. */
  full = false;
  private readonly rng: Rng;
  private readonly options: Required<SimDiskOptions>;
  private state: MemoryStore;
  /** Until another stream has begun. */
  private isCopy = false;
  private slowUntil: Micros = 0;
  private commit: { at: Micros; writes: readonly StoreWrite[] } | undefined;
  private readonly reads: { at: Micros; id: ObjectId }[] = [];
  /** Objects whose records are no longer what was written: the store's checksums tell, so they count as absent. */
  private crashed = false;
  private readonly damaged = new Set<string>();

  /** @param incarnation of the store that is on it */
  constructor(rng: Rng, incarnation: number, options: SimDiskOptions = {}) {
    this.rng = rng;
    this.options = { ...DEFAULTS, ...options };
    this.state = new MemoryStore(incarnation, this.options.maxBytes);
  }

  /** The clock has gone on while another store was in use. */
  advance(session: number): void {
    this.state.advance(session);
  }

  /** A disk like this one, with a copy of its store. */
  copy(rng: Rng): SimDisk {
    const copy = new SimDisk(rng, 0, this.options);
    copy.state = this.state.copy();
    for (const object of this.damaged) copy.damaged.add(object);
    copy.isCopy = true;
    return copy;
  }

  /** Begins a commit. One at a time: the shell groups what comes meanwhile. */
  submit(now: Micros, writes: readonly StoreWrite[]): void {
    if (this.commit !== undefined)
      throw new HeadwaterError('BUSY', 'disk: expected one commit at a time, got a second');
    let bytes = 0;
    for (const write of writes) if (write.type === 'object') bytes += write.object.bytes.length;
    this.commit = { at: now + this.time(now, bytes), writes };
  }

  /** Begins a read. Reads complete in the order they were asked for; what they see is the state when they complete. */
  submitRead(now: Micros, id: ObjectId): void {
    const at = now + this.time(now, this.state.read(id)?.bytes.length ?? 0);
    this.reads.push({ at: Math.max(at, this.reads.at(-1)?.at ?? 0), id });
  }

  /** When to poll: changes with each submit and poll. */
  nextTimeout(): Micros {
    return Math.min(this.commit?.at ?? NEVER, this.reads[0]?.at ?? NEVER);
  }

  /** The next request that is done by now; poll until there is none. */
  poll(now: Micros): DiskCompletion | undefined {
    const { commit, reads } = this;
    if (commit !== undefined && commit.at <= now && !(reads[0]?.at < commit.at)) {
      this.commit = undefined;
      return this.apply(commit.writes);
    }
    if (reads.length === 0 || reads[0].at > now) return undefined;
    const { id } = reads.shift()!;
    return { type: 'read', id, object: this.read(id) };
  }

  /** The member stops at this instant: the commit under way is on the disk as a whole, or not at all. */
  crash(): void {
    const { commit } = this;
    this.commit = undefined;
    this.reads.length = 0;
    this.crashed = true;
    if (commit !== undefined && this.rng.chance(0.5)) this.apply(commit.writes);
  }

  deadLetters(): ReturnType<MemoryStore['deadLetters']> {
    return this.state.deadLetters();
  }

  deadLetter(id: MessageRef): DeadLetter | undefined {
    return this.state.deadLetter(id);
  }

  /** What a store opened now finds. */
  load(): Loaded {
    const loaded = this.state.loaded(this.crashed);
    this.crashed = false;
    const held = loaded.held.filter((object) => !this.damaged.has(objectKey(object)));
    return { ...loaded, held, ...(this.isCopy ? { isCopy: true } : {}) };
  }

  /** Bits of the object's record flip: it cannot be read until it is written anew. False if it is not there. */
  corrupt(id: ObjectId): boolean {
    if (this.state.read(id) === undefined) return false;
    this.damaged.add(objectKey(id));
    return true;
  }

  /** The whole store cannot be read any more: a new one begins, as the real one does it. */
  lose(incarnation: number): void {
    this.crash();
    this.state = new MemoryStore(incarnation, this.options.maxBytes);
    this.damaged.clear();
  }

  private read(id: ObjectId): StoredObject | undefined {
    return this.damaged.has(objectKey(id)) ? undefined : this.state.read(id);
  }

  private apply(writes: readonly StoreWrite[]): DiskCompletion {
    const objects = writes.filter((write) => write.type === 'object');
    if (this.full && (objects.length > 0 || this.rng.chance(0.5)))
      return { type: 'failed', code: 'STORE_FULL' };
    try {
      const bytes = this.state.apply(writes);
      if (writes.some(({ type }) => type === 'begin')) this.isCopy = false;
      for (const { object } of objects) this.damaged.delete(objectKey(object));
      return { type: 'committed', bytes };
    } catch (error) {
      if (error instanceof HeadwaterError && error.code === 'STORE_FULL')
        return { type: 'failed', code: 'STORE_FULL' };
      throw error;
    }
  }

  private time(now: Micros, bytes: number): Micros {
    const { delay, rate, slow, slowTime, slowFactor } = this.options;
    if (now >= this.slowUntil && this.rng.chance(slow)) this.slowUntil = now + slowTime;
    const time = delay + (bytes * 1e6) / rate;
    return Math.ceil(now < this.slowUntil ? time * slowFactor : time);
  }
}

const DEFAULTS: Required<SimDiskOptions> = {
  delay: MILLISECOND,
  rate: 200e6,
  slow: 0,
  slowTime: 2000 * MILLISECOND,
  slowFactor: 50,
  maxBytes: Number.POSITIVE_INFINITY,
};
