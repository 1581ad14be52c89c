/**
 * What a member tells whoever asks why an object did not arrive: what it is told and tells, and what becomes of symbols and objects.
 * Without an observer none of it is made.
 */
import type { Micros } from '../core/time.js';
import type { Frame } from '../wire/frames.js';
import type { ObjectId, StreamId } from '../wire/symbol.js';
import type { SpreadDrop } from './spread/drops.js';

/** What becomes of an object at this member, in about this order. */
export type ObjectState =
  /** Ours, in our store: its symbols go out from now on. */
  | 'sending'
  /** Its first symbol has come. */
  | 'begun'
  /** It has been dropped before it was whole, for want of symbols that bring something new. */
  | 'given-up'
  /** Its symbols gave something else than its hash says: it is begun anew. */
  | 'spoilt'
  /** Its symbols are enough: it waits for our store. */
  | 'rebuilt'
  /** It is whole and not taken: its origin has signed another one under its name, or has begun anew without it. */
  | 'refused'
  /** It is in our store: from now on we confirm it. */
  | 'held'
  /** A quorum holds it: a message of it goes to the consumer. */
  | 'delivered';

/** What became of a PULL that a peer has sent. */
export type PullAnswer = 'served' | 'not-held' | 'gone' | 'damaged' | 'on-its-way';

/** What a debug log is about. */
export type DebugTopic = 'frames' | 'symbols' | 'objects' | 'pulls' | 'top-ups' | 'ready';

/** By topic. `peer` is a member's index. */
export type BroadcastObservation =
  | { topic: 'frames'; way: 'in' | 'out'; peer: number; frame: Frame }
  /** A symbol that `peer` has sent is dropped. */
  | { topic: 'symbols'; peer: number; id: ObjectId; sbn: number; esi: number; drop: SpreadDrop }
  | { topic: 'objects'; id: ObjectId; state: ObjectState }
  /** An object is asked of `peer`, for the `tries`-th time. */
  | { topic: 'pulls'; way: 'out'; peer: number; id: ObjectId; tries: number }
  /** An object is asked of us. */
  | { topic: 'pulls'; way: 'in'; peer: number; id: ObjectId; answer: PullAnswer }
  /** So many more symbols of a block of ours go out, for those `peers` that lack them. */
  | { topic: 'top-ups'; id: ObjectId; sbn: number; symbols: number; peers: readonly number[] }
  /** We know that a quorum holds the first `count` objects of a stream, and say so. */
  | { topic: 'ready'; stream: StreamId; count: number };

/** Called at once, for each; must not call back. What it gets is valid until it returns. */
export type BroadcastObserver = (now: Micros, what: BroadcastObservation) => void;
