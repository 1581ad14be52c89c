/**
 * How we stand with each transfer, told to every peer until it has heard of it. In: changes, what peers say that they have heard,
 * time. Out: TRANSFER frames for each peer. What has changed meanwhile supersedes what was said.
 */
import { SMALL_GROUP } from '../broadcast/spread/plan.js';
import type { Marks } from '../core/marks.js';
import { AT_ONCE, MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../core/time.js';
import type { TransferFrame } from '../wire/frames/transfer.js';
import { frameSize } from '../wire/frames.js';
import { MAX_TRANSFER_REASON } from '../wire/limits.js';
import type { BulkTransfer } from './transfer.js';

/** What one peer and we have said to each other of one transfer. */
interface Line {
  /** The newest version of the peer's that has come, and of ours that it has heard. */
  heard: number;
  acked: number;
  /** When to say it, or say it again. */
  at: Micros;
  sentAt: Micros;
  /** Since it last changed. */
  tries: number;
}

export interface TellingOptions {
  members: number;
  self: number;
  changed: Marks;
  /** Whether a peer has a session in which such frames are heard. */
  speaks(peer: number): boolean;
  /** How long an answer of a peer takes. */
  timeoutOf(peer: number): Micros;
  /** How often news is sent at once, so that it all but surely arrives. */
  copiesFor(peer: number): number;
  /** A peer that has heard nothing of a transfer is told of it now, for the `time`th time. */
  onFirst(now: Micros, peer: number, transfer: BulkTransfer, time: number): void;
}

export class Telling {
  private readonly options: TellingOptions;
  /** Between two frames on one transfer: in a large group each says less often what all hear. */
  private readonly interval: Micros;
  private readonly versions = new Map<BulkTransfer, number>();
  /** The highest of others' transfers: what is forgotten, and told again, goes on above what peers have heard of it. */
  private latest = 0;
  /** What we have offered so far. */
  private offers = 0;
  /** By peer. */
  private readonly lines: Map<BulkTransfer, Line>[];

  constructor(options: TellingOptions) {
    this.options = options;
    this.interval = INTERVAL * Math.max(1, options.members / SMALL_GROUP);
    this.lines = Array.from({ length: options.members }, () => new Map());
  }

  /** We offer it, perhaps not for the first time. */
  begin(transfer: BulkTransfer): void {
    this.offers = Math.min(MAX_OFFERS, this.offers + 1);
    this.versions.set(transfer, this.offers * OFFER);
  }

  /** What we have to say of it has changed. What may be made up is spoken of to those alone that have named it. */
  touch(now: Micros, transfer: BulkTransfer): void {
    const before = this.versions.get(transfer) ?? this.latest;
    this.versions.set(transfer, before + 1);
    if (transfer.origin !== this.options.self) this.latest = Math.max(this.latest, before + 1);
    const isTold = transfer.origin === this.options.self || transfer.isVouchedFor;
    for (const peer of this.lines.keys()) {
      if (!isTold && !this.lines[peer].has(transfer)) continue;
      const line = this.line(peer, transfer);
      line.tries = 0;
      this.schedule(peer, line, Math.max(now, line.sentAt + this.interval));
    }
  }

  /** A peer has said something of a transfer. Says whether that is news. */
  onFrame(now: Micros, peer: number, transfer: BulkTransfer, { version, heard }: TransferFrame): boolean {
    const line = this.line(peer, transfer);
    // Who offers it again has forgotten what it had heard.
    if (this.isNewOffer(peer, transfer, version)) line.acked = 0;
    const ours = this.version(transfer);
    // Who has heard more than was said has heard a former run.
    if (heard <= ours) line.acked = Math.max(line.acked, heard);
    if (version === 0) return false;
    this.schedule(peer, line, Math.max(now + ANSWER_DELAY, line.sentAt + ANSWER_DELAY));
    // How it stood with it before it heard of our offer is nothing to go by.
    if (version <= line.heard || offerOf(heard) < offerOf(ours)) return false;
    line.heard = version;
    return true;
  }

  /** Whether its origin has offered it before, and does so once more. */
  isNewOffer(peer: number, transfer: BulkTransfer, version: number): boolean {
    const { heard } = this.line(peer, transfer);
    return peer === transfer.origin && heard > 0 && offerOf(version) > offerOf(heard);
  }

  /** Whether a peer has heard all that we have to say of it. */
  isHeard(peer: number, transfer: BulkTransfer): boolean {
    return this.line(peer, transfer).acked >= this.version(transfer);
  }

  /** A session with this peer has begun. `fresh`: it has forgotten what it had heard, and counts anew. */
  onSession(peer: number, fresh: boolean): void {
    for (const line of this.lines[peer].values()) {
      if (fresh) {
        line.heard = 0;
        line.acked = 0;
      }
      line.tries = 0;
      line.sentAt = NEVER_YET;
      line.at = AT_ONCE;
    }
  }

  dueAt(peer: number): Micros {
    if (!this.options.speaks(peer)) return NEVER;
    let due = NEVER;
    for (const { at } of this.lines[peer].values()) due = Math.min(due, at);
    return due;
  }

  /** Bytes of what is to be said to a peer now or soon, without bitmaps; where that is more than `enough`, at least so much. */
  waiting(peer: number, enough: number): number {
    if (!this.options.speaks(peer)) return 0;
    let bytes = 0;
    for (const [transfer, line] of this.lines[peer]) {
      if (line.at === NEVER) continue;
      const frame = frameOf(transfer, { version: 0, heard: 0 });
      bytes += frameSize(frame) - frame.ahead.length;
      if (bytes >= enough) break;
    }
    return bytes;
  }

  /** Frames that are due, of at most `room` bytes. */
  take(now: Micros, peer: number, room: number): TransferFrame[] {
    const frames: TransferFrame[] = [];
    if (!this.options.speaks(peer)) return frames;
    let free = room;
    for (const [transfer, line] of this.lines[peer]) {
      if (line.at > now) continue;
      const version = this.version(transfer);
      const isNews = line.acked < version;
      const frame = frameOf(transfer, { version: isNews ? version : 0, heard: line.heard });
      // The bitmap saves others from asking or sending; beside a long ACK a part of it has to do.
      const size = frameSize(frame) - frame.ahead.length;
      if (size > free) break;
      frame.ahead = frame.ahead.subarray(0, free - size);
      free -= frameSize(frame);
      frames.push(frame);
      line.sentAt = now;
      if (line.acked === 0 && line.tries <= 1) this.options.onFirst(now, peer, transfer, line.tries + 1);
      const left = this.options.copiesFor(peer) - 1 - line.tries;
      const wait = Math.min(MAX_WAIT, this.options.timeoutOf(peer) * BACKOFF ** Math.max(0, -left));
      line.tries = Math.min(MAX_TRIES, line.tries + 1);
      line.at = isNews ? now + (left > 0 ? SPACING : Math.max(this.interval, wait)) : NEVER;
    }
    return frames;
  }

  forget(transfer: BulkTransfer): void {
    this.versions.delete(transfer);
    for (const lines of this.lines) lines.delete(transfer);
  }

  private version(transfer: BulkTransfer): number {
    return this.versions.get(transfer) ?? 0;
  }

  private line(peer: number, transfer: BulkTransfer): Line {
    let line = this.lines[peer].get(transfer);
    if (!line) {
      line = { heard: 0, acked: 0, at: NEVER, sentAt: NEVER_YET, tries: 0 };
      this.lines[peer].set(transfer, line);
    }
    return line;
  }

  private schedule(peer: number, line: Line, at: Micros): void {
    if (line.at <= at) return;
    line.at = at;
    this.options.changed.mark(peer);
  }
}

function frameOf(transfer: BulkTransfer, said: { version: number; heard: number }): TransferFrame {
  const { origin, incarnation, state, count, sent } = transfer;
  const reason = utf8(transfer.reason);
  return {
    kind: 'transfer',
    origin,
    incarnation,
    ...said,
    state,
    count,
    sent,
    reason,
    ahead: transfer.ahead(),
  };
}

/** Which of its origin's offers a version belongs to. */
function offerOf(version: number): number {
  return Math.floor(version / OFFER);
}

/** As much as a frame takes, without a part of a character at its end. */
function utf8(text: string): Uint8Array {
  const bytes = new Uint8Array(MAX_TRANSFER_REASON);
  return bytes.subarray(0, new TextEncoder().encodeInto(text, bytes).written);
}

/** Versions of one offer: a transfer of 1 TiB has a quarter million slices. */
export const OFFER = 2 ** 22;
/** In 32 bits; those after it are not told apart. */
const MAX_OFFERS = 2 ** 10 - 1;
/** Most changes are slices that were written: they are said together. */
const INTERVAL: Micros = 20 * MILLISECOND;
/** Between copies of the same. */
const SPACING: Micros = 8 * MILLISECOND;
const ANSWER_DELAY: Micros = 10 * MILLISECOND;
const BACKOFF = 1.5;
const MAX_TRIES = 16;
const MAX_WAIT: Micros = SECOND;
