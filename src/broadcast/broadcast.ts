/**
 * Uniform reliable broadcast in a static group (Cachin, Guerraoui, Rodrigues, module 3.3 and its fail-recovery form 3.6):
 * an object is durable at its origin before anyone hears of it, and at every other member before that member confirms it;
 * a quorum of confirms delivers it. Sans-IO: verified input and `now` go in; frames and symbols for each peer, requests to
 * the store, deadlines and events come out.
 */
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import { Sha256 } from '../crypto/hash.js';
import { HeadwaterError } from '../errors.js';
import { HEARTBEAT } from '../path/path.js';
import type { Loaded, StoredObject, StoreWrite, StreamState } from '../store/store.js';
import { frameSize, type GoneFrame, type ObjectFrame, type PullFrame } from '../wire/frames.js';
import { type ObjectId, objectKey, SERVED, type SymbolFrame, writeDescriptor } from '../wire/symbol.js';
import { certifiedDescriptor, signCertificate } from './certificate.js';
import { Delivery, type MessageId } from './delivery.js';
import { Log, type StoreRequest } from './log.js';
import { countDrop, type Metrics } from './metrics.js';
import { Outbox } from './outbox.js';
import type { Outcome } from './outgoing.js';
import { MESSAGE_OVERHEAD, PARCEL_OVERHEAD, writeParcel } from './parcel.js';
import { copiesFor, cutObject } from './plan.js';
import { Pulls } from './pulls.js';
import type { ObjectRecord, ObjectStatus } from './record.js';
import { Serving } from './serving.js';
import type { Stream } from './stream.js';
import { Streams } from './streams.js';
import { type Arrival, Transfer, type TransferOptions, WINDOW } from './transfer.js';
import { Vectors } from './vectors.js';

export interface BroadcastOptions extends Omit<TransferOptions, 'maxObjectSize'> {
  /** Of a message: larger ones are refused, ours and others'. */
  maxObjectSize: number;
  /** What our store holds from before. */
  loaded: Loaded;
  /** Bytes of objects kept for members that lack them. */
  maxStoredBytes: number;
  /** 'causal': our messages are delivered nowhere before those that we had delivered when we sent them. */
  order: 'fifo' | 'causal';
}

export type Misbehaviour = 'equivocation' | 'wrong-symbols' | 'disagreement' | 'malformed-object';

export type BroadcastEvent =
  /** Our messages with these tickets, in order, are the messages of this object, and in our store. */
  | { type: 'durable'; id: ObjectId; tickets: number[] }
  /** Every member holds this object of ours, or a quorum does and the rest has been out of reach for a while. */
  | { type: 'outcome'; id: ObjectId; outcome: Outcome }
  /** The next message for the consumer: nothing more is delivered before `consumed`. */
  | { type: 'deliver'; id: MessageId; bytes: Uint8Array }
  | { type: 'peer'; member: number; reachable: boolean }
  /** `evidence`: two certificates, each signed by the member, for one object. */
  | {
      type: 'misbehaviour';
      member: number;
      id: ObjectId;
      what: Misbehaviour;
      evidence?: [Uint8Array, Uint8Array];
    }
  /**
   * Objects of a stream that will not be delivered here: nobody keeps them any more, we were away for too long; or they are
   * ours, and a quorum holds others under their names, as when our store is an old copy.
   */
  | { type: 'lost'; origin: number; incarnation: number; from: number; to: number }
  /** An object that we held cannot be read any more: the others are asked for it, and none of its bytes are served. */
  | { type: 'damaged'; id: ObjectId }
  /** The bound of our store made us drop objects that these members do not hold. */
  | { type: 'overflow'; origin: number; incarnation: number; to: number; members: number[] }
  | { type: 'store-full'; full: boolean };

