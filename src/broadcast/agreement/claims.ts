/**
 * What each member says that it holds of one stream. In: the claims of VECTORs, and GONE. Out: who holds an object, and how
 * many there are by the word of the origin, or of more members than may lie.
 */
import { bitAt } from '../../core/bitset.js';
import { ByMember } from '../../core/sparse.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { Ledger } from './ledger.js';
import { nthLargest } from './readiness.js';
import type { Standing } from './standing.js';

/** What a member last said. */
interface Claim {
  base: number;
  readonly count: number;
  readonly ahead: Uint8Array;
  readonly ended: boolean;
  readonly first: boolean;
  /** It was said in the member's present run: only such words count for pruning and retirement. */
  isPresent: boolean;
}

export class Claims {
  private readonly standing: Standing;
  private readonly ledger: Ledger;
  private readonly claims: ByMember<Claim | undefined>;
  /** What `existing` found; undefined once the claims may say something else. */
  private top: number | undefined;

  constructor(standing: Standing, ledger: Ledger) {
    this.standing = standing;
    this.ledger = ledger;
    this.claims = new ByMember(standing.bounds.members, undefined);
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    return this.claims.get(this.standing.bounds.self) ? 'a claim of our own' : undefined;
  }

  /** What `member` last said. */
  of(member: number): Readonly<Claim> | undefined {
    return this.claims.get(member);
  }

  /** `member` says this of the stream. Returns what it said before. */
  onClaim(member: number, { base, count, ahead, ended, first }: VectorEntry): Claim | undefined {
    const before = this.claims.get(member);
    const claim = {
      base,
      count,
      ahead: ahead.length === 0 ? NOTHING : ahead.slice(),
      ended,
      first,
      isPresent: true,
    };
    this.claims.set(member, claim);
    // Each of hundreds of members says the same in turn: what it cannot change is not counted again.
    const top = topOf(claim);
    const isNewWord = member === this.standing.origin && before?.ended !== ended;
    if (this.top !== undefined && (isNewWord || top > this.top || top < (before ? topOf(before) : 0)))
      this.top = undefined;
    return before;
  }

  /** `member` keeps nothing below `base`. */
  onGone(member: number, base: number): void {
    const claim = this.claims.get(member);
    if (claim) claim.base = Math.max(claim.base, base);
  }

  /** What `member` has said it has said in its former run: it may have lost what it held, or come back with an old copy. */
  onFresh(member: number): void {
    this.top = undefined;
    const claim = this.claims.get(member);
    if (claim) claim.isPresent = false;
  }

  /** What is held, or where the stream stands, has changed: claims may mean something else. */
  onChange(): void {
    this.top = undefined;
  }

  /** Whether `member` says that it holds this object. */
  isHeldBy(member: number, seq: number): boolean {
    const claim = this.claims.get(member);
    if (!claim) return false;
    return seq < claim.count || (seq > claim.count && bitAt(claim.ahead, seq - claim.count - 1));
  }

  /** Whether `member` says that it holds this object, and keeps it. */
  keeps(member: number, seq: number): boolean {
    const claim = this.claims.get(member);
    return claim !== undefined && seq >= claim.base && this.isHeldBy(member, seq);
  }

  /** Whether `member` has said that it held this object, and keeps it no more. */
  hasLetGo(member: number, seq: number): boolean {
    return this.isHeldBy(member, seq) && !this.keeps(member, seq);
  }

  /** Whether more members than may lie say that they hold something of it. */
  get isKnown(): boolean {
    const holders = this.claims.values().filter((claim) => claim !== undefined && topOf(claim) > 0);
    return holders.length > this.standing.bounds.byzantine;
  }

  /** A member, if possible another than this one, that says that it holds something of it. */
  claimant(than?: number): number | undefined {
    const found = this.claims
      .values()
      .findIndex((claim, member) => member !== than && claim !== undefined && topOf(claim) > 0);
    return found < 0 ? undefined : found;
  }

  /** Whether another member than this one, or the origin, has said that there are so many objects. */
  isNamedBeside(member: number, count: number): boolean {
    if (member === this.standing.origin) return true;
    return this.claims
      .values()
      .some((claim, other) => other !== member && claim !== undefined && claim.count >= count);
  }

  /** Members that do not hold all objects below `count`. */
  lacking(count: number): number[] {
    const { origin, bounds } = this.standing;
    return this.claims
      .values()
      .flatMap((claim, member) =>
        member === bounds.self || member === origin || (claim?.count ?? 0) >= count ? [] : [member],
      );
  }

  /** Whether more members than may lie say that they hold this object, the origin only if it says so as one of many. */
  isVouched(seq: number): boolean {
    const { self, byzantine } = this.standing.bounds;
    let votes = 0;
    for (let member = 0; member < this.standing.bounds.members; member++)
      if (
        member !== self &&
        this.claims.get(member)?.isPresent &&
        this.mayVouch(member) &&
        this.isHeldBy(member, seq)
      )
        votes++;
    return votes > byzantine;
  }

  /** What the origin said of it before it knew of a later one it may have lost: then its word counts like anyone's. */
  mayVouch(member: number): boolean {
    const { origin, closed } = this.standing;
    const claim = this.claims.get(member);
    return member !== origin || !closed || (claim?.isPresent === true && claim.ended);
  }

  /** Objects below this are certain to exist: their origin says so, or more members than may lie. */
  existing(): number {
    this.top ??= this.countTop();
    return Math.max(this.ledger.count, this.top);
  }

  /** So many objects there are, by the word of the origin, or of more members than may lie; those beyond gaps not counted. */
  named(): number {
    return this.mostClaimed(this.standing.bounds.byzantine, ({ count }) => count);
  }

  /** So many objects more members than may lie say that they hold, the origin not counted: one of them does, whoever lies. */
  confirmed(): number {
    const { self, byzantine } = this.standing.bounds;
    const counts = this.claims
      .values()
      .flatMap((claim, member) =>
        claim?.isPresent && member !== this.standing.origin && member !== self ? [claim.count] : [],
      );
    return nthLargest(counts, byzantine + 1);
  }

  private countTop(): number {
    const { attested, bounds } = this.standing;
    if (attested) return this.mostClaimed(bounds.byzantine, topOf);
    // The first object of a rumour shows whether there is anything to it.
    return Math.min(this.mostClaimed(0, topOf), this.ledger.count + 1);
  }

  private mostClaimed(liars: number, of: (claim: Claim) => number): number {
    const { origin, closed } = this.standing;
    let most = 0;
    const others: number[] = [];
    this.claims.values().forEach((claim, member) => {
      if (!claim || !this.mayVouch(member)) return;
      if (member === origin && !closed) most = of(claim);
      else others.push(of(claim));
    });
    return Math.max(most, nthLargest(others, liars + 1));
  }
}

/** No object at or above it is held by who claims this. */
export function topOf({ count, ahead }: Pick<Claim, 'count' | 'ahead'>): number {
  for (let bit = 8 * ahead.length - 1; bit >= 0; bit--) if (bitAt(ahead, bit)) return count + bit + 2;
  return count;
}

const NOTHING = new Uint8Array(0);
