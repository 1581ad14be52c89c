/**
 * Digests that members told us of one stream, beside ours. In: what each tells, and what we hold. Out: how far each agrees
 * with us, and which members hold other objects.
 */
import { equalBytes } from '../../core/bytes.js';
import { ByMember, SparseSet } from '../../core/sparse.js';
import type { Claims } from './claims.js';
import type { Digest, Ledger } from './ledger.js';
import { nthLargest, type Readiness } from './readiness.js';
import { type Point, type Rivals, rivalGroups } from './rivals.js';
import type { Standing } from './standing.js';

export class Comparison {
  private readonly standing: Standing;
  private readonly ledger: Ledger;
  private readonly claims: Claims;
  private readonly readiness: Readiness | undefined;
  /**
   * By member: digests that it told us, by count: those beyond what is delivered, to be checked once we are there and again if
   * we start over; and of the others the highest on which we agree.
   */
  private readonly points: ByMember<readonly Point[]>;
  /** Members whose objects are not ours. */
  private readonly disputes = new SparseSet<number>();
  /** By member: so many objects it is known to agree with us on. */
  private readonly agreed: ByMember<number>;
  /** The same by what it has said in its present run. */
  private readonly agreedNow: ByMember<number>;

  /** @param readiness is told for how many of our objects a member is READY */
  constructor(standing: Standing, ledger: Ledger, claims: Claims, readiness: Readiness | undefined) {
    this.standing = standing;
    this.ledger = ledger;
    this.claims = claims;
    this.readiness = readiness;
    const { members } = standing.bounds;
    this.points = new ByMember<readonly Point[]>(members, NONE);
    this.agreed = new ByMember(members, 0);
    this.agreedNow = new ByMember(members, 0);
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    const { count } = this.ledger;
    for (let member = 0; member < this.standing.bounds.members; member++) {
      const [agreed, now] = [this.agreed.get(member), this.agreedNow.get(member)];
      if (!this.standing.isTrusting && agreed > count) return `agreement on ${agreed} of ${count}`;
      if (now > agreed) return `member ${member} agrees on ${now} now, on ${agreed} ever`;
      if (this.points.get(member).length > MAX_POINTS)
        return `${this.points.get(member).length} digests to check`;
    }
    for (const member of this.disputes)
      if (this.points.get(member).length === 0) return `nothing told by member ${member} that differs`;
    return undefined;
  }

  /** Members whose objects are known not to be ours. */
  get disputed(): readonly number[] {
    return [...this.disputes];
  }

  get isDisputed(): boolean {
    return this.disputes.size > 0;
  }

  isDisputedBy(member: number): boolean {
    return this.disputes.has(member);
  }

  /** So many objects `member` is known to agree with us on. */
  agreedOn(member: number): number {
    return this.agreed.get(member);
  }

  /** The same by what it has said in its present run. */
  agreedNowOn(member: number): number {
    return this.agreedNow.get(member);
  }

  /** Digests that `member` told us and that may still have to be checked, in ascending order of their counts. */
  toldBy(member: number): readonly Point[] {
    return this.points.get(member);
  }

  /**
   * `member` tells these digests, that of its claim the last. False if its objects are not ours.
   *
   * @param hasLost whether it holds less than it did: it has lost its store, and with it what it had confirmed
   */
  onClaim(member: number, told: readonly Point[], hasLost: boolean): boolean {
    if (hasLost) this.limit(member, told[told.length - 1].count);
    // What can be checked it has just said anew.
    const points = (hasLost ? NONE : this.points.get(member)).filter(
      (point) => point.count > this.ledger.count && told.every((other) => other.count !== point.count),
    );
    for (const { count, chain, ready } of told) points.push({ count, chain: this.own(count, chain), ready });
    points.sort((a, b) => a.count - b.count);
    // The nearest are those that we come to first; of what lies beyond them the newest will do.
    if (points.length > MAX_POINTS) points.splice(MAX_POINTS - 1, points.length - MAX_POINTS);
    this.points.set(member, points);
    return this.checkPoints(member);
  }

  /** `member` begins a new run: it may have lost what it agreed on. */
  onFresh(member: number): void {
    this.agreedNow.set(member, 0);
  }

  /** More is held: what members have told of it can be checked. */
  onHeld(): void {
    for (let member = 0; member < this.standing.bounds.members; member++) this.checkPoints(member);
  }

  /** Other objects are held than before, or less. */
  onRestart(): void {
    for (let member = 0; member < this.standing.bounds.members; member++) {
      this.limit(member, this.ledger.count);
      this.checkPoints(member);
    }
  }

