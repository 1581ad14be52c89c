/**
 * Transfers: trees of files that move beside the messages, from their origin to whoever takes them, without log, order or quorum.
 * In: TRANSFER frames, PULLs and symbols of other members, time; at `files`, what the shell says. Out: frames and symbols for each
 * peer; at `files`, requests to the shell, and how everyone stands.
 */
import type { Metrics, RepairDrop } from '../broadcast/metrics.js';
import type { SpreadDrop } from '../broadcast/spread/drops.js';
import type { Arrival } from '../broadcast/spread/intake.js';
import type { ObjectStatus } from '../broadcast/spread/objects.js';
import type { Sources } from '../broadcast/spread/sources.js';
import { Budgets } from '../core/budget.js';
import { countDrop } from '../core/drops.js';
import { type Micros, NEVER } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import type { OwedFrame } from '../wire/frames/owed.js';
import type { ProgressFrame } from '../wire/frames/progress.js';
import type { PullFrame } from '../wire/frames/pull.js';
import type { TransferFrame } from '../wire/frames/transfer.js';
import { objectId, type StreamId, type SymbolFrame } from '../wire/symbol.js';
import type { Casts } from './cast/casts.js';
import { FilesDoor } from './files.js';
import { type BulkOptions, CHECK, Ground } from './ground.js';
import { TAKES_NOTHING, UNOFFERED } from './ports.js';
import { sourcesOf } from './sources.js';
import { type BulkTransfer, MANIFEST } from './transfer.js';

export class Bulk {
  /** For the shell. */
  readonly files: FilesDoor;
  /** What it has for the peers. */
  readonly sources: Sources;
  private readonly ground: Ground;
  /** By origin: how often what it offers again is looked at. */
  private readonly looks = new Budgets(LOOK_RATE, MAX_LOOKS);

  constructor(options: BulkOptions, metrics: Metrics<SpreadDrop | RepairDrop>) {
    this.ground = new Ground(options, metrics, (now, hop, frame, body) =>
      this.handleSymbol(now, hop, frame, body),
    );
    this.files = new FilesDoor(this.ground);
    this.sources = sourcesOf(this.ground);
  }

  /** A session with this peer has begun. `fresh`: it has lost what it had in memory. */
  onSession(peer: number, fresh: boolean): void {
    this.ground.telling.onSession(peer, fresh);
    this.ground.fetching.mail.clear(peer);
    this.ground.casts.onSession(peer, fresh);
    if (!fresh) return;
    this.ground.fetching.serving.forget(peer);
    for (const transfer of this.ground.transfers) {
      transfer.isFormer ||= peer === transfer.origin && transfer.claims.of(peer)?.state === 'offered';
      transfer.claims.forget(peer);
      this.ground.changed.add(transfer);
      for (const { outgoing, incoming } of this.ground.objects.of(transfer).values()) {
        outgoing?.onRestart(peer);
        incoming?.onRestart(peer);
      }
    }
  }

  handleFrame(now: Micros, from: number, frame: TransferFrame): void {
    const transfer = this.ground.transfers.find(frame) ?? this.open(now, from, frame);
    if (!transfer) return countDrop(this.ground.metrics, 'stream-quota');
    transfer.isFormer ||= this.ground.telling.isNewOffer(from, transfer, frame.version);
    if (!this.ground.telling.onFrame(now, from, transfer, frame)) return;
    const wasVouchedFor = transfer.isVouchedFor;
    transfer.claims.hear(from, frame);
    if (transfer.isVouchedFor && !wasVouchedFor) this.ground.telling.touch(now, transfer);
    this.ground.changed.add(transfer);
    if (from === transfer.origin && frame.state === 'failed' && isOpen(transfer)) {
      const why = new TextDecoder().decode(frame.reason);
      // What its origin holds no more nobody can complete.
      const isUseless = frame.count < transfer.objects;
      this.ground.requests.push({ type: 'abandon', id: idOf(transfer), isUseless });
      this.ground.fail(now, transfer, `${GAVE_UP}: ${why}`);
    }
    if (from === transfer.origin && frame.state === 'offered') this.onOffered(now, transfer);
    this.ground.spread.relaying.relays.onHeard(from);
    this.ground.sending.get(transfer)?.settle(now);
    this.ground.fetching.wantMissing(now, transfer);
  }

  /** Symbols of what is not known, or not taken, are of no use; nor are those of a slice whose manifest has not come. */
  handleSymbol(now: Micros, hop: number, frame: SymbolFrame, body?: Uint8Array): void {
    const transfer = this.ground.transfers.find(frame.descriptor);
    if (!transfer || (frame.descriptor.seq !== MANIFEST && !transfer.manifest))
      return countDrop(this.ground.metrics, 'stale');
    const { arrival, isServed, add } = this.ground.spread.handleSymbol(now, hop, frame, body);
    if (isServed && add) transfer.keepers.onServing(now, hop);
    if (arrival && 'object' in arrival) this.onArrival(now, hop, arrival);
  }

  handleProgress(now: Micros, from: number, frame: ProgressFrame): void {
    const transfer = this.ground.transfers.find(frame.id);
    if (!transfer) return;
    this.ground.spread.onProgress(now, from, transfer, frame);
    this.ground.casts.onProgress(now, from, transfer, frame);
  }

  handleOwed(now: Micros, from: number, frame: OwedFrame): void {
    this.ground.spread.owed.onFrame(now, from, frame);
  }

  handlePull(now: Micros, from: number, frame: PullFrame): void {
    this.ground.fetching.handlePull(now, from, frame);
  }

