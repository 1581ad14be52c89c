/**
 * The streams that are spoken of, in bounded number: the present one of each member, and earlier ones until every member
 * has them whole. Which of an origin's streams there are is its own affair: only what it names itself, or has signed, makes
 * one begin or end. In: what is named, signed and stored. Out: the streams, and how those that are over ended.
 */

import type { Group } from '../../group/group.js';
import type { Final, Loaded } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import { certifiedDescriptor } from '../proof/certificate.js';
import { nthLargest } from './readiness.js';
import { Stream } from './stream.js';

/** A stream that is over here: what is still said of it, to members that may not know yet. */
export class FinalStream implements Final {
  readonly origin: number;
  readonly incarnation: number;
  readonly count: number;
  readonly chain: Uint8Array;

  constructor({ origin, incarnation, count, chain }: Final) {
    this.origin = origin;
    this.incarnation = incarnation;
    this.count = count;
    this.chain = chain;
  }

  entriesFor(): VectorEntry[] {
    const { origin, incarnation, count, chain } = this;
    const none = new Uint8Array(0);
    return [
      {
        origin,
        incarnation,
        base: count,
        count,
        ready: 0,
        ended: true,
        first: false,
        over: true,
        chain,
        ahead: none,
      },
    ];
  }
}

export class Streams {
  private readonly self: number;
  private readonly members: number;
  private readonly bounds: Pick<Group, 'byzantine' | 'readyQuorum'>;
  private readonly byKey = new Map<string, Stream>();
  /** The same by origin, from the earliest on. */
  private readonly byOrigin: Stream[][];
  /** Looked up last. */
  private latest: Stream | undefined;
  /** By origin: how the newest one that is over ended. Earlier ones are over, too. */
  private readonly finals: (FinalStream | undefined)[];
  /** By origin, then by member: up to which one the member has retired, as it says in its present run. */
  private readonly overs: (Map<number, number> | undefined)[];
  /** By member: rumours that are there on its word. */
  private readonly rumours: Set<Stream>[];
  private readonly changed = new Set<Stream>();
  /** Streams that put themselves here: see `Stream.news`. */
  private readonly news = new Set<Stream>();
  private readonly replaced: FinalStream[] = [];

  constructor(
    self: number,
    members: number,
    loaded: Loaded,
    bounds: Pick<Group, 'byzantine' | 'readyQuorum'> = { byzantine: 1, readyQuorum: 0 },
  ) {
    this.bounds = bounds;
    this.self = self;
    this.members = members;
    this.byOrigin = Array.from({ length: members }, () => []);
    this.finals = Array.from({ length: members });
    this.overs = Array.from({ length: members });
    this.rumours = Array.from({ length: members }, () => new Set<Stream>());
    for (const final of loaded.retired)
      if (final.origin < members) this.finals[final.origin] = new FinalStream(final);
    for (const state of loaded.streams)
      if (state.origin < members && !this.isRetired(state))
        this.add(new Stream(state, self, members, state, bounds));
    for (const { certificate } of loaded.held) {
      const { origin, incarnation, seq, hash, length } = certifiedDescriptor(certificate);
      const stream = this.signed({ origin, incarnation });
      if (typeof stream === 'string') continue;
      stream.recorded = true;
      stream.hold(seq, hash.slice(), length);
    }
    for (let origin = 0; origin < members; origin++) this.relate(origin);
  }

  [Symbol.iterator](): IterableIterator<Stream> {
    return this.byKey.values();
  }

  /** Those of one origin, from the earliest on. */
  of(origin: number): readonly Stream[] {
    return this.byOrigin[origin];
  }

  find(id: StreamId): Stream | undefined {
    const { latest } = this;
    // Symbols come in streams, and to make a key takes longer than all else here.
    if (latest?.origin === id.origin && latest.incarnation === id.incarnation) return latest;
    this.latest = this.byKey.get(streamKey(id));
    return this.latest;
  }

  /** Our own stream of this name, begun if need be. */
  own(incarnation: number): Stream {
    const id = { origin: this.self, incarnation };
    const stream = this.find(id) ?? this.begin(id);
    this.settleRumour(stream);
    this.relate(this.self);
    return stream;
  }

  /** The stream of this name, of which its origin has signed an object; begun if need be; else why there is none. */
  signed(id: StreamId): Stream | 'stale' | 'over-quota' | 'unknown-member' {
    const reason = this.refusal(id);
    if (reason) return reason;
    const known = this.find(id);
    if (known?.attested) return known;
    if (!this.hasRoom(id, known)) return 'over-quota';
    const stream = known ?? this.begin(id);
    this.settleRumour(stream);
    stream.onWord = !known?.isKnownTo(this.bounds.byzantine);
    stream.attest();
    stream.recorded = false;
    this.relate(id.origin);
    return stream;
  }

