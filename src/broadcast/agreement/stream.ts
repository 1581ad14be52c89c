/**
 * One stream: what we hold of it, what the others say that they hold, and so how far it may be delivered and pruned. A confirm
 * is a count and the digest of all hashes up to it, so that it costs the same for one object or a thousand, and members that
 * agree in it agree in every object below.
 */
import { SparseMap } from '../../core/sparse.js';
import type { Micros } from '../../core/time.js';
import type { StreamState } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import { Claims } from './claims.js';
import { Comparison } from './comparison.js';
import { Following } from './following.js';
import { Keepers } from './keepers.js';
import { FIRST_CHAIN, Ledger } from './ledger.js';
import { Readiness } from './readiness.js';
import type { Point, Rivals } from './rivals.js';
import { type Bounds, Standing } from './standing.js';
import { Telling } from './telling.js';

export class Stream implements StreamId {
  readonly origin: number;
  readonly incarnation: number;
  readonly standing: Standing;
  readonly ledger: Ledger;
  readonly claims: Claims;
  readonly comparison: Comparison;
  readonly following: Following;
  readonly telling: Telling;
  readonly keepers: Keepers;
  /** Objects above our limit, by seq: not asked for before then. */
  readonly refused = new SparseMap<number, Micros>();
  /** Where it puts itself once `Telling.untold` may find what it did not before. */
  news: Set<Stream> | undefined;
  /** Where it puts itself once more of it may be deliverable than was. */
  ripe: Set<Stream> | undefined;
  private readonly readiness: Readiness | undefined;
  /** What `deliverable` found; undefined once more may be, or less. */
  private due: number | undefined;

  constructor(id: StreamId, bounds: Bounds, state?: StreamState) {
    this.origin = id.origin;
    this.incarnation = id.incarnation;
    const standing = new Standing(id, bounds);
    const ledger = new Ledger(state);
    const claims = new Claims(standing, ledger);
    if (bounds.readyQuorum > 0)
      this.readiness = new Readiness(bounds, state?.ready ?? { count: 0, chain: FIRST_CHAIN });
    const { readiness } = this;
    const comparison = new Comparison(standing, ledger, claims, readiness);
    const following = new Following(standing, ledger, { claims, comparison, readiness });
    this.standing = standing;
    this.ledger = ledger;
    this.claims = claims;
    this.comparison = comparison;
    this.following = following;
    this.telling = new Telling(standing, ledger, { claims, comparison, following });
    this.keepers = new Keepers(claims);
    this.onRestart();
  }

  get state(): StreamState {
    const { origin, incarnation, ledger, readiness } = this;
    return { origin, incarnation, ...ledger.state, ...(readiness && { ready: readiness.pledge }) };
  }

  get base(): number {
    return this.ledger.base;
  }

  get delivered(): number {
    return this.ledger.delivered;
  }

  get index(): number {
    return this.ledger.index;
  }

  get count(): number {
    return this.ledger.count;
  }

  /** Whether this object or stream is (of) this one. */
  includes({ origin, incarnation }: StreamId): boolean {
    return origin === this.origin && incarnation === this.incarnation;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    return (
      this.standing.check() ??
      this.ledger.check() ??
      this.claims.check() ??
      this.comparison.check() ??
      this.readiness?.check() ??
      this.following.check() ??
      this.telling.check() ??
      this.keepers.check()
    );
  }

  // ---- what we hold

  /** See `Ledger.holds`. */
  holds(seq: number): boolean {
    return this.ledger.holds(seq);
  }

  /** See `Ledger.lacks`. */
  lacks(seq: number): boolean {
    return this.ledger.lacks(seq);
  }

  /** Object `seq` with this hash is in our store. Afterwards `Comparison.disputed` lists the members that hold another. */
  hold(seq: number, hash: Uint8Array, length = 0): void {
    if (this.ledger.holds(seq)) return;
    this.ledger.hold(seq, hash, length);
    this.onHeld();
  }

  /** The whole object `delivered` has been consumed. */
  onDelivered(): void {
    this.ledger.onDelivered();
    this.onNews();
  }

  /** See `Ledger.prune`. */
  prune(below: number): void {
    this.ledger.prune(below);
    this.onNews();
  }

  /**
   * Starts again from `from`, at least `delivered` and at most `count`, as if nothing from there on were held: the objects
   * are lost, or not those that the others agree on.
   */
  restart(from: number): void {
    this.ledger.restart(from);
    this.onRestart();
  }

  /** Nobody keeps objects below `base` any more: goes on from there, with what is held beyond; said once it is stored. */
  skipTo(base: number, chain: Uint8Array): void {
    this.ledger.skipTo(base, chain);
    this.standing.unsaidFrom = base;
    this.onHeld();
    this.onRestart();
  }

  private onHeld(): void {
    this.ripen();
    this.comparison.onHeld();
    this.following.onHeld();
    this.onNews();
  }

  /** What is held is no longer what it was: all that rests on it is looked at again. */
  private onRestart(): void {
    const { delivered, count } = this.ledger;
    this.ripen();
    this.claims.onChange();
    this.readiness?.restart({ count: delivered, chain: this.ledger.chainAt(delivered)!.slice() }, count);
    this.following.onRestart();
    this.comparison.onRestart();
    this.onNews();
  }

  // ---- what the others say

