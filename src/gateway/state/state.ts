/**
 * What a member's clients see: keys, and a history of revisions that this member numbers for itself. In: messages of the group in
 * the order of their delivery, commits. Out: revisions, and what is to be written. A watch is given nothing that is not
 * durable, so that a number never means something else after a crash.
 */
import { HeadwaterError } from '../../errors.js';
import type { MessageId } from '../../wire/symbol.js';
import type { KeyRange } from './bytes.js';
import type { Change } from './change.js';
import { Keyspace } from './keyspace.js';
import { type KeyEvent, type KeyState, parseRevision, type Revision, writeRevision } from './records.js';

/** How far one stream of one member is applied. */
export interface Place {
  origin: number;
  incarnation: number;
  seq: number;
  index: number;
}

/** What is kept besides revisions and keys. */
export interface Rest {
  /** The last one. */
  revision: number;
  /** The first that is kept whole; below it only what is some key's value. */
  compacted: number;
  /** What the local node has certainly read, which is the slowest of those that watch from a revision that they name. */
  reader: number;
  places: Place[];
  /** By origin: the stamp of its last change. */
  stamps: [number, number][];
  /** By origin: what it put last as the version of its messages, in hex. */
  versions: [number, string][];
}

export interface Loaded {
  keys: Iterable<[string, KeyState]>;
  /** Undefined: nothing was ever written. */
  rest: Rest | undefined;
}

/** The revisions on disk. */
export interface Records {
  /** The first at or above `from`. */
  next(from: number): { number: number; bytes: Uint8Array } | undefined;
  read(number: number): Uint8Array | undefined;
}

/** One commit. */
export interface Writes {
  revisions: { number: number; bytes: Uint8Array }[];
  /** Revisions below the compacted one that no key has its value from any more. */
  dropped: number[];
  /** Undefined: it is gone. */
  keys: Map<string, KeyState | undefined>;
  rest: Rest;
  /** Revisions from `from` on and below `to` are removed, but for those in `keep`. */
  compact: { from: number; to: number; keep: ReadonlySet<number> } | undefined;
}

export class State {
  readonly keyspace: Keyspace;
  readonly versions: Map<number, string>;
  private readonly records: Records;
  private readonly places: Place[];
  /** The last that is applied, and the last that is durable. */
  private last: number;
  private durable: number;
  private first: number;
  private isRead: number;
  private readonly readers = new Map<object, number>();
  /** Applied, not durable yet: oldest first. */
  private readonly pending = new Map<number, { revision: Revision; bytes: Uint8Array }>();
  private writes: Writes | undefined;
  private isWriting = false;

  constructor({ keys, rest = NOTHING }: Loaded, records: Records) {
    this.keyspace = new Keyspace(keys, rest.stamps);
    this.versions = new Map(rest.versions);
    this.places = [...rest.places];
    this.records = records;
    this.last = rest.revision;
    this.durable = rest.revision;
    this.first = rest.compacted;
    this.isRead = rest.reader;
  }

  /** Of the store: the last one, durable or not. */
  get revision(): number {
    return this.last;
  }

  get committed(): number {
    return this.durable;
  }

  get compacted(): number {
    return this.first;
  }

  get reader(): number {
    return this.isRead;
  }

  /** Revisions that are applied and not durable. */
  get backlog(): number {
    return this.pending.size;
  }

  /** Whether a message was applied already: after a crash the last ones come again. */
  isKnown(id: MessageId): boolean {
    const place = this.placeOf(id);
    return place !== undefined && (id.seq < place.seq || (id.seq === place.seq && id.index <= place.index));
  }

  /** @returns its revision; undefined if it has changed nothing */
  apply(time: number, id: MessageId, change: Change): { number: number; events: KeyEvent[] } | undefined {
    const number = this.last + 1;
    const before = change.puts.flatMap(({ key }) => this.keyspace.find(key)?.mod ?? []);
    const events = this.keyspace.apply(number, id.origin, change);
    this.note(id);
    const writes = this.begin();
    this.dropUnused(writes, before);
    for (const { key } of events) writes.keys.set(key, this.keyspace.find(key));
    if (events.length === 0) return undefined;
    this.last = number;
    const revision = { number, time, events };
    const bytes = writeRevision(revision);
    writes.revisions.push({ number, bytes });
    this.pending.set(number, { revision, bytes });
    return revision;
  }

  /** Messages that are no change are applied as nothing. */
  pass(id: MessageId): void {
    this.note(id);
    this.begin();
  }

