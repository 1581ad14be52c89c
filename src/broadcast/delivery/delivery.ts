/**
 * Hands messages to the consumer, one at a time: of each stream in order, and none before those it depends on. Origins take
 * turns, an object each. In: how far each stream may be delivered, and when the consumer is done. Out: the next message.
 */
import type { Micros } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import type { StoredObject } from '../../store/store.js';
import type { MessageId } from '../../wire/symbol.js';
import type { Stream } from '../agreement/stream.js';
import type { Streams } from '../agreement/streams.js';
import type { Attempts } from './attempts.js';
import type { Journal } from './journal.js';
import {
  compareStreams,
  type Dependency,
  Messages,
  maxDependencies,
  type OpenParcel,
  parseParcel,
} from './parcel.js';
import type { Sequence } from './sequence.js';
import type { Unrelayed } from './unrelayed.js';

/** The next object of a stream, once it has been read: what it waits for, and none of its bytes. */
interface Head {
  seq: number;
  /** The last is looked at first; those met are taken off. */
  unmet: Dependency[];
}

export class Delivery {
  private readonly streams: Streams;
  private readonly log: Journal;
  private readonly members: number;
  private readonly heads = new Map<Stream, Head>();
  /** The object whose messages are being handed over. */
  private current: { stream: Stream; seq: number; parcel: OpenParcel } | undefined;
  private readonly attempts: Attempts;
  private readonly unrelayed: Unrelayed;
  private readonly sequence: Sequence | undefined;
  private consuming = false;
  /** Messages that the consumer is done with. */
  taken = 0;
  /** The origin that is next. */
  private turn = 0;
  /** How much of each stream our last object depended on. */
  private told = new WeakMap<Stream, number>();

  /** @param parts `sequence`: where the order among streams counts */
  constructor(
    parts: {
      streams: Streams;
      log: Journal;
      attempts: Attempts;
      unrelayed: Unrelayed;
      sequence?: Sequence | undefined;
    },
    members: number,
  ) {
    this.streams = parts.streams;
    this.log = parts.log;
    this.attempts = parts.attempts;
    this.unrelayed = parts.unrelayed;
    this.sequence = parts.sequence;
    this.members = members;
  }

  /**
   * The next message, unless the consumer is busy or nothing is due. It must be followed by `consumed`.
   *
   * @param onMalformed an object that is no parcel: its origin's fault, and skipped by everyone
   * @param onDead a message at which too many runs have ended: it is kept aside, and the next one is due
   */
  next(
    now: Micros,
    onMalformed: (stream: Stream, seq: number) => void,
    onDead: (id: MessageId) => void,
  ): { id: MessageId; bytes: Uint8Array } | undefined {
    while (!this.consuming) {
      this.current ??= this.choose(now, onMalformed);
      if (!this.current) return undefined;
      const { stream, seq, parcel } = this.current;
      if (stream.index >= parcel.messages.length) {
        this.finish(now, stream);
        continue;
      }
      const { origin, incarnation, index } = stream;
      const id = { origin, incarnation, seq, index };
      const verdict = this.attempts.judge(id, parcel.messages.length, this.streams);
      if (verdict === 'wait') return undefined;
      const bytes = parcel.messages.get(index);
      if (verdict === 'deliver') {
        this.consuming = true;
        return { id, bytes };
      }
      // Before the cursor that passes it, or in one commit with it.
      this.log.write({ type: 'bury', letter: { ...id, retry: false, bytes } });
      onDead(id);
      this.onConsumed(now);
    }
    return undefined;
  }

  /** The consumer is done with the message that it was given. */
  onConsumed(now: Micros): void {
    this.consuming = false;
    this.taken++;
    if (!this.current) return;
    const { stream, parcel } = this.current;
    stream.ledger.onMessage();
    if (stream.index >= parcel.messages.length) this.finish(now, stream);
    else this.log.moveCursor(now, stream);
  }

  /** Whether the consumer has a message. */
  get isBusy(): boolean {
    return this.consuming;
  }

  /** Whether an object of this stream is being consumed. */
  isConsuming(stream: Stream): boolean {
    return this.current?.stream === stream;
  }

  /** A stream is over, or starts again from what is delivered. */
  forget(stream: Stream): void {
    this.heads.delete(stream);
  }