  /**
   * The stream of this name, which `member` says something of: if it is its origin, that makes it begin; else it may be
   * there as a rumour. Undefined if there is nothing to keep; 'over-quota' if there is no room for it now.
   */
  claimed(
    { count, ahead, ...id }: Pick<VectorEntry, keyof StreamId | 'count' | 'ahead'>,
    member: number,
  ): Stream | 'stale' | 'over-quota' | 'unknown-member' | undefined {
    const reason = this.refusal(id);
    if (reason) return reason;
    const known = this.find(id);
    const isEmpty = count === 0 && ahead.length === 0;
    if (member === id.origin && !(isEmpty && !known && this.hasLater(id))) return this.signed(id);
    if (known || isEmpty) return known;
    if (this.rumours[member].size >= MAX_RUMOURS) return 'over-quota';
    const stream = this.begin(id);
    stream.attested = false;
    stream.recorded = false;
    this.rumours[member].add(stream);
    this.relate(id.origin);
    return stream;
  }

  /**
   * Whether an entry of `member` can be taken, now or for good; if not it is to be said again.
   *
   * @param begun streams that begin with other entries before it is taken
   */
  hasRoomFor(entry: VectorEntry, member: number, begun = 0): boolean {
    if (entry.over || this.refusal(entry) !== undefined) return true;
    const known = this.find(entry);
    if (member === entry.origin) return known?.attested === true || this.hasRoom(entry, known, begun);
    if (this.rumours[member].size + begun < MAX_RUMOURS || known) return true;
    return entry.count === 0 && entry.ahead.length === 0;
  }

  /** `member` has retired this stream, and all earlier ones of its origin. */
  onOver(member: number, { origin, incarnation }: StreamId): void {
    if (origin >= this.members) return;
    this.overs[origin] ??= new Map();
    const before = this.overs[origin].get(member) ?? -1;
    if (before >= incarnation) return;
    this.overs[origin].set(member, incarnation);
    for (const stream of this.of(origin))
      if (stream.incarnation > before && stream.incarnation <= incarnation) stream.over.add(member);
  }

  /**
   * `member` begins a new run: what it said before counts no more for what is forgotten.
   *
   * @returns the rumours that are gone with it
   */
  onFresh(member: number): Stream[] {
    const gone: Stream[] = [];
    for (const over of this.overs) over?.delete(member);
    for (const stream of this.byKey.values()) stream.onFresh(member);
    // Of rumours that nobody else has heard of nothing is left.
    for (const stream of this.rumours[member]) {
      const other = stream.claimant(member);
      this.rumours[member].delete(stream);
      if (other >= 0) this.rumours[other].add(stream);
      else {
        this.remove(stream);
        gone.push(stream);
      }
    }
    return gone;
  }

  /** Our store says that this stream is there. */
  onRecorded(stream: Stream): void {
    if (stream.recorded) return;
    stream.recorded = true;
    this.relate(stream.origin);
  }

  /** Streams of which there is more to say than before, by what others of their origin are there. */
  takeChanged(): Stream[] {
    if (this.changed.size === 0) return [];
    const changed = [...this.changed];
    this.changed.clear();
    return changed;
  }

  /** Streams of which members that disagree with us may have to be told more: see `Stream.untold`. */
  takeNews(): Stream[] {
    if (this.news.size === 0) return [];
    const news = [...this.news];
    this.news.clear();
    return news;
  }

  isRetired({ origin, incarnation }: StreamId): boolean {
    return origin < this.members && incarnation <= (this.finals[origin]?.incarnation ?? -1);
  }

  /** How it ended, if it is the newest of its origin that is over. */
  finalOf({ origin, incarnation }: StreamId): FinalStream | undefined {
    const final = this.finals[origin];
    return final?.incarnation === incarnation ? final : undefined;
  }

  /** All that a member that comes may have to be told. */
  *said(): Generator<Stream | FinalStream> {
    // A member's own stream first: by it what it says of its earlier ones counts.
    for (const stream of this.byKey.values()) if (stream.origin === this.self && !stream.closed) yield stream;
    for (const final of this.finals) if (final) yield final;
    for (const stream of this.byKey.values()) if (stream.origin !== this.self || stream.closed) yield stream;
  }

  /**
   * Whether so many objects of a stream need not be waited for: it is over here; or we know nothing of it, and more members
   * than may lie have retired it.
   */
  isPast(id: StreamId): boolean {
    if (this.isRetired(id)) return true;
    const stream = this.find(id);
    if (stream && (stream.count > 0 || stream.attested)) return false;
    return this.overTo(id.origin) >= id.incarnation;
  }

