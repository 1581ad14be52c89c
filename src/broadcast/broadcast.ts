/**
 * Uniform reliable broadcast in a static group (Cachin, Guerraoui, Rodrigues, module 3.3 and its fail-recovery form 3.6):
 * an object is durable at its origin before anyone hears of it, and at every other member before that member confirms it;
 * a quorum of confirms delivers it. Sans-IO: verified input and `now` go in; frames and symbols for each peer, requests to
 * the store, deadlines and events come out.
 */

import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { EpochOverview } from '../epochs/epochs.js';
import type { StoredObject, StoreWrite, StreamState } from '../store/store.js';
import type { EpochMark } from '../wire/frames/epochs/epoch.js';
import type { GoneFrame } from '../wire/frames/gone.js';
import type { ProgressFrame } from '../wire/frames/progress.js';
import type { VectorFrame } from '../wire/frames/vector.js';
import { isTransfer, type ObjectId, type StreamId, type SymbolFrame, streamKey } from '../wire/symbol.js';
import { Advance } from './advance.js';
import type { Stream } from './agreement/stream.js';
import { Arrivals } from './arrivals.js';
import { beginAnew } from './begin-anew.js';
import { Passage } from './changing/passage.js';
import type { StoreRequest } from './delivery/journal.js';
import { overviewOf, type StreamOverview } from './delivery/overview.js';
import type { BroadcastEvent } from './events.js';
import { handleVector } from './hearing/vector.js';
import type { Metrics } from './metrics.js';
import { Outbound, sourcesOf } from './outbound.js';
import type { ConsumerPort, Messages, StorePort } from './ports.js';
import { certifiedDescriptor } from './proof/certificate.js';
import { References } from './references.js';
import { Repair } from './repair.js';
import { Retention } from './retention.js';
import type { Examined } from './spread/intake.js';
import type { ObjectStatus } from './spread/objects.js';
import { type BroadcastDrop, type BroadcastOptions, openWings, type Wings } from './wings.js';

interface BroadcastStatus {
  objects: ObjectStatus[];
  streams: StreamOverview[];
  store: { storedBytes: number; pendingBytes: number; isFull: boolean };
  consumedMessages: number;
  epoch?: EpochOverview | undefined;
}

export class Broadcast implements StorePort, ConsumerPort {
  /** By member; undefined at our own place. */
  readonly outbound: readonly (Outbound | undefined)[];
  readonly repair: Repair;
  /** Symbols that refer to what was said before. */
  readonly references: References;
  private readonly wings: Wings;
  private readonly retention: Retention;
  private readonly arrivals: Arrivals;
  private readonly advance: Advance;
  /** Of a group that changes. */
  readonly passage: Passage | undefined;
  /** When to look again at what has no deadline of its own. */
  private checkAt: Micros = 0;
  /** Streams that our store is to be told of. */
  private readonly recording = new Set<Stream>();

  constructor(options: BroadcastOptions, metrics: Metrics<BroadcastDrop>) {
    this.wings = openWings(options, metrics);
    this.repair = new Repair(this.wings);
    this.retention = new Retention(this.wings, (stream) => this.forget(stream));
    this.arrivals = new Arrivals(this.wings, this.repair);
    this.advance = new Advance(this.wings, this.repair, this.retention);
    const { epochs } = options;
    this.passage =
      epochs && new Passage(this.wings, epochs, { advance: this.advance, retention: this.retention });
    this.references = new References(options.group.members.length, metrics, this.handleSymbol.bind(this));
    const { wings, repair } = this;
    const sources = sourcesOf(wings);
    this.outbound = options.paths.map(
      (path, peer) => path && new Outbound(peer, path, { wings, repair, sources }),
    );
  }

  /** Where messages of ours are given in. */
  get messages(): Messages {
    return this.wings.own;
  }

  /** A session with this peer has begun: it is told all that we hold. `fresh`: it has lost what it had in memory. */
  onSession(member: number, fresh: boolean): void {
    this.outbound[member]!.onSession(fresh);
    this.passage?.onSession(member, fresh);
    this.wings.options.lodger.onSession(member, fresh);
    if (!fresh) return;
    this.references.onRestart(member);
    this.wings.serving.forget(member);
    this.wings.succession.onFresh(member);
    for (const stream of this.wings.streams.onFresh(member)) this.forget(stream);
    for (const stream of this.wings.streams)
      for (const object of this.wings.objects.of(stream).values()) object.onRestart(member);
  }

  /** `body` is the SYMBOL as received, if it was one, `hop` the member that sent it. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body?: Uint8Array): void {
    const { transfer, options } = this.wings;
    if (isTransfer(frame.descriptor)) return options.lodger.handleSymbol(now, hop, frame, body);
    const symbol = transfer.handleSymbol(now, hop, frame, body);
    if (symbol.stream?.standing.attested) this.onSymbol(now, symbol, symbol.stream);
    this.arrivals.handle(now, symbol);
  }

  /** See `Repair.handleGone`: what is held of a stream that goes on may follow. */
  handleGone(now: Micros, from: number, frame: GoneFrame): void {
    const stream = this.repair.handleGone(now, from, frame);
    if (!stream) return;
    this.passage?.proceed(now);
    this.advance.run(now, stream);
  }

