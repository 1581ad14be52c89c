/**
 * Transfers that move by multicast, ours and those of others. In: CAST and CAST_REPORT frames, datagrams of groups, time; from the
 * shell, whether a group is listened to. Out: the same frames, datagrams for groups, symbols, and to the shell which groups to join.
 */
import type { Metrics } from '../../broadcast/metrics.js';
import type { SpreadDrop } from '../../broadcast/spread/drops.js';
import type { FrameSource } from '../../broadcast/spread/sources.js';
import { countDrop } from '../../core/drops.js';
import { AT_ONCE, type Micros, NEVER } from '../../core/time.js';
import type { CastFrame } from '../../wire/frames/cast/cast.js';
import type { CastReportFrame } from '../../wire/frames/cast/cast-report.js';
import type { ProgressFrame } from '../../wire/frames/progress.js';
import { frameSize, type ObjectFrame } from '../../wire/frames.js';
import type { StreamId, SymbolFrame } from '../../wire/symbol.js';
import type { BulkRequest, CastGroup, CastMode } from '../ports.js';
import type { BulkTransfer } from '../transfer.js';
import type { Transfers } from '../transfers.js';
import { Casting, type CastingOptions } from './casting.js';
import { Hearing } from './hearing.js';

export interface CastsOptions extends Omit<CastingOptions, 'to' | 'mode' | 'speaks' | 'changed'> {
  transfers: Transfers;
  requests: BulkRequest[];
  changed: { mark(peer: number): void };
  /** Whether a member has a session in which multicast is spoken of. */
  hears(peer: number): boolean;
  onSymbol(now: Micros, origin: number, frame: SymbolFrame, body?: Uint8Array): void;
}

/** A datagram for a group. */
export interface CastTransmit {
  id: StreamId;
  group: CastGroup;
  bytes: Uint8Array;
}

export class Casts {
  /** Whether what others send by multicast is listened to. */
  isAllowed = true;
  private readonly options: CastsOptions;
  private readonly metrics: Metrics<SpreadDrop>;
  private readonly castings = new Map<BulkTransfer, Casting>();
  private readonly hearings = new Map<BulkTransfer, Hearing>();

  constructor(options: CastsOptions, metrics: Metrics<SpreadDrop>) {
    this.options = options;
    this.metrics = metrics;
  }

  /** A transfer of ours goes by multicast, too. */
  open(transfer: BulkTransfer, to: CastGroup, mode: CastMode): Casting {
    const { changed, hears, rng } = this.options;
    const casting = new Casting(transfer, {
      ...this.options,
      ...{ to, mode, rng: rng.fork('cast') },
      speaks: hears,
      changed: (member) => changed.mark(member),
    });
    this.castings.set(transfer, casting);
    return casting;
  }

  casting(transfer: BulkTransfer): Casting | undefined {
    return this.castings.get(transfer);
  }

  /** It is over, or not spoken of any more. */
  forget(transfer: BulkTransfer): void {
    this.castings.get(transfer)?.close();
    this.castings.delete(transfer);
    this.hearings.get(transfer)?.stop();
    this.hearings.delete(transfer);
    transfer.hearing = undefined;
  }

  handleCast(now: Micros, from: number, frame: CastFrame): void {
    const transfer = this.options.transfers.find(frame);
    if (!transfer || from !== transfer.origin || transfer.state !== 'receiving')
      return countDrop(this.metrics, 'stale');
    let hearing = this.hearings.get(transfer);
    if (!hearing) {
      if (!frame.open) return;
      hearing = this.listen(transfer);
    }
    hearing.onFrame(now, frame);
  }

  handleReport(now: Micros, from: number, frame: CastReportFrame): void {
    const transfer = this.options.transfers.find(frame);
    const casting = transfer && this.castings.get(transfer);
    if (casting) casting.onReport(now, from, frame);
    else countDrop(this.metrics, 'stale');
  }

