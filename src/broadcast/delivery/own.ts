/**
 * This member's own messages: those that wait are packed into objects, stored, sent, and followed until every member holds
 * them. In: messages, and what the store and the others confirm. Out: writes for the log, objects to send, and the events
 * `durable` and `outcome`.
 */

import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import { Sha256 } from '../../crypto/hash.js';
import type { KeyPair } from '../../crypto/keys.js';
import { HeadwaterError } from '../../errors.js';
import type { Group } from '../../group/group.js';
import type { Settings } from '../../options.js';
import type { Loaded, SentKey, StoredObject } from '../../store/store.js';
import type { MessageId } from '../../wire/symbol.js';
import { writeDescriptor } from '../../wire/symbol.js';
import type { Stream } from '../agreement/stream.js';
import type { BroadcastEvent } from '../events.js';
import { certifiedDescriptor, signCertificate } from '../proof/certificate.js';
import type { Objects, ObjectUnderWay } from '../spread/objects.js';
import { cutObject } from '../spread/plan.js';
import type { Paths } from '../spread/rtts.js';
import type { Transfer } from '../spread/transfer.js';
import type { Delivery } from './delivery.js';
import type { Journal } from './journal.js';
import { Outbox } from './outbox.js';
import { parseParcel, writeParcel } from './parcel.js';
import { SentKeys } from './sent.js';

/** What size of datagrams reaches everyone in one piece: see `PathSizes`. */
export interface GroupSizes {
  group(now: Micros): number | undefined;
  onWanted(now: Micros): void;
  awaitedUntil(now: Micros): Micros;
}

/** What the consumer has yet to take of ours may come to one member's share of `maxStoredBytes`. */
export interface OwnOptions extends Pick<Settings, 'order' | 'maxMessageSize' | 'maxStoredBytes'> {
  group: Group;
  self: number;
  keys: KeyPair;
  paths: Paths;
  sizes: GroupSizes;
  loaded: Loaded;
}

export class Own {
  /** The one that our messages go to. */
  stream: Stream;
  private readonly options: OwnOptions;
  private readonly log: Journal;
  private readonly delivery: Delivery;
  private readonly transfer: Transfer<Stream>;
  private readonly objects: Objects<Stream>;
  private readonly events: BroadcastEvent[];
  private readonly outbox = new Outbox();
  /** Tickets of objects that are being stored. */
  private readonly tickets = new Map<number, { tickets: number[]; keys: readonly SentKey[] }>();
  private readonly sent: SentKeys;
  /** Objects whose outcome is open, with the time since when. */
  private readonly open = new Map<number, Micros>();
  private nextSeq: number;
  private packAt: Micros = 0;
  /** What last moved, and when: see `relieve`. */
  private moved = '';
  private movedAt: Micros = 0;

  /** @param events where to put what becomes of the messages */
  constructor(
    options: OwnOptions,
    stream: Stream,
    parts: { log: Journal; delivery: Delivery; transfer: Transfer<Stream>; objects: Objects<Stream> },
    events: BroadcastEvent[],
  ) {
    this.options = options;
    this.stream = stream;
    this.log = parts.log;
    this.delivery = parts.delivery;
    this.transfer = parts.transfer;
    this.objects = parts.objects;
    this.events = events;
    this.sent = new SentKeys(options.self, options.loaded.sent);
    this.nextSeq = Math.max(
      stream.count,
      ...options.loaded.held.flatMap(({ certificate }) => this.endIfOwn(certificate)),
    );
  }

  /**
   * Takes a message of ours, to be stored with the next commit and then sent. Events `durable`, `deliver` and `outcome`
   * follow. Throws TOO_LARGE, or BUSY while `hasRoom` is false.
   *
   * @param key is stored with it; see `find`
   * @returns a number that names it until it has an id
   */
  submit(bytes: Uint8Array, key?: Uint8Array): number {
    const { maxMessageSize } = this.options;
    if (bytes.length > maxMessageSize)
      throw new HeadwaterError(
        'TOO_LARGE',
        `message: expected at most ${maxMessageSize} bytes, got ${bytes.length}`,
      );
    return this.outbox.submit(bytes, key);
  }

  /** The message that was stored with this key, if that is in our store: of the last 65,536 with one. */
  find(key: Uint8Array): MessageId | undefined {
    return this.sent.find(key);
  }

  get hasRoom(): boolean {
    return this.outbox.hasRoom;
  }

  /** Takes back a message that is not on its way yet; false if it is. */
  cancel(ticket: number): boolean {
    return this.outbox.cancel(ticket);
  }

