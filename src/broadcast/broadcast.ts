/**
 * Reliable broadcast of objects in a static group: the origin spreads symbols over its peers, each peer relays those of
 * which it is the first hop, whoever holds enough rebuilds and confirms, and a quorum of confirms delivers.
 * Sans-IO: verified input and `now` go in; control frames and symbol bodies for each peer, deadlines and events come out.
 */
import { equalBytes } from '../core/bytes.js';
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import { sha256 } from '../crypto/hash.js';
import type { KeyPair } from '../crypto/keys.js';
import { HeadwaterError } from '../errors.js';
import { HEARTBEAT } from '../path/path.js';
import { frameSize, type ObjectFrame } from '../wire/frames.js';
import { MAX_REPAIR_SYMBOLS } from '../wire/limits.js';
import type { Descriptor, ObjectId, SymbolFrame } from '../wire/symbol.js';
import { BatchVerifier } from './batch.js';
import type { Group } from './group.js';
import { type AddResult, Incoming } from './incoming.js';
import { countDrop, type DropReason, type Metrics } from './metrics.js';
import { type Outcome, Outgoing, type Paths } from './outgoing.js';
import { cutObject } from './plan.js';
import { ObjectRecord } from './record.js';
import { SeqWindow } from './window.js';

export interface BroadcastOptions {
  group: Group;
  /** Our index in the group. */
  self: number;
  keys: KeyPair;
  paths: Paths;
  rng: Rng;
  /** Greater than at any earlier start with the same key; 48 bits. */
  incarnation: number;
  /** Larger objects are refused, ours and others'. */
  maxObjectSize: number;
  /** False: relay nothing. A fault, for demonstrations and tests. */
  relay: boolean;
}

export type BroadcastEvent =
  | { type: 'deliver'; id: ObjectId; bytes: Uint8Array }
  | { type: 'outcome'; id: ObjectId; outcome: Outcome }
  | { type: 'peer'; member: number; reachable: boolean }
  | { type: 'misbehaviour'; member: number; id: ObjectId; what: 'equivocation' | 'wrong-symbols' };

/** One object as it stands, for people to look at. */
export interface ObjectStatus {
  id: ObjectId;
  length: number;
  /** Source symbols of the object: about as many symbols rebuild it. */
  needed: number;
  /** Useful symbols received (for our own: symbols sent). */
  held: number;
  complete: boolean;
  delivered: boolean;
  confirmed: number;
}

interface OriginState {
  incarnation: number;
  window: SeqWindow<ObjectRecord>;
}

interface Relay {
  record: ObjectRecord;
  sbn: number;
  body: Uint8Array;
}

export class Broadcast {
  private readonly options: BroadcastOptions;
  private readonly metrics: Metrics;
  private readonly verifier: BatchVerifier;
  private readonly origins: OriginState[];
  /** By peer: symbols to relay, and records with something to tell. */
  private readonly relays: Relay[][];
  private readonly news: Set<ObjectRecord>[];
  private readonly controlSentAt: Micros[];
  private readonly reachable: boolean[];
  private readonly events: BroadcastEvent[] = [];
  private nextSeq = 0;
  private relayTurn = false;

  constructor(options: BroadcastOptions, metrics: Metrics) {
    this.options = options;
    this.metrics = metrics;
    this.verifier = new BatchVerifier(options.group);
    const { members } = options.group;
    this.origins = members.map(() => ({ incarnation: 0, window: new SeqWindow(WINDOW) }));
    this.origins[options.self].incarnation = options.incarnation;
    this.relays = members.map(() => []);
    this.news = members.map(() => new Set());
    this.controlSentAt = members.map(() => -NEVER);
    this.reachable = members.map(() => false);
  }

  /**
   * Starts to broadcast `bytes` (kept by reference until all is settled). `deliver` follows when a quorum holds the
   * object, `outcome` when every member does or those that do not have been unreachable for a while.
   * Throws TOO_LARGE, or BUSY while too many of our objects are under way.
   */
  broadcast(now: Micros, bytes: Uint8Array): ObjectId {
    const { group, self, keys, paths, rng, incarnation, maxObjectSize } = this.options;
    if (bytes.length < 1 || bytes.length > maxObjectSize)
      throw new HeadwaterError(
        'TOO_LARGE',
        `object: expected 1 to ${maxObjectSize} bytes, got ${bytes.length}`,
      );
    const { window } = this.origins[self];
    if (!makeRoom(window, (record) => this.finish(record)))
      throw new HeadwaterError('BUSY', `objects under way: expected fewer than ${MAX_OPEN}, got as many`);
    const id: ObjectId = { origin: self, incarnation, seq: this.nextSeq++ };
    const descriptor: Descriptor = {
      ...id,
      length: bytes.length,
      ...cutObject(bytes.length),
      hash: sha256(bytes),
    };
    const record = new ObjectRecord(id, self, group, now);
    record.bytes = bytes;
    record.outgoing = new Outgoing(now, group, keys, paths, rng, descriptor, bytes);
    record.confirms.add(self, descriptor.hash);
    window.add(id.seq, record);
    this.advance(now, record);
    return id;
  }