  /** The fewest objects of which `member` has told a digest that is not ours. */
  lowestDispute(member: number): number | undefined {
    return this.points.get(member).find((point) => this.ledger.contradicts(point))?.count;
  }

  /** Members that say the same of one count beyond what is delivered, against us: most of them, and what they say. */
  rivals(): Rivals | undefined {
    let largest: Rivals | undefined;
    for (const group of this.rivalGroups()) if (!largest || group.votes > largest.votes) largest = group;
    return largest;
  }

  /** All such groups of members, by the digests that count. */
  rivalGroups(counts: (point: Point) => boolean = () => true): Rivals[] {
    const { origin } = this.standing;
    // What lies beyond ours may well be in agreement.
    const isRival = (point: Point) => this.ledger.contradicts(point) && counts(point);
    return rivalGroups(this.points.values(), origin, isRival);
  }

  /** Members that say what these do, whether they are READY for it or not. */
  like({ members, count, chain }: Rivals): number[] {
    const isLike = (point: Point) => point.count === count && equalBytes(point.chain, chain);
    return this.points
      .values()
      .flatMap((points, member) => (members.includes(member) || points.some(isLike) ? [member] : []));
  }

  /** So many members have told another digest of the first `count` objects. */
  against({ count, chain }: Digest): number {
    return this.points
      .values()
      .filter((points) => points.some((point) => point.count === count && !equalBytes(point.chain, chain)))
      .length;
  }

  /** Whether a quorum confirms anything that is not delivered; with hundreds of members sorting them for each costs. */
  hasQuorum(): boolean {
    const { standing, ledger, agreed } = this;
    const { origin, bounds } = standing;
    if (ledger.count <= ledger.delivered) return false;
    let holders = 0;
    for (let member = 0; member < bounds.members; member++)
      if (member === bounds.self || member === origin || agreed.get(member) > ledger.delivered) holders++;
    return holders >= bounds.quorum;
  }

  /** So many objects a quorum confirms, `own` of them we ourselves. */
  confirmedByQuorum(own: number): number {
    const { origin, bounds } = this.standing;
    const counts = this.agreed.values().map((agreed, member) =>
      // The origin has signed what we hold of it, and signs nothing before it is in its store.
      member === bounds.self || member === origin ? own : agreed,
    );
    return nthLargest(counts, bounds.quorum);
  }

  /** The same digest in memory of its own: ours, if it is the same, as it mostly is. */
  private own(count: number, chain: Uint8Array): Uint8Array {
    const ours = this.ledger.chainAt(count);
    return ours && equalBytes(chain, ours) ? ours : chain.slice();
  }

  private checkPoints(member: number): boolean {
    const { ledger } = this;
    const isPresent = this.claims.of(member)?.isPresent === true;
    const kept: Point[] = [];
    let settled: Point | undefined;
    let agrees = true;
    for (const point of this.points.get(member)) {
      const ours = ledger.chainAt(point.count);
      if (point.count > ledger.count) kept.push(point);
      else if (ours && equalBytes(point.chain, ours)) {
        this.agree(member, point.count, isPresent);
        this.readiness?.onReady(member, Math.min(point.ready, point.count));
        // If we start over, all of those beyond what is delivered have to be checked again.
        if (point.count > ledger.delivered) kept.push(point);
        else settled = point;
      }
      // Else it was too long ago to tell.
      else if (ours) {
        kept.push(point);
        agrees = false;
      }
    }
    if (settled) kept.unshift(settled);
    this.points.set(member, kept.length > 0 ? kept : NONE);
    if (agrees) {
      if (this.standing.isTrusting) this.agree(member, this.claims.of(member)?.count ?? 0, isPresent);
      this.disputes.delete(member);
    } else {
      this.disputes.add(member);
      if (this.standing.isTrusting) this.distrust(member);
    }
    return agrees;
  }

  private agree(member: number, count: number, isPresent: boolean): void {
    this.agreed.set(member, Math.max(this.agreed.get(member), count));
    // What is left of its former run it may have lost.
    if (isPresent) this.agreedNow.set(member, Math.max(this.agreedNow.get(member), count));
  }

  /** What was taken on the member's word, while there was nothing to compare it with, is not what we hold. */
  private distrust(member: number): void {
    const lowest = this.lowestDispute(member);
    if (lowest !== undefined) this.limit(member, lowest - 1);
  }

  private limit(member: number, most: number): void {
    this.agreed.set(member, Math.min(this.agreed.get(member), most));
    this.agreedNow.set(member, Math.min(this.agreedNow.get(member), most));
  }
}

const NONE: readonly Point[] = [];
export const MAX_POINTS = 16;