  /** Puts the messages that wait into objects, and those into the next commit. */
  pack(now: Micros): void {
    const { log } = this;
    if (log.isCommitting || log.isFull) return;
    if (!this.outbox.isEmpty && this.isLarge) this.options.sizes.onWanted(now);
    for (let i = 0; i < OBJECTS_PER_COMMIT && !this.outbox.isEmpty && this.mayPack(now); i++) {
      const { tickets, messages, keys } = this.outbox.take();
      this.packAt = now + PACK_INTERVAL;
      this.put(now, messages, tickets, keys);
    }
  }

  /** Another stream of ours takes the place of the one so far: nothing of that may be on its way to the store. */
  begin(now: Micros, stream: Stream): void {
    for (const seq of [...this.open.keys()]) this.settleOne(now, seq, true);
    for (const record of [...this.transfer.sending]) this.transfer.forget(record);
    this.stream = stream;
    this.nextSeq = stream.count;
    this.delivery.forgetTold();
  }

  /** Whether objects of ours are on their way to the store. */
  get isStoring(): boolean {
    return this.tickets.size > 0;
  }

  /** Says again, in our present stream and under the same keys, what an object of a former one holds. */
  repeat(now: Micros, { incarnation, seq, bytes }: StoredObject): void {
    const { group } = this.options;
    const { messages } = parseParcel(bytes, this.stream, group.members.length);
    const all = Array.from({ length: messages.length }, (_, index) => messages.get(index));
    if (all.length > 0) this.put(now, all, [], this.sent.keysOf(incarnation, seq));
  }

  /** When to `pack` next, if anything waits and may be packed at all. */
  nextTimeout(now: Micros): Micros {
    const isWaiting = !this.outbox.isEmpty && !this.log.isCommitting && !this.log.isFull;
    if (!isWaiting || this.isHeldUp) return NEVER;
    return this.mayPack(now) ? now : Math.max(this.packAt, this.sizeAwaitedUntil(now));
  }

  /** An object of ours is in our store. */
  onStored(now: Micros, object: StoredObject): void {
    const { origin, incarnation } = this.stream;
    const { seq } = object;
    const { tickets = [], keys: sent = [] } = this.tickets.get(seq) ?? {};
    this.tickets.delete(seq);
    this.sent.remember(sent);
    this.events.push({ type: 'durable', id: { origin, incarnation, seq }, tickets });
    this.startSending(now, object);
  }

  /** Tells how our objects ended, and stops sending those that did. */
  settle(now: Micros): void {
    for (const seq of this.open.keys()) this.settleOne(now, seq, false);
    for (const record of this.transfer.sending)
      if (!this.open.has(record.seq) && this.isWithAll(record)) this.transfer.forget(record);
  }

  /**
   * Gives back what waits, as `refused`, if the consumer has a message and nothing moves although the network would let it: it
   * may be this very broadcast that the consumer waits for.
   */
  relieve(now: Micros): void {
    const { stream, delivery, log } = this;
    const { group, paths } = this.options;
    const moved = `${delivery.taken} ${stream.deliverable()} ${log.storedBytes}`;
    if (moved !== this.moved) {
      this.moved = moved;
      this.movedAt = now;
    }
    if (this.outbox.isEmpty || !delivery.isBusy || now - this.movedAt < PATIENCE) return;
    const others = paths.filter((path) => path?.isReachable(now)).length;
    const isAlone = this.isUnconfirmed && others + 1 < group.quorum;
    if ((log.isFull || this.isHeldUp) && !isAlone)
      this.events.push({ type: 'refused', tickets: this.outbox.clear() });
  }

  /** The network has yet to confirm so many of ours that the next ones wait for it. */
  private get isUnconfirmed(): boolean {
    return this.nextSeq - this.stream.deliverable() >= MAX_UNCONFIRMED;
  }

  /**
   * Nothing more may be packed. What is confirmed but not consumed holds nothing up before it is a share of the store: the
   * consumer may itself be waiting for a broadcast.
   */
  private get isHeldUp(): boolean {
    const { group, maxStoredBytes } = this.options;
    const { delivered, backlog } = this.stream.ledger;
    const isBehind =
      this.nextSeq - delivered >= MAX_BACKLOG || backlog > maxStoredBytes / group.members.length;
    return isBehind || this.isUnconfirmed;
  }

  /** Whether the next object is so large that it pays to know first what size of datagrams reaches everyone. */
  private get isLarge(): boolean {
    return this.outbox.nextBytes() >= LARGE;
  }