  /** The next revision is above `number` at least: a reader of another history waits for what is above its own last one. */
  raise(number: number): void {
    if (number <= this.last) return;
    this.last = number;
    // Below it there is nothing that could be waited for.
    if (this.pending.size === 0) this.durable = number;
    this.begin();
  }

  /** A reader has certainly read up to it. */
  onRead(reader: object, number: number): void {
    this.readers.set(reader, number);
    this.isRead = Math.min(...this.readers.values());
  }

  dropReader(reader: object): void {
    this.readers.delete(reader);
    if (this.readers.size > 0) this.isRead = Math.min(...this.readers.values());
  }

  /** Forgets what is below `to`. Takes effect with the next commit. */
  compact(to: number): void {
    if (to <= this.first) return;
    const writes = this.begin();
    writes.compact = { from: this.first, to, keep: this.keyspace.liveRevisions() };
    this.first = to;
  }

  /** The first durable revision at or above `from`. */
  next(from: number): Revision | undefined {
    if (from > this.durable) return undefined;
    const found = this.records.next(Math.max(from, this.first));
    return found && found.number <= this.durable ? parseRevision(found.number, found.bytes) : undefined;
  }

  /** When a revision was applied, that one or the first after it. */
  timeOf(number: number): number | undefined {
    return this.next(number)?.time;
  }

  range(range: KeyRange): [string, KeyState][] {
    return this.keyspace.range(range);
  }

  /** The value that a key has. */
  value(key: string, { mod }: KeyState): Uint8Array {
    const pending = this.pending.get(mod)?.revision;
    const bytes = pending ? undefined : this.records.read(mod);
    const revision = pending ?? (bytes && parseRevision(mod, bytes));
    const event = revision?.events.find((each) => each.key === key);
    if (!event)
      throw new HeadwaterError('STORE', `revision ${mod}: expected the value of a key, got none for it`);
    return event.value;
  }

  /** What is to be written, one commit at a time; `handleCommitted` or `handleFailed` must follow. */
  pollWrites(): Writes | undefined {
    if (this.isWriting || !this.writes) return undefined;
    const { writes } = this;
    this.writes = undefined;
    this.isWriting = true;
    return { ...writes, rest: this.rest() };
  }

  handleCommitted({ revisions, rest }: Writes): void {
    this.isWriting = false;
    for (const { number } of revisions) this.pending.delete(number);
    this.durable = Math.max(this.durable, rest.revision);
  }

  /** They are to be tried again, before any others. */
  handleFailed(failed: Writes): void {
    this.isWriting = false;
    const { writes } = this;
    this.writes = writes
      ? {
          revisions: [...failed.revisions, ...writes.revisions],
          dropped: [...failed.dropped, ...writes.dropped],
          keys: new Map([...failed.keys, ...writes.keys]),
          rest: writes.rest,
          compact: writes.compact
            ? { ...writes.compact, from: failed.compact?.from ?? writes.compact.from }
            : failed.compact,
        }
      : failed;
  }

  private begin(): Writes {
    this.writes ??= {
      revisions: [],
      dropped: [],
      keys: new Map(),
      rest: NOTHING,
      compact: undefined,
    };
    return this.writes;
  }

  /** A compaction has left the values that keys had. */
  private dropUnused(writes: Writes, before: readonly number[]): void {
    const old = before.filter((mod) => mod < this.first);
    if (old.length === 0) return;
    const live = this.keyspace.liveRevisions();
    writes.dropped.push(...old.filter((mod) => !live.has(mod)));
  }

  private rest(): Rest {
    return {
      revision: this.last,
      compacted: this.first,
      reader: this.isRead,
      places: this.places.map((place) => ({ ...place })),
      stamps: [...this.keyspace.stamps],
      versions: [...this.versions],
    };
  }

  private placeOf({ origin, incarnation }: MessageId): Place | undefined {
    return this.places.find((place) => place.origin === origin && place.incarnation === incarnation);
  }

  private note({ origin, incarnation, seq, index }: MessageId): void {
    const place = this.placeOf({ origin, incarnation, seq, index });
    if (place) {
      place.seq = seq;
      place.index = index;
      return;
    }
    const older = this.places.filter((each) => each.origin === origin);
    if (older.length >= MAX_STREAMS) this.places.splice(this.places.indexOf(older[0]), 1);
    this.places.push({ origin, incarnation, seq, index });
  }
}

/** Etcd's store begins at revision 1, and nothing has happened at it. */
const NOTHING: Rest = { revision: 1, compacted: 1, reader: 0, places: [], stamps: [], versions: [] };
/** Of one origin: those before are over. */
const MAX_STREAMS = 4;