export class Broadcast {
  private readonly options: BroadcastOptions;
  private readonly metrics: Metrics;
  private readonly streams: Streams;
  private readonly own: Stream;
  private readonly log: Log;
  private readonly vectors: Vectors;
  private readonly pulls: Pulls;
  private readonly serving: Serving;
  private readonly transfer: Transfer;
  private readonly delivery: Delivery;
  private readonly outbox = new Outbox();
  private readonly events: BroadcastEvent[] = [];
  private readonly controlSentAt: Micros[];
  private readonly reachable: boolean[];
  /** Members that were not reachable and have been heard. */
  private readonly heard = new Set<number>();
  /** By peer: frames that go once, with the next control datagram. */
  private readonly mail: (PullFrame | GoneFrame)[][];
  /** Tickets of our objects that are being stored. */
  private readonly tickets = new Map<number, number[]>();
  /** Our objects of which the outcome is not known yet, with when they were sent. */
  private readonly open = new Map<number, Micros>();
  private readonly reported = new Set<string>();
  /** Certificates of objects that are not those that we hold, while ours are being read. */
  private readonly contradictions = new Map<string, Uint8Array>();
  private nextSeq: number;
  private packAt: Micros = 0;
  private pruneAt: Micros = NEVER;
  /** When to look again for peers that have fallen silent. */
  private checkAt: Micros = 0;
  /** Streams that start over once the consumer is done with the object it has. */
  private readonly toRestart = new Set<Stream>();

  constructor(options: BroadcastOptions, metrics: Metrics) {
    const { group, self, loaded, rng } = options;
    const n = group.members.length;
    this.options = options;
    this.metrics = metrics;
    this.streams = new Streams(self, n, loaded, group);
    this.own = this.streams.open({ origin: self, incarnation: loaded.incarnation }) as Stream;
    this.nextSeq = Math.max(
      this.own.count,
      ...loaded.held.map(({ certificate }) => this.seqIfOwn(certificate) + 1),
    );
    this.log = new Log(loaded);
    this.vectors = new Vectors(n, options.changed);
    this.pulls = new Pulls(rng.fork('pulls'));
    this.serving = new Serving(n, rng.fork('serving'));
    // Objects are a little larger than the messages in them.
    const maxObjectSize = options.maxObjectSize + PARCEL_ROOM;
    this.transfer = new Transfer({ ...options, maxObjectSize }, metrics, this.streams, this.serving);
    this.delivery = new Delivery(this.streams, this.log, group.quorum);
    this.controlSentAt = group.members.map(() => -NEVER);
    this.reachable = group.members.map(() => false);
    this.mail = group.members.map(() => []);
    for (const stream of this.streams) if (!stream.matchesTrusted()) this.toRestart.add(stream);
  }

  /**
   * Takes a message of ours, to be stored with the next commit and then sent. Events `durable`, `deliver` and `outcome`
   * follow. Throws TOO_LARGE, or BUSY while `hasRoom` is false.
   *
   * @returns a number that names it until it has an id
   */
  submit(bytes: Uint8Array): number {
    const { maxObjectSize } = this.options;
    if (bytes.length > maxObjectSize)
      throw new HeadwaterError(
        'TOO_LARGE',
        `message: expected at most ${maxObjectSize} bytes, got ${bytes.length}`,
      );
    return this.outbox.submit(bytes);
  }

  get hasRoom(): boolean {
    return this.outbox.hasRoom;
  }

  /** Takes back a message that is not on its way yet; false if it is. */
  cancel(ticket: number): boolean {
    return this.outbox.cancel(ticket);
  }

  /** A session with this peer has begun: it is told all that we hold. `fresh`: it has lost what it had in memory. */
  onSession(member: number, fresh: boolean): void {
    this.vectors.restart(member, this.streams, fresh);
    this.mail[member].length = 0;
    if (!fresh) return;
    // It is asked for a session at once.
    this.controlSentAt[member] = -NEVER;
    for (const stream of this.streams)
      for (const { outgoing, incoming } of stream.records.values()) {
        outgoing?.onRestart(member);
        incoming?.onRestart(member);
      }
  }

  /** `body` is the SYMBOL as received, `hop` the member that sent it. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body: Uint8Array): void {
    const stream = this.streams.find(frame.descriptor);
    if (stream?.trusted && !stream.admits(hop, frame.depth === SERVED, frame.descriptor))
      return countDrop(this.metrics, 'tainted');
    if (this.log.pendingBytes > MAX_PENDING) return countDrop(this.metrics, 'store-busy');
    if (stream && !stream.records.has(frame.descriptor.seq) && this.isOverQuota(stream))
      return countDrop(this.metrics, 'over-quota');
    const arrival = this.transfer.handleSymbol(now, hop, frame, body);
    if (arrival?.type === 'late-equivocation') this.onContradiction(arrival.id, arrival.certificate);
    else if (arrival) this.onArrival(now, hop, frame, arrival);
  }

  /** What is not consumed cannot be pruned: one origin must not fill the store with what never will be. */
  private isOverQuota(stream: Stream): boolean {
    const { maxStoredBytes, group } = this.options;
    return stream.backlog > maxStoredBytes / group.members.length;
  }

