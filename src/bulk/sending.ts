/**
 * A transfer of ours as it goes out: some slices at a time, each to all who lack it and keep up. In: what the others hold, slices
 * as they are read. Out: slices to read, and to the spread those to send. A member that falls behind is left out and asks for
 * what it lacks, of whoever holds it, until it has caught up.
 */
import type { ObjectUnderWay } from '../broadcast/spread/objects.js';
import { type Paths, rttOf, withMargin } from '../broadcast/spread/rtts.js';
import type { Transfer } from '../broadcast/spread/transfer.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { StoredObject } from '../store/store.js';
import type { Casting } from './cast/casting.js';
import type { BulkTransfer } from './transfer.js';

/** A slice that is being read or sent. */
interface Slot {
  readonly to: Set<number>;
  record: ObjectUnderWay<BulkTransfer> | undefined;
  /** Of those, the members that it goes to by multicast. */
  cast: Set<number>;
  isSent: boolean;
  /** What was read for it, if nobody else uses that. */
  bytes: Uint8Array | undefined;
}

export interface SendingOptions {
  paths: Paths;
  /** f: members whose word that they wait may be a lie. */
  byzantine: number;
  spread: Transfer<BulkTransfer>;
  /** How it goes by multicast, if it does. */
  casting?: Casting | undefined;
  /** Asks for a slice, for `onRead`. */
  read(seq: number): void;
  /** What was read is of no use any more. */
  release(bytes: Uint8Array): void;
  /** What we have to say of the transfer has changed. */
  touch(now: Micros): void;
}

export class Sending {
  private readonly transfer: BulkTransfer;
  private readonly options: SendingOptions;
  /** By object, in the order in which they go out. */
  private readonly slots = new Map<number, Slot>();
  /** Members that have fallen behind. */
  private readonly slow = new Set<number>();
  private next = 1;
  /** Slices that may be under way. */
  private most = WINDOW;
  private isStarted = false;
  /** Since when the fastest member has nothing to get. */
  private starvedAt: Micros = NEVER;

  constructor(transfer: BulkTransfer, options: SendingOptions) {
    this.transfer = transfer;
    this.options = options;
  }

  /** Whoever is to be there from the first slice on is there. */
  start(now: Micros): void {
    this.isStarted = true;
    this.settle(now);
  }

  /** Time has passed, or a member has said what it holds. */
  settle(now: Micros): void {
    this.options.casting?.settle(now);
    for (const [seq, slot] of this.slots) this.settleOne(now, seq, slot);
    this.leaveBehind(now);
    for (const member of this.slow) if (this.hasCaughtUp(member)) this.slow.delete(member);
    this.fill(now);
    const sent = this.slots.keys().next().value ?? this.next;
    if (sent === this.transfer.sent) return;
    this.transfer.sent = sent;
    this.options.touch(now);
  }

  /** @param isShared others use what was read, too */
  onRead(now: Micros, object: StoredObject, isShared: boolean): void {
    const slot = this.slots.get(object.seq);
    if (!slot || slot.isSent) return;
    for (const member of slot.to) if (!this.transfer.claims.wants(member, object.seq)) slot.to.delete(member);
    slot.bytes = isShared ? undefined : object.bytes;
    if (slot.to.size === 0) return this.close(object.seq, slot);
    const { casting, spread } = this.options;
    slot.isSent = true;
    slot.cast = casting?.reached(slot.to) ?? new Set();
    if (slot.cast.size > 0) casting!.send(object, slot.cast);
    const to = new Set([...slot.to].filter((member) => !slot.cast.has(member)));
    if (to.size === 0) return;
    const spare = this.isFollowed(object.seq, to) ? LITTLE_SPARE : undefined;
    slot.record = spread.send(now, this.transfer, object, { to, spare });
  }

  stop(): void {
    for (const [seq, slot] of this.slots) this.close(seq, slot);
    this.isStarted = false;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    if (this.slots.size > MOST_SLICES) return `${this.slots.size} slices under way`;
    for (const [seq, { record }] of this.slots)
      if (record && record.seq !== seq) return `slice ${record.seq} sent in place of ${seq}`;
    return undefined;
  }

  private settleOne(now: Micros, seq: number, slot: Slot): void {
    const { to, record, cast } = slot;
    if (!slot.isSent) return;
    const { claims } = this.transfer;
    const { casting } = this.options;
    for (const member of to)
      if (claims.isHeldBy(member, seq)) {
        record?.outgoing?.onConfirm(member);
        casting?.onConfirm(seq, member);
      }
    // Whom multicast does not reach any more gets the rest as who has fallen behind does.
    for (const member of cast)
      if (!casting?.isReached(member)) {
        if (claims.wants(member, seq)) this.slow.add(member);
        cast.delete(member);
        to.delete(member);
      }
    // Who is away asks when it is back.
    if (![...to].some((member) => claims.wants(member, seq) && this.isThere(now, member)))
      this.close(seq, slot);
  }

