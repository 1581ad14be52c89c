/**
 * The streams that are spoken of, in bounded number: the present one of each member, and earlier ones until every member
 * has them whole. Which of an origin's streams there are is its own affair: only what it names itself, or has signed, makes
 * one begin or end. In: what is named, signed and stored. Out: the streams, and how those that are over ended.
 */

import type { Loaded } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import { certifiedDescriptor } from '../proof/certificate.js';
import type { Bounds } from './standing.js';
import { Stream } from './stream.js';
import { type FinalStream, Retired } from './streams/retired.js';
import { Rumours } from './streams/rumours.js';

/** Why nothing is taken in of a stream. */
export type AgreementDrop =
  /** Its origin has a later one, or it is retired. */
  | 'stale'
  /** There are too many on its origin's word alone. */
  | 'stream-quota'
  /** Its origin is not of the group. */
  | 'unknown-member';

export class Streams {
  readonly retired: Retired;
  private readonly bounds: Bounds;
  private readonly byKey = new Map<string, Stream>();
  /** The same by origin, from the earliest on. */
  private readonly byOrigin: (readonly Stream[])[];
  /** Looked up last. */
  private latest: Stream | undefined;
  private readonly rumours: Rumours;
  private readonly changed = new Set<Stream>();
  /** Streams that put themselves here: see `Stream.news`. */
  private readonly news = new Set<Stream>();
  /** Those of which something may be deliverable that is not delivered: see `Stream.ripe`. Who finds nothing takes them away. */
  readonly ripe = new Set<Stream>();

