/**
 * Hands messages to the consumer, one at a time: of each stream in order, and none before those it depends on. In: how far
 * each stream may be delivered, and when the consumer is done. Out: the next message.
 */
import type { Micros } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { StoredObject } from '../store/store.js';
import { type ObjectId, streamKey } from '../wire/symbol.js';
import type { Log } from './log.js';
import { type Dependency, type Parcel, parseParcel } from './parcel.js';
import type { Stream } from './stream.js';
import type { Streams } from './streams.js';

/** Names a message: the `index`-th of its object. The same for every member, and again after a restart. */
export interface MessageId extends ObjectId {
  index: number;
}

export class Delivery {
  private readonly streams: Streams;
  private readonly log: Log;
  private readonly quorum: number;
  /** Objects that have been read but wait for their turn, or for others. */
  private readonly heads = new Map<Stream, { seq: number; parcel: Parcel }>();
  private current: Stream | undefined;
  private consuming = false;
  private turn = 0;
  /** By stream: how much of it our last object depended on. */
  private readonly told = new Map<string, number>();

  constructor(streams: Streams, log: Log, quorum: number) {
    this.streams = streams;
    this.log = log;
    this.quorum = quorum;
  }

  /**
   * The next message, unless the consumer is busy or nothing is due. It must be followed by `consumed`.
   *
   * @param onMalformed an object that is no parcel: its origin's fault, and skipped by everyone
   */
  next(
    now: Micros,
    onMalformed: (stream: Stream, seq: number) => void,
  ): { id: MessageId; bytes: Uint8Array } | undefined {
    while (!this.consuming) {
      this.current ??= this.choose(onMalformed);
      const stream = this.current;
      if (!stream) return undefined;
      const { seq, parcel } = this.heads.get(stream)!;
      if (stream.index >= parcel.messages.length) {
        this.finish(now, stream);
        continue;
      }
      this.consuming = true;
      const { origin, incarnation, index } = stream;
      return { id: { origin, incarnation, seq, index }, bytes: parcel.messages[index] };
    }
    return undefined;
  }

  /** The consumer is done with the message that it was given. */
  consumed(now: Micros): void {
    const stream = this.current;
    this.consuming = false;
    if (!stream) return;
    stream.index++;
    if (stream.index >= this.heads.get(stream)!.parcel.messages.length) this.finish(now, stream);
    else this.log.moveCursor(now, stream);
  }

  /** Whether an object of this stream is being consumed. */
  isConsuming(stream: Stream): boolean {
    return this.current === stream;
  }

  /** A stream is over, or starts again from what is delivered. */
  forget(stream: Stream): void {
    this.heads.delete(stream);
  }

  /** What has been delivered since our last object: the next one comes after it. */
  dependencies(own: Stream): Dependency[] {
    const found: Dependency[] = [];
    for (const stream of this.streams) {
      if (stream === own) continue;
      // What is being consumed counts: a consumer may answer before it is done.
      const isBegun = stream.index > 0 || (this.consuming && stream === this.current);
      const count = stream.delivered + (isBegun ? 1 : 0);
      const key = streamKey(stream);
      if (count === (this.told.get(key) ?? 0)) continue;
      this.told.set(key, count);
      found.push({ origin: stream.origin, incarnation: stream.incarnation, count });
    }
    return found;
  }

  private finish(now: Micros, stream: Stream): void {
    const { origin, incarnation, delivered: seq } = stream;
    stream.onDelivered();
    this.heads.delete(stream);
    this.log.release({ origin, incarnation, seq });
    this.log.moveCursor(now, stream);
    this.current = undefined;
  }

  private choose(onMalformed: (stream: Stream, seq: number) => void): Stream | undefined {
    const streams = [...this.streams];
    for (let i = 0; i < streams.length; i++) {
      const stream = streams[(this.turn + i) % streams.length];
      if (stream.delivered >= stream.deliverable(this.quorum)) continue;
      const parcel = this.head(stream, onMalformed);
      if (!parcel?.dependencies.every((dependency) => this.isSatisfied(dependency))) continue;
      // The next stream's turn, so that a busy one does not keep the others waiting.
      this.turn = (this.turn + i + 1) % streams.length;
      return stream;
    }
    return undefined;
  }

  private head(stream: Stream, onMalformed: (stream: Stream, seq: number) => void): Parcel | undefined {
    const seq = stream.delivered;
    const known = this.heads.get(stream);
    if (known?.seq === seq) return known.parcel;
    if (stream.damaged.has(seq)) return undefined;
    const { origin, incarnation } = stream;
    const object = this.log.read({ origin, incarnation, seq });
    if (!object) return undefined;
    const parcel = parse(object) ?? { dependencies: [], messages: [] };
    if (parcel.messages.length === 0) onMalformed(stream, seq);
    this.heads.set(stream, { seq, parcel });
    return parcel;
  }

  private isSatisfied(dependency: Dependency): boolean {
    if (this.streams.isRetired(dependency)) return true;
    return (this.streams.find(dependency)?.delivered ?? 0) >= dependency.count;
  }
}

function parse({ bytes }: StoredObject): Parcel | undefined {
  try {
    return parseParcel(bytes);
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}