  /** Up to which stream of this origin more members than may lie have retired. */
  overTo(origin: number): number {
    const said = [...(this.overs[origin]?.values() ?? [])];
    return said.length > this.bounds.byzantine ? nthLargest(said, this.bounds.byzantine + 1) : -1;
  }

  /** Ends the streams that are over (see `Stream.isOver`), from the earliest on, but for the one that our messages go to. */
  takeRetired(own?: Stream): Stream[] {
    const over = [...this.byKey.values()].filter(
      (stream) => stream !== own && stream.isOver() && !this.hasEarlier(stream),
    );
    for (const stream of over) this.end(stream);
    return over;
  }

  /** Of earlier ones that are over nothing is said any more. */
  takeReplaced(): FinalStream[] {
    return this.replaced.splice(0);
  }

  /** Takes away the streams that have ended and of which nobody has an object: who never heard of them is no worse off. */
  takeEmpty(own?: Stream): Stream[] {
    const empty = [...this.byKey.values()].filter((stream) => stream !== own && stream.isVoid());
    for (const stream of empty) this.remove(stream);
    return empty;
  }

  /** Whether its origin has begun a later one. */
  hasLater({ origin, incarnation }: StreamId): boolean {
    return this.of(origin).some((other) => other.attested && other.incarnation > incarnation);
  }

  /** Whether a stream begins, or is attested, with this entry of `member`. */
  begins(entry: VectorEntry, member: number): boolean {
    if (entry.over || this.refusal(entry) !== undefined) return false;
    const known = this.find(entry);
    if (member === entry.origin) return known?.attested !== true;
    return !known && (entry.count > 0 || entry.ahead.length > 0);
  }

  private refusal(id: StreamId): 'stale' | 'unknown-member' | undefined {
    if (id.origin >= this.members) return 'unknown-member';
    return this.isRetired(id) ? 'stale' : undefined;
  }

  private begin(id: StreamId): Stream {
    const stream = new Stream(id, this.self, this.members, undefined, this.bounds);
    for (const [member, incarnation] of this.overs[id.origin] ?? [])
      if (id.incarnation <= incarnation) stream.over.add(member);
    this.add(stream);
    return stream;
  }

  private add(stream: Stream): void {
    this.byKey.set(streamKey(stream), stream);
    const all = this.byOrigin[stream.origin];
    const place = all.findIndex(({ incarnation }) => incarnation > stream.incarnation);
    all.splice(place < 0 ? all.length : place, 0, stream);
    stream.news = this.news;
    this.latest = undefined;
  }

  /**
   * Whether there is room for one more attested stream of this origin. One of which more members than may lie hold something
   * is let in always: others may have delivered it.
   */
  private hasRoom({ origin }: StreamId, known: Stream | undefined, begun = 0): boolean {
    const { byzantine } = this.bounds;
    if (known?.isKnownTo(byzantine)) return true;
    let count = 0;
    for (const stream of this.of(origin)) if (stream.attested && stream.onWord) count++;
    return count + begun < MAX_STREAMS;
  }

  /** What the streams of an origin mean to each other. */
  private relate(origin: number): void {
    const all = this.of(origin);
    const before = all.map((stream) => stream.standing);
    all.forEach((stream, i) => {
      stream.isFirst = i === 0;
      stream.isLater ||= i > 0 || this.finals[origin] !== undefined;
    });
    let [closed, ended] = [false, false];
    for (const stream of all.toReversed()) {
      if (closed && !stream.closed) stream.close();
      stream.ended ||= ended;
      closed ||= stream.attested;
      ended ||= stream.attested && stream.recorded;
    }
    all.forEach((stream, i) => {
      if (stream.standing !== before[i]) this.changed.add(stream);
    });
  }

  private settleRumour(stream: Stream): void {
    if (stream.attested) return;
    for (const rumours of this.rumours) rumours.delete(stream);
  }

  private end(stream: Stream): void {
    const { origin, incarnation, count } = stream;
    this.remove(stream);
    const before = this.finals[origin];
    if (before) this.replaced.push(before);
    this.finals[origin] = new FinalStream({
      origin,
      incarnation,
      count,
      chain: stream.ledger.chainAt(count)!,
    });
  }

  private remove(stream: Stream): void {
    this.settleRumour(stream);
    this.byKey.delete(streamKey(stream));
    this.byOrigin[stream.origin] = this.of(stream.origin).filter((other) => other !== stream);
    this.changed.delete(stream);
    this.news.delete(stream);
    stream.news = undefined;
    this.latest = undefined;
    this.relate(stream.origin);
  }

  private hasEarlier({ origin, incarnation }: StreamId): boolean {
    return this.of(origin)[0]?.incarnation < incarnation;
  }
}

/** Streams of one origin at once that are there on its word alone. */
export const MAX_STREAMS = 256;
/** Rumours on the word of one member at once. */
export const MAX_RUMOURS = 16;
