/**
 * The streams that are spoken of, in bounded number: the present one of each member, and earlier ones until every member
 * has them whole.
 */
import type { Loaded } from '../store/store.js';
import { type StreamId, streamKey } from '../wire/symbol.js';
import { certifiedDescriptor } from './certificate.js';
import type { Group } from './group.js';
import { Stream } from './stream.js';

export class Streams {
  private readonly self: number;
  private readonly members: number;
  private readonly bounds: Pick<Group, 'byzantine' | 'readyQuorum'> | undefined;
  private readonly byKey = new Map<string, Stream>();
  /** Looked up last. */
  private latest: Stream | undefined;
  /** By origin: incarnations up to this one are over. */
  private readonly retired: number[];
  private readonly ousted: Stream[] = [];

  constructor(
    self: number,
    members: number,
    loaded: Loaded,
    bounds?: Pick<Group, 'byzantine' | 'readyQuorum'>,
  ) {
    this.bounds = bounds;
    this.self = self;
    this.members = members;
    this.retired = new Array(members).fill(-1);
    for (const { origin, incarnation } of loaded.retired)
      if (origin < members) this.retired[origin] = incarnation;
    for (const state of loaded.streams)
      if (state.origin < members)
        this.byKey.set(streamKey(state), new Stream(state, self, members, state, bounds));
    for (const { certificate } of loaded.held) {
      const { origin, incarnation, seq, hash, length } = certifiedDescriptor(certificate);
      const stream = this.open({ origin, incarnation });
      if (stream instanceof Stream) stream.hold(seq, hash.slice(), length);
    }
  }

  [Symbol.iterator](): IterableIterator<Stream> {
    return this.byKey.values();
  }

  find(id: StreamId): Stream | undefined {
    const { latest } = this;
    // Symbols come in streams, and to make a key takes longer than all else here.
    if (latest?.origin === id.origin && latest.incarnation === id.incarnation) return latest;
    this.latest = this.byKey.get(streamKey(id));
    return this.latest;
  }

  /** The stream of this name, begun if need be; else why there is none. */
  open(id: StreamId): Stream | 'stale' | 'over-quota' | 'unknown-member' {
    const known = this.find(id);
    if (known) return known;
    if (id.origin >= this.members) return 'unknown-member';
    if (id.incarnation <= this.retired[id.origin]) return 'stale';
    let others = 0;
    for (const { origin } of this.byKey.values()) if (origin === id.origin) others++;
    if (others >= MAX_STREAMS && !this.oust(id)) return 'over-quota';
    const stream = new Stream(id, this.self, this.members, undefined, this.bounds);
    this.byKey.set(streamKey(id), stream);
    return stream;
  }

  isRetired({ origin, incarnation }: StreamId): boolean {
    return origin < this.members && incarnation <= this.retired[origin];
  }

  /** Ends the streams that are over: a later one of their origin is there, and every member has all of them; or room was needed. */
  takeRetired(): Stream[] {
    const over = [...this.byKey.values()].filter(
      (stream) =>
        stream.delivered === stream.count &&
        stream.stable() === stream.count &&
        !stream.isBeyond() &&
        this.hasLater(stream) &&
        !this.hasEarlier(stream),
    );
    for (const stream of over) this.end(stream);
    return [...this.ousted.splice(0), ...over];
  }

  /** Makes room for a later stream of the same origin, at the cost of the oldest, if that has been consumed as far as it goes. */
  private oust({ origin, incarnation }: StreamId): boolean {
    const [oldest] = [...this.byKey.values()]
      .filter((stream) => stream.origin === origin)
      .sort((a, b) => a.incarnation - b.incarnation);
    if (oldest.incarnation > incarnation || oldest.delivered < oldest.count) return false;
    this.end(oldest);
    this.ousted.push(oldest);
    return true;
  }

  private end(stream: Stream): void {
    const { origin, incarnation } = stream;
    this.byKey.delete(streamKey(stream));
    this.latest = undefined;
    this.retired[origin] = Math.max(this.retired[origin], incarnation);
  }

  private hasLater({ origin, incarnation }: StreamId): boolean {
    return [...this.byKey.values()].some(
      (other) => other.origin === origin && other.incarnation > incarnation,
    );
  }

  private hasEarlier({ origin, incarnation }: StreamId): boolean {
    return [...this.byKey.values()].some(
      (other) => other.origin === origin && other.incarnation < incarnation,
    );
  }
}

/** Streams of one origin at once: one for each of its latest stores that not all members have caught up with. */
export const MAX_STREAMS = 16;
