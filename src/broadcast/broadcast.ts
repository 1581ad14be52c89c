/**
 * Uniform reliable broadcast in a static group (Cachin, Guerraoui, Rodrigues, module 3.3 and its fail-recovery form 3.6):
 * an object is durable at its origin before anyone hears of it, and at every other member before that member confirms it;
 * a quorum of confirms delivers it. Sans-IO: verified input and `now` go in; frames and symbols for each peer, requests to
 * the store, deadlines and events come out.
 */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { HEARTBEAT } from '../path/path.js';
import type { Loaded, StoredObject, StoreWrite, StreamState } from '../store/store.js';
import type { GoneFrame } from '../wire/frames/gone.js';
import type { ProgressFrame } from '../wire/frames/progress.js';
import type { PullFrame } from '../wire/frames/pull.js';
import type { VectorEntry, VectorFrame } from '../wire/frames/vector.js';
import { frameSize, type ObjectFrame } from '../wire/frames.js';
import { type ObjectId, SERVED, type SymbolFrame, streamKey } from '../wire/symbol.js';
import type { Stream } from './agreement/stream.js';
import { Streams } from './agreement/streams.js';
import { Succession } from './agreement/succession.js';
import { Vectors } from './agreement/vectors.js';
import { Attempts } from './delivery/attempts.js';
import { Delivery } from './delivery/delivery.js';
import { Journal, type StoreRequest } from './delivery/journal.js';
import { Kept } from './delivery/kept.js';
import { Own } from './delivery/own.js';
import { DEPENDENCY_SIZE, MESSAGE_OVERHEAD, maxDependencies, PARCEL_OVERHEAD } from './delivery/parcel.js';
import type { BroadcastEvent } from './events.js';
import { countDrop, type Metrics } from './metrics.js';
import type { ConsumerPort, Messages, StorePort } from './ports.js';
import { certifiedDescriptor } from './proof/certificate.js';
import { Reports } from './reports.js';
import { type Arrival, type Examined, WINDOW } from './spread/intake.js';
import { Mail } from './spread/mail.js';
import { type ObjectStatus, Objects } from './spread/objects.js';
import { vectorCopiesFor } from './spread/plan.js';
import { Pulls } from './spread/pulls.js';
import { rttOf, typicalRtt } from './spread/rtts.js';
import { Serving } from './spread/serving.js';
import { Transfer, type TransferOptions } from './spread/transfer.js';

export interface BroadcastOptions extends Omit<TransferOptions, 'isStoreBusy'> {
  /** Of a message: larger ones are refused, ours and others'. */
  maxObjectSize: number;
  /** What our store holds from before. */
  loaded: Loaded;
  /** 'causal': our messages are delivered nowhere before those that we had delivered when we sent them. */
  order: 'fifo' | 'causal';
}

export class Broadcast implements StorePort, ConsumerPort {
  private readonly options: BroadcastOptions;
  private readonly metrics: Metrics;
  private readonly streams: Streams;
  private readonly own: Own;
  private readonly log: Journal;
  private readonly kept: Kept;
  private readonly vectors: Vectors;
  private readonly objects = new Objects<Stream>();
  private readonly pulls: Pulls<Stream>;
  private readonly serving: Serving;
  private readonly transfer: Transfer<Stream>;
  private readonly delivery: Delivery;
  private readonly events: BroadcastEvent[] = [];
  private readonly reports = new Reports(this.events);
  private readonly controlSentAt: Micros[];
  private readonly mail: Mail;
  /** By origin. */
  private readonly tellTooLargeAt = new Map<number, Micros>();
  private readonly attempts: Attempts;
  private pruneAt: Micros = NEVER;
  /** When to look again at what has no deadline of its own. */
  private checkAt: Micros = 0;
  /** Streams that start over once the consumer is done with the object it has, and from where. */
  private readonly toRestart = new Map<Stream, number>();
  /** Streams of which a quorum holds others, and since when we wait to learn from where on. */
  private readonly unsettled = new Map<Stream, Micros>();
  private readonly succession: Succession;
  /** Streams that our store is to be told of. */
  private readonly recording = new Set<Stream>();