  handleProgress(now: Micros, from: number, frame: ProgressFrame): void {
    const stream = this.wings.streams.find(frame.id);
    if (stream) this.repair.handleProgress(now, from, stream, frame);
    this.wings.unrelayed.onProgress(from, frame.id);
  }

  pollRequest(now: Micros): StoreRequest | undefined {
    if (!this.wings.succession.isDue) this.wings.own.pack(now);
    return this.wings.log.poll(now);
  }

  handleCommitted(now: Micros, bytes: number): void {
    if (this.wings.log.isFull) this.wings.events.push({ type: 'store-full', full: false });
    for (const write of this.wings.log.onCommitted(bytes))
      if (write.type === 'object') this.onStored(now, write.object);
      else if (write.type === 'stream') this.onState(now, write.state);
      else if (write.type === 'retire') this.onRetired(now, write.stream);
      else if (write.type === 'begin') this.onRecorded(this.wings.streams.own(write.incarnation));
      else if (write.type === 'epochs') this.passage?.onStored();
      else if (write.type === 'attempt') {
        this.wings.attempts.onNoted(write.attempt);
        this.advance.pump(now);
      }
    if (this.retention.isOverfull) this.retention.prune(now);
  }

  handleCommitFailed(now: Micros): void {
    if (!this.wings.log.isFull) this.wings.events.push({ type: 'store-full', full: true });
    this.wings.log.onFailed(now);
  }

  handleRead(now: Micros, id: ObjectId, answer: StoredObject | undefined): void {
    const stream = this.wings.streams.find(id);
    const isWanted = stream !== undefined && id.seq >= stream.delivered;
    const isCurrent = this.wings.log.onRead(id, answer, isWanted);
    const object = isCurrent ? answer : undefined;
    const isKept =
      stream && id.seq >= stream.base && !stream.lacks(id.seq) && !this.repair.isToRestart(stream);
    if (isCurrent && !object && isKept) this.repair.onDamaged(now, stream, id.seq);
    this.wings.reports.onRead(id, object);
    this.repair.serve(now, id, object);
    this.repair.readServed(now);
    this.advance.pump(now);
  }

  handleConsumed(now: Micros): void {
    this.wings.delivery.onConsumed(now);
    this.repair.restartStreams(now);
    this.advance.pump(now);
    this.retention.schedule(now);
  }

  handleTimeout(now: Micros): void {
    this.wings.transfer.handleTimeout(now);
    this.repair.handleTimeout(now);
    if (this.checkAt <= now) {
      this.checkAt = now + CHECK;
      for (const stream of this.wings.streams.beginWaiting()) this.advance.onNews(now, stream);
      this.repair.settleAll(now);
      this.wings.own.settle(now);
      this.wings.serving.handleTimeout(now);
      this.wings.options.paths.forEach((path, peer) => {
        if (path?.isOpen === false) this.wings.serving.forget(peer);
      });
      this.repair.readServed(now);
      this.wings.own.relieve(now);
      this.passage?.proceed(now);
      beginAnew(now, this.wings, (...of) => this.repair.startOver(...of));
      // What the store held at the start may be due without a word from anybody.
      this.advance.pump(now);
    }
    this.retention.handleTimeout(now);
  }

  nextTimeout(now: Micros): Micros {
    const { transfer, pulls, log, succession, own } = this.wings;
    return Math.min(
      transfer.nextTimeout(),
      pulls.nextTimeout(),
      log.nextTimeout(),
      // Nothing is packed until the stream has begun that it is to go into.
      succession.isDue ? NEVER : own.nextTimeout(now),
      this.retention.nextTimeout(),
      this.checkAt,
    );
  }

  flush(): readonly StoreWrite[] {
    return this.wings.log.flush();
  }

  pollEvent(): BroadcastEvent | undefined {
    return this.wings.events.shift();
  }

  /** Objects on their way, streams, and what the store and the consumer have to do. */
  status(isDetailed: boolean): BroadcastStatus {
    return { ...statusOf(this.wings, isDetailed), epoch: this.passage?.overview() };
  }

  takeRebuilds(): Micros[] {
    return this.wings.transfer.rebuilds.splice(0);
  }

  /** See `Endpoint.check`. */
  check(): string | undefined {
    const { streams, vectors, pulls, serving, transfer, log } = this.wings;
    for (const stream of streams) {
      const fault = stream.check();
      if (fault) return `stream ${streamKey(stream)}: ${fault}`;
    }
    return (
      vectors.check(streams.said()) ??
      pulls.check(streams) ??
      serving.check() ??
      transfer.check() ??
      log.check()
    );
  }

  dispose(): void {
    this.wings.transfer.dispose();
    this.wings.serving.dispose();
  }