  /**
   * `member` says this of it: its claim, and digests of fewer objects. False if its objects are not ours: then one of the two,
   * or the origin, is lying.
   */
  onClaim(member: number, entry: VectorEntry, lower: readonly Point[] = []): boolean {
    const before = this.claims.onClaim(member, entry);
    const hasLost = before !== undefined && before.count > entry.count;
    if (this.due !== this.ledger.count || hasLost) this.ripen();
    // Who has retired it has delivered all of it.
    const ready = entry.over ? entry.count : entry.ready;
    const agrees = this.comparison.onClaim(member, [...lower, { ...entry, ready }], hasLost);
    this.onNews();
    return agrees;
  }

  /** `member` begins a new run. */
  onFresh(member: number): void {
    this.standing.over.delete(member);
    this.claims.onFresh(member);
    this.comparison.onFresh(member);
    this.keepers.onFresh(member);
  }

  /** `member` keeps nothing below `base`. Returns how many members have said the same of the same base. */
  onGone(member: number, base: number, chain: Uint8Array): number {
    this.claims.onGone(member, base);
    this.onNews();
    return this.keepers.onGone(member, base, chain);
  }

  /** Its origin has named it, or signed an object of it. */
  attest(): void {
    this.standing.attested = true;
    this.claims.onChange();
  }

  /** A later one of its origin is attested. */
  close(): void {
    this.standing.closed = true;
    this.claims.onChange();
  }

  /** Takes what these say for right. What we hold from `from` on is to be dropped: see `restart`. */
  follow(rivals: Rivals, from: number): void {
    this.following.follow(rivals, from);
    this.onNews();
  }

  /** See `Telling.tell`. */
  tell(member: number): VectorEntry[] {
    return this.telling.tell(member);
  }

  // ---- what follows

  /** Objects below are confirmed by a quorum that agrees with us on them, or so many are READY: they may be delivered. */
  deliverable(): number {
    this.due ??= Math.max(this.ledger.delivered, Math.min(this.ledger.count, this.agreedByGroup()));
    return this.due;
  }

  private agreedByGroup(): number {
    const { readiness, comparison, following, ledger, standing } = this;
    const { change } = standing.bounds;
    if (change) return change.confirmed(streamKey(this), following.confirmed);
    if (readiness) return readiness.deliverable(following.readyToSay);
    return comparison.hasQuorum() ? comparison.confirmedByQuorum(following.confirmed) : ledger.delivered;
  }

  /** Becomes READY for what a quorum confirms: to be stored, and said after that (`onPledged`). False if that is no more. */
  pledge(): boolean {
    const { readiness, following } = this;
    if (!readiness || following.trusted) return false;
    const count = Math.max(this.comparison.confirmedByQuorum(following.confirmed), readiness.attested());
    if (count <= readiness.pledge.count) return false;
    readiness.pledge = { count, chain: this.ledger.chainAt(count)! };
    return true;
  }

  /** What we are READY for is in our store, up to `count`. Whether there is more to say now. */
  onPledged(count: number): boolean {
    const { readiness } = this;
    if (!readiness || count <= readiness.durable) return false;
    readiness.durable = count;
    this.ripen();
    this.onNews();
    return true;
  }

  /** Objects below are held by every member, the origin included, as each has said in its present run; and are the same there. */
  stable(): number {
    const { standing, claims, comparison } = this;
    const { self, members, change } = standing.bounds;
    // While members differ one may have to start over, and may need again what all had agreed on.
    if (comparison.isDisputed) return this.ledger.base;
    let least = Math.min(this.following.confirmed, change?.stable(streamKey(this)) ?? this.count);
    for (let member = 0; member < members; member++)
      if (member !== self && !standing.over.has(member) && standing.counts(member))
        least = Math.min(least, claims.mayVouch(member) ? comparison.agreedNowOn(member) : 0);
    return least;
  }

  /**
   * Whether it may be forgotten: a later one is there, all of it is delivered and no longer kept, and every other member, the
   * origin included, has said in its present run that it is the same there, and that it knows of the later one, and of none
   * before it: that one it might still need.
   */
  isOver(): boolean {
    const { standing, ledger, claims, comparison } = this;
    const { self, members } = standing.bounds;
    if (!standing.ended || !ledger.isSpent || comparison.isDisputed) return false;
    const { count } = ledger;
    for (let member = 0; member < members; member++) {
      if (member === self || standing.over.has(member) || !standing.counts(member)) continue;
      const claim = claims.of(member);
      if (!claim?.isPresent || !claim.first || claim.count !== count || claim.base !== count) return false;
      if (comparison.agreedNowOn(member) !== count) return false;
    }
    return true;
  }

  /**
   * Whether it may be forgotten since more others than may lie have, as we hold it: one of them does not lie, and had seen all
   * members with all of it, and none with an earlier one.
   */
  isOverElsewhere(): boolean {
    const { standing, ledger, claims, comparison } = this;
    if (!standing.ended || !ledger.isConsumed) return false;
    const { count } = ledger;
    let votes = 0;
    for (const member of standing.over)
      if (claims.of(member)?.base === count && comparison.agreedNowOn(member) === count) votes++;
    return votes > standing.bounds.byzantine;
  }

  /** It has ended, and nobody has anything of it. */
  isVoid(): boolean {
    return this.standing.ended && this.ledger.isEmpty && this.claims.claimant() === undefined;
  }

  /** More of it may be deliverable, or less; also by what others say of epochs. */
  ripen(): void {
    this.due = undefined;
    this.ripe?.add(this);
  }

  /** What is told to members that disagree may have changed. */
  private onNews(): void {
    if (this.comparison.isDisputed) this.news?.add(this);
  }
}
