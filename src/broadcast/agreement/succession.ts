/**
 * When a later stream of our own is known to others, as after a run with another store, ours is over for them; and when they
 * hold others in place of our objects, as when our store is an old copy, these are. We begin a stream above all that is known,
 * and say there again what nobody will take any more in the former. In: what members name of our streams, and what they
 * hold. Out: the incarnation of the stream to begin, and from where on the former is to be said again.
 */
import { type Micros, NEVER, SECOND } from '../../core/time.js';
import type { StoredObject } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import { topOf } from './claims.js';
import { nthLargest } from './readiness.js';
import type { Bounds } from './standing.js';
import type { Stream } from './stream.js';

export class Succession {
  private readonly bounds: Pick<Bounds, 'byzantine' | 'quorum'>;
  private readonly session: number;
  /** By member: the latest stream of ours that it names. */
  private readonly named = new Map<number, number>();
  /** The latest of which we have seen our own signature. */
  private signed = -1;
  private refusedFrom = Number.POSITIVE_INFINITY;
  private beginAt: Micros = NEVER;
  /** If our store is a copy that no other stream has followed yet: who has told since the start what it holds. */
  private heard: Set<number> | undefined;
  /** Members that have begun a run while another stream was about to begin: true until they have been waited for, once. */
  private readonly fresh = new Map<number, boolean>();
  /** By place, the objects to be said again: all are needed at once, and the journal may keep fewer at hand. */
  readonly gathered = new Map<number, StoredObject>();

  /**
   * @param session the incarnation of this run: streams of runs before it are below; those of a process with our key that
   *   started later and has gone are not
   * @param isCopy whether our store is known to be a copy: what we have said since may be named as we would name the next
   */
  constructor(bounds: Pick<Bounds, 'byzantine' | 'quorum'>, session: number, isCopy = false) {
    this.bounds = bounds;
    this.session = session;
    if (isCopy) this.heard = new Set();
  }

  /** `member` has told what it holds. */
  onHeard(member: number): void {
    this.heard?.add(member);
  }

  /** `member` runs anew: what it has said before is void. */
  onFresh(member: number): void {
    if (this.beginAt !== NEVER && !this.fresh.has(member)) this.fresh.set(member, true);
  }

  /** `member` says this of a stream of ours. */
  onClaim(now: Micros, member: number, own: Stream, entry: VectorEntry): void {
    const { incarnation, over } = entry;
    // It holds what our store does not: that is an old copy, for nothing leaves us that is not in it.
    const isMore = incarnation === own.incarnation && topOf(entry) > own.count;
    const isBeyond = isMore || (over ? incarnation >= own.incarnation : incarnation > own.incarnation);
    if (!isBeyond || incarnation >= MAX_INCARNATION) return;
    this.named.set(member, Math.max(incarnation, this.named.get(member) ?? -1));
    this.look(now, own);
  }

  /** A certificate of ours shows that there is such a stream. */
  onSigned(now: Micros, own: Stream, incarnation: number): void {
    if (incarnation <= own.incarnation || incarnation >= MAX_INCARNATION) return;
    this.signed = Math.max(this.signed, incarnation);
    this.look(now, own);
  }

  /** Others are agreed on in place of our objects from `from` on, as far as is known: those below are the same. */
  onRefused(now: Micros, from: number): void {
    this.refusedFrom = from;
    this.schedule(now);
  }

  /** Whether another stream is to begin: nothing more goes into the present one. */
  get isDue(): boolean {
    return this.heard !== undefined || this.beginAt !== NEVER;
  }

  /**
   * Whether it is to begin now, `here` members being there, ourselves included. A quorum has been for as long as it takes to
   * tell what they hold of the present one: of what is delivered, one of them at least knows. Where our store is a copy they
   * have told something.
   */
  isReady(now: Micros, here: number): boolean {
    if (here < this.bounds.quorum) {
      if (this.beginAt !== NEVER) this.beginAt = Math.max(this.beginAt, now + PATIENCE);
      return false;
    }
    for (const [member, isNew] of this.fresh) {
      if (isNew) this.beginAt = Math.max(this.beginAt, now + PATIENCE);
      this.fresh.set(member, false);
    }
    if (this.heard) {
      if (this.heard.size + 1 < this.bounds.quorum) return false;
      this.schedule(now);
    }
    return now >= this.beginAt;
  }

  /** What takes the place of `own`. */
  next(own: Stream): number {
    let next = Math.max(this.session, this.signed + 1, this.latestNamed() + 1, own.incarnation + 1);
    // One that a member alone names may be of that process, too: its name is taken.
    while ([...this.named.values()].includes(next)) next++;
    return next;
  }

  /** The first object that is not delivered and that others will not take: of what has ended they take what more than may lie hold. */
  abandoned(own: Stream): number {
    // Of one that is being consumed a quorum holds it.
    let seq = own.delivered + (own.index > 0 ? 1 : 0);
    while (seq < own.count && own.claims.isVouched(seq)) seq++;
    return Math.min(seq, own.count, Math.max(own.delivered, this.refusedFrom));
  }

  /** It has begun. What members name is not forgotten: they say it once. */
  onBegun(): void {
    this.signed = -1;
    this.refusedFrom = Number.POSITIVE_INFINITY;
    this.beginAt = NEVER;
    this.heard = undefined;
    this.fresh.clear();
    this.gathered.clear();
  }

  /** More members than may lie name it, or later ones; -1 if there is none. */
  private latestNamed(): number {
    const { byzantine } = this.bounds;
    const said = [...this.named.values()];
    return said.length > byzantine ? nthLargest(said, byzantine + 1) : -1;
  }

  private look(now: Micros, own: Stream): void {
    if (this.latestNamed() >= own.incarnation || this.signed > own.incarnation) this.schedule(now);
  }

  private schedule(now: Micros): void {
    this.beginAt = Math.min(this.beginAt, now + PATIENCE);
  }
}

/** 48 bits. */
const MAX_INCARNATION = 2 ** 48 - 1;
/** Some round trips and heartbeats. */
export const PATIENCE: Micros = 2 * SECOND;