  /** A frame that member `from` has sent in its session. */
  handleFrame(now: Micros, from: number, frame: ObjectFrame): void {
    switch (frame.kind) {
      case 'vector':
        for (const { claim, lower } of this.vectors.onFrame(now, from, frame)) {
          const isNews = claim.count > 0 || claim.ahead.length > 0;
          const stream = isNews ? this.streams.open(claim) : this.streams.find(claim);
          if (!stream || typeof stream === 'string') {
            if (stream) countDrop(this.metrics, stream);
            continue;
          }
          if (!stream.onClaim(from, claim, lower)) this.onDisagreement(now, stream, from);
          if (stream.isFarBehind(from)) this.vectors.touchFor(from, stream);
          this.advance(now, stream);
        }
        break;
      case 'progress': {
        const stream = this.streams.find(frame.id);
        if (stream) this.transfer.onProgress(now, from, stream, frame);
        break;
      }
      case 'pull':
        this.onPull(now, from, frame);
        break;
      case 'gone':
        this.onGone(now, from, frame);
        break;
    }
  }

  /** What the shell is to do with the store now. At most one commit is under way; ask again after every other call. */
  pollStore(now: Micros): StoreRequest | undefined {
    if (!this.log.isCommitting && !this.log.isFull) this.pack(now);
    return this.log.poll(now);
  }

  /** The commit is durable; `bytes` is what all objects in the store come to. */
  handleCommitted(now: Micros, bytes: number): void {
    if (this.log.isFull) this.events.push({ type: 'store-full', full: false });
    for (const write of this.log.onCommitted(bytes))
      if (write.type === 'object') this.onStored(now, write.object);
      else if (write.type === 'stream') this.onPledged(now, write.state);
    if (this.log.storedBytes > this.options.maxStoredBytes) this.prune(now);
  }

  /** There was no room for the commit: it is tried again after a while, and until then nothing is confirmed. */
  handleCommitFailed(now: Micros): void {
    if (!this.log.isFull) this.events.push({ type: 'store-full', full: true });
    this.log.onFailed(now);
  }

  /** The answer to a read: undefined if the object is not there, or damaged. */
  handleRead(now: Micros, id: ObjectId, object: StoredObject | undefined): void {
    const stream = this.streams.find(id);
    this.log.onRead(id, object, stream !== undefined && id.seq >= stream.delivered);
    const isKept = stream && id.seq >= stream.base && !stream.lacks(id.seq) && !this.toRestart.has(stream);
    if (!object && isKept) this.onDamaged(now, stream, id.seq);
    const other = this.contradictions.get(objectKey(id));
    this.contradictions.delete(objectKey(id));
    if (other && object) this.report(id.origin, id, 'equivocation', [object.certificate, other]);
    this.serve(id, object);
    this.pump(now);
  }

  /** The consumer is done with the last message delivered. */
  consumed(now: Micros): void {
    this.delivery.consumed(now);
    this.restartStreams(now);
    this.pump(now);
    this.pruneAt = Math.min(this.pruneAt, now + PRUNE_DELAY);
  }

  handleTimeout(now: Micros): void {
    for (const member of this.heard) this.setReachable(now, member);
    this.heard.clear();
    this.transfer.handleTimeout(now);
    const rtt = this.slowestRtt();
    for (const { stream, seq, tries } of this.pulls.take(now, rtt)) this.ask(now, stream, seq, tries);
    if (this.checkAt <= now) {
      this.checkAt = now + CHECK;
      this.reachable.forEach((reachable, member) => {
        if (reachable) this.setReachable(now, member);
      });
      this.restartStreams(now);
      this.settleOwn(now);
      // What the store held at the start may be due without a word from anybody.
      this.pump(now);
    }
    if (this.pruneAt <= now) this.prune(now);
  }

  /** A genuine datagram of this member has come. */
  onHeard(member: number): void {
    if (!this.reachable[member]) this.heard.add(member);
  }