  constructor(options: BroadcastOptions, metrics: Metrics) {
    const { group, self, loaded, rng } = options;
    const n = group.members.length;
    this.options = options;
    this.metrics = metrics;
    this.streams = new Streams(self, n, loaded, group);
    this.log = new Journal(loaded);
    this.kept = new Kept(this.streams, loaded);
    this.vectors = new Vectors(n, options.changed);
    this.pulls = new Pulls(rng.fork('pulls'), this.objects);
    // Objects are a little larger than the messages in them.
    const parcelRoom = PARCEL_OVERHEAD + DEPENDENCY_SIZE * maxDependencies(n) + MESSAGE_OVERHEAD;
    const maxObjectSize = options.maxObjectSize + parcelRoom;
    this.serving = new Serving(
      {
        members: n,
        rng: rng.fork('serving'),
        lossOf: (peer) => options.paths[peer]!.loss,
        isHeldBy: (peer, id) => this.streams.find(id)?.isHeldBy(peer, id.seq) === true,
        mostBytes: (id) => Math.min(maxObjectSize, this.streams.find(id)?.ledger.largest ?? 0),
      },
      metrics,
    );
    const { streams, objects, serving } = this;
    this.transfer = new Transfer(
      { ...options, maxObjectSize, isStoreBusy: (origin) => this.isStoreBusy(origin) },
      metrics,
      { streams, objects, serving },
    );
    this.attempts = new Attempts(loaded, this.log);
    this.delivery = new Delivery(this.streams, this.log, this.attempts, group.quorum, n);
    const own = this.streams.own(loaded.incarnation);
    const { log, delivery, transfer } = this;
    this.own = new Own(options, own, { log, delivery, transfer, objects }, this.events);
    this.controlSentAt = group.members.map(() => -NEVER);
    this.mail = new Mail(n, metrics, options.changed);
    for (const stream of this.streams)
      if (!stream.matchesTrusted()) this.toRestart.set(stream, stream.delivered);
    this.succession = new Succession(group.byzantine, loaded.session);
  }

  /** Where messages of ours are given in. */
  get messages(): Messages {
    return this.own;
  }

  /** A session with this peer has begun: it is told all that we hold. `fresh`: it has lost what it had in memory. */
  onSession(member: number, fresh: boolean): void {
    this.vectors.restart(member, this.streams.said(), fresh);
    this.mail.clear(member);
    if (!fresh) return;
    this.serving.forget(member);
    for (const stream of this.streams.onFresh(member)) this.forget(stream);
    // It is asked for a session at once.
    this.controlSentAt[member] = -NEVER;
    for (const stream of this.streams)
      for (const { outgoing, incoming } of this.objects.of(stream).values()) {
        outgoing?.onRestart(member);
        incoming?.onRestart(member);
      }
  }

  /** `body` is the SYMBOL as received, `hop` the member that sent it. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body: Uint8Array): void {
    const symbol = this.transfer.handleSymbol(now, hop, frame, body);
    if (symbol.stream?.attested) this.onSymbol(now, symbol, symbol.stream);
    const { arrival } = symbol;
    if (arrival?.type === 'late-equivocation') this.onContradiction(arrival.id, arrival.certificate);
    else if (arrival?.type === 'too-large') this.refuse(now, arrival);
    else if (arrival) this.onArrival(now, hop, frame, arrival);
  }

  /** What we do not take is not asked for, and told. */
  private refuse(now: Micros, refused: Extract<Arrival, { type: 'too-large' }>): void {
    const { origin } = refused.id;
    const stream = this.streams.find(refused.id);
    if (stream && refused.id.seq < stream.delivered + WINDOW)
      stream.refused.set(refused.id.seq, now + ASK_REFUSED);
    if (now < (this.tellTooLargeAt.get(origin) ?? 0)) return;
    this.tellTooLargeAt.set(origin, now + SECOND);
    this.events.push(refused);
  }

  /** When the store is slow the network has to wait, but for members of which little waits for it. */
  private isStoreBusy(origin: number): boolean {
    const { log } = this;
    const share = MAX_PENDING / this.options.group.members.length;
    return log.pendingBytes > MAX_PENDING && log.pendingOf(origin) > share;
  }

  handleProgress(now: Micros, from: number, frame: ProgressFrame): void {
    const stream = this.streams.find(frame.id);
    if (stream) this.transfer.onProgress(now, from, stream, frame);
  }

  pollRequest(now: Micros): StoreRequest | undefined {
    if (!this.succession.isDue) this.own.pack(now);
    return this.log.poll(now);
  }