  /** What has been delivered since our last object: the next one comes after it. In the order of `compareStreams`. */
  dependencies(own: Stream): Dependency[] {
    const found: Dependency[] = [];
    const most = Math.floor(maxDependencies(this.members) / this.members);
    const counts = new Array(this.members).fill(0);
    for (const stream of this.streams) {
      if (stream === own || !stream.standing.attested) continue;
      // Only who lies has more; they wait for the next object, so that nobody's messages are refused for it.
      if (counts[stream.origin] >= most) continue;
      // What is being consumed counts: a consumer may answer before it is done.
      const isBegun = stream.index > 0 || (this.consuming && this.isConsuming(stream));
      const count = stream.delivered + (isBegun ? 1 : 0);
      if (count === (this.told.get(stream) ?? 0)) continue;
      this.told.set(stream, count);
      counts[stream.origin]++;
      found.push({ origin: stream.origin, incarnation: stream.incarnation, count });
    }
    return found.sort(compareStreams);
  }

  /** Our next object is the first of its stream: it says all that it comes after. */
  forgetTold(): void {
    this.told = new WeakMap();
  }

  private finish(now: Micros, stream: Stream): void {
    const { origin, incarnation, delivered: seq } = stream;
    stream.onDelivered();
    this.sequence?.onDelivered(stream, stream.delivered);
    this.heads.delete(stream);
    this.log.release({ origin, incarnation, seq });
    this.log.moveCursor(now, stream);
    this.current = undefined;
  }

  private choose(now: Micros, onMalformed: (stream: Stream, seq: number) => void): typeof this.current {
    for (const stream of this.due(now)) {
      const { delivered: seq, origin } = stream;
      const parcel = this.read(stream);
      if (!parcel) continue;
      if (this.heads.get(stream)?.seq !== seq) {
        if (parcel.messages.length === 0) onMalformed(stream, seq);
        const head = { seq, unmet: parcel.dependencies.reverse() };
        this.heads.set(stream, head);
        // It is read again when its turn comes: what never will is not to be kept in memory.
        if (!this.isMet(head)) continue;
      }
      this.turn = (origin + 1) % this.members;
      return { stream, seq, parcel };
    }
    return undefined;
  }

  /** Streams with an object that may be delivered, as far as is known: those of the origin whose turn it is come first. */
  private due(now: Micros): Stream[] {
    const due: Stream[] = [];
    const { ripe } = this.streams;
    for (const stream of ripe) {
      const { delivered: seq } = stream;
      if (seq >= stream.deliverable()) {
        ripe.delete(stream);
        continue;
      }
      if (this.unrelayed.holdsBack(now, stream)) continue;
      const head = this.heads.get(stream);
      if (head?.seq !== seq || this.isMet(head)) due.push(stream);
    }
    const wait = ({ origin }: Stream) => (origin - this.turn + this.members) % this.members;
    return due.length > 1 ? due.sort((a, b) => wait(a) - wait(b) || a.incarnation - b.incarnation) : due;
  }

  /** The next object of this stream, if it is at hand. */
  private read(stream: Stream): OpenParcel | undefined {
    const { origin, incarnation, delivered: seq } = stream;
    if (stream.ledger.damaged.has(seq)) return undefined;
    const object = this.log.read({ origin, incarnation, seq });
    if (!object) return undefined;
    return parse(object, this.members) ?? { dependencies: [], messages: new Messages(new Uint8Array(0), 0) };
  }

  /** Looks at one dependency that is not met, however many there are: this is asked at every event. */
  private isMet({ unmet }: Head): boolean {
    while (unmet.length > 0 && this.isSatisfied(unmet[unmet.length - 1])) unmet.pop();
    return unmet.length === 0;
  }

  private isSatisfied(dependency: Dependency): boolean {
    if (this.streams.isPast(dependency)) return true;
    return (this.streams.find(dependency)?.delivered ?? 0) >= dependency.count;
  }
}

function parse(object: StoredObject, members: number): OpenParcel | undefined {
  try {
    return parseParcel(object.bytes, object, members);
  } catch (error) {
    if (error instanceof HeadwaterError && error.code === 'MALFORMED') return undefined;
    throw error;
  }
}