  nextTimeout(now: Micros): Micros {
    let next = Math.min(
      this.transfer.nextTimeout(),
      this.pulls.nextTimeout(),
      this.log.nextTimeout(),
      this.pruneAt,
      this.checkAt,
    );
    const isWaiting = !this.outbox.isEmpty && !this.log.isCommitting && !this.log.isFull;
    if (isWaiting && this.nextSeq - this.own.delivered < MAX_UNDELIVERED)
      next = Math.min(next, this.mayPack(now) ? now : this.packAt);
    return next;
  }

  /** When `peer` is to get a control datagram: soon if there is news and a session to tell it in, else at the next heartbeat. */
  nextControl(peer: number): Micros {
    const sent = this.controlSentAt[peer];
    if (!this.options.paths[peer]?.isOpen) return sent + HEARTBEAT;
    const isNews = this.mail[peer].length > 0 || this.transfer.hasNews(peer);
    const due = isNews ? -NEVER : this.vectors.dueAt(peer);
    return Math.min(sent + HEARTBEAT, Math.max(due, sent + CONTROL_GAP));
  }

  /** The frames of a control datagram to `peer`, sent now; what does not fit in `room` bytes stays for the next. */
  takeControl(now: Micros, peer: number, room: number): ObjectFrame[] {
    this.controlSentAt[peer] = now;
    const frames: ObjectFrame[] = [];
    const { rtt, loss } = this.options.paths[peer]!;
    const repeats = { timeout: rtt.probeTimeout(0), copies: copiesFor(loss) };
    // With many streams there is always more to say of them; mail is not to wait for an end of it.
    let waiting = 0;
    for (const frame of this.mail[peer]) if (waiting < room / 2) waiting += frameSize(frame);
    const vector = this.vectors.take(now, peer, room - Math.min(waiting, room >> 1), repeats);
    let left = room;
    if (vector) {
      frames.push(vector);
      left -= frameSize(vector);
    }
    for (let frame = this.mail[peer][0]; frame; frame = this.mail[peer][0]) {
      if (frameSize(frame) > left) break;
      left -= frameSize(frame);
      frames.push(this.mail[peer].shift()!);
    }
    frames.push(...this.transfer.takeNews(peer, left));
    return frames;
  }

  hasSymbol(now: Micros, peer: number): boolean {
    return this.transfer.hasSymbol(now, peer);
  }

  /**
   * Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. Every one fits in
   * MAX_SYMBOL_BODY bytes; with more room there may be several symbols in it.
   */
  nextSymbol(now: Micros, peer: number, target: Uint8Array): number {
    return this.transfer.nextSymbol(now, peer, target);
  }

  /** What should still be stored when this member stops in order. */
  flush(): readonly StoreWrite[] {
    return this.log.flush();
  }

  pollEvent(): BroadcastEvent | undefined {
    return this.events.shift();
  }

  /** The objects on their way. */
  status(): ObjectStatus[] {
    const { group, self } = this.options;
    const all: ObjectStatus[] = [];
    for (const stream of this.streams)
      for (const record of stream.records.values()) all.push(record.status(group.members.length, self));
    return all;
  }

  dispose(): void {
    this.transfer.dispose();
    this.serving.dispose();
  }

  private setReachable(now: Micros, member: number): void {
    const reachable = this.options.paths[member]!.isReachable(now);
    if (reachable === this.reachable[member]) return;
    this.reachable[member] = reachable;
    this.events.push({ type: 'peer', member, reachable });
  }

  // ---- our own messages

  private mayPack(now: Micros): boolean {
    const { maxObjectSize } = this.options;
    const underWay = this.nextSeq - this.own.delivered;
    if (underWay >= MAX_UNDELIVERED) return false;
    // With some under way already a little patience fills the next object: it costs the same with one message or fifty.
    if (underWay >= UNPACKED && now < this.packAt && !this.outbox.isFull) return false;
    return this.tickets.size === 0 || this.log.pendingBytes + this.outbox.nextBytes() <= maxObjectSize;
  }

  /** Puts the messages that wait into objects, and those into the next commit. */
  private pack(now: Micros): void {
    const { group, self, keys, loaded, order } = this.options;
    for (let i = 0; i < OBJECTS_PER_COMMIT && !this.outbox.isEmpty && this.mayPack(now); i++) {
      const { tickets, messages } = this.outbox.take();
      const dependencies = order === 'causal' ? this.delivery.dependencies(this.own) : [];
      const hash = new Sha256();
      const bytes = writeParcel({ dependencies, messages }, hash);
      const seq = this.nextSeq++;
      const id = { origin: self, incarnation: loaded.incarnation, seq };
      const descriptor = { ...id, length: bytes.length, ...cutObject(bytes.length), hash: hash.digest() };
      const certificate = signCertificate(group, writeDescriptor(descriptor), keys.sign);
      this.tickets.set(seq, tickets);
      this.packAt = now + PACK_INTERVAL;
      this.log.put({ ...id, certificate, bytes });
    }
  }