  handleCommitted(now: Micros, bytes: number): void {
    if (this.log.isFull) this.events.push({ type: 'store-full', full: false });
    for (const write of this.log.onCommitted(bytes))
      if (write.type === 'object') this.onStored(now, write.object);
      else if (write.type === 'stream') this.onState(now, write.state);
      else if (write.type === 'begin') this.onRecorded(this.streams.own(write.incarnation));
      else if (write.type === 'attempt') {
        this.attempts.onNoted(write.attempt);
        this.pump(now);
      }
    if (this.isOverfull) this.prune(now);
  }

  handleCommitFailed(now: Micros): void {
    if (!this.log.isFull) this.events.push({ type: 'store-full', full: true });
    this.log.onFailed(now);
  }

  handleRead(now: Micros, id: ObjectId, answer: StoredObject | undefined): void {
    const stream = this.streams.find(id);
    const isWanted = stream !== undefined && id.seq >= stream.delivered;
    const isCurrent = this.log.onRead(id, answer, isWanted);
    const object = isCurrent ? answer : undefined;
    const isKept = stream && id.seq >= stream.base && !stream.lacks(id.seq) && !this.toRestart.has(stream);
    if (isCurrent && !object && isKept) this.onDamaged(now, stream, id.seq);
    this.reports.onRead(id, object);
    this.serve(now, id, object);
    this.readServed(now);
    this.pump(now);
  }

  handleConsumed(now: Micros): void {
    this.delivery.onConsumed(now);
    this.restartStreams(now);
    this.pump(now);
    this.pruneAt = Math.min(this.pruneAt, now + PRUNE_DELAY);
  }

  handleTimeout(now: Micros): void {
    this.transfer.handleTimeout(now);
    const typical = this.typicalRtt();
    const rttTo = (member: number) => Math.max(typical, rttOf(this.options.paths[member]));
    for (const { stream, seq, tries, last } of this.pulls.take(now, rttTo))
      this.ask(now, stream, seq, tries, last);
    if (this.checkAt <= now) {
      this.checkAt = now + CHECK;
      this.restartStreams(now);
      for (const stream of [...this.unsettled.keys()]) this.settle(now, stream);
      this.own.settle(now);
      this.serving.handleTimeout(now);
      this.options.paths.forEach((path, peer) => {
        if (path?.isOpen === false) this.serving.forget(peer);
      });
      this.readServed(now);
      this.own.relieve(now);
      this.succeed(now);
      // What the store held at the start may be due without a word from anybody.
      this.pump(now);
    }
    if (this.pruneAt <= now) this.prune(now);
  }

  nextTimeout(now: Micros): Micros {
    return Math.min(
      this.transfer.nextTimeout(),
      this.pulls.nextTimeout(),
      this.log.nextTimeout(),
      // Nothing is packed until the stream has begun that it is to go into.
      this.succession.isDue ? NEVER : this.own.nextTimeout(now),
      this.pruneAt,
      this.checkAt,
    );
  }

  /** When `peer` is to get a control datagram: soon if there is news and a session to tell it in, else at the next heartbeat. */
  nextControl(peer: number): Micros {
    const sent = this.controlSentAt[peer];
    if (!this.options.paths[peer]?.isOpen) return sent + HEARTBEAT;
    const isNews = this.mail.has(peer) || this.transfer.hasNews(peer);
    const due = isNews ? -NEVER : this.vectors.dueAt(peer);
    return Math.min(sent + HEARTBEAT, Math.max(due, sent + CONTROL_GAP));
  }

  /** The frames of a control datagram to `peer`, sent now; what does not fit in `room` bytes stays for the next. */
  takeControl(now: Micros, peer: number, room: number): ObjectFrame[] {
    this.controlSentAt[peer] = now;
    const frames: ObjectFrame[] = [];
    const { rtt, loss } = this.options.paths[peer]!;
    const repeats = {
      timeout: rtt.probeTimeout(0),
      copies: vectorCopiesFor(loss, this.options.group.members.length),
    };
    // With many streams there is always more to say of them; mail is not to wait for an end of it.
    const waiting = this.mail.size(peer, room / 2);
    const vector = this.vectors.take(now, peer, room - Math.min(waiting, room >> 1), repeats);
    let left = room;
    if (vector) {
      frames.push(vector);
      left -= frameSize(vector);
    }
    for (const frame of this.mail.take(peer, left)) {
      left -= frameSize(frame);
      frames.push(frame);
    }
    frames.push(...this.transfer.takeNews(peer, left));
    return frames;
  }