  constructor(bounds: Bounds, loaded: Loaded) {
    const { members } = bounds;
    this.bounds = bounds;
    this.retired = new Retired(bounds, loaded.retired);
    this.byOrigin = new Array<readonly Stream[]>(members).fill(NONE);
    this.rumours = new Rumours(bounds);
    for (const state of loaded.streams)
      if (state.origin < members && !this.retired.has(state)) this.add(new Stream(state, bounds, state));
    for (const { certificate } of loaded.held) {
      const { origin, incarnation, seq, hash, length } = certifiedDescriptor(certificate);
      const stream = this.signed({ origin, incarnation });
      if (typeof stream === 'string') continue;
      stream.standing.recorded = true;
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
    const id = { origin: this.bounds.self, incarnation };
    const stream = this.find(id) ?? this.begin(id);
    this.rumours.settle(stream);
    this.relate(this.bounds.self);
    return stream;
  }

  /** The stream of this name, of which its origin has signed an object; begun if need be; else why there is none. */
  signed(id: StreamId): Stream | AgreementDrop {
    const reason = this.refusal(id);
    if (reason) return reason;
    const known = this.find(id);
    if (known?.standing.attested) return known;
    if (!this.hasRoom(id, known)) return 'stream-quota';
    const stream = known ?? this.begin(id);
    this.rumours.settle(stream);
    stream.standing.onWord = !known?.claims.isKnown;
    stream.attest();
    stream.standing.recorded = false;
    this.relate(id.origin);
    return stream;
  }

  /**
   * The stream of this name, which `member` says something of: if it is its origin, that makes it begin; else it may be
   * there as a rumour. Undefined if there is nothing to keep, or no place for it now.
   */
  claimed(
    claim: VectorEntry,
    member: number,
    lower: readonly VectorEntry[] = [],
  ): Stream | AgreementDrop | undefined {
    const { origin, incarnation, count, ahead } = claim;
    const id = { origin, incarnation };
    const reason = this.refusal(id);
    if (reason) return reason;
    const known = this.find(id);
    const isEmpty = count === 0 && ahead.length === 0;
    if (member === origin && !(isEmpty && !known && this.hasLater(id))) return this.signed(id);
    if (known || isEmpty) return known;
    return this.rumours.hear(member, claim, lower) ? this.beginRumour(id, member) : undefined;
  }

  /** Streams that members have named, and that begin now since there is a place for them. */
  beginWaiting(): Stream[] {
    return this.rumours.takeWaiting().flatMap(([member, { claim, lower }]) => {
      if (this.refusal(claim) !== undefined) return [];
      const stream = this.find(claim) ?? this.beginRumour(claim, member);
      stream.onClaim(member, claim, lower);
      return [stream];
    });
  }

  /**
   * Whether an entry of `member` can be taken, now or for good; if not it is to be said again.
   *
   * @param begun streams of its own that begin with other entries before it is taken
   */
  hasRoomFor(entry: VectorEntry, member: number, begun = 0): boolean {
    if (entry.over || member !== entry.origin || this.refusal(entry) !== undefined) return true;
    const known = this.find(entry);
    return known?.standing.attested === true || this.hasRoom(entry, known, begun);
  }

  /** `member` has retired this stream, and all earlier ones of its origin. */
  onOver(member: number, { origin, incarnation }: StreamId): void {
    if (origin >= this.bounds.members) return;
    this.retired.onOver(member, { origin, incarnation });
    for (const stream of this.of(origin))
      if (stream.incarnation <= incarnation) stream.standing.over.add(member);
  }

  /**
   * `member` begins a new run: what it said before counts no more for what is forgotten.
   *
   * @returns the rumours that are gone with it
   */
  onFresh(member: number): Stream[] {
    this.retired.onFresh(member);
    for (const stream of this.byKey.values()) stream.onFresh(member);
    // Of rumours that nobody else has heard of nothing is left.
    const gone = this.rumours.onFresh(member);
    for (const stream of gone) this.remove(stream);
    return gone;
  }

  /** Our store says that this stream is there. */
  onRecorded(stream: Stream): void {
    if (stream.standing.recorded) return;
    stream.standing.recorded = true;
    this.relate(stream.origin);
  }

  /** Streams of which there is more to say than before, by what others of their origin are there. */
  takeChanged(): readonly Stream[] {
    return drain(this.changed);
  }

  /** Streams of which members that disagree with us may have to be told more: see `Telling.untold`. */
  takeNews(): readonly Stream[] {
    return drain(this.news);
  }

  /** All that a member that comes may have to be told. */
  *said(): Generator<Stream | FinalStream> {
    // A member's own stream first: by it what it says of its earlier ones counts.
    for (const stream of this.byKey.values())
      if (stream.standing.isOwn && !stream.standing.closed) yield stream;
    yield* this.retired;
    for (const stream of this.byKey.values())
      if (!stream.standing.isOwn || stream.standing.closed) yield stream;
  }

  /**
   * Whether so many objects of a stream need not be waited for: it is over here and had as many; or so many members say that
   * it is over that all will. That it is over here shows no more than that: a liar may have let nobody else retire it.
   */
  isPast({ count, ...id }: StreamId & { count: number }): boolean {
    const final = this.retired.find(id);
    return (final !== undefined && count <= final.count) || this.retired.isEverywhere(id);
  }

  /**
   * Ends the streams that are over (see `Stream.isOver` and `isOverElsewhere`), from the earliest on, but for the one that our
   * messages go to.
   */
  takeRetired(own?: Stream): Stream[] {
    const over = [...this.byKey.values()].filter((stream) => {
      if (stream === own) return false;
      const earlier = this.earlier(stream);
      if (stream.isOver() && earlier.length === 0) return true;
      return stream.isOverElsewhere() && earlier.every((other) => other !== own && other.ledger.isEmpty);
    });
    for (const stream of over) this.end(stream);
    return over;
  }

  /** Our store says that this stream is over. */
  onRetired(id: StreamId): FinalStream | undefined {
    const final = this.retired.find(id);
    if (!final) return undefined;
    this.retired.onRecorded(final);
    this.relate(id.origin);
    return final;
  }

  /**
   * Takes away the streams that have ended and of which nobody has an object: who never heard of them is no worse off. And
   * those of which we have none, if a later one is over.
   */
  takeEmpty(own?: Stream): Stream[] {
    const empty = [...this.byKey.values()].filter(
      (stream) => stream !== own && (stream.isVoid() || this.retired.has(stream)),
    );
    for (const stream of empty) this.remove(stream);
    return empty;
  }

  /** Whether its origin has begun a later one. */
  hasLater({ origin, incarnation }: StreamId): boolean {
    return this.of(origin).some((other) => other.standing.attested && other.incarnation > incarnation);
  }

  /** Whether a stream of its own is attested with this entry of `member`. */
  attests(entry: VectorEntry, member: number): boolean {
    if (entry.over || member !== entry.origin || this.refusal(entry) !== undefined) return false;
    return this.find(entry)?.standing.attested !== true;
  }

  private refusal(id: StreamId): 'stale' | 'unknown-member' | undefined {
    if (id.origin >= this.bounds.members) return 'unknown-member';
    return this.retired.has(id) ? 'stale' : undefined;
  }

  private begin(id: StreamId, attested = true): Stream {
    const stream = new Stream(id, this.bounds);
    stream.standing.attested = attested;
    stream.standing.recorded = attested;
    for (const member of this.retired.membersPast(id)) stream.standing.over.add(member);
    this.add(stream);
    for (const [member, { claim, lower }] of this.rumours.takeWords(id)) stream.onClaim(member, claim, lower);
    return stream;
  }

  private beginRumour(id: StreamId, member: number): Stream {
    const stream = this.begin(id, false);
    this.rumours.add(member, stream);
    this.relate(id.origin);
    return stream;
  }

  private add(stream: Stream): void {
    this.byKey.set(streamKey(stream), stream);
    const all = this.byOrigin[stream.origin];
    const place = all.findIndex(({ incarnation }) => incarnation > stream.incarnation);
    this.byOrigin[stream.origin] = all.toSpliced(place < 0 ? all.length : place, 0, stream);
    stream.news = this.news;
    stream.ripe = this.ripe;
    this.ripe.add(stream);
    this.latest = undefined;
  }

  /**
   * Whether there is room for one more attested stream of this origin. One of which more members than may lie hold something
   * is let in always: others may have delivered it.
   */
  private hasRoom({ origin }: StreamId, known: Stream | undefined, begun = 0): boolean {
    if (known?.claims.isKnown) return true;
    let count = 0;
    for (const stream of this.of(origin)) if (stream.standing.attested && stream.standing.onWord) count++;
    return count + begun < MAX_STREAMS;
  }

  private relate(origin: number): void {
    const all = this.of(origin);
    const before = all.map((stream) => stream.telling.stamp);
    relateAll(all, this.retired, origin);
    all.forEach((stream, i) => {
      if (stream.telling.stamp !== before[i]) this.changed.add(stream);
    });
  }

  private end(stream: Stream): void {
    const { origin, incarnation, count } = stream;
    this.retired.add({ origin, incarnation, count, chain: stream.ledger.chainAt(count)! });
    this.remove(stream);
  }

  private remove(stream: Stream): void {
    this.rumours.settle(stream);
    this.byKey.delete(streamKey(stream));
    this.byOrigin[stream.origin] = this.of(stream.origin).filter((other) => other !== stream);
    this.changed.delete(stream);
    this.news.delete(stream);
    stream.news = undefined;
    stream.ripe = undefined;
    this.ripe.delete(stream);
    this.latest = undefined;
    this.relate(stream.origin);
  }

  private earlier({ origin, incarnation }: StreamId): Stream[] {
    return this.of(origin).filter((other) => other.incarnation < incarnation);
  }
}

/** What the streams of an origin mean to each other: all of them, from the earliest on. */
function relateAll(all: readonly Stream[], retired: Retired, origin: number): void {
  all.forEach(({ standing }, i) => {
    standing.isFirst = i === 0 && !retired.isRecording(origin);
    standing.isLater ||= i > 0 || retired.hasOf(origin);
  });
  let [closed, ended] = [false, false];
  for (const stream of all.toReversed()) {
    const { standing } = stream;
    if (closed && !standing.closed) stream.close();
    standing.ended ||= ended;
    closed ||= standing.attested;
    ended ||= standing.attested && standing.recorded;
  }
}

const NONE: Stream[] = [];

/** What is in the set, and is no more. */
function drain(set: Set<Stream>): readonly Stream[] {
  if (set.size === 0) return NONE;
  const all = [...set];
  set.clear();
  return all;
}

/** Streams of one origin at once that are there on its word alone. */
export const MAX_STREAMS = 256;
