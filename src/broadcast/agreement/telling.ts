/**
 * What we tell each member of one stream: our claim, and to those that disagree or are far behind, digests of fewer objects.
 * In: what we hold and what they told. Out: entries for VECTORs, and who is to be told more.
 */
import { equalBytes } from '../../core/bytes.js';
import { ByMember } from '../../core/sparse.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { Claims } from './claims.js';
import type { Comparison } from './comparison.js';
import type { Following } from './following.js';
import { COARSE, type Ledger, RECENT } from './ledger.js';
import type { Standing } from './standing.js';

export class Telling {
  private readonly standing: Standing;
  private readonly ledger: Ledger;
  private readonly claims: Claims;
  private readonly comparison: Comparison;
  private readonly following: Following;
  /** By member: of which counts, besides all, we have told it. */
  private readonly announced: ByMember<readonly number[]>;

  constructor(
    standing: Standing,
    ledger: Ledger,
    parts: { claims: Claims; comparison: Comparison; following: Following },
  ) {
    this.standing = standing;
    this.ledger = ledger;
    this.claims = parts.claims;
    this.comparison = parts.comparison;
    this.following = parts.following;
    this.announced = new ByMember<readonly number[]>(standing.bounds.members, NO_COUNTS);
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    for (const counts of this.announced.values())
      if (counts.some((count, i) => count <= (counts[i - 1] ?? 0))) return `told at ${counts.join(', ')}`;
    return undefined;
  }

  /** Changes with what is to be said because of other streams of its origin. */
  get stamp(): number {
    const { ended, isFirstEnded } = this.standing;
    return (this.isSaid ? 1 : 0) + (ended ? 2 : 0) + (isFirstEnded ? 4 : 0);
  }

  /** What we say of it. */
  entry(): VectorEntry {
    const { ledger, standing, following } = this;
    const { origin, incarnation, ended, isFirstEnded: first } = standing;
    const { confirmed: count, readyToSay: ready } = following;
    return {
      origin,
      incarnation,
      base: ledger.base,
      count,
      ready,
      ended,
      first,
      over: false,
      chain: ledger.chainAt(count)!,
      ahead: count < ledger.count ? NOTHING : ledger.ahead(),
    };
  }

  /**
   * Tells `member`: our claim, as the last entry. Where its objects are not ours, a digest of all cannot tell from which one
   * on, so there are some of fewer before it; and one of those that we are READY for, since more of them it may never get.
   */
  tell(member: number): VectorEntry[] {
    if (!this.isSaid) return [];
    const claim = this.entry();
    const counts = this.countsFor(member);
    this.announced.set(member, counts);
    const lower = counts.map((count) => {
      const chain = this.ledger.chainAt(count)!;
      return { ...claim, count, ready: Math.min(claim.ready, count), chain, ahead: NOTHING };
    });
    return [...lower, claim];
  }

  /** Whether our claim is beyond what `member` could check for long: it is told of fewer objects, too. */
  isFarBehind(member: number): boolean {
    return this.digestToCatchUp(member) !== undefined;
  }

  /** Members that we have more to tell than when we last did. */
  *untold(): Generator<number> {
    for (const member of this.comparison.disputed)
      if (!equalNumbers(this.countsFor(member), this.announced.get(member))) yield member;
  }

  /** Whether there is anything to say of it: not before our store says that it is there. */
  private get isSaid(): boolean {
    const { attested, recorded, unsaidFrom, isOwn, isLater } = this.standing;
    return attested && recorded && unsaidFrom === undefined && (isOwn || !this.ledger.isEmpty || isLater);
  }

  /** In ascending order: counts, besides that of our claim, of which `member` is told the digest. */
  private countsFor(member: number): readonly number[] {
    const { comparison, following, ledger, standing } = this;
    const needsReady = standing.bounds.readyQuorum > 0;
    const counts = new Set<number>();
    if (needsReady) counts.add(following.readyToSay);
    const toCatchUp = this.digestToCatchUp(member);
    if (toCatchUp !== undefined) counts.add(toCatchUp);
    if (comparison.isDisputedBy(member) && (needsReady || toCatchUp === undefined))
      for (const count of this.countsInDispute(member)) counts.add(count);
    if (counts.size === 0) return NO_COUNTS;
    return [...counts]
      .filter((count) => count > 0 && count < following.confirmed && ledger.chainAt(count) !== undefined)
      .sort((a, b) => a - b);
  }

  /** The count at which a member that is far behind can soon check our digest. */
  private digestToCatchUp(member: number): number | undefined {
    const claim = this.claims.of(member);
    if (this.standing.isTrusting || !claim || this.ledger.count - claim.count <= RECENT) return undefined;
    return Math.floor((claim.count + RECENT) / COARSE) * COARSE;
  }

  /** What both sides need: how far we agree, where we begin to differ, and the same as the member may see it. */
  private *countsInDispute(member: number): Generator<number> {
    const { comparison, ledger, standing } = this;
    const { delivered } = ledger;
    yield delivered;
    yield delivered + 1;
    // What the other one has let go of is the same here.
    yield this.claims.of(member)!.base;
    // Where the other one may have no digest of that any more.
    if (standing.bounds.readyQuorum > 0) yield Math.ceil((delivered + 1) / COARSE) * COARSE;
    const middle = this.middle(member);
    if (middle !== undefined) yield middle;
    // A member that has started again knows no digest from before: what one can tell the others are asked for, too.
    const others = new Set(comparison.disputed.flatMap((other) => comparison.lowestDispute(other) ?? []));
    yield* [...others].sort((a, b) => a - b).slice(0, MAX_DIFFERING);
    let differing = 0;
    let agreed = 0;
    for (const { count, chain } of comparison.toldBy(member)) {
      const ours = ledger.chainAt(count);
      if (!ours) continue;
      if (equalBytes(chain, ours)) agreed = count;
      else {
        yield count;
        if (++differing === MAX_DIFFERING) break;
      }
    }
    yield agreed;
  }

  /** Between how far `member` is known to agree with us, and where it is known to differ; undefined if nothing lies there. */
  private middle(member: number): number | undefined {
    const low = Math.max(this.ledger.delivered, this.comparison.agreedOn(member));
    const high = this.comparison.lowestDispute(member);
    if (high === undefined || high <= low + 1) return undefined;
    const middle = (low + high) >> 1;
    // Of those long past the other one may have no other digests.
    const coarse = Math.ceil(middle / COARSE) * COARSE;
    return coarse < high && high - low > COARSE ? coarse : middle;
  }
}

function equalNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, i) => number === b[i]);
}

const NOTHING = new Uint8Array(0);
const NO_COUNTS: readonly number[] = [];
/** Digests told of counts on which a member and we differ. */
const MAX_DIFFERING = 8;
