/**
 * Moves objects between members: takes in symbols, relays those of which we are the first hop, rebuilds objects, and says
 * which symbol each peer gets next. Which objects are wanted, and what holding them means, is not decided here.
 */
import { equalBytes } from '../../core/bytes.js';
import type { Marks } from '../../core/marks.js';
import type { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import type { StoredObject } from '../../store/store.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { frameSize } from '../../wire/frames.js';
import { MAX_REPAIR_SYMBOLS } from '../../wire/limits.js';
import { type Descriptor, type ObjectId, SERVED, type SymbolFrame } from '../../wire/symbol.js';
import type { Stream } from '../agreement/stream.js';
import type { Streams } from '../agreement/streams.js';
import { countDrop, type DropReason, type Metrics } from '../metrics.js';
import { BatchVerifier } from '../proof/batch.js';
import { writeCertificate } from '../proof/certificate.js';
import { Admission } from './admission.js';
import { type AddResult, Incoming } from './incoming.js';
import { type Objects, ObjectUnderWay } from './objects.js';
import { Outgoing, type Paths } from './outgoing.js';
import { isHeldBy, Relays } from './relays.js';
import type { Serving } from './serving.js';

export interface TransferOptions {
  group: Group;
  self: number;
  keys: KeyPair;
  paths: Paths;
  rng: Rng;
  /** Of an object: larger ones are refused. */
  maxObjectSize: number;
  /** Bytes of objects kept for members that lack them. */
  maxStoredBytes: number;
  relay: boolean;
  /** Is told of each peer for which there is something to send that was not there before. */
  changed: Marks;
}

/** What has come of a symbol, where something has. */
export type Arrival =
  | { type: 'complete'; record: ObjectUnderWay; object: StoredObject; asked: boolean }
  /** Two objects under one name, each signed by its origin. */
  | { type: 'equivocation'; record: ObjectUnderWay; evidence: [Uint8Array, Uint8Array] }
  /** The same, but of ours only the store has the certificate. */
  | { type: 'late-equivocation'; id: ObjectId; certificate: Uint8Array }
  /** Above our limit, and signed by its origin. */
  | { type: 'too-large'; id: ObjectId; length: number }
  /** Symbols that do not give what the hash says: those of `culprit`, if they are of one member alone. */
  | { type: 'wrong-symbols'; record: ObjectUnderWay; culprit: number | undefined };

export class Transfer {
  private readonly options: TransferOptions;
  private readonly metrics: Metrics;
  private readonly streams: Streams;
  private readonly objects: Objects;
  private readonly serving: Serving;
  private readonly verifier: BatchVerifier;
  private readonly admission: Admission;
  private readonly relays: Relays;
  /** By origin: when the next object above our limit is told. */
  private readonly refuseAt = new Map<number, Micros>();
  /** By peer: objects whose progress it should hear of. */
  private readonly news: Set<ObjectUnderWay>[];
  private readonly own = new Set<ObjectUnderWay>();
  private due: Micros = NEVER;
  private turn = 0;

  constructor(
    options: TransferOptions,
    metrics: Metrics,
    parts: { streams: Streams; objects: Objects; serving: Serving },
  ) {
    this.options = options;
    this.metrics = metrics;
    this.streams = parts.streams;
    this.objects = parts.objects;
    this.serving = parts.serving;
    this.verifier = new BatchVerifier(options.group);
    this.relays = new Relays(options.group.members.length);
    const { members, byzantine } = options.group;
    this.admission = new Admission(parts.streams, { ...options, byzantine, members: members.length });
    this.news = options.group.members.map(() => new Set());
  }

  /** Our own objects that are still being sent. */
  get sending(): ReadonlySet<ObjectUnderWay> {
    return this.own;
  }

  /** Starts to send an object of our own, which is in our store. */
  send(now: Micros, stream: Stream, { seq, certificate, bytes }: StoredObject): ObjectUnderWay {
    const { group, keys, paths, rng } = this.options;
    const record = new ObjectUnderWay(stream, seq, now);
    record.outgoing = new Outgoing(now, group, keys, paths, rng, certificate, bytes);
    this.objects.add(record);
    this.own.add(record);
    this.due = Math.min(this.due, now + CHECK);
    this.options.changed.markAll();
    return record;
  }

  /** `body` is the SYMBOL as received, `hop` the member that sent it. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body: Uint8Array): Arrival | undefined {
    const { self, relay } = this.options;
    const { descriptor, leaf } = frame;
    const drop = (reason: DropReason): undefined => void countDrop(this.metrics, reason);
    const reason = this.refusal(frame);
    if (reason === 'too-large') return this.tooLarge(now, hop, frame);
    if (reason) return drop(reason);
    const served = frame.depth === SERVED;
    let stream = this.streams.find(descriptor);
    let record = stream && this.objects.find(stream, descriptor.seq);
    if (stream && this.isClosed(stream, descriptor.seq)) return drop('stale');
    // Nobody but its origin could be blamed for what spoils an object with symbols that nobody wanted.
    if (served && hop !== descriptor.origin && !stream?.keepers.mayServe(now, hop)) return drop('unasked');
    if (stream && !stream.lacks(descriptor.seq) && !record?.incoming) {
      const isSame = descriptor.origin === self || stream.ledger.fits(descriptor.seq, descriptor.hash);
      return isSame ? drop('stale') : this.contradiction(now, hop, frame);
    }
    const known = record?.incoming;
    const isDuty = () => relay && !served && leaf.firstHop === self && !record?.incoming?.isRelayed(leaf);
    if (known && sameObject(known.descriptor, descriptor)) {
      const redundancy = known.redundancy(leaf);
      if (redundancy && !isDuty()) return drop(redundancy);
    }

    // It may be anyone who says again what its origin had once signed, and of that nobody has anything.
    if (!stream && this.streams.hasLater(descriptor)) return drop('stale');
    // Before the signature is checked: of what cannot be taken in anyway it need not be.
    const room = known ? true : this.roomFor(now, stream, descriptor);
    if (!room) {
      const { refused } = this.metrics;
      refused[descriptor.origin] = (refused[descriptor.origin] ?? 0) + 1;
      if (stream) this.admission.onRefused({ ...descriptor, hash: NOTHING });
      return drop('over-quota');
    }
    const verdict = this.verifier.verify(now, hop, frame);
    if (verdict !== 'valid') return drop(verdict);
    if (known && !sameObject(known.descriptor, descriptor)) {
      drop('equivocation');
      const other = writeCertificate(frame.descriptorBytes, this.verifier.root, frame.signature);
      return { type: 'equivocation', record: record!, evidence: [record!.certificate, other] };
    }
    if (!stream?.attested) {
      const opened = this.streams.signed(descriptor);
      if (typeof opened === 'string') return drop(opened);
      stream = opened;
      if (this.isClosed(stream, descriptor.seq)) return drop('stale');
    }
    record ??= this.open(now, stream, descriptor.seq);
    if (!record.incoming) {
      if (typeof room !== 'boolean') this.forget(room);
      try {
        record.incoming = new Incoming(descriptor);
      } catch (error) {
        if (error instanceof HeadwaterError) return drop('malformed');
        throw error;
      }
      this.admission.add(record);
      record.certificate = writeCertificate(frame.descriptorBytes, this.verifier.root, frame.signature);
    }
    const { incoming } = record;
    const beyond = leaf.esi + leaf.symbol.length / descriptor.symbolSize;
    if (beyond > incoming.sourceSymbols(leaf.sbn) + MAX_REPAIR_SYMBOLS) return drop('absurd-esi');
    record.touchedAt = now;
    if (isDuty()) this.relay(record, hop, frame, body);
    if (record.isSuspect && !(served && record.onlyFrom === hop)) return drop('tainted');
    const redundancy = incoming.redundancy(leaf);
    if (redundancy) return drop(redundancy);
    if (served) record.servers.add(hop);
    else record.hasSigned = true;
    record.usefulAt = now;
    return this.add(now, record, frame, served);
  }

  /** Whether there is no room for an object that is not begun, as far as we know it. */
  isRefused(now: Micros, stream: Stream, seq: number): boolean {
    return !this.objects.find(stream, seq)?.incoming && this.admission.isRefused(now, stream, seq);
  }

  /** A member's word on what it lacks of an object. */
  onProgress(now: Micros, from: number, stream: Stream, frame: ProgressFrame): void {
    const record = this.objects.find(stream, frame.id.seq);
    record?.incoming?.onProgress(from, frame);
    record?.outgoing?.onProgress(now, from, frame);
    if (record) this.schedule(record);
  }

  /** An object is in our store. */
  onHeld(now: Micros, record: ObjectUnderWay): void {
    record.storing = false;
    this.admission.remove(record);
    record.progressAt = NEVER;
    record.touchedAt = now;
    record.incoming?.release();
    this.schedule(record);
  }

  /** Begins this object anew, from the symbols that one member serves; none are taken until it is chosen. */
  beginAnew(record: ObjectUnderWay, onlyFrom?: number): void {
    this.admission.remove(record);
    record.beginAnew(onlyFrom);
  }

  /** Ends the transfer of an object: it is with all who want it, given up, or its stream is over or starts again. */
  forget(record: ObjectUnderWay): void {
    record.dispose();
    this.admission.remove(record);
    this.own.delete(record);
    this.objects.delete(record);
    for (const news of this.news) news.delete(record);
    this.relays.forget(record);
  }

  /** The same of all objects of a stream, or those that `isOver` names. */
  forgetAll(stream: Stream, isOver: (seq: number) => boolean = () => true): void {
    for (const object of [...this.objects.of(stream).values()]) if (isOver(object.seq)) this.forget(object);
  }

  hasNews(peer: number): boolean {
    return this.news[peer].size > 0;
  }

  /** Frames on progress for `peer`, of at most `room` bytes in all. */
  takeNews(peer: number, room: number): ProgressFrame[] {
    const frames: ProgressFrame[] = [];
    let left = room;
    for (const record of this.news[peer]) {
      const frame = record.isHeld ? undefined : record.incoming?.progress();
      const size = frame ? frameSize(frame) : 0;
      if (size > left) break;
      this.news[peer].delete(record);
      left -= size;
      if (frame) frames.push(frame);
    }
    return frames;
  }

  hasSymbol(now: Micros, peer: number): boolean {
    if (this.relays.has(peer) || this.serving.has(peer)) return true;
    for (const { outgoing } of this.own) if (outgoing?.hasFor(now, peer)) return true;
    return false;
  }

  /**
   * Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. Relayed ones, our
   * own and those it has asked for take turns.
   */
  nextSymbol(now: Micros, peer: number, target: Uint8Array): number {
    this.turn = (this.turn + 1) % 3;
    for (let i = 0; i < 3; i++) {
      const kind = (this.turn + i) % 3;
      const length =
        kind === 0
          ? this.nextRelay(peer, target)
          : kind === 1
            ? this.nextOwn(now, peer, target)
            : this.serving.next(now, peer, target);
      if (length > 0) return length;
    }
    return 0;
  }

  nextTimeout(): Micros {
    return this.due;
  }

  handleTimeout(now: Micros): void {
    if (this.due > now) return;
    this.due = NEVER;
    for (const stream of this.streams)
      for (const record of this.objects.of(stream).values()) {
        if (record.progressAt <= now) this.reportProgress(now, record);
        record.outgoing?.handleTimeout(now);
        if (record.endsAt() <= now) this.forget(record);
        else this.schedule(record);
      }
    if (this.own.size === 0) return;
    this.due = Math.min(this.due, now + CHECK);
    // For top-ups, and for peers that are given symbols because others have fallen silent.
    this.options.changed.markAll();
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    for (const record of this.own) {
      if (this.objects.find(record.stream, record.seq) !== record)
        return `${record.seq} sent, though it is forgotten`;
      const fault = record.outgoing?.check();
      if (fault) return fault;
    }
    return this.objects.check(this.streams) ?? this.relays.check();
  }

  dispose(): void {
    for (const stream of this.streams)
      for (const record of this.objects.of(stream).values()) record.dispose();
  }

  /** A symbol of an object that is not the one we hold of this name. */
  private contradiction(now: Micros, hop: number, frame: SymbolFrame): Arrival | undefined {
    const verdict = this.verifier.verify(now, hop, frame);
    countDrop(this.metrics, verdict === 'valid' ? 'equivocation' : verdict);
    if (verdict !== 'valid') return undefined;
    const { origin, incarnation, seq } = frame.descriptor;
    const certificate = writeCertificate(frame.descriptorBytes, this.verifier.root, frame.signature);
    return { type: 'late-equivocation', id: { origin, incarnation, seq }, certificate };
  }

  /** Its origin waits for us in vain, and is to hear it; not at each symbol, since that takes a look at its signature. */
  private tooLarge(now: Micros, hop: number, frame: SymbolFrame): Arrival | undefined {
    countDrop(this.metrics, 'too-large');
    const { origin, incarnation, seq, length } = frame.descriptor;
    if (now < (this.refuseAt.get(origin) ?? 0)) return undefined;
    // What it serves itself is its word, too.
    if (frame.depth === SERVED ? hop !== origin : this.verifier.verify(now, hop, frame) !== 'valid')
      return undefined;
    this.refuseAt.set(origin, now + REFUSAL_PAUSE);
    return { type: 'too-large', id: { origin, incarnation, seq }, length };
  }

  private refusal({ descriptor, leaf, depth }: SymbolFrame): DropReason | undefined {
    const { group, self, maxObjectSize } = this.options;
    const n = group.members.length;
    if (descriptor.origin >= n || (leaf.firstHop >= n && depth !== SERVED)) return 'unknown-member';
    // Nobody but us can tell us what we said; it may be asked back only if we have lost it.
    if (descriptor.origin === self && depth !== SERVED) return 'unknown-member';
    if (descriptor.length > maxObjectSize) return 'too-large';
    if (this.streams.isRetired(descriptor)) return 'stale';
    return undefined;
  }

  /** Its origin has begun anew: an object that is nowhere else any more would be delivered by some only. */
  private isClosed(stream: Stream, seq: number): boolean {
    return stream.closed && !stream.holds(seq) && !stream.isVouched(seq, this.options.group.byzantine);
  }

  private roomFor(now: Micros, stream: Stream | undefined, descriptor: Descriptor): boolean | ObjectUnderWay {
    if (descriptor.seq >= (stream?.delivered ?? 0) + WINDOW) return false;
    return this.admission.admits(now, stream, descriptor);
  }

  private open(now: Micros, stream: Stream, seq: number): ObjectUnderWay {
    const record = new ObjectUnderWay(stream, seq, now);
    this.objects.add(record);
    this.schedule(record);
    return record;
  }

  private add(now: Micros, record: ObjectUnderWay, frame: SymbolFrame, served: boolean): Arrival | undefined {
    const incoming = record.incoming!;
    const held = incoming.heldSymbols;
    let result: AddResult;
    try {
      result = incoming.add(frame.leaf);
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'OUT_OF_MEMORY') throw error;
      countDrop(this.metrics, 'out-of-memory');
      return undefined;
    }
    this.metrics.usefulSymbols += incoming.heldSymbols - held;
    if (result === 'added') {
      record.scheduleProgress(now);
      this.schedule(record);
      return undefined;
    }
    if (result === 'tainted') {
      return { type: 'wrong-symbols', record, culprit: record.culprit };
    }
    const { certificate } = record;
    record.storing = true;
    // If our disk takes longer than that, the others should know that we lack nothing.
    record.scheduleProgress(now);
    this.schedule(record);
    return {
      type: 'complete',
      record,
      object: { ...record.id, certificate, bytes: incoming.bytes! },
      asked: served,
    };
  }

  private schedule(record: ObjectUnderWay): void {
    this.due = Math.min(this.due, record.deadline());
  }

  private reportProgress(now: Micros, record: ObjectUnderWay): void {
    if (!record.incoming || record.isHeld) {
      record.progressAt = NEVER;
      return;
    }
    this.addNews(record, record.stream.origin);
    // The others only need to know which blocks to stop relaying.
    if (record.takeBlockChange())
      this.options.paths.forEach((path, peer) => {
        if (path) this.addNews(record, peer);
      });
    record.onProgressReported(now);
  }

  private addNews(record: ObjectUnderWay, peer: number): void {
    this.news[peer].add(record);
    this.options.changed.mark(peer);
  }

  private relay(record: ObjectUnderWay, hop: number, frame: SymbolFrame, body: Uint8Array): void {
    const { origin } = frame.descriptor;
    record.incoming!.markRelayed(frame.leaf);
    const { sbn } = frame.leaf;
    // Of its own, if it is a small part of what came: it may wait for long.
    const kept = body.buffer.byteLength > 2 * body.length ? body.slice() : body;
    this.options.paths.forEach((path, peer) => {
      if (!path || peer === origin || peer === hop || isHeldBy(record, peer, sbn)) return;
      if (this.relays.push(peer, { object: record, sbn, body: kept }))
        countDrop(this.metrics, 'relay-overflow');
      this.options.changed.mark(peer);
    });
  }

  private nextRelay(peer: number, target: Uint8Array): number {
    const length = this.relays.next(peer, target);
    if (length > 0) this.metrics.relayedSymbols++;
    return length;
  }

  private nextOwn(now: Micros, peer: number, target: Uint8Array): number {
    for (const record of this.own) {
      const { outgoing } = record;
      const length = outgoing?.next(now, peer, target) ?? 0;
      if (length === 0) continue;
      this.schedule(record);
      return length;
    }
    return 0;
  }
}

/** A hash that nobody asks for: that of the datagram is a view of it. */
const NOTHING = new Uint8Array(0);

function sameObject(a: Descriptor, b: Descriptor): boolean {
  return (
    a.length === b.length &&
    a.symbolSize === b.symbolSize &&
    a.sourceBlocks === b.sourceBlocks &&
    equalBytes(a.hash, b.hash)
  );
}

/** How far ahead of what is delivered objects of one stream are taken in: a consumer that stands still holds up no memory. */
export const WINDOW = 4096;
/** How often objects being sent are looked at for peers that have fallen silent. */
const CHECK: Micros = 100 * MILLISECOND;
/** Between two refusals of what an origin sends above the limit: as often as PROGRESS begins. */
const REFUSAL_PAUSE: Micros = 10 * MILLISECOND;