  /** Gives up on one of our own objects. */
  cancel(id: ObjectId): void {
    const record = this.origins[this.options.self].window.get(id.seq);
    if (record?.outgoing) this.finish(record);
  }

  /** `body` is the SYMBOL as received, `hop` the member that sent it. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body: Uint8Array): void {
    const { group, self, maxObjectSize, relay } = this.options;
    const { descriptor, leaf } = frame;
    const drop = (reason: DropReason) => countDrop(this.metrics, reason);
    const n = group.members.length;
    if (descriptor.origin >= n || leaf.firstHop >= n || descriptor.origin === self)
      return drop('unknown-member');
    if (descriptor.length > maxObjectSize) return drop('too-large');
    const origin = this.origins[descriptor.origin];
    const isCurrent = descriptor.incarnation === origin.incarnation;
    if (descriptor.incarnation < origin.incarnation) return drop('stale');
    if (isCurrent && origin.window.isFinished(descriptor.seq)) return drop('stale');
    let record = isCurrent ? origin.window.get(descriptor.seq) : undefined;
    const known = record?.incoming;
    if (known && sameObject(known.descriptor, descriptor)) {
      if (known.tainted) return drop('tainted');
      const redundancy = known.redundancy(leaf);
      const duty = relay && leaf.firstHop === self && !known.isRelayed(leaf);
      if (redundancy && !duty) return drop(redundancy);
    }

    const verdict = this.verifier.verify(now, frame);
    if (verdict !== 'valid') return drop(verdict);
    if (known && !sameObject(known.descriptor, descriptor)) {
      this.report(record!, 'equivocation');
      return drop('equivocation');
    }
    if (!isCurrent) this.startIncarnation(origin, descriptor.incarnation);
    if (!record) {
      if (!makeRoom(origin.window, (old) => this.finish(old))) return drop('over-quota');
      record = this.open(now, origin, descriptor);
    }
    if (!record.incoming) {
      try {
        record.incoming = new Incoming(descriptor);
      } catch (error) {
        if (error instanceof HeadwaterError) return drop('malformed');
        throw error;
      }
      record.confirms.add(descriptor.origin, descriptor.hash);
    }
    const { incoming } = record;
    if (leaf.esi >= incoming.sourceSymbols(leaf.sbn) + MAX_REPAIR_SYMBOLS) return drop('absurd-esi');
    record.touchedAt = now;
    if (relay && leaf.firstHop === self && !incoming.isRelayed(leaf)) this.relay(record, hop, frame, body);
    const redundancy = incoming.redundancy(leaf);
    if (redundancy) return drop(redundancy);
    let result: AddResult;
    try {
      result = incoming.add(leaf);
    } catch (error) {
      if (error instanceof HeadwaterError && error.code === 'OUT_OF_MEMORY') return drop('out-of-memory');
      throw error;
    }
    this.metrics.usefulSymbols++;
    if (result === 'added') record.scheduleProgress(now);
    if (result === 'tainted') this.report(record, 'wrong-symbols');
    if (result === 'complete') {
      record.bytes = incoming.bytes;
      record.progressAt = NEVER;
      record.confirms.add(self, incoming.descriptor.hash);
      record.confirms.announce(now);
    }
    this.advance(now, record);
  }

  /** A frame that member `from` has sent in its session. */
  handleFrame(now: Micros, from: number, frame: ObjectFrame): void {
    const { id } = frame;
    const origin = this.origins[id.origin];
    if (!origin) return countDrop(this.metrics, 'unknown-member');
    // That an object exists is believed from its origin's own signature only: others repeat their word until then.
    if (id.incarnation !== origin.incarnation || origin.window.isFinished(id.seq))
      return countDrop(this.metrics, 'stale');
    const record = origin.window.get(id.seq);
    if (!record) return;
    if (frame.kind === 'progress') {
      record.incoming?.onProgress(from, frame);
      record.outgoing?.onProgress(now, from, frame);
      return;
    }
    if (!record.confirms.has(from) || frame.wantsAck) record.touchedAt = now;
    record.confirms.onFrame(from, frame);
    const { hash } = record;
    if (hash && equalBytes(hash, frame.hash)) record.outgoing?.onConfirm(from);
    if (frame.wantsAck) this.news[from].add(record);
    this.advance(now, record);
  }

