/**
 * Which objects of the others may be begun: what is being rebuilt takes memory, and what is not consumed cannot be pruned.
 * Both are counted for each origin, over all its streams, so that one member can spend only what is its own.
 */
import { SparseMap, SparseSet } from '../../core/sparse.js';
import { type Micros, SECOND } from '../../core/time.js';
import { storedSize } from '../../store/store.js';
import { type Descriptor, objectId, objectKey } from '../../wire/symbol.js';
import type { ObjectUnderWay } from './objects.js';
import type { StreamsView, StreamView } from './view.js';

export interface AdmissionOptions {
  members: number;
  self: number;
  /** f: members that may lie. */
  byzantine: number;
  /** Bytes of an object, at most. */
  maxObjectSize: number;
  /** That all objects in the store may take. */
  maxStoredBytes: number;
}

export class Admission<S extends StreamView = StreamView> {
  private readonly streams: StreamsView<S>;
  private readonly members: number;
  private readonly self: number;
  private readonly byzantine: number;
  private readonly maxObjectSize: number;
  /** What the objects of one origin may take that wait for its streams to go on, in memory and in the store. */
  private readonly share: number;
  /** By origin: objects that are being rebuilt or stored. */
  private readonly open: SparseSet<ObjectUnderWay<S>>[];
  /** By origin: objects that were refused for want of room. The latest is the last. */
  private readonly refused: SparseMap<string, Descriptor>[];

  constructor(streams: StreamsView<S>, options: AdmissionOptions) {
    const { members, self, byzantine, maxObjectSize, maxStoredBytes } = options;
    this.streams = streams;
    this.members = members;
    this.self = self;
    this.byzantine = byzantine;
    this.maxObjectSize = maxObjectSize;
    this.share = maxStoredBytes / members;
    this.open = Array.from({ length: members }, () => new SparseSet());
    this.refused = Array.from({ length: members }, () => new SparseMap());
  }

  /** An object has been begun. */
  add(record: ObjectUnderWay<S>): void {
    this.open[record.stream.origin].add(record);
  }

  /** It is in our store, or given up. */
  remove(record: ObjectUnderWay<S>): void {
    this.open[record.stream.origin].delete(record);
  }

  /** There was no room for an object. */
  onRefused(descriptor: Descriptor): void {
    const refused = this.refused[descriptor.origin];
    const key = objectKey(descriptor);
    refused.delete(key);
    refused.set(key, descriptor);
    if (refused.size > MAX_REFUSED) refused.delete(refused.keys().next().value!);
  }

  /** Whether an object was refused, and would be again: to ask for it is to have it sent in vain. */
  isRefused(now: Micros, stream: StreamView, seq: number): boolean {
    const refused = this.refused[stream.origin];
    const key = objectKey(objectId(stream, seq));
    const descriptor = refused.get(key);
    if (!descriptor || typeof this.admits(now, stream, descriptor) === 'string')
      return descriptor !== undefined;
    refused.delete(key);
    return false;
  }

  /**
   * Whether an object may be begun, or why not.
   *
   * @returns an object of the same origin if that has to be given up for it: nothing has come of it for a while
   */
  admits(
    now: Micros,
    stream: StreamView | undefined,
    { origin, seq, length }: Descriptor,
  ): true | 'open-quota' | 'store-quota' | ObjectUnderWay<S> {
    const open = this.open[origin];
    let bytes = length;
    let total = storedSize(length) + this.backlog(origin);
    let idlest: ObjectUnderWay<S> | undefined;
    for (const record of open) {
      bytes += lengthOf(record);
      total += storedSize(lengthOf(record));
      if (!record.storing && (!idlest || record.usefulAt < idlest.usefulAt)) idlest = record;
    }
    const hasRoom = open.size < MAX_OPEN && (open.size === 0 || bytes <= this.maxObjectSize);
    // Others may have delivered it, and who was away needs all of it before it can tell that they agree.
    const isVouched = stream !== undefined && this.isVouchedFor(stream, seq);
    if (!hasRoom && !(isVouched && this.hasRoomVouched(origin, length)))
      return idlest !== undefined && now - idlest.usefulAt >= IDLE ? idlest : 'open-quota';
    // It takes the place of what is in our store already.
    if (isVouched || stream?.ledger.damaged.has(seq)) return true;
    const isNext = seq === (stream?.count ?? 0);
    // What lies beyond a gap must not take the room of what fills it.
    const part = isNext ? 1 : 1 / 2;
    const isWithin = total <= part * this.share && this.waiting(origin) < part * MAX_HELD;
    return isWithin || (isNext && !this.isWaiting(origin)) || 'store-quota';
  }

  /**
   * Whether there is room for one more object that others hold, whatever else of its origin is open: they serve what is of these,
   * so their places come free again.
   */
  private hasRoomVouched(origin: number, length: number): boolean {
    let objects = 0;
    let bytes = length;
    for (const record of this.open[origin]) {
      if (!this.isVouchedFor(record.stream, record.seq)) continue;
      objects++;
      bytes += lengthOf(record);
    }
    return objects < MAX_OPEN && (objects === 0 || bytes <= this.maxObjectSize);
  }

  /** Whether a member that does not lie holds it, besides its origin: so it is within its share there, or was delivered. */
  isVouchedFor(stream: StreamView, seq: number): boolean {
    let holders = 0;
    for (let member = 0; member < this.members; member++)
      if (member !== this.self && member !== stream.origin && stream.claims.isHeldBy(member, seq)) holders++;
    return holders > this.byzantine;
  }

  /** Whether anything that comes next in a stream of this origin is on its way to the consumer. */
  private isWaiting(origin: number): boolean {
    for (const { stream, seq } of this.open[origin]) if (seq === stream.count) return true;
    return this.streams.of(origin).some((stream) => stream.count > stream.delivered);
  }

  private waiting(origin: number): number {
    let objects = this.open[origin].size;
    for (const stream of this.streams.of(origin)) objects += stream.ledger.waiting;
    return objects;
  }

  private backlog(origin: number): number {
    let bytes = 0;
    for (const stream of this.streams.of(origin)) bytes += stream.ledger.backlog;
    return bytes;
  }
}

function lengthOf({ incoming }: ObjectUnderWay): number {
  return incoming?.descriptor.length ?? 0;
}

/**
 * Objects of one origin that are not delivered, in all its streams: of each there is a hash, a digest and a size in memory. Two
 * streams may have as many as are taken ahead of what is delivered, behind a gap.
 */
export const MAX_HELD = 16_384;
/** Objects of one origin being rebuilt at once. */
export const MAX_OPEN = 256;
/** Objects of one origin of which it is remembered that there was no room: as many as are asked for. */
export const MAX_REFUSED = 512;
/** An object of which nothing new has come for so long gives way to another of the same origin. */
export const IDLE: Micros = 3 * SECOND;