  /** @param key of the group that it came to: see `castKey` */
  handleDatagram(now: Micros, key: string, bytes: Uint8Array): void {
    this.metrics.receivedDatagrams++;
    this.metrics.receivedBytes += bytes.length;
    for (const hearing of this.hearings.values())
      if (hearing.address === key && hearing.handleDatagram(now, bytes)) return;
    countDrop(this.metrics, 'not-sealed');
  }

  /** A group that was asked for is listened to, or why it is not. */
  handleJoined(now: Micros, id: StreamId, failure?: string): void {
    const transfer = this.options.transfers.find(id);
    if (transfer) this.hearings.get(transfer)?.onJoined(now, failure);
  }

  onProgress(now: Micros, from: number, transfer: BulkTransfer, frame: ProgressFrame): void {
    this.castings.get(transfer)?.onProgress(now, from, frame);
  }

  onSession(peer: number, fresh: boolean): void {
    for (const casting of this.castings.values()) casting.onSession(peer, fresh);
    if (!fresh) return;
    for (const [transfer, hearing] of this.hearings) if (transfer.origin === peer) hearing.stop();
  }

  /** What is over is not listened to any more. */
  settle(): void {
    for (const [transfer, hearing] of this.hearings) if (transfer.state !== 'receiving') hearing.stop();
  }

  nextTimeout(): Micros {
    let next = NEVER;
    for (const casting of this.castings.values()) next = Math.min(next, casting.nextTimeout());
    return next;
  }

  handleTimeout(now: Micros): void {
    for (const casting of this.castings.values())
      if (casting.nextTimeout() <= now) casting.handleTimeout(now);
  }

  onHostLimited(now: Micros): void {
    for (const casting of this.castings.values()) casting.onHostLimited(now);
  }

  /** When there is a datagram for a group; NEVER if there is none. */
  nextSend(now: Micros): Micros {
    let next = NEVER;
    for (const casting of this.castings.values()) next = Math.min(next, casting.nextSend(now));
    return next;
  }

  poll(now: Micros): CastTransmit | undefined {
    for (const [{ origin, incarnation }, casting] of this.castings) {
      const bytes = casting.poll(now);
      if (bytes) return { id: { origin, incarnation }, group: casting.to, bytes };
    }
    return undefined;
  }

  /** What there is to say to each peer. */
  readonly source: FrameSource = {
    dueAt: (peer) => {
      let due = NEVER;
      for (const casting of this.castings.values()) due = Math.min(due, casting.frameDueAt(peer));
      for (const [{ origin }, hearing] of this.hearings)
        if (origin === peer && this.options.hears(peer)) due = Math.min(due, hearing.dueAt());
      return due < 0 ? AT_ONCE : due;
    },
    waiting: () => 0,
    take: (now, peer, room) => {
      const frames: ObjectFrame[] = [];
      let left = room;
      const add = (size: number, make: () => ObjectFrame) => {
        if (size > left) return;
        const frame = make();
        left -= frameSize(frame);
        frames.push(frame);
      };
      for (const casting of this.castings.values())
        if (casting.frameDueAt(peer) <= now) add(MAX_CAST, () => casting.takeFrame(now, peer));
      for (const [{ origin }, hearing] of this.hearings)
        if (origin === peer && hearing.dueAt() <= now) add(MAX_REPORT, () => hearing.takeReport(now));
      return frames;
    },
  };

  private listen(transfer: BulkTransfer): Hearing {
    const { group, self, requests, onSymbol, changed } = this.options;
    const { origin, incarnation } = transfer;
    const id = { origin, incarnation };
    const hearing = new Hearing(id, {
      ...{ group, self, isAllowed: this.isAllowed },
      join: (to) => requests.push({ type: 'join', id, group: to }),
      leave: () => requests.push({ type: 'leave', id }),
      onSymbol: (now, frame, body) => onSymbol(now, origin, frame, body),
      onDrop: (reason) => countDrop(this.metrics, reason),
      changed: () => changed.mark(origin),
    });
    this.hearings.set(transfer, hearing);
    transfer.hearing = hearing;
    return hearing;
  }
}

/** Bytes of the largest frames of the two kinds. */
const MAX_CAST = 96;
const MAX_REPORT = 760;