  handleTimeout(now: Micros): void {
    const { paths } = this.options;
    paths.forEach((path, member) => {
      if (!path || path.isReachable(now) === this.reachable[member]) return;
      this.reachable[member] = !this.reachable[member];
      this.events.push({ type: 'peer', member, reachable: this.reachable[member] });
    });
    for (const record of this.records()) {
      if (record.progressAt <= now) this.reportProgress(now, record);
      if (record.confirms.repeatAt <= now)
        for (const peer of record.confirms.takeRepeats(now, this.slowestRtt())) this.news[peer].add(record);
      record.outgoing?.handleTimeout(now);
      if (record.outgoing) this.advance(now, record);
      if (record.endsAt() <= now) this.finish(record);
    }
  }

  nextTimeout(now: Micros): Micros {
    let next = NEVER;
    for (const record of this.records()) {
      next = Math.min(next, record.endsAt(), record.progressAt, record.confirms.repeatAt);
      if (record.outgoing) next = Math.min(next, record.outgoing.nextTimeout());
      if (record.isUnderWay) next = Math.min(next, now + HEARTBEAT);
    }
    return next;
  }

  /** When `peer` is to get a control datagram: soon if there is news, else at the next heartbeat. */
  nextControl(peer: number): Micros {
    return this.controlSentAt[peer] + (this.news[peer].size > 0 ? CONTROL_GAP : HEARTBEAT);
  }

  /** The frames of a control datagram to `peer`, sent now; what does not fit in `room` bytes stays for the next. */
  takeControl(now: Micros, peer: number, room: number): ObjectFrame[] {
    this.controlSentAt[peer] = now;
    const frames: ObjectFrame[] = [];
    let left = room;
    for (const record of this.news[peer]) {
      const frame = record.confirms.frameFor(peer) ?? record.incoming?.progress();
      const size = frame ? frameSize(frame) : 0;
      if (size > left) break;
      this.news[peer].delete(record);
      left -= size;
      if (frame) frames.push(frame);
    }
    return frames;
  }

  hasSymbol(now: Micros, peer: number): boolean {
    this.skipUseless(peer);
    if (this.relays[peer].length > 0) return true;
    for (const record of this.ownRecords()) if (record.outgoing?.hasFor(now, peer)) return true;
    return false;
  }

  /** The next SYMBOL body for `peer`: a relayed one and one of our own in turn. */
  nextSymbol(now: Micros, peer: number): Uint8Array | undefined {
    this.relayTurn = !this.relayTurn;
    return this.relayTurn
      ? (this.nextRelay(peer) ?? this.nextOwn(now, peer))
      : (this.nextOwn(now, peer) ?? this.nextRelay(peer));
  }

  pollEvent(): BroadcastEvent | undefined {
    return this.events.shift();
  }

  status(): ObjectStatus[] {
    return [...this.records()].map((record) => record.status());
  }

  dispose(): void {
    for (const record of this.records()) record.dispose();
  }

  private *records(): Iterable<ObjectRecord> {
    for (const origin of this.origins) yield* origin.window.values();
  }

  private ownRecords(): Iterable<ObjectRecord> {
    return this.origins[this.options.self].window.values();
  }

  private open(
    now: Micros,
    origin: OriginState,
    { origin: index, incarnation, seq }: ObjectId,
  ): ObjectRecord {
    const id = { origin: index, incarnation, seq };
    const record = new ObjectRecord(id, this.options.self, this.options.group, now);
    for (const dropped of origin.window.add(seq, record)) this.forget(dropped);
    return record;
  }

  private startIncarnation(origin: OriginState, incarnation: number): void {
    for (const record of origin.window.values()) this.forget(record);
    origin.incarnation = incarnation;
    origin.window = new SeqWindow(WINDOW);
  }

  /** Whatever may follow from new knowledge about an object: delivery, outcome, end. */
  private advance(now: Micros, record: ObjectRecord): void {
    const { group } = this.options;
    const { hash } = record;
    if (!hash) return;
    const holders = record.confirms.count(hash);
    if (record.bytes && !record.delivered && holders >= group.quorum) {
      record.delivered = true;
      this.events.push({ type: 'deliver', id: record.id, bytes: record.bytes });
      record.bytes = undefined;
      record.incoming?.release();
    }
    const { outgoing } = record;
    if (!outgoing) return;
    const outcome = outgoing.outcome(now, holders >= group.quorum);
    if (!outcome) return;
    if (!record.outcomeKnown) {
      record.outcomeKnown = true;
      record.touchedAt = now;
      this.events.push({ type: 'outcome', id: record.id, outcome });
    }
    // Members that are out of reach now get the object if they come back in time.
    if (outcome.missing.length > 0) return;
    outgoing.dispose();
    record.outgoing = undefined;
  }

