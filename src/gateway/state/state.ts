/**
 * What a member's clients see: keys, and a history of revisions that this member numbers for itself. In: messages of the group in
 * the order of their delivery, commits. Out: revisions, and what is to be kept and written. A watch is given nothing that a crash
 * would take away, so that a number never means something else after it.
 */
import { HeadwaterError } from '../../errors.js';
import type { MessageId } from '../../wire/symbol.js';
import type { KeyRange } from './bytes.js';
import type { Change } from './change.js';
import { type AppliedMessage, type Entry, messageEntry, raiseEntry } from './entries.js';
import { Keyspace } from './keyspace.js';
import { type KeyState, parseRevision, type Revision } from './records.js';

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
  revisions: Revision[];
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
  /** The last that is applied, the last that a crash does not take away, and the last that is in the records. */
  private last: number;
  private safe: number;
  private recorded: number;
  private first: number;
  private isRead: number;
  private readonly readers = new Map<object, number>();
  /** Applied, not durable yet: oldest first. */
  private readonly pending = new Map<number, Revision>();
  private writes: Writes | undefined;
  private readonly entries: Entry[] = [];
  private isWriting = false;

  constructor({ keys, rest = NOTHING }: Loaded, records: Records) {
    this.keyspace = new Keyspace(keys, rest.stamps);
    this.versions = new Map(rest.versions);
    this.places = [...rest.places];
    this.records = records;
    this.last = rest.revision;
    this.safe = rest.revision;
    this.recorded = rest.revision;
    this.first = rest.compacted;
    this.isRead = rest.reader;
  }

  /** Of the store: the last one, whatever a crash would take away. */
  get revision(): number {
    return this.last;
  }

  /** The last one that anybody may be shown. */
  get committed(): number {
    return this.safe;
  }

  get compacted(): number {
    return this.first;
  }

  get reader(): number {
    return this.isRead;
  }

  /** Whether all that has changed is in the records. */
  get isRecorded(): boolean {
    return this.writes === undefined && !this.isWriting;
  }

  /** Revisions that are applied and not in the records. */
  get backlog(): number {
    return this.pending.size;
  }

  /** Whether a message was applied already: after a crash the last ones come again. */
  isKnown(id: MessageId): boolean {
    const place = this.placeOf(id);
    return place !== undefined && (id.seq < place.seq || (id.seq === place.seq && id.index <= place.index));
  }

  /**
   * @param change what is in the message
   * @returns its revision; undefined if it has changed nothing
   */
  apply(message: AppliedMessage, change: Change): Revision | undefined {
    const { id, time } = message;
    this.entries.push(messageEntry(message));
    const number = this.last + 1;
    const before = change.puts.flatMap(({ key }) => this.keyspace.find(key)?.mod ?? []);
    const events = this.keyspace.apply(number, id.origin, change);
    this.note(id);
    for (const { key, value } of change.puts)
      if (key === VERSION_KEY) this.versions.set(id.origin, Buffer.from(value).toString('hex'));
    const writes = this.begin();
    this.dropUnused(writes, before);
    for (const { key } of events) writes.keys.set(key, this.keyspace.find(key));
    if (events.length === 0) return undefined;
    this.last = number;
    const revision = { number, time, events };
    writes.revisions.push(revision);
    this.pending.set(number, revision);
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
    this.entries.push(raiseEntry(number));
    this.begin();
  }

  /** What is to be kept over a crash before anybody is shown it; `handleKept` follows if it is. */
  takeEntries(): Entry[] {
    return this.entries.splice(0);
  }

  /** All that was applied until now is kept. */
  handleKept(): void {
    this.safe = this.last;
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

  /** The first revision at or above `from` that may be shown. */
  next(from: number): Revision | undefined {
    const start = Math.max(from, this.first);
    if (start > this.safe) return undefined;
    const found = start > this.recorded ? undefined : this.records.next(start);
    if (found && found.number <= this.recorded) return parseRevision(found.number, found.bytes);
    // But where numbers were passed over there is one of that number: all of them are many to go through for each watch.
    const pending = this.pending.get(start) ?? this.pendingFrom(start);
    return pending && pending.number <= this.safe ? pending : undefined;
  }

  range(range: KeyRange): [string, KeyState][] {
    return this.keyspace.range(range);
  }

  /** The value that a key has. */
  value(key: string, { mod }: KeyState): Uint8Array {
    const pending = this.pending.get(mod);
    const bytes = pending ? undefined : this.records.read(mod);
    const revision = pending ?? (bytes && parseRevision(mod, bytes));
    const event = revision?.events.find((each) => each.key === key);
    if (!event)
      throw new HeadwaterError('STORE', `revision ${mod}: expected the value of a key, got none for it`);
    return event.value;
  }

  /** What is to be written, one commit at a time: `handleCommitted` must follow, after however many attempts. */
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
    this.recorded = Math.max(this.recorded, rest.revision);
    this.safe = Math.max(this.safe, this.recorded);
  }

  private pendingFrom(start: number): Revision | undefined {
    for (const revision of this.pending.values()) if (revision.number >= start) return revision;
    return undefined;
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

/** Under which each hydra-node puts the version of its messages. */
export const VERSION_KEY = 'version';
/** Etcd's store begins at revision 1, and nothing has happened at it. */
const NOTHING: Rest = { revision: 1, compacted: 1, reader: 0, places: [], stamps: [], versions: [] };
/** Of one origin: those before are over. */
const MAX_STREAMS = 4;