  private onStored(now: Micros, object: StoredObject): void {
    const { streams, own, kept, vectors } = this.wings;
    const stream = streams.find(object);
    if (!stream) return;
    const { seq } = object;
    if (stream.holds(seq)) return this.onRepaired(now, stream, object);
    const descriptor = certifiedDescriptor(object.certificate);
    if (stream === own.stream) own.onStored(now, object);
    stream.hold(seq, descriptor.hash.slice(), descriptor.length);
    kept.add(stream, seq, descriptor.length);
    this.wings.options.observer?.(now, { topic: 'objects', id: object, state: 'held' });
    for (const member of stream.comparison.disputed) this.repair.onDisagreement(now, stream, member);
    this.endStoring(now, stream, seq);
    const { trusted, isMisled } = stream.following;
    if (trusted && isMisled) this.repair.startOver(now, stream, Math.max(trusted.from, stream.delivered));
    this.onRecorded(stream);
    vectors.touch(stream, isAwaited(stream, this.wings.options) ? undefined : { now, but: stream.origin });
    this.passage?.proceed(now);
    this.advance.run(now, stream);
  }

  private endStoring(now: Micros, stream: Stream, seq: number): void {
    const object = this.wings.objects.find(stream, seq);
    if (object?.storing) this.wings.transfer.onHeld(now, object);
  }

  /** An object is in our store again, in place of one that was damaged. */
  private onRepaired(now: Micros, stream: Stream, object: StoredObject): void {
    const { seq } = object;
    stream.ledger.damaged.delete(seq);
    this.endStoring(now, stream, seq);
    if (seq < stream.delivered) this.wings.log.release(object);
    this.repair.wantMissing(now, stream);
    this.advance.pump(now);
  }

  private onState(now: Micros, { ready, ...id }: StreamState): void {
    const stream = this.wings.streams.find(id);
    if (stream) this.onRecorded(stream);
    if (stream?.standing.onBaseStored(id.base)) this.wings.vectors.touch(stream);
    if (!ready || !stream?.onPledged(ready.count)) return;
    this.wings.vectors.touch(stream);
    this.advance.run(now, stream);
  }

  /** What `from` says of streams, its own and others'; in a group that changes, when it was said. */
  handleVector(now: Micros, from: number, frame: VectorFrame, said?: EpochMark): void {
    const { wings, repair, retention, advance, passage } = this;
    const record = (stream: Stream) => this.record(stream);
    handleVector(now, { from, frame, said }, { wings, repair, retention, advance, passage, record });
  }

  /** That a stream is there is in our store before it is acted on, or said. */
  private record(stream: Stream): void {
    if (!stream.standing.attested || stream.standing.recorded || this.recording.has(stream)) return;
    this.recording.add(stream);
    this.wings.log.write({ type: 'stream', state: stream.state });
  }

  private onRecorded(stream: Stream): void {
    this.recording.delete(stream);
    this.wings.streams.onRecorded(stream);
  }

  /** That a stream is over is said once it cannot be forgotten: others go on from it. */
  private onRetired(now: Micros, id: StreamId): void {
    const final = this.wings.streams.onRetired(id);
    if (final) this.wings.vectors.touch(final);
    this.advance.pump(now);
    this.retention.schedule(now);
  }

  /** A symbol has come: what it shows of streams, and of who serves. */
  private onSymbol(now: Micros, { hop, frame, isServed, add, arrival }: Examined, stream: Stream): void {
    this.record(stream);
    if (isServed && add)
      stream.keepers.onServed(now, hop, frame.leaf.symbol.length, arrival?.type === 'complete');
    if (stream.origin === this.wings.options.self)
      this.wings.succession.onSigned(now, this.wings.own.stream, stream.incarnation);
  }

  /** It is not there any more. */
  private forget(stream: Stream): void {
    const { transfer, delivery, unrelayed, log, vectors, pulls } = this.wings;
    transfer.forgetAll(stream);
    for (const part of [delivery, unrelayed, log, vectors, pulls]) part.forget(stream);
    this.wings.sequence?.forget(stream);
    this.recording.delete(stream);
    this.repair.forget(stream);
  }
}

/** Whether others than its origin wait for our confirm: where two are a quorum, who holds an object has that with its origin. */
function isAwaited({ origin }: Stream, { group, self, epochs }: BroadcastOptions): boolean {
  // In a group that changes its signature does not say in which epoch the origin holds it.
  return epochs !== undefined || origin === self || group.quorum > 2 || group.byzantine > 0;
}

function statusOf({ streams, objects, log, delivery, options }: Wings, isDetailed: boolean): BroadcastStatus {
  const { group, self } = options;
  const { length } = group.members;
  const underWay = [...streams].flatMap((stream) => [...objects.of(stream).values()]);
  return {
    objects: underWay.map((object) => object.status(length, self, isDetailed)),
    streams: overviewOf(streams, length, self),
    store: { storedBytes: log.storedBytes, pendingBytes: log.pendingBytes, isFull: log.isFull },
    consumedMessages: delivery.taken,
  };
}

const CHECK: Micros = 100 * MILLISECOND;