  private reportProgress(now: Micros, record: ObjectRecord): void {
    const { incoming } = record;
    if (!incoming) return;
    this.news[record.id.origin].add(record);
    // The others only need to know which blocks to stop relaying.
    if (record.takeBlockChange())
      this.options.paths.forEach((path, peer) => {
        if (path) this.news[peer].add(record);
      });
    record.onProgressReported(now);
  }

  private relay(record: ObjectRecord, hop: number, frame: SymbolFrame, body: Uint8Array): void {
    const { origin } = frame.descriptor;
    record.incoming!.markRelayed(frame.leaf);
    this.options.paths.forEach((path, peer) => {
      if (!path || peer === origin || peer === hop) return;
      const queue = this.relays[peer];
      if (this.isHeldBy(record, peer, frame.leaf.sbn)) return;
      if (queue.length >= MAX_RELAYS) {
        queue.shift();
        countDrop(this.metrics, 'relay-overflow');
      }
      queue.push({ record, sbn: frame.leaf.sbn, body });
    });
  }

  private isHeldBy(record: ObjectRecord, peer: number, sbn: number): boolean {
    return record.confirms.has(peer) || record.incoming?.peerHasBlock(peer, sbn) === true;
  }

  private skipUseless(peer: number): void {
    const queue = this.relays[peer];
    while (queue.length > 0 && this.isHeldBy(queue[0].record, peer, queue[0].sbn)) queue.shift();
  }

  private nextRelay(peer: number): Uint8Array | undefined {
    this.skipUseless(peer);
    const relay = this.relays[peer].shift();
    if (relay) this.metrics.relayedSymbols++;
    return relay?.body;
  }

  private nextOwn(now: Micros, peer: number): Uint8Array | undefined {
    for (const record of this.ownRecords()) {
      const body = record.outgoing?.next(now, peer);
      if (body) return body;
    }
    return undefined;
  }

  private report(record: ObjectRecord, what: 'equivocation' | 'wrong-symbols'): void {
    if (record.reported) return;
    record.reported = true;
    this.events.push({ type: 'misbehaviour', member: record.id.origin, id: record.id, what });
  }

  private slowestRtt(): Micros {
    let rtt = 0;
    for (const path of this.options.paths)
      if (path?.rtt.min !== undefined) rtt = Math.max(rtt, path.rtt.smoothed);
    return rtt;
  }

  private finish(record: ObjectRecord): void {
    this.origins[record.id.origin].window.finish(record.id.seq);
    this.forget(record);
  }

  private forget(record: ObjectRecord): void {
    record.dispose();
    for (const news of this.news) news.delete(record);
    this.relays.forEach((queue, peer) => {
      if (queue.some((relay) => relay.record === record))
        this.relays[peer] = queue.filter((relay) => relay.record !== record);
    });
  }
}

/** Makes room for one more object of an origin, at the cost of the oldest that is over but for stragglers. */
function makeRoom(window: SeqWindow<ObjectRecord>, finish: (record: ObjectRecord) => void): boolean {
  let open = 0;
  let over: ObjectRecord | undefined;
  for (const record of window.values()) {
    if (record.isUnderWay) open++;
    else over ??= record;
  }
  if (open >= MAX_OPEN) return false;
  if (window.size >= MAX_RECORDS && over) finish(over);
  return true;
}

function sameObject(a: Descriptor, b: Descriptor): boolean {
  return (
    a.length === b.length &&
    a.symbolSize === b.symbolSize &&
    a.sourceBlocks === b.sourceBlocks &&
    equalBytes(a.hash, b.hash)
  );
}

/** Sequence numbers of one origin that can be under way at once. */
const WINDOW = 4096;
/** Objects of one origin under way at once. */
const MAX_OPEN = 256;
/** Objects of one origin remembered at once, those that only wait for the last members to hear of them included. */
const MAX_RECORDS = 512;
/** Symbols waiting to be relayed to one peer: about four megabytes, which the queues of all peers share. */
const MAX_RELAYS = 4096;
/** Control datagrams to one peer are at least this far apart, so that news travel together. */
const CONTROL_GAP: Micros = 2 * MILLISECOND;
