/**
 * Moves objects between members: takes in symbols, relays those of which we are the first hop, rebuilds objects, and says
 * which symbol each peer gets next. Which objects are wanted, and what holding them means, is not decided here.
 */

import { countDrop } from '../../core/drops.js';
import { Alarms } from '../../core/heap.js';
import type { Rng } from '../../core/rng.js';
import { SparseSet } from '../../core/sparse.js';
import { MILLISECOND, type Micros, NEVER } from '../../core/time.js';
import type { KeyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import type { StoredObject } from '../../store/store.js';
import type { SymbolWriter } from '../../wire/datagram.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { frameSize } from '../../wire/frames.js';
import type { ObjectId, SymbolFrame } from '../../wire/symbol.js';
import type { Metrics } from '../metrics.js';
import type { BroadcastObserver } from '../observer.js';
import type { SpreadDrop } from './drops.js';
import type { AddResult } from './incoming.js';
import { type Arrival, type Examined, Intake, type IntakeOptions } from './intake.js';
import { type Objects, ObjectUnderWay } from './objects.js';
import { Outgoing } from './outgoing/outgoing.js';
import { Owed } from './outgoing/owed.js';
import { Shortfall } from './outgoing/shortfall.js';
import { Relaying, type RelayingOptions } from './relaying/relaying.js';
import type { Paths } from './rtts.js';
import type { StreamsView, StreamView } from './view.js';

export interface TransferOptions extends IntakeOptions, RelayingOptions {
  keys: KeyPair;
  rng: Rng;
  /** Is told what becomes of symbols and objects. */
  observer?: BroadcastObserver | undefined;
  /** Peers that may get all of it themselves where all are on one machine, and relays would save no link. Default: none. */
  direct?: number | undefined;
  /** Relays of which a first wave expects nothing. Default: k of the group. */
  absent?: number | undefined;
}

interface Sent {
  /** Those that it is for; default: all. */
  to?: ReadonlySet<number>;
  /** See `FirstHops`. */
  spare?: number | undefined;
}

export class Transfer<S extends StreamView = StreamView> {
  private readonly options: TransferOptions;
  private readonly metrics: Metrics<SpreadDrop>;
  private readonly streams: StreamsView<S>;
  private readonly objects: Objects<S>;
  readonly intake: Intake<S>;
  readonly relaying: Relaying;
  /** What is owed of what we send. */
  readonly owed: Owed;
  private readonly shortfall: Shortfall;
  /** By peer: objects whose progress it should hear of. */
  private readonly news: SparseSet<ObjectUnderWay<S>>[];
  /** Of objects rebuilt since somebody took them: how long after their first symbol. */
  readonly rebuilds: Micros[] = [];
  /** Objects of our own so far. */
  private sent = 0;
  private readonly own = new Set<ObjectUnderWay<S>>();
  /** When to look at all of those; at the others each has its time. */
  private ownAt: Micros = NEVER;
  private readonly alarms = new Alarms<ObjectUnderWay<S>>();

  constructor(
    options: TransferOptions,
    metrics: Metrics<SpreadDrop>,
    parts: { streams: StreamsView<S>; objects: Objects<S> },
  ) {
    this.options = options;
    this.metrics = metrics;
    this.streams = parts.streams;
    this.objects = parts.objects;
    this.relaying = new Relaying(options, metrics);
    this.owed = new Owed({ ...options, ...options.group, numberOf: (id) => this.numberOf(id) });
    this.shortfall = new Shortfall(options.group.faulty);
    this.intake = new Intake(options, metrics, parts.streams, parts.objects);
    this.news = options.group.members.map(() => new SparseSet());
  }

  /** Our own objects that are still being sent. */
  get sending(): ReadonlySet<ObjectUnderWay<S>> {
    return this.own;
  }

  /**
   * Starts to send an object of our own, which is in our store.
   */
  send(now: Micros, stream: S, stored: StoredObject, { to, spare }: Sent = {}): ObjectUnderWay<S> {
    const record = new ObjectUnderWay(stream, stored.seq, now);
    const { options, shortfall } = this;
    const paths = addressees(options.paths, to);
    const { direct = 0, absent = options.group.faulty } = options;
    const place = { owed: this.owed, number: this.sent++ };
    record.outgoing = new Outgoing(
      now,
      { ...options, paths, shortfall, direct, absent, spare, ...place },
      stored,
    );
    this.objects.add(record);
    this.own.add(record);
    this.ownAt = Math.min(this.ownAt, now + CHECK);
    this.options.changed.markAll();
    this.options.observer?.(now, { topic: 'objects', id: record.id, state: 'sending' });
    return record;
  }

  /**
   * `body` is the SYMBOL as received, if it was one, `hop` the member that sent it.
   *
   * @returns what was found of it, and what it has brought
   */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body?: Uint8Array): Examined<S> {
    const symbol = this.intake.examine(now, hop, frame);
    const { object } = symbol;
    if (symbol.drop) this.drop(symbol, symbol.drop);
    if (symbol.instead) this.forget(symbol.instead);
    if (!object) return symbol;
    if (symbol.isFirst) {
      this.schedule(object);
      this.options.observer?.(now, { topic: 'objects', id: object.id, state: 'begun' });
    }
    if (symbol.relay) this.relaying.relay(now, object, hop, frame, body);
    if (symbol.add) symbol.arrival = this.add(symbol, object) ?? symbol.arrival;
    return symbol;
  }

  /** A member's word on what it lacks of an object. */
  onProgress(now: Micros, from: number, stream: S, frame: ProgressFrame): void {
    const record = this.objects.find(stream, frame.id.seq);
    record?.incoming?.onProgress(from, frame);
    record?.outgoing?.onProgress(now, from, frame);
    if (record) this.schedule(record);
    this.relaying.relays.onHeard(from);
  }

  /** An object is in our store. */
  onHeld(now: Micros, record: ObjectUnderWay<S>): void {
    this.intake.admission.remove(record);
    record.onHeld(now);
    this.schedule(record);
  }

  /** Begins this object anew, from the symbols that one member serves; none are taken until it is chosen. */
  beginAnew(record: ObjectUnderWay<S>, onlyFrom?: number): void {
    this.intake.admission.remove(record);
    record.beginAnew(onlyFrom);
    this.schedule(record);
  }

  /** Ends the transfer of an object: it is with all who want it, given up, or its stream is over or starts again. */
  forget(record: ObjectUnderWay<S>): void {
    record.dispose();
    this.intake.admission.remove(record);
    this.own.delete(record);
    this.alarms.delete(record);
    this.objects.delete(record);
    for (const news of this.news) news.delete(record);
    this.relaying.relays.forget(record);
  }

  /** The same of all objects of a stream, or those that `isOver` names. */
  forgetAll(stream: S, isOver: (seq: number) => boolean = () => true): void {
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

  /** Whether there is a symbol of our own objects for `peer`. */
  hasOwn(now: Micros, peer: number): boolean {
    for (const { outgoing } of this.own) if (outgoing?.hasFor(now, peer)) return true;
    return false;
  }

  /** Adds it to a datagram; false if there is none that fits. See `Outbound.addSymbols`. */
  nextOwn(now: Micros, peer: number, writer: SymbolWriter, beside = new Set<object>()): boolean {
    for (const record of this.own) {
      if (beside.has(record)) continue;
      const { outgoing } = record;
      if (!outgoing?.next(now, peer, writer)) continue;
      if (outgoing.isSingle) beside.add(record);
      this.schedule(record);
      return true;
    }
    return false;
  }

  nextTimeout(): Micros {
    const { owing } = this.relaying;
    return Math.min(this.ownAt, this.alarms.earliest, owing.nextTimeout(), this.owed.nextTimeout());
  }

  handleTimeout(now: Micros): void {
    this.relaying.owing.handleTimeout(now);
    this.owed.handleTimeout(now);
    for (const record of this.alarms.takeDue(now)) {
      if (record.progressAt <= now) this.reportProgress(now, record);
      if (record.endsAt() <= now) this.end(now, record);
      else this.schedule(record);
    }
    if (this.ownAt > now) return;
    this.ownAt = NEVER;
    if (this.own.size === 0) return;
    for (const record of this.own) {
      // One that is served to us although we send it has a report due, too.
      if (record.progressAt <= now) this.reportProgress(now, record);
      this.topUp(now, record);
      this.schedule(record);
    }
    this.ownAt = Math.min(this.ownAt, now + CHECK);
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
    for (const stream of this.streams)
      for (const record of this.objects.of(stream).values())
        if (!this.own.has(record) && record.nextTimeout() < this.alarms.get(record))
          return `${record.seq} is due at ${record.nextTimeout()}, not ${this.alarms.get(record)}`;
    return this.objects.check(this.streams) ?? this.relaying.relays.check();
  }

  dispose(): void {
    for (const stream of this.streams)
      for (const record of this.objects.of(stream).values()) record.dispose();
  }

  private add({ now, hop, frame, isServed }: Examined<S>, object: ObjectUnderWay<S>): Arrival<S> | undefined {
    const incoming = object.incoming!;
    object.onUseful(now, hop, isServed);
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
    if (hop === object.stream.origin && (isServed || frame.leaf.firstHop !== this.options.self))
      object.unrelayed += incoming.heldSymbols - held;
    if (result !== 'added') {
      const state = result === 'complete' ? 'rebuilt' : 'spoilt';
      this.options.observer?.(now, { topic: 'objects', id: object.id, state });
    }
    if (result === 'tainted') return { type: 'wrong-symbols', object, culprit: object.culprit };
    // If our disk takes longer than that, the others should know that we lack nothing.
    object.scheduleProgress(now);
    if (result === 'complete') {
      object.storing = true;
      if (this.rebuilds.length < MAX_REBUILDS) this.rebuilds.push(now - object.begunAt);
    }
    this.schedule(object);
    if (result === 'added') return undefined;
    const stored = { ...object.id, certificate: object.certificate, bytes: incoming.bytes! };
    return { type: 'complete', object, stored, asked: isServed };
  }

  private drop({ now, hop, frame }: Examined<S>, drop: SpreadDrop): void {
    countDrop(this.metrics, drop);
    const { sbn, esi } = frame.leaf;
    this.options.observer?.(now, { topic: 'symbols', peer: hop, id: frame.descriptor, sbn, esi, drop });
  }

  private topUp(now: Micros, object: ObjectUnderWay<S>): void {
    const { observer } = this.options;
    object.outgoing?.handleTimeout(
      now,
      observer &&
        ((sbn, symbols, peers) => observer(now, { topic: 'top-ups', id: object.id, sbn, symbols, peers })),
    );
  }

  /** Nothing happens to it any more. */
  private end(now: Micros, record: ObjectUnderWay<S>): void {
    if (record.incoming && !record.isHeld)
      this.options.observer?.(now, { topic: 'objects', id: record.id, state: 'given-up' });
    this.forget(record);
  }

  private schedule(record: ObjectUnderWay<S>): void {
    if (this.own.has(record)) this.ownAt = Math.min(this.ownAt, record.nextTimeout());
    else this.alarms.bringForward(record, record.nextTimeout());
  }

  private reportProgress(now: Micros, record: ObjectUnderWay<S>): void {
    if (!record.incoming || record.isHeld) {
      record.progressAt = NEVER;
      return;
    }
    // Who does not send to us by itself has nothing to do with it.
    if (!this.options.paths[record.stream.origin]?.isForwarded) this.addNews(record, record.stream.origin);
    // The others only need to know that it is on its way, and which blocks to stop relaying.
    if (record.takeBlockChange() && record.stream.reportAt?.(now) === undefined)
      this.options.paths.forEach((path, peer) => {
        if (path && !path.isForwarded) this.addNews(record, peer);
      });
    record.onProgressReported(now);
  }

  private addNews(record: ObjectUnderWay<S>, peer: number): void {
    this.news[peer].add(record);
    this.options.changed.mark(peer);
  }

  private numberOf(id: ObjectId): number | undefined {
    const stream = this.streams.find(id);
    return stream && this.objects.find(stream, id.seq)?.outgoing?.number;
  }
}

/** Paths to those that an object is for, and to whom it goes by itself: the others ask those for it, or whoever has it by then. */
function addressees(paths: Paths, to: ReadonlySet<number> | undefined): Paths {
  const isFor = (peer: number) => !to || to.has(peer);
  const hasNear = paths.some((path, peer) => path && !path.isForwarded && isFor(peer));
  return paths.map((path, peer) => (isFor(peer) && !(hasNear && path?.isForwarded) ? path : undefined));
}

/** How often objects being sent are looked at for peers that have fallen silent. */
const CHECK: Micros = 100 * MILLISECOND;
/** That wait for somebody who asks. */
const MAX_REBUILDS = 1 << 16;