  private sizeAwaitedUntil(now: Micros): Micros {
    const until = this.options.sizes.awaitedUntil(now);
    return until > now && this.isLarge ? until : -NEVER;
  }

  private put(
    now: Micros,
    messages: Uint8Array[],
    tickets: number[],
    given: readonly (Uint8Array | undefined)[],
  ): void {
    const { group, self, keys, order, sizes } = this.options;
    const { incarnation } = this.stream;
    const dependencies = order === 'causal' ? this.delivery.dependencies(this.stream) : [];
    const hash = new Sha256();
    const bytes = writeParcel({ dependencies, messages }, hash);
    const seq = this.nextSeq++;
    const id = { origin: self, incarnation, seq };
    const cut = cutObject(bytes.length, sizes.group(now));
    const descriptor = { ...id, length: bytes.length, ...cut, hash: hash.digest() };
    const certificate = signCertificate(group, writeDescriptor(descriptor), keys.sign);
    const sent = this.sent.entries(incarnation, seq, given);
    this.tickets.set(seq, { tickets, keys: sent });
    this.log.put({ ...id, certificate, bytes }, sent);
  }

  private mayPack(now: Micros): boolean {
    const { maxMessageSize } = this.options;
    if (this.isHeldUp || now < this.sizeAwaitedUntil(now)) return false;
    const underWay = this.nextSeq - this.stream.deliverable();
    // With some under way already a little patience fills the next object: it costs the same with one message or fifty.
    if (underWay >= UNPACKED && now < this.packAt && !this.outbox.isFull) return false;
    return this.tickets.size === 0 || this.log.pendingBytes + this.outbox.nextBytes() <= maxMessageSize;
  }

  /** The place behind an object, if that is of our present stream. */
  private endIfOwn(certificate: Uint8Array): number[] {
    const { origin, incarnation, seq } = certifiedDescriptor(certificate);
    const { self, loaded } = this.options;
    return origin === self && incarnation === loaded.incarnation ? [seq + 1] : [];
  }

  private startSending(now: Micros, object: StoredObject): void {
    const { sending } = this.transfer;
    // The oldest that a quorum holds makes room: who lacks it will ask for it.
    if (sending.size >= MAX_SENDING)
      for (const record of sending)
        if (record.seq < this.stream.deliverable()) {
          this.transfer.forget(record);
          break;
        }
    this.transfer.send(now, this.stream, object);
    this.open.set(object.seq, now);
    if (this.open.size > MAX_OUTCOMES) this.settleOne(now, this.open.keys().next().value!, true);
  }

  private isWithAll({ seq }: ObjectUnderWay): boolean {
    return this.options.paths.every((path, peer) => !path || this.stream.claims.isHeldBy(peer, seq));
  }

  private settleOne(now: Micros, seq: number, force: boolean): void {
    const { paths } = this.options;
    const confirmed: number[] = [];
    const missing: number[] = [];
    const sentAt = this.open.get(seq)!;
    let isOver = true;
    const record = this.objects.find(this.stream, seq);
    paths.forEach((path, peer) => {
      if (!path) return;
      if (this.stream.claims.isHeldBy(peer, seq)) {
        confirmed.push(peer);
        record?.outgoing?.onConfirm(peer);
        return;
      }
      missing.push(peer);
      isOver &&= path.isGone(now, sentAt);
    });
    if (missing.length > 0 && !(isOver && seq < this.stream.deliverable()) && !force) return;
    this.open.delete(seq);
    const { origin, incarnation } = this.stream;
    this.events.push({
      type: 'outcome',
      id: { origin, incarnation, seq },
      outcome: { confirmed, missing },
    });
    if (record) this.transfer.forget(record);
  }
}

const OBJECTS_PER_COMMIT = 8;
const UNPACKED = 2;
/** Half of what small messages are packed up to: some fifty symbols. */
const LARGE = 64 * 1024;
const PACK_INTERVAL: Micros = 2 * MILLISECOND;
/** Our objects that no quorum has confirmed yet, at most: without a quorum nothing more is sent, and callers wait. */
export const MAX_UNCONFIRMED = 64;
/** Our objects that are not consumed, at most: some 200 bytes of memory each. */
const MAX_BACKLOG = 1 << 18;
/** So long may nothing move before what waits is refused. */
const PATIENCE: Micros = 10 * SECOND;
/** Our objects being sent at once. */
export const MAX_SENDING = 64;
export const MAX_OUTCOMES = 1024;
