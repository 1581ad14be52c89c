/**
 * What the spread asks about streams. It moves objects and does not know how members agree on them: whoever does answers
 * these questions, as `Stream` and `Streams` of the agreement do.
 */
import type { Micros } from '../../core/time.js';
import type { Descriptor, StreamId } from '../../wire/symbol.js';

/** What is held and wanted of one stream, here and elsewhere. */
export interface StreamView extends StreamId {
  /** Objects below are held. */
  readonly count: number;
  /** Objects below have been consumed. */
  readonly delivered: number;
  /** What our store has of it. */
  readonly ledger: {
    /** What the objects take that are held but not consumed, in bytes. */
    readonly backlog: number;
    /** How many these are. */
    readonly waiting: number;
    /** Objects that count as held but can no longer be read. */
    readonly damaged: Pick<ReadonlySet<number>, 'has' | 'size'> & Iterable<number>;
    /** Whether an object with this hash is the one that is held, as far as can be told. */
    fits(seq: number, hash: Uint8Array): boolean;
  };
  readonly keepers: {
    /** Whether `member` may serve objects: it was asked for some. */
    mayServe(now: Micros, member: number): boolean;
  };
  readonly standing: {
    /** Its origin has named it, or signed an object of it. */
    readonly attested: boolean;
    /** Its origin has begun another: of this one only what others hold is taken. */
    readonly closed: boolean;
  };
  readonly claims: {
    /** Whether `member` says that it holds this object. */
    isHeldBy(member: number, seq: number): boolean;
    /** Whether more members than may lie say so. */
    isVouched(seq: number): boolean;
    /** So many objects more members than may lie say that they hold, the origin not counted. */
    confirmed(): number;
  };
  readonly following: {
    /** Whether a symbol of this object, from `member`, may be of what is to be held. */
    admits(member: number, isServed: boolean, object: Pick<Descriptor, 'seq' | 'hash'>): boolean;
  };
  /** Whether a member is to have objects of it at all. Default: all are. */
  isWantedBy?(member: number): boolean;
  /** When to report progress to the origin, and to it alone; undefined, or no such method: soon, and to others too. */
  reportAt?(now: Micros): Micros | undefined;
  holds(seq: number): boolean;
  /** Whether the bytes of this object are wanted. */
  lacks(seq: number): boolean;
}

/** The streams that are spoken of. */
export interface StreamsView<S extends StreamView = StreamView> extends Iterable<S> {
  find(id: StreamId): S | undefined;
  /** Those of one origin. */
  of(origin: number): readonly S[];
  /** The stream of which its origin has signed an object, begun if need be; else why there is none. */
  signed(id: StreamId): S | 'stale' | 'stream-quota' | 'unknown-member';
  /** Whether its origin has begun a later one. */
  hasLater(id: StreamId): boolean;
  readonly retired: {
    /** Whether this stream is over, and nothing of it is wanted. */
    has(id: StreamId): boolean;
  };
}