  handleTimeout(now: Micros): void {
    this.ground.spread.handleTimeout(now);
    this.ground.fetching.handleTimeout(now);
    this.ground.casts.handleTimeout(now);
    if (this.ground.checkAt > now) return;
    this.ground.checkAt = this.ground.transfers.size > 0 ? now + CHECK : NEVER;
    this.ground.casts.settle();
    for (const sending of this.ground.sending.values()) sending.settle(now);
    for (const transfer of this.ground.transfers) this.ground.fetching.wantMissing(now, transfer);
    this.ground.fetching.look(now);
  }

  nextTimeout(): Micros {
    return Math.min(
      this.ground.spread.nextTimeout(),
      this.ground.fetching.nextTimeout(),
      this.ground.casts.nextTimeout(),
      this.ground.checkAt,
    );
  }

  /** Where multicast goes in and out. */
  get casts(): Casts {
    return this.ground.casts;
  }

  /** The objects on their way. */
  objectsUnderWay(isDetailed: boolean): ObjectStatus[] {
    const { group, self } = this.ground.options;
    return [...this.ground.transfers].flatMap((transfer) =>
      [...this.ground.objects.of(transfer).values()].map((object) =>
        object.status(group.members.length, self, isDetailed),
      ),
    );
  }

  check(): string | undefined {
    for (const sending of this.ground.sending.values()) {
      const fault = sending.check();
      if (fault) return fault;
    }
    return this.ground.spread.check() ?? this.ground.fetching.check();
  }

  dispose(): void {
    this.ground.spread.dispose();
    this.ground.fetching.serving.dispose();
  }

  private open(now: Micros, from: number, frame: TransferFrame): BulkTransfer | undefined {
    const { self, group } = this.ground.options;
    // Of ours only we know what it is.
    if (frame.origin === self || frame.origin >= group.members.length) return undefined;
    const opened = this.ground.transfers.open(from, frame);
    if (!opened) return undefined;
    const { transfer, instead } = opened;
    if (instead) this.giveUp(instead);
    if (this.ground.isTaking) this.ground.touch(now, transfer);
    else this.ground.fail(now, transfer, TAKES_NOTHING);
    return transfer;
  }

  /**
   * Its origin is there: what was not taken for want of it, or was given up by it, is looked at again. And all that it offers anew:
   * what was saved may be gone.
   */
  private onOffered(now: Micros, transfer: BulkTransfer): void {
    const { state, reason, isFormer } = transfer;
    transfer.isFormer = false;
    const isSaved = state === 'saved' && isFormer;
    const isFailed = isFormer || reason === UNOFFERED || reason.startsWith(GAVE_UP);
    if (!isSaved && !(state === 'failed' && isFailed)) return;
    // Each look may read all of what is there.
    if (!this.looks.of(transfer.origin).take(now)) return;
    this.ground.reopen(now, transfer, isSaved);
  }

  private onArrival(
    now: Micros,
    hop: number,
    arrival: Extract<Arrival<BulkTransfer>, { object: unknown }>,
  ): void {
    const { object } = arrival;
    const { stream: transfer, seq } = object;
    if (arrival.type === 'complete') {
      const { certificate, bytes } = arrival.stored;
      if (arrival.asked) this.ground.fetching.onServed(now, transfer, seq, hop, bytes.length);
      const id = objectId(transfer, seq);
      if (seq !== MANIFEST) this.ground.requests.push({ type: 'write', id, certificate, bytes });
      else this.onManifest(now, transfer, bytes, certificate);
    } else if (arrival.type === 'wrong-symbols') {
      if (arrival.culprit !== undefined) object.distrusted.add(arrival.culprit);
      this.ground.spread.beginAnew(object);
    }
    this.ground.fetching.wantMissing(now, transfer);
  }

  /** It is over, and its place needed. */
  private giveUp(transfer: BulkTransfer): void {
    this.ground.forget(transfer);
    this.ground.requests.push({ type: 'abandon', id: idOf(transfer), isUseless: false });
  }

  private onManifest(now: Micros, transfer: BulkTransfer, bytes: Uint8Array, certificate: Uint8Array): void {
    const over = this.ground.transfers.roomFor(transfer, bytes.length);
    if (!over) return this.ground.fail(now, transfer, NO_ROOM);
    for (const other of over) this.giveUp(other);
    const object = this.ground.objects.find(transfer, MANIFEST)!;
    try {
      transfer.open(bytes, certificate);
    } catch (error) {
      if (!(error instanceof HeadwaterError)) throw error;
      return this.ground.fail(now, transfer, error.message);
    }
    this.ground.spread.onHeld(now, object);
    this.ground.touch(now, transfer);
    this.ground.requests.push({ type: 'open', id: idOf(transfer), certificate, bytes, isSaved: false });
  }
}

/** Whether more of it is to come. */
function isOpen({ state, isWhole }: BulkTransfer): boolean {
  return !isWhole && (state === 'joining' || state === 'verifying' || state === 'receiving');
}

function idOf({ origin, incarnation }: BulkTransfer): StreamId {
  return { origin, incarnation };
}

/** What is said of a transfer whose list of files is one too many. */
const NO_ROOM = 'it holds the lists of too many files of this sender at once';
/** What is said of a transfer whose origin has ended it, before its reason. */
const GAVE_UP = 'its sender gave up';
/** Offers of one origin that are looked at again, at once, and then a second. */
export const MAX_LOOKS = 16;
const LOOK_RATE = 1;