  /** See `Vectors.number`. */
  numberVector(peer: number): Pick<VectorFrame, 'version' | 'heard' | 'heardBefore'> {
    return this.vectors.number(peer);
  }

  hasSymbol(now: Micros, peer: number): boolean {
    return this.transfer.hasSymbol(now, peer);
  }

  /**
   * Writes the next SYMBOL body for `peer` to `target`, and returns its length; 0 if there is none that fits. Every one fits in
   * MAX_SYMBOL_BODY bytes; with more room there may be several symbols in it.
   */
  nextSymbol(now: Micros, peer: number, target: Uint8Array): number {
    const length = this.transfer.nextSymbol(now, peer, target);
    this.readServed(now);
    return length;
  }

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
      for (const object of this.objects.of(stream).values())
        all.push(object.status(group.members.length, self));
    return all;
  }

  /** See `Endpoint.check`. */
  check(): string | undefined {
    for (const stream of this.streams) {
      const fault = stream.check();
      if (fault) return `stream ${streamKey(stream)}: ${fault}`;
    }
    return (
      this.vectors.check(this.streams.said()) ??
      this.pulls.check(this.streams) ??
      this.serving.check() ??
      this.transfer.check() ??
      this.log.check()
    );
  }

  dispose(): void {
    this.transfer.dispose();
    this.serving.dispose();
  }

  private onStored(now: Micros, object: StoredObject): void {
    const stream = this.streams.find(object);
    if (!stream) return;
    const { seq } = object;
    if (stream.holds(seq)) return this.onRepaired(now, stream, object);
    const descriptor = certifiedDescriptor(object.certificate);
    if (stream === this.own.stream) this.own.onStored(now, object);
    stream.hold(seq, descriptor.hash.slice(), descriptor.length);
    this.kept.add(stream, seq, descriptor.length);
    for (const member of stream.disputed) this.onDisagreement(now, stream, member);
    const record = this.objects.find(stream, seq);
    if (record?.storing) this.transfer.onHeld(now, record);
    const { trusted } = stream;
    if (trusted && !stream.matchesTrusted())
      this.startOver(now, stream, Math.max(trusted.from, stream.delivered));
    this.onRecorded(stream);
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  /** An object is in our store again, in place of one that was damaged. */
  private onRepaired(now: Micros, stream: Stream, object: StoredObject): void {
    const { seq } = object;
    stream.ledger.damaged.delete(seq);
    const record = this.objects.find(stream, seq);
    if (record?.storing) this.transfer.onHeld(now, record);
    if (seq < stream.delivered) this.log.release(object);
    this.wantMissing(now, stream);
    this.pump(now);
  }

  private onState(now: Micros, { ready, ...id }: StreamState): void {
    const stream = this.streams.find(id);
    if (stream) this.onRecorded(stream);
    if (!ready || !stream?.onPledged(ready.count)) return;
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  /** What `from` says of streams, its own and others'. */
  handleVector(now: Micros, from: number, frame: VectorFrame): void {
    const { streams } = this;
    const touched = new Set<Stream>();
    const begun = new Set<string>();
    const isTaken = (entry: VectorEntry) => {
      if (!streams.hasRoomFor(entry, from, begun.size)) return false;
      if (streams.begins(entry, from)) begun.add(streamKey(entry));
      return true;
    };
    for (const { claim, lower } of this.vectors.onFrame(now, from, frame, isTaken)) {
      if (claim.origin === this.options.self) this.succession.onClaim(now, from, this.own.stream, claim);
      if (claim.over) streams.onOver(from, claim);
      const stream = claim.over ? streams.find(claim) : streams.claimed(claim, from);
      if (typeof stream === 'string') countDrop(this.metrics, stream);
      if (!stream || typeof stream === 'string') continue;
      this.record(stream);
      if (!stream.onClaim(from, claim, lower)) this.onDisagreement(now, stream, from);
      if (stream.isFarBehind(from)) this.vectors.touchFor(from, stream);
      touched.add(stream);
    }
    if (touched.size === 0) return;
    for (const stream of touched) this.advanceOnly(now, stream);
    this.pump(now);
  }

  /** That a stream is there is in our store before it is acted on, or said. */
  private record(stream: Stream): void {
    if (!stream.attested || stream.recorded || this.recording.has(stream)) return;
    this.recording.add(stream);
    this.log.write({ type: 'stream', state: stream.state });
  }

  private onRecorded(stream: Stream): void {
    this.recording.delete(stream);
    this.streams.onRecorded(stream);
  }

  /** A symbol has come: what it shows of streams, and of who serves. */
  private onSymbol(now: Micros, { hop, isServed, add }: Examined, stream: Stream): void {
    this.record(stream);
    if (isServed && add) stream.keepers.onServed(now, hop);
    if (stream.origin === this.options.self)
      this.succession.onSigned(now, this.own.stream, stream.incarnation);
  }

  /**
   * Begins another stream of ours in place of one that has a later one, in one commit with what it says again of that. Once
   * our store has it, the former counts as ended.
   */
  private succeed(now: Micros): void {
    const { own, succession } = this;
    const former = own.stream;
    if (!succession.isReady(now) || own.isStoring || this.delivery.isConsuming(former)) return;
    const { origin, incarnation: ended } = former;
    const from = succession.abandoned(former);
    const objects: StoredObject[] = [];
    const lost = [...former.ledger.damaged].filter((seq) => seq >= from && seq < former.count);
    for (let seq = from; seq < former.count; seq++) {
      if (former.ledger.damaged.has(seq)) continue;
      // All that is not at hand is read at once.
      const object = succession.gathered.get(seq) ?? this.log.read({ origin, incarnation: ended, seq });
      if (!object) continue;
      succession.gathered.set(seq, object);
      objects.push(object);
    }
    if (objects.length + lost.length < former.count - from) return;
    for (const seq of lost)
      this.events.push({ type: 'lost', origin, incarnation: ended, from: seq, to: seq + 1 });
    const incarnation = succession.next(former);
    const stream = this.streams.own(incarnation);
    stream.recorded = false;
    own.begin(now, stream);
    succession.onBegun();
    this.log.write({ type: 'begin', incarnation });
    this.startOver(now, former, from);
    for (const object of objects) own.repeat(object);
    this.events.push({ type: 'begun-anew', incarnation, former: ended });
  }

  // ---- the others' objects

  private onArrival(
    now: Micros,
    hop: number,
    frame: SymbolFrame,
    arrival: Exclude<Arrival<Stream>, { type: 'late-equivocation' | 'too-large' }>,
  ): void {
    const { object: record } = arrival;
    const { stream, seq } = record;
    switch (arrival.type) {
      case 'complete':
        if (arrival.asked) this.pulls.onServed(now, stream, seq, hop, arrival.stored.bytes.length);
        if (stream.holds(seq) && !stream.ledger.fits(seq, frame.descriptor.hash)) {
          // Its origin has signed two; ours was the other one.
          countDrop(this.metrics, 'equivocation');
          this.reports.add(stream.origin, record.id, 'equivocation');
          record.storing = false;
          this.transfer.beginAnew(record);
        } else if (stream.closed && !stream.isVouched(seq, this.options.group.byzantine)) {
          // It has been, while the object came in.
          countDrop(this.metrics, 'stale');
          this.transfer.forget(record);
        } else this.log.put(arrival.stored);
        break;
      case 'equivocation':
        this.reports.add(stream.origin, record.id, 'equivocation', arrival.evidence);
        // Who serves it says that it holds this one; ours may be one that nobody else has.
        if (frame.depth === SERVED && !record.isHeld && !record.storing) this.transfer.beginAnew(record, hop);
        break;
      case 'wrong-symbols':
        // With symbols of several members it cannot be told whose were wrong; one at a time, it can.
        if (arrival.culprit !== undefined) this.reports.add(arrival.culprit, record.id, 'wrong-symbols');
        this.transfer.beginAnew(record);
        break;
    }
    this.wantMissing(now, stream);
  }

  /** The origin has signed another object than the one that we hold. With what it signed of ours, that shows it to anyone. */
  private onContradiction(id: ObjectId, certificate: Uint8Array): void {
    if (this.reports.has(id.origin, id, 'equivocation')) return;
    const object = this.log.read(id);
    if (object) this.reports.add(id.origin, id, 'equivocation', [object.certificate, certificate]);
    else this.reports.addOnRead(id, certificate);
  }

  /** A member and we agree on no object at this place: somebody has lied to one of us. */
  private onDisagreement(now: Micros, stream: Stream, member: number): void {
    this.reports.addDisagreement(stream, member);
    this.settle(now, stream);
  }

  /** If those that are against us are to be followed, and it is known where we differ, we start over there. */
  private settle(now: Micros, stream: Stream): void {
    const { group } = this.options;
    const winners = stream.winners(group.quorum);
    const since = this.unsettled.get(stream) ?? now;
    this.unsettled.delete(stream);
    if (!winners) return;
    // Two quorums have a member in common that does not lie: what may be delivered of ours is theirs.
    const safe = group.byzantine > 0 ? stream.deliverable(group.quorum) : stream.delivered;
    const from = Math.max(stream.sharedWith(winners, group.byzantine), Math.min(safe, winners.count - 1));
    // Under these names ours will be delivered nowhere: they get others before they are dropped.
    if (stream === this.own.stream) return this.succession.onRefused(now, from);
    const isLocated = stream.isLocated(winners, group.byzantine, safe);
    if (!isLocated && now - since < SETTLING) {
      this.unsettled.set(stream, since);
      return;
    }
    // Where nobody lies, agreement is taken on trust until something else comes.
    stream.follow(winners, isLocated && group.byzantine > 0 ? from : stream.delivered);
    this.startOver(now, stream, from);
  }

  /** What we had promised to hold is gone; the others may still have it. */
  private onDamaged(now: Micros, stream: Stream, seq: number): void {
    const { origin, incarnation } = stream;
    this.metrics.damaged++;
    this.events.push({ type: 'damaged', id: { origin, incarnation, seq } });
    // Our word on another's object is counted until it is delivered, so it is taken back. Our own go by our signature:
    // nobody may have the ones behind this one, so they are kept.
    if (seq >= stream.delivered && stream !== this.own.stream)
      return this.startOver(now, stream, Math.min(seq, stream.count));
    stream.ledger.damaged.add(seq);
    this.wantMissing(now, stream);
  }

  private restartStreams(now: Micros): void {
    for (const [stream, from] of this.toRestart)
      this.startOver(now, stream, Math.max(from, stream.delivered));
  }

  /** Drops what we hold from `from` on, which is not delivered: it is damaged, or not what the others agree on. */
  private startOver(now: Micros, stream: Stream, from: number): void {
    if (this.delivery.isConsuming(stream)) {
      this.toRestart.set(stream, Math.min(from, this.toRestart.get(stream) ?? from));
      return;
    }
    this.toRestart.delete(stream);
    this.log.drop(stream, from);
    this.kept.drop(stream, from);
    stream.restart(from);
    this.transfer.forgetAll(stream, (seq) => seq >= from);
    this.delivery.forget(stream);
    this.vectors.touch(stream);
    this.wantMissing(now, stream);
  }

  private wantMissing(now: Micros, stream: Stream): void {
    const existing = Math.min(stream.existing(this.options.group.byzantine), stream.delivered + WINDOW);
    if (existing > stream.count || stream.ledger.damaged.size > 0 || this.pulls.wantsOf(stream))
      this.pulls.update(now, stream, existing, this.patienceFor(stream));
  }

  /** Asks a member that holds it for an object that has not come by itself. */
  private ask(now: Micros, stream: Stream, seq: number, tries: number, last?: number): void {
    const { paths, rng } = this.options;
    if (this.transfer.intake.isRefused(now, stream, seq) || now < (stream.refused.get(seq) ?? 0)) return;
    const able = (isApt: (peer: number) => boolean) =>
      paths.flatMap((path, peer) => {
        const isThere = path?.isOpen && path.isResponsive(now);
        return isThere && isApt(peer) && stream.believes(peer) && !stream.isTwofold(peer) ? [peer] : [];
      });
    const isOrigin = (peer: number) => peer === stream.origin && tries % 2 === 1;
    let candidates = able((peer) => stream.isKeptBy(now, peer, seq) || isOrigin(peer));
    // Nobody keeps it any more: who has dropped it will say so, those first that have not yet.
    if (candidates.length === 0) candidates = able((peer) => this.mayTell(stream, peer, seq));
    if (candidates.length === 0) candidates = able((peer) => stream.isHeldBy(peer, seq));
    const record = this.objects.find(stream, seq);
    if (record?.isSuspect && candidates.length > 1)
      candidates = candidates.filter((peer) => peer !== record.onlyFrom);
    if (candidates.some((peer) => peer !== last)) candidates = candidates.filter((peer) => peer !== last);
    if (candidates.length === 0) return;
    const peer = rng.pick(candidates);
    if (record?.isSuspect) this.transfer.beginAnew(record, peer);
    const { origin, incarnation } = stream;
    const missing = record?.incoming?.deficits() ?? [];
    if (!this.mail.post(peer, { kind: 'pull', id: { origin, incarnation, seq }, missing })) return;
    stream.keepers.onAsked(now, peer);
    this.pulls.onAsked(now, stream, seq, peer, rttOf(paths[peer]));
    this.metrics.pulls++;
  }

  /** Whether `peer` has let go of an object, and has not said so in answer to us. */
  private mayTell(stream: Stream, peer: number, seq: number): boolean {
    return (
      stream.isHeldBy(peer, seq) && !stream.isHeldBy(peer, seq, true) && !stream.keepers.saysGone(peer, seq)
    );
  }

  handlePull(now: Micros, from: number, { id, missing }: PullFrame): void {
    const stream = this.streams.find(id);
    const final = stream ? undefined : this.streams.finalOf(id);
    if (final && id.seq < final.count) {
      const { origin, incarnation, count: base, chain } = final;
      this.mail.post(from, { kind: 'gone', origin, incarnation, base, chain });
      return;
    }
    if (!stream?.holds(id.seq)) return countDrop(this.metrics, 'stale');
    if (id.seq < stream.base) {
      const { origin, incarnation, base } = stream;
      const chain = stream.ledger.chainAt(base)!;
      this.mail.post(from, { kind: 'gone', origin, incarnation, base, chain });
      return;
    }
    if (stream.ledger.damaged.has(id.seq)) return countDrop(this.metrics, 'unreadable');
    // It is being sent as it is; on a busy host a peer may ask too early.
    if (this.objects.find(stream, id.seq)?.outgoing?.hasFor(now, from)) return;
    this.serving.request(now, from, id, missing);
    this.readServed(now);
  }

  /** Reads what peers have asked for, as their turns come. */
  private readServed(now: Micros): void {
    for (let id = this.serving.nextRead(); id; id = this.serving.nextRead()) {
      const object = this.log.read(id);
      if (object) this.serve(now, id, object);
    }
  }

  private serve(now: Micros, id: ObjectId, object: StoredObject | undefined): void {
    for (const peer of this.serving.onObject(now, id, object)) this.options.changed.mark(peer);
  }

  /** A member has nothing of what we ask for any more. If nobody has, we go on without it, and say so. */
  handleGone(now: Micros, from: number, frame: GoneFrame): void {
    const stream = this.streams.find(frame);
    const { paths, group } = this.options;
    const { base, chain } = frame;
    // Our own present stream is nobody's to end; and whoever says that objects are gone is not alone to say that there were any.
    if (!stream?.keepers.isAsked(from) || stream === this.own.stream || !stream.isNamedBeside(from, base))
      return countDrop(this.metrics, 'stale');
    if (base <= stream.count || base > stream.named(group.byzantine)) return countDrop(this.metrics, 'stale');
    const { origin, incarnation, count: lost } = stream;
    const votes = stream.onGone(from, base, chain);
    const isKept = paths.some(
      (path, peer) => path?.isReachable(now) && !stream.isTwofold(peer) && stream.isKeptBy(now, peer, lost),
    );
    if (isKept) return;
    if (votes <= group.byzantine) {
      const isOpen = paths.some((path, peer) => path && this.mayTell(stream, peer, lost));
      if (isOpen) this.ask(now, stream, lost, 0);
      return;
    }
    if (stream.against(base, chain) > group.byzantine) return countDrop(this.metrics, 'stale');
    // What is held must be consumed before it can be left behind; but nobody can tell any more whether it is what all agreed on,
    // if their digests begin beyond it.
    if (stream.deliverable(group.quorum) > stream.delivered || this.delivery.isConsuming(stream)) return;
    if (stream.delivered < lost) this.startOver(now, stream, stream.delivered);
    this.events.push({ type: 'lost', origin, incarnation, from: stream.delivered, to: base });
    stream.skipTo(base, chain);
    this.transfer.forgetAll(stream, (seq) => seq < base);
    this.delivery.forget(stream);
    this.log.moveCursor(now, stream);
    if (!stream.matchesTrusted()) this.startOver(now, stream, base);
    this.vectors.touch(stream);
    this.advance(now, stream);
  }

  // ---- what follows

  /** Whatever may follow from news about a stream: delivery, outcomes, wishes, room in the store. */
  private advance(now: Micros, stream: Stream): void {
    this.advanceOnly(now, stream);
    this.pump(now);
  }

  private advanceOnly(now: Micros, stream: Stream): void {
    if (stream.pledge(this.options.group.quorum)) this.log.pledge(now, stream);
    if (stream === this.own.stream) this.own.settle(now);
    this.wantMissing(now, stream);
    this.pruneAt = Math.min(this.pruneAt, now + PRUNE_DELAY);
  }

  private pump(now: Micros): void {
    const next = this.delivery.next(
      now,
      (stream, seq) => {
        const { origin, incarnation } = stream;
        this.reports.add(origin, { origin, incarnation, seq }, 'malformed-object');
      },
      (id) => this.events.push({ type: 'dead-letter', id }),
    );
    if (next) this.events.push({ type: 'deliver', ...next });
    for (const stream of this.streams.takeChanged()) this.vectors.touch(stream);
    for (const stream of this.streams.takeNews())
      for (const member of stream.untold()) this.vectors.touchFor(member, stream);
  }

  /** Lets go of what every member holds; and at the store's bound, of the oldest that a quorum does. */
  private prune(now: Micros): void {
    this.pruneAt = NEVER;
    for (const stream of this.streams) this.pruneTo(now, stream, stream.stable());
    for (const stream of this.streams.takeRetired(this.own.stream)) {
      this.tellOverflow(stream, stream.count);
      this.retire(stream);
    }
    for (const final of this.streams.takeReplaced()) this.vectors.forget(final);
    for (const stream of this.streams.takeEmpty(this.own.stream)) {
      this.forget(stream);
      const { origin, incarnation } = stream;
      this.log.write({ type: 'forget', stream: { origin, incarnation } });
    }
    if (!this.isOverfull) return;
    const stream = this.kept.first();
    if (!stream) return;
    const { base } = stream;
    this.pruneTo(now, stream, base + Math.max(MIN_OVERFLOW, Math.ceil((stream.delivered - base) / 8)));
    if (stream.base === base) return;
    this.tellOverflow(stream, stream.base);
    this.metrics.overflowed += stream.base - base;
    this.vectors.touch(stream);
  }

  /** What is on its way into the store counts, too. */
  private get isOverfull(): boolean {
    return this.log.storedBytes + this.log.pendingBytes > this.options.maxStoredBytes;
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
    const { origin, incarnation, count } = stream;
    this.forget(stream);
    this.log.write({
      type: 'retire',
      stream: { origin, incarnation, count, chain: stream.ledger.chainAt(count)! },
    });
    const final = this.streams.finalOf(stream);
    if (final) this.vectors.touch(final);
  }

  /** It is not there any more. */
  private forget(stream: Stream): void {
    this.transfer.forgetAll(stream);
    this.delivery.forget(stream);
    this.log.forget(stream);
    this.vectors.forget(stream);
    this.pulls.forget(stream);
    this.recording.delete(stream);
    this.toRestart.delete(stream);
    this.unsettled.delete(stream);
  }

  /** What comes of a stream unasked comes from its origin, or by relays that most members can be. */
  private patienceFor({ origin }: Stream): Micros {
    return Math.max(this.typicalRtt(), rttOf(this.options.paths[origin]));
  }

  private typicalRtt(): Micros {
    return typicalRtt(this.options.paths, this.options.group.faulty);
  }
}

/** What waits for the store, of all members, as it is counted there; beyond them each may still have its part. */
export const MAX_PENDING = 64 * 1024 * 1024;
const CHECK: Micros = 100 * MILLISECOND;
/** What is above our limit may be another object elsewhere, if its origin lies: it is asked for, but rarely. */
const ASK_REFUSED: Micros = 30 * SECOND;
/** How long those that hold others may take to say from where on: some may be gone, or have forgotten. */
const SETTLING: Micros = 10 * SECOND;
const PRUNE_DELAY: Micros = 200 * MILLISECOND;
/** More than what lies between two digests that are kept of objects long past. */
const MIN_OVERFLOW = 128;
/** Control datagrams to one peer are at least this far apart, so that news travel together. */
const CONTROL_GAP: Micros = 2 * MILLISECOND;