  /** Where somebody holds all that is under way and waits, those that lack some of it are left behind. */
  private leaveBehind(now: Micros): void {
    const { slots, slow, transfer } = this;
    const lacks = (member: number) => [...slots.keys()].some((seq) => transfer.claims.wants(member, seq));
    const takers = this.takers(now);
    const waiting = takers.filter((member) => transfer.claims.wants(member, this.next) && !lacks(member));
    // One that always claims all would have everyone else served one by one.
    const enough = Math.min(this.options.byzantine + 1, Math.ceil(takers.length / 2));
    const isStarving = slots.size >= this.window(takers) && waiting.length >= Math.max(1, enough);
    if (!isStarving) this.starvedAt = NEVER;
    else if (this.starvedAt === NEVER) this.starvedAt = now;
    if (!isStarving || now - this.starvedAt < PATIENCE) return;
    this.starvedAt = NEVER;
    for (const [seq, slot] of [...slots]) {
      if (!slot.isSent) continue;
      for (const member of slot.to) if (transfer.claims.wants(member, seq)) slow.add(member);
      this.close(seq, slot);
    }
  }

  private hasCaughtUp(member: number): boolean {
    const { claims, sent } = this.transfer;
    return !claims.isReceiving(member) || claims.of(member)!.count >= sent;
  }

  private fill(now: Micros): void {
    const { transfer, slots } = this;
    const takers = this.isStarted ? this.takers(now) : [];
    if (this.options.casting?.isSettled(now, takers) === false) return;
    // Without anybody to send to there is nothing to go past either.
    const window = this.window(takers);
    while (takers.length > 0 && slots.size < window && this.next < transfer.objects) {
      const seq = this.next++;
      const to = new Set(takers.filter((member) => transfer.claims.wants(member, seq)));
      if (to.size === 0) continue;
      slots.set(seq, { to, record: undefined, cast: new Set(), isSent: false, bytes: undefined });
      this.options.read(seq);
    }
  }

  /** Slices that may be under way: what a long path carries takes a round trip to be known for whole, and some of it two. */
  private window(takers: readonly number[]): number {
    const { manifest } = this.transfer;
    if (!manifest) return WINDOW;
    const carried = takers.map((member) => {
      const path = this.options.paths[member];
      // Without what waits in queues, or there would be ever more of it.
      return path ? (path.recovery.deliveryRate * (path.rtt.min ?? 0)) / SECOND / manifest.sliceSize : 0;
    });
    // Where it waits for slices a path shows less than it carries.
    this.most = Math.min(MOST_SLICES, Math.max(this.most, Math.ceil(ROUNDS * Math.max(0, ...carried))));
    return this.most;
  }

  /**
   * Whether slices behind it keep the line busy for the time that a top-up takes: then what chance leaves lacking costs no time, and
   * what is sent in case of that does.
   */
  private isFollowed(seq: number, to: ReadonlySet<number>): boolean {
    const { manifest, objects } = this.transfer;
    const window = WINDOW * (manifest?.sliceSize ?? 0);
    const isShort = (member: number) => {
      const path = this.options.paths[member];
      const underWay = path ? (path.recovery.deliveryRate * rttOf(path, withMargin)) / SECOND : 0;
      return underWay < window / TOP_UPS_IN_WINDOW;
    };
    return seq + WINDOW < objects && [...to].every(isShort);
  }

  /** Those to send to. */
  private takers(now: Micros): number[] {
    const { claims } = this.transfer;
    return [...claims.members].filter(
      (member) => claims.isReceiving(member) && !this.slow.has(member) && this.isThere(now, member),
    );
  }

  private isThere(now: Micros, member: number): boolean {
    const path = this.options.paths[member];
    return path?.isOpen === true && path.isNear(now);
  }

  private close(seq: number, { record, bytes }: Slot): void {
    if (record) this.options.spread.forget(record);
    this.options.casting?.end(seq);
    if (bytes) this.options.release(bytes);
    this.slots.delete(seq);
  }
}

/** Slices under way: what a member may lag behind the fastest one before it is left behind, and what all this takes in memory. */
export const WINDOW = 8;
/** The same where paths carry much in a round trip: so many such. */
export const MOST_SLICES = 16;
const ROUNDS = 2;
/** So long does the fastest one wait for it. */
const PATIENCE: Micros = 500 * MILLISECOND;
/** Standard deviations. Three blocks in ten then need a top-up, of a few symbols. */
const LITTLE_SPARE = 0.5;
/** A top-up takes a round trip, and some for the report; now and then a second one. */
const TOP_UPS_IN_WINDOW = 4;