  private seqIfOwn(certificate: Uint8Array): number {
    const { origin, incarnation, seq } = certifiedDescriptor(certificate);
    return origin === this.options.self && incarnation === this.options.loaded.incarnation ? seq : -1;
  }

  private onStored(now: Micros, object: StoredObject): void {
    const stream = this.streams.find(object);
    if (!stream) return;
    const { seq } = object;
    if (stream.holds(seq)) return this.onRepaired(now, stream, object);
    const descriptor = certifiedDescriptor(object.certificate);
    if (stream === this.own) {
      const { origin, incarnation } = stream;
      const tickets = this.tickets.get(seq) ?? [];
      this.tickets.delete(seq);
      this.events.push({ type: 'durable', id: { origin, incarnation, seq }, tickets });
      this.startSending(now, object);
    }
    stream.hold(seq, descriptor.hash.slice(), descriptor.length);
    for (const member of stream.disputed) this.onDisagreement(now, stream, member);
    const record = stream.records.get(seq);
    if (record?.storing) this.transfer.onHeld(now, record);
    if (stream.trusted && !stream.matchesTrusted()) this.startOver(now, stream);
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  /** An object is in our store again, in place of one that was damaged. */
  private onRepaired(now: Micros, stream: Stream, object: StoredObject): void {
    const { seq } = object;
    stream.damaged.delete(seq);
    const record = stream.records.get(seq);
    if (record?.storing) this.transfer.onHeld(now, record);
    if (seq < stream.delivered) this.log.release(object);
    this.wantMissing(now, stream);
    this.pump(now);
  }

  private onPledged(now: Micros, { ready, ...id }: StreamState): void {
    const stream = this.streams.find(id);
    if (!ready || !stream?.onPledged(ready.count)) return;
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  private startSending(now: Micros, object: StoredObject): void {
    const { sending } = this.transfer;
    // The oldest that a quorum holds makes room: who lacks it will ask for it.
    if (sending.size >= MAX_SENDING)
      for (const record of sending)
        if (record.seq < this.own.delivered) {
          this.transfer.forget(record);
          break;
        }
    this.transfer.send(now, this.own, object);
    this.open.set(object.seq, now);
    if (this.open.size > MAX_OUTCOMES) this.settle(now, this.open.keys().next().value!, true);
  }

  /** Tells how our objects ended, and stops sending those that did. */
  private settleOwn(now: Micros): void {
    for (const seq of this.open.keys()) this.settle(now, seq, false);
    for (const record of this.transfer.sending)
      if (!this.open.has(record.seq) && this.isWithAll(record)) this.transfer.forget(record);
  }

  private isWithAll({ seq }: ObjectRecord): boolean {
    return this.options.paths.every((path, peer) => !path || this.own.isHeldBy(peer, seq));
  }

  private settle(now: Micros, seq: number, force: boolean): void {
    const { paths, group } = this.options;
    const confirmed: number[] = [];
    const missing: number[] = [];
    const sentAt = this.open.get(seq)!;
    let isOver = true;
    const record = this.own.records.get(seq);
    paths.forEach((path, peer) => {
      if (!path) return;
      if (this.own.isHeldBy(peer, seq)) {
        confirmed.push(peer);
        record?.outgoing?.onConfirm(peer);
        return;
      }
      missing.push(peer);
      isOver &&= path.isGone(now, sentAt);
    });
    if (missing.length > 0 && !(isOver && seq < this.own.deliverable(group.quorum)) && !force) return;
    this.open.delete(seq);
    const { origin, incarnation } = this.own;
    this.events.push({
      type: 'outcome',
      id: { origin, incarnation, seq },
      outcome: { confirmed, missing },
    });
    if (record) this.transfer.forget(record);
  }

  // ---- the others' objects

  private onArrival(
    now: Micros,
    hop: number,
    frame: SymbolFrame,
    arrival: Exclude<Arrival, { type: 'late-equivocation' }>,
  ): void {
    const { record } = arrival;
    const { stream, seq } = record;
    switch (arrival.type) {
      case 'complete':
        if (arrival.asked) this.pulls.onServed(now, stream, seq, hop, arrival.object.bytes.length);
        if (stream.holds(seq) && !stream.fits(seq, frame.descriptor.hash)) {
          // Its origin has signed two; ours was the other one.
          countDrop(this.metrics, 'equivocation');
          this.report(stream.origin, record.id, 'equivocation');
          record.storing = false;
          this.transfer.restart(record, -1);
        } else this.log.put(arrival.object);
        break;
      case 'equivocation':
        this.report(stream.origin, record.id, 'equivocation', arrival.evidence);
        // Who serves it says that it holds this one; ours may be one that nobody else has.
        if (frame.depth === SERVED && !record.isHeld && !record.storing) this.transfer.restart(record, hop);
        break;
      case 'wrong-symbols':
        // With symbols of several members it cannot be told whose were wrong; one at a time, it can.
        if (arrival.server >= 0 || record.servers.size === 0)
          this.report(arrival.server >= 0 ? arrival.server : stream.origin, record.id, 'wrong-symbols');
        this.transfer.restart(record, -1);
        break;
    }
    this.wantMissing(now, stream);
  }

  /** The origin has signed another object than the one that we hold. With what it signed of ours, that shows it to anyone. */
  private onContradiction(id: ObjectId, certificate: Uint8Array): void {
    if (this.isReported(id.origin, id, 'equivocation')) return;
    const object = this.log.read(id);
    if (object) this.report(id.origin, id, 'equivocation', [object.certificate, certificate]);
    else if (this.contradictions.size < MAX_CONTRADICTIONS)
      this.contradictions.set(objectKey(id), certificate);
  }

  /** A member and we agree on no object at this place: somebody has lied to one of us. */
  private onDisagreement(now: Micros, stream: Stream, member: number): void {
    const { origin, incarnation, delivered: seq } = stream;
    this.report(member, { origin, incarnation, seq }, 'disagreement');
    const winners = stream.winners(this.options.group.quorum);
    if (!winners) return;
    stream.follow(winners);
    // Under the names of ours there is something else: ours will be delivered nowhere.
    if (stream === this.own)
      this.events.push({ type: 'lost', origin, incarnation, from: seq, to: this.own.count });
    this.startOver(now, stream);
  }

  /** What we had promised to hold is gone; the others may still have it. */
  private onDamaged(now: Micros, stream: Stream, seq: number): void {
    const { origin, incarnation } = stream;
    this.metrics.damaged++;
    this.events.push({ type: 'damaged', id: { origin, incarnation, seq } });
    // Our word on another's object is counted until it is delivered, so it is taken back. Our own go by our signature:
    // nobody may have the ones behind this one, so they are kept.
    if (seq >= stream.delivered && stream !== this.own) return this.startOver(now, stream);
    stream.damaged.add(seq);
    this.wantMissing(now, stream);
  }

  private restartStreams(now: Micros): void {
    for (const stream of this.toRestart) this.startOver(now, stream);
  }

  /** Drops what we hold beyond what is delivered: it is damaged, or not what the others agree on. */
  private startOver(now: Micros, stream: Stream): void {
    if (this.delivery.isConsuming(stream)) {
      this.toRestart.add(stream);
      return;
    }
    this.toRestart.delete(stream);
    this.log.drop(stream);
    stream.restart();
    for (const record of [...stream.records.values()])
      if (record.seq >= stream.delivered) this.transfer.forget(record);
    this.delivery.forget(stream);
    this.vectors.touch(stream);
    this.wantMissing(now, stream);
  }

  private wantMissing(now: Micros, stream: Stream): void {
    const existing = Math.min(stream.existing(this.options.group.byzantine), stream.delivered + WINDOW);
    if (existing > stream.count || stream.damaged.size > 0 || this.pulls.wantsOf(stream))
      this.pulls.update(now, stream, existing, this.slowestRtt());
  }

  /** Asks a member that holds it for an object that has not come by itself. */
  private ask(now: Micros, stream: Stream, seq: number, tries: number): void {
    const { paths, rng } = this.options;
    const able = (kept: boolean) =>
      paths.flatMap((path, peer) => {
        const holds = stream.isHeldBy(peer, seq, kept) || (peer === stream.origin && tries % 2 === 1);
        return path?.isOpen && path.isResponsive(now) && holds && stream.believes(peer) ? [peer] : [];
      });
    let candidates = able(true);
    // Nobody keeps it any more: who has dropped it will say so.
    if (candidates.length === 0) candidates = able(false);
    const record = stream.records.get(seq);
    if (record?.only !== undefined && candidates.length > 1)
      candidates = candidates.filter((peer) => peer !== record.only);
    if (candidates.length === 0) return;
    const peer = rng.pick(candidates);
    if (record?.only !== undefined) this.transfer.restart(record, peer);
    const { origin, incarnation } = stream;
    const missing = record?.incoming?.deficits() ?? [];
    if (!this.post(peer, { kind: 'pull', id: { origin, incarnation, seq }, missing })) return;
    this.pulls.onAsked(stream, seq, peer);
    this.metrics.pulls++;
  }

  /** For the next control datagrams to `peer`; false if too much waits for them: whoever still wants it will ask again. */
  private post(peer: number, frame: PullFrame | GoneFrame): boolean {
    if (this.mail[peer].length >= MAX_MAIL) {
      countDrop(this.metrics, 'mail-overflow');
      return false;
    }
    this.mail[peer].push(frame);
    this.options.changed.mark(peer);
    return true;
  }

  private onPull(now: Micros, from: number, { id, missing }: PullFrame): void {
    const stream = this.streams.find(id);
    if (!stream?.holds(id.seq)) return countDrop(this.metrics, 'stale');
    if (id.seq < stream.base) {
      const { origin, incarnation, base } = stream;
      const chain = stream.chainAt(base)!;
      this.post(from, { kind: 'gone', origin, incarnation, base, chain });
      return;
    }
    if (stream.damaged.has(id.seq)) return countDrop(this.metrics, 'unreadable');
    // It is being sent as it is; on a busy host a peer may ask too early.
    if (stream.records.get(id.seq)?.outgoing?.hasFor(now, from)) return;
    const loss = this.options.paths[from]!.loss;
    const state = this.serving.request(from, id, missing, loss);
    if (state === 'full') return countDrop(this.metrics, 'over-quota');
    if (state === 'ready') return;
    const object = this.log.read(id);
    if (object) this.serve(id, object);
  }

  private serve(id: ObjectId, object: StoredObject | undefined): void {
    const { paths, changed } = this.options;
    this.serving.onObject(id, object, (peer) => paths[peer]!.loss);
    changed.markAll();
  }

  /** A member has nothing of what we ask for any more. If nobody has, we go on without it, and say so. */
  private onGone(now: Micros, from: number, frame: GoneFrame): void {
    const stream = this.streams.find(frame);
    if (!stream || frame.base <= stream.count) return countDrop(this.metrics, 'stale');
    const votes = stream.onGone(from, frame.base, frame.chain);
    const { origin, incarnation, count: lost } = stream;
    const isKept = this.options.paths.some(
      (path, peer) => path?.isReachable(now) && stream.isHeldBy(peer, lost, true),
    );
    // What is held must be consumed before it can be left behind.
    if (votes <= this.options.group.byzantine || isKept || stream.delivered < lost) return;
    this.events.push({ type: 'lost', origin, incarnation, from: lost, to: frame.base });
    const { base, chain } = frame;
    stream.restart({ base, delivered: base, index: 0, chain, baseChain: chain });
    for (const record of [...stream.records.values()])
      if (record.seq < frame.base) this.transfer.forget(record);
    this.log.moveCursor(now, stream);
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  private isReported(member: number, id: ObjectId, what: Misbehaviour): boolean {
    return this.reported.has(reportKey(member, id, what));
  }

  private report(
    member: number,
    id: ObjectId,
    what: Misbehaviour,
    evidence?: [Uint8Array, Uint8Array],
  ): void {
    if (this.isReported(member, id, what) || this.reported.size >= MAX_REPORTS) return;
    this.reported.add(reportKey(member, id, what));
    this.events.push({ type: 'misbehaviour', member, id, what, ...(evidence ? { evidence } : {}) });
  }

  // ---- what follows

  /** Whatever may follow from news about a stream: delivery, outcomes, wishes, room in the store. */
  private advance(now: Micros, stream: Stream): void {
    if (stream.pledge(this.options.group.quorum)) this.log.pledge(now, stream);
    if (stream === this.own) this.settleOwn(now);
    this.wantMissing(now, stream);
    this.serving.drop((peer, id) => stream.includes(id) && stream.isHeldBy(peer, id.seq));
    this.pump(now);
    this.pruneAt = Math.min(this.pruneAt, now + PRUNE_DELAY);
  }

  private pump(now: Micros): void {
    const next = this.delivery.next(now, (stream, seq) => {
      const { origin, incarnation } = stream;
      this.report(origin, { origin, incarnation, seq }, 'malformed-object');
    });
    if (next) this.events.push({ type: 'deliver', ...next });
    for (const stream of this.streams)
      for (const member of stream.untold()) this.vectors.touchFor(member, stream);
  }

  /** Lets go of what every member holds; and at the store's bound, of the oldest that a quorum does. */
  private prune(now: Micros): void {
    this.pruneAt = NEVER;
    for (const stream of this.streams) this.pruneTo(now, stream, stream.stable());
    for (const stream of this.streams.takeRetired()) {
      this.tellOverflow(stream, stream.count);
      this.retire(stream);
    }
    if (this.log.storedBytes <= this.options.maxStoredBytes) return;
    const [longest] = [...this.streams].sort((a, b) => b.delivered - b.base - (a.delivered - a.base));
    const { base } = longest;
    this.pruneTo(now, longest, base + Math.max(MIN_OVERFLOW, Math.ceil((longest.delivered - base) / 8)));
    if (longest.base === base) return;
    this.tellOverflow(longest, longest.base);
    this.metrics.overflowed += longest.base - base;
    this.vectors.touch(longest);
  }

  /** Says who goes without, if anyone does, now that objects below `to` are let go of. */
  private tellOverflow(stream: Stream, to: number): void {
    const { origin, incarnation } = stream;
    const members = stream.lacking(to);
    if (members.length > 0) this.events.push({ type: 'overflow', origin, incarnation, to, members });
  }

  private pruneTo(now: Micros, stream: Stream, below: number): void {
    const { origin, incarnation, base } = stream;
    stream.prune(below);
    if (stream.base === base) return;
    this.log.write({ type: 'prune', stream: { origin, incarnation }, below: stream.base });
    this.log.moveCursor(now, stream);
  }

  private retire(stream: Stream): void {
    const { origin, incarnation } = stream;
    for (const record of [...stream.records.values()]) this.transfer.forget(record);
    this.delivery.forget(stream);
    this.log.forget(stream);
    this.vectors.forget(stream);
    this.pulls.forget(stream);
    this.log.write({ type: 'retire', stream: { origin, incarnation } });
  }

  private slowestRtt(): Micros {
    let rtt = 0;
    for (const path of this.options.paths)
      if (path?.rtt.min !== undefined) rtt = Math.max(rtt, path.rtt.smoothed);
    return rtt;
  }
}

function reportKey(member: number, id: ObjectId, what: Misbehaviour): string {
  return `${member} ${objectKey(id)} ${what}`;
}

/** Room for the header of a parcel with a dependency on every stream of a large group, and for one message's length. */
const PARCEL_ROOM = PARCEL_OVERHEAD + 12 * 1024 + MESSAGE_OVERHEAD;
const OBJECTS_PER_COMMIT = 8;
const UNPACKED = 2;
const PACK_INTERVAL: Micros = 2 * MILLISECOND;
/** Our objects that are not delivered yet, at most: without a quorum nothing more is sent, and callers wait. */
const MAX_UNDELIVERED = 64;
/** Our objects being sent at once. */
const MAX_SENDING = 64;
const MAX_OUTCOMES = 1024;
/** Bytes that wait for the store: when it is slow, the network has to wait. */
const MAX_PENDING = 64 * 1024 * 1024;
/** Frames that wait for one peer: what is wanted of four streams. */
const MAX_MAIL = 1024;
const MAX_REPORTS = 1000;
const MAX_CONTRADICTIONS = 64;
const CHECK: Micros = 100 * MILLISECOND;
const PRUNE_DELAY: Micros = 200 * MILLISECOND;
/** More than what lies between two digests that are kept of objects long past. */
const MIN_OVERFLOW = 128;
/** Control datagrams to one peer are at least this far apart, so that news travel together. */
const CONTROL_GAP: Micros = 2 * MILLISECOND;
