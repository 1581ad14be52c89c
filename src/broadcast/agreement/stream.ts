/**
 * What is known of one stream: which objects we hold, which ones the others say they hold, and so how far it may be
 * delivered and pruned. A confirm is a count and the digest of all hashes up to it, so that it costs the same for one
 * object or a thousand, and members that agree in it agree in every object below.
 */
import { bitAt } from '../../core/bitset.js';
import { equalBytes } from '../../core/bytes.js';
import type { Micros } from '../../core/time.js';
import type { Group } from '../../group/group.js';
import type { StreamState } from '../../store/store.js';
import type { VectorEntry } from '../../wire/frames/vector.js';
import type { Descriptor, StreamId } from '../../wire/symbol.js';
import { Keepers } from './keepers.js';
import { COARSE, type Digest, FIRST_CHAIN, Ledger, link, RECENT } from './ledger.js';
import { nthLargest, Readiness } from './readiness.js';
import { type Point, type Rivals, rivalGroups } from './rivals.js';

/** What a member last said. */
interface Claim {
  base: number;
  count: number;
  ahead: Uint8Array;
  ended: boolean;
  first: boolean;
  /** It was said in the member's present run: only such words count for pruning and retirement. */
  isPresent: boolean;
}

export class Stream implements StreamId {
  readonly origin: number;
  readonly incarnation: number;
  readonly ledger: Ledger;
  readonly keepers = new Keepers();
  /** Objects above our limit, by seq: not asked for before then. */
  readonly refused = new Map<number, Micros>();
  /**
   * Members that are to be believed against what we held, up to this count, where the digest must be this one. What we hold
   * below `from` is theirs, too.
   */
  trusted: (Pick<Rivals, 'members' | keyof Digest> & { from: number }) | undefined;
  /** Its origin has named it, or signed an object of it: else it is a rumour, the word of others about one that is not them. */
  attested = true;
  /** It was taken on its origin's word alone. */
  onWord = true;
  /** Our store says so, too; only then is it spoken of. */
  recorded = true;
  /** A later one of its origin is attested: nothing is taken any more that might be nowhere else. */
  closed = false;
  /** And our store says so. */
  ended = false;
  /** No earlier one of its origin is here. */
  isFirst = true;
  /** An earlier one of its origin is known: then it is spoken of even while it is empty. */
  isLater = false;
  /** Members that have retired it. */
  readonly over = new Set<number>();
  /** Where it puts itself once `untold` may find what it did not before. */
  news: Set<Stream> | undefined;
  private readonly self: number;
  private readonly claims: (Claim | undefined)[];
  /**
   * By member: digests that it told us, by count: those beyond what is delivered, to be checked once we are there and again if
   * we start over; and of the others the highest on which we agree.
   */
  private readonly points: Point[][];
  /** Members whose objects are not ours. */
  private readonly disputes = new Set<number>();
  /** By member: of which counts, besides all, we have told it. */
  private readonly told: (readonly number[])[];
  /** By member: so many objects it is known to agree with us on. */
  private readonly agreed: number[];
  /** The same by what it has said in its present run. */
  private readonly agreedNow: number[];
  private due: number | undefined;
  /** What `existing` found in the claims; undefined where they may now say something else. */
  private claimed: { liars: number; top: number } | undefined;
  /** No member lies: what one says that it holds is what we shall hold, before we can check it. */
  private readonly isTrusting: boolean;
  /** Where a quorum of confirms is not enough to deliver. */
  private readonly readiness: Readiness | undefined;

  constructor(
    { origin, incarnation }: StreamId,
    self: number,
    members: number,
    state?: StreamState,
    bounds: Pick<Group, 'byzantine' | 'readyQuorum'> = { byzantine: 1, readyQuorum: 0 },
  ) {
    this.isTrusting = bounds.byzantine === 0;
    this.ledger = new Ledger(state);
    this.origin = origin;
    this.incarnation = incarnation;
    this.self = self;
    this.claims = Array.from({ length: members });
    this.points = Array.from({ length: members }, () => []);
    this.agreed = new Array(members).fill(0);
    this.agreedNow = new Array(members).fill(0);
    this.told = new Array(members).fill([]);
    if (bounds.readyQuorum > 0)
      this.readiness = new Readiness(members, bounds, state?.ready ?? { count: 0, chain: FIRST_CHAIN });
    this.recheck();
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
    const { count, readiness } = this;
    const fault = this.ledger.check() ?? this.keepers.check();
    if (fault) return fault;
    const agreed = Math.max(...this.agreed);
    if (!this.isTrusting && agreed > count) return `agreement on ${agreed} of ${count}`;
    if (readiness && readiness.durable > readiness.pledge.count)
      return `READY for ${readiness.durable} not pledged`;
    return undefined;
  }

  /** See `Ledger.holds`. */
  holds(seq: number): boolean {
    return this.ledger.holds(seq);
  }

  /** See `Ledger.lacks`. */
  lacks(seq: number): boolean {
    return this.ledger.lacks(seq);
  }

  /** Object `seq` with this hash is in our store. Whom that puts in the wrong: see `disputed`. */
  hold(seq: number, hash: Uint8Array, length = 0): void {
    if (this.ledger.holds(seq)) return;
    this.ledger.hold(seq, hash, length);
    this.compare();
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
    this.recheck();
  }

  /** Nobody keeps objects below `base` any more: goes on from there, with what is held beyond. */
  skipTo(base: number, chain: Uint8Array): void {
    this.ledger.skipTo(base, chain);
    this.compare();
    this.recheck();
  }

  /** More is held: what others have said of it can be checked. */
  private compare(): void {
    this.due = undefined;
    for (let member = 0; member < this.points.length; member++) this.checkPoints(member);
  }

  /** What is held is no longer what it was: all that rests on it is looked at again. */
  private recheck(): void {
    const { count, delivered, readiness } = this;
    this.due = undefined;
    this.claimed = undefined;
    if (readiness) {
      readiness.restart({ count: delivered, chain: this.ledger.chainAt(delivered)!.slice() }, count);
      // What we are READY for it must become again.
      if (readiness.pledge.count > count) this.trusted = { members: [], ...readiness.pledge, from: count };
    }
    if (this.trusted && this.trusted.count <= delivered) this.trusted = undefined;
    this.agreed.forEach((_, member) => {
      this.agreed[member] = Math.min(this.agreed[member], count);
      this.agreedNow[member] = Math.min(this.agreedNow[member], count);
      this.checkPoints(member);
    });
  }

  /** What we say of it. */
  entry(): VectorEntry {
    const { origin, incarnation, base, confirmed: count } = this;
    const chain = this.ledger.chainAt(count)!;
    const ready = this.readyToSay;
    const { ended } = this;
    const first = ended && this.isFirst;
    return {
      origin,
      incarnation,
      base,
      count,
      ready,
      ended,
      first,
      over: false,
      chain,
      ahead: count < this.count ? NOTHING : this.ledger.ahead(),
    };
  }

  /**
   * What we say of it to `member`: our claim, as the last entry. Where its objects are not ours, a digest of all cannot tell
   * from which one on, so there are some of fewer before it; and one of those that we are READY for, since more of them it
   * may never get.
   */
  entriesFor(member: number): VectorEntry[] {
    if (!this.isSaid) return [];
    const claim = this.entry();
    const counts = this.countsFor(member);
    this.told[member] = counts;
    const lower = counts.map((count) => {
      const chain = this.ledger.chainAt(count)!;
      return { ...claim, count, ready: Math.min(claim.ready, count), chain, ahead: new Uint8Array(0) };
    });
    return [...lower, claim];
  }

  /** What is to be said of it changes with this. */
  get standing(): number {
    return (this.isSaid ? 1 : 0) + (this.ended ? 2 : 0) + (this.ended && this.isFirst ? 4 : 0);
  }

  /** Whether there is anything to say of it: not before our store says that it is there. */
  private get isSaid(): boolean {
    const { origin, self, attested, recorded, ledger, isLater } = this;
    return attested && recorded && (origin === self || !ledger.isEmpty || isLater);
  }

  /** Members whose objects are known not to be ours. */
  get disputed(): readonly number[] {
    return [...this.disputes];
  }

  /** Whether our claim is beyond what `member` could check for long: it is told of fewer objects, too. */
  isFarBehind(member: number): boolean {
    const claim = this.claims[member];
    return !this.isTrusting && claim !== undefined && this.count - claim.count > RECENT;
  }

  /** Members that we have more to tell than when we last did. */
  *untold(): Generator<number> {
    for (const member of this.disputes)
      if (!equalNumbers(this.countsFor(member), this.told[member])) yield member;
  }

  /**
   * What `member` says of it: its claim, and digests of fewer objects. False if its objects are not ours: then one of the
   * two, or the origin, is lying.
   */
  onClaim(member: number, entry: VectorEntry, lower: readonly Point[] = []): boolean {
    const { base, count, ended, first } = entry;
    const before = this.claims[member];
    const ahead = entry.ahead.length === 0 ? NOTHING : entry.ahead.slice();
    const claim = { base, count, ahead, ended, first, isPresent: true };
    this.claims[member] = claim;
    // Each of hundreds of members says the same in turn: what it cannot change is not counted again.
    const top = topOf(claim);
    const isNewWord = member === this.origin && before?.ended !== ended;
    if (this.claimed && (isNewWord || top > this.claimed.top || top < (before ? topOf(before) : 0)))
      this.claimed = undefined;
    if (this.due !== this.count || (before && before.count > count)) this.due = undefined;
    let points = this.points[member];
    if (before && before.count > count) {
      // It holds less than it did: it has lost its store, and with it what it had confirmed.
      points = [];
      this.agreed[member] = Math.min(this.agreed[member], count);
      this.agreedNow[member] = Math.min(this.agreedNow[member], count);
    }
    const news = [...lower, entry];
    // What can be checked it has just said anew.
    points = points.filter(
      (point) => point.count > this.count && news.every((other) => other.count !== point.count),
    );
    for (const { count, chain, ready } of news) points.push({ count, chain: chain.slice(), ready });
    points.sort((a, b) => a.count - b.count);
    // The nearest are those that we come to first; of what lies beyond them the newest will do.
    if (points.length > MAX_POINTS) points.splice(MAX_POINTS - 1, points.length - MAX_POINTS);
    this.points[member] = points;
    return this.checkPoints(member);
  }

  /**
   * Members that say the same of one count beyond what is delivered, against us: so many, and what they say. `votes`: with
   * the origin, who has signed what each of them holds.
   */
  rivals(): Rivals | undefined {
    let largest: Rivals | undefined;
    for (const group of this.rivalGroups()) if (!largest || group.votes > largest.votes) largest = group;
    return largest;
  }

  /** The rivals that we have to follow: a quorum; or more members than may lie that are READY, those of the fewest objects. */
  winners(quorum: number): Rivals | undefined {
    const { readiness } = this;
    if (!readiness) {
      const rivals = this.rivals();
      return rivals && rivals.votes >= quorum ? rivals : undefined;
    }
    return this.rivalGroups(({ count, ready }) => ready >= count && count > readiness.pledge.count)
      .filter(({ members }) => readiness.isAttested(members.length))
      .sort((a, b) => a.count - b.count)[0];
  }

  /** Takes what they say for right. What we hold from `from` on is to be dropped: see `restart`. */
  follow({ members, count, chain }: Rivals, from = this.delivered): void {
    this.trusted = { members, count, chain, from };
    if (this.readiness) this.readiness.pledge = { count, chain };
    this.onNews();
  }

  /** Whether `member` says that it holds this object, and keeps it if `kept`. */
  isHeldBy(member: number, seq: number, kept = false): boolean {
    const claim = this.claims[member];
    if (!claim) return false;
    if (kept && seq < claim.base) return false;
    return seq < claim.count || (seq > claim.count && bitAt(claim.ahead, seq - claim.count - 1));
  }

  /** Whether `member` has said that it held this object, and keeps it no more. */
  hasLetGo(member: number, seq: number): boolean {
    return this.isHeldBy(member, seq) && !this.isHeldBy(member, seq, true);
  }

  /**
   * Where to start again from if we follow them: what lies below is theirs too. So many of them that one at least does not
   * lie agree with us on it, or keep it no more, which they do with nothing that we had not agreed on.
   */
  sharedWith(rivals: Rivals, liars: number): number {
    const members = this.like(rivals);
    if (members.length <= liars) return this.delivered;
    const pruned = nthLargest(
      members.map((member) => this.claims[member]?.base ?? 0),
      liars + 1,
    );
    const shared = Math.max(pruned, this.agreedWith(members, liars));
    return Math.max(this.delivered, Math.min(this.count, this.differsBy(rivals, liars) - 1, shared));
  }

  /**
   * Whether it is known from which object on ours are not theirs; those below `safe` are. Until then all is kept: the others
   * may have let go of what lies below a dispute, on our word.
   */
  isLocated(rivals: Rivals, liars: number, safe = this.delivered): boolean {
    const members = this.like(rivals);
    if (members.length <= liars) return false;
    return Math.max(safe, this.agreedWith(members, liars)) >= this.differsBy(rivals, liars) - 1;
  }

  /** Members that say what these do, whether they are READY for it or not. */
  private like({ members, count, chain }: Rivals): number[] {
    const isLike = (point: Point) => point.count === count && equalBytes(point.chain, chain);
    return this.points.flatMap((points, member) =>
      members.includes(member) || points.some(isLike) ? [member] : [],
    );
  }

  /** So many objects more than `liars` of these members agree with us on. */
  private agreedWith(members: readonly number[], liars: number): number {
    return nthLargest(
      members.map((member) => this.agreed[member]),
      liars + 1,
    );
  }

  /** The fewest objects that more than `liars` of those that are like these have others of. */
  private differsBy(rivals: Rivals, liars: number): number {
    const most = this.like(rivals).map((member) => -(this.lowestDispute(member) || rivals.count));
    return -(nthLargest(most, liars + 1) ?? -rivals.count);
  }

  /** Its origin has named it, or signed an object of it. */
  attest(): void {
    this.attested = true;
    this.claimed = undefined;
  }

  /** A later one of its origin is attested. */
  close(): void {
    this.closed = true;
    this.claimed = undefined;
  }

  /** What `member` has said it has said in its former run: it may have lost what it held, or come back with an old copy. */
  onFresh(member: number): void {
    this.agreedNow[member] = 0;
    this.claimed = undefined;
    this.over.delete(member);
    this.keepers.onFresh(member);
    const claim = this.claims[member];
    if (claim) claim.isPresent = false;
  }

  /** Whether more members than may lie say that they hold something of it. */
  isKnownTo(liars: number): boolean {
    return this.claims.filter((claim) => claim !== undefined && topOf(claim) > 0).length > liars;
  }

  /** It has ended, and nobody has anything of it. */
  isVoid(): boolean {
    return this.ended && this.ledger.isEmpty && this.claimant(-1) < 0;
  }

  /** Another member than this one that says that it holds something of it; -1: none. */
  claimant(than: number): number {
    return this.claims.findIndex(
      (claim, member) => member !== than && claim !== undefined && topOf(claim) > 0,
    );
  }

  /** Whether another member than this one, or the origin, has said that there are so many objects. */
  isNamedBeside(member: number, count: number): boolean {
    if (member === this.origin) return true;
    return this.claims.some(
      (claim, other) => other !== member && claim !== undefined && claim.count >= count,
    );
  }

  /** Whether `member` may be expected to serve this object: it says that it keeps it, and does not leave us without for long. */
  isKeptBy(now: Micros, member: number, seq: number): boolean {
    return this.isHeldBy(member, seq, true) && this.keepers.mayAnswer(now, member);
  }

  /** Whether more members than may lie say that they hold this object, the origin only if it says so as one of many. */
  isVouched(seq: number, liars: number): boolean {
    let votes = 0;
    for (let member = 0; member < this.claims.length; member++)
      if (
        member !== this.self &&
        this.claims[member]?.isPresent &&
        this.mayVouch(member) &&
        this.isHeldBy(member, seq)
      )
        votes++;
    return votes > liars;
  }

  /**
   * `member` keeps nothing below `base`.
   *
   * @returns how many members have said the same of the same base
   */
  onGone(member: number, base: number, chain: Uint8Array): number {
    const claim = this.claims[member];
    if (claim) claim.base = Math.max(claim.base, base);
    this.onNews();
    return this.keepers.onGone(member, base, chain);
  }

  /** So many members have told another digest of the first `count` objects. */
  against(count: number, chain: Uint8Array): number {
    return this.points.filter((points) =>
      points.some((point) => point.count === count && !equalBytes(point.chain, chain)),
    ).length;
  }

  /** Members that do not hold all objects below `count`. */
  lacking(count: number): number[] {
    return this.claims.flatMap((claim, member) =>
      member === this.self || member === this.origin || (claim?.count ?? 0) >= count ? [] : [member],
    );
  }

  /** Whether `member` may be believed of this stream's objects: always, unless a quorum has shown that we were misled. */
  believes(member: number): boolean {
    return !this.trusted || this.readiness !== undefined || this.trusted.members.includes(member);
  }

  /** Whether `member` is its origin, and has signed two objects under one name: it may serve either, and is not asked. */
  isTwofold(member: number): boolean {
    return this.trusted !== undefined && member === this.origin;
  }

  /** Whether a symbol of this object, from `member`, may be what is held by those whom we follow. */
  admits(member: number, isServed: boolean, { seq, hash }: Pick<Descriptor, 'seq' | 'hash'>): boolean {
    const { trusted, delivered } = this;
    if (!trusted) return true;
    if (!this.readiness) return isServed && this.believes(member);
    // Of the object next to what is delivered we know the hash if that is all that they are READY for.
    if (seq !== delivered || trusted.count !== delivered + 1) return true;
    return equalBytes(trusted.chain, link(this.ledger.chainAt(delivered)!, hash));
  }

  /** Whether what we hold is what those who are trusted hold, as far as can be told yet. */
  matchesTrusted(): boolean {
    if (!this.trusted || this.count < this.trusted.count) return true;
    const ours = this.ledger.chainAt(this.trusted.count);
    const matches = ours !== undefined && equalBytes(this.trusted.chain, ours);
    if (matches) this.trusted = undefined;
    this.onNews();
    return matches;
  }

  /** Objects below this are certain to exist: their origin says so, or more members than may lie. */
  existing(liars: number): number {
    if (this.claimed?.liars !== liars) this.claimed = { liars, top: this.countClaims(liars) };
    return Math.max(this.count, this.claimed.top);
  }

  /** So many objects there are, by the word of the origin, or of more members than may lie; those beyond gaps not counted. */
  named(liars: number): number {
    return this.mostClaimed(liars, ({ count }) => count);
  }

  private countClaims(liars: number): number {
    if (this.attested) return this.mostClaimed(liars, topOf);
    // The first object of a rumour shows whether there is anything to it.
    return Math.min(this.mostClaimed(0, topOf), this.count + 1);
  }

  private mostClaimed(liars: number, of: (claim: Claim) => number): number {
    let most = 0;
    const others: number[] = [];
    this.claims.forEach((claim, member) => {
      if (!claim || !this.mayVouch(member)) return;
      if (member === this.origin && !this.closed) most = of(claim);
      else others.push(of(claim));
    });
    others.sort((a, b) => b - a);
    return Math.max(most, others[liars] ?? 0);
  }

  /** What the origin said of it before it knew of a later one it may have lost: then its word counts like anyone's. */
  private mayVouch(member: number): boolean {
    const claim = this.claims[member];
    return member !== this.origin || !this.closed || (claim?.isPresent === true && claim.ended);
  }

  /** Objects below are confirmed by a quorum that agrees with us on them, or so many are READY: they may be delivered. */
  deliverable(quorum: number): number {
    if (this.due !== undefined) return this.due;
    const { readiness, delivered } = this;
    const safe = readiness
      ? readiness.deliverable(this.readyToSay)
      : this.hasQuorum(quorum)
        ? this.confirmedBy(quorum)
        : delivered;
    this.due = Math.max(delivered, Math.min(this.count, safe));
    return this.due;
  }

  /** Whether we are READY for more than before: it is to be stored, and may be said after that, with `onPledged`. */
  pledge(quorum: number): boolean {
    const { readiness } = this;
    if (!readiness || this.trusted) return false;
    const count = Math.max(this.confirmedBy(quorum), readiness.attested());
    if (count <= readiness.pledge.count) return false;
    readiness.pledge = { count, chain: this.ledger.chainAt(count)! };
    return true;
  }

  /** What we are READY for is in our store, up to `count`. Whether there is more to say now. */
  onPledged(count: number): boolean {
    const { readiness } = this;
    if (!readiness || count <= readiness.durable) return false;
    readiness.durable = count;
    this.due = undefined;
    this.onNews();
    return true;
  }

  /** Objects below are held by every member, the origin included, as each has said in its present run; and are the same there. */
  stable(): number {
    // While members differ one may have to start over, and may need again what all had agreed on.
    if (this.disputes.size > 0) return this.base;
    let least = this.confirmed;
    this.agreedNow.forEach((agreed, member) => {
      if (member === this.self || this.over.has(member)) return;
      least = Math.min(least, this.mayVouch(member) ? agreed : 0);
    });
    return least;
  }

  /**
   * Whether it may be forgotten: a later one is there, all of it is delivered and no longer kept, and every other member, the
   * origin included, has said in its present run that it is the same there, and that it knows of the later one, and of none
   * before it: that one it might still need.
   */
  isOver(): boolean {
    const { ended, ledger, count } = this;
    if (!ended || !ledger.isSpent || this.disputes.size > 0) return false;
    return this.claims.every((claim, member) => {
      if (member === this.self || this.over.has(member)) return true;
      if (!claim?.isPresent || !claim.first) return false;
      return claim.count === count && claim.base === count && this.agreedNow[member] === count;
    });
  }

  /** So many of our objects we confirm: none that may not be those that we are READY for. */
  private get confirmed(): number {
    return this.readiness && this.trusted ? this.delivered : this.count;
  }

  private get readyToSay(): number {
    return Math.min(this.readiness?.durable ?? 0, this.confirmed);
  }

  /** Whether a quorum confirms anything that is not delivered; with hundreds of members sorting them for each costs. */
  private hasQuorum(quorum: number): boolean {
    if (this.count <= this.delivered) return false;
    let holders = 0;
    for (let member = 0; member < this.agreed.length; member++)
      if (member === this.self || member === this.origin || this.agreed[member] > this.delivered) holders++;
    return holders >= quorum;
  }

  private confirmedBy(quorum: number): number {
    const counts = this.agreed.map((agreed, member) =>
      // The origin has signed what we hold of it, and signs nothing before it is in its store.
      member === this.self || member === this.origin ? this.confirmed : agreed,
    );
    return nthLargest(counts, quorum);
  }

  private rivalGroups(counts: (point: Point) => boolean = () => true): Rivals[] {
    // What lies beyond ours may well be in agreement.
    const isRival = (point: Point) => this.ledger.contradicts(point) && counts(point);
    return rivalGroups(this.points, this.origin, this.self, isRival);
  }

  private checkPoints(member: number): boolean {
    const kept: Point[] = [];
    let settled: Point | undefined;
    let agrees = true;
    for (const point of this.points[member]) {
      const ours = this.ledger.chainAt(point.count);
      if (point.count > this.count) kept.push(point);
      else if (ours && equalBytes(point.chain, ours)) {
        this.agreed[member] = Math.max(this.agreed[member], point.count);
        // What is left of its former run it may have lost.
        if (this.claims[member]?.isPresent)
          this.agreedNow[member] = Math.max(this.agreedNow[member], point.count);
        this.readiness?.onHeard(member, Math.min(point.ready, point.count));
        // If we start over, all of those beyond what is delivered have to be checked again.
        if (point.count > this.delivered) kept.push(point);
        else settled = point;
      }
      // Else it was too long ago to tell.
      else if (ours) {
        kept.push(point);
        agrees = false;
      }
    }
    if (settled) kept.unshift(settled);
    this.points[member] = kept;
    if (agrees && this.isTrusting) {
      const claim = this.claims[member];
      this.agreed[member] = Math.max(this.agreed[member], claim?.count ?? 0);
      if (claim?.isPresent) this.agreedNow[member] = Math.max(this.agreedNow[member], claim.count);
    }
    if (agrees) this.disputes.delete(member);
    else {
      this.disputes.add(member);
      if (this.isTrusting) this.distrust(member);
    }
    this.onNews();
    return agrees;
  }

  /** What was taken on the member's word, while there was nothing to compare it with, is not what we hold. */
  private distrust(member: number): void {
    const most = this.lowestDispute(member) - 1;
    if (most < this.delivered) return;
    this.agreed[member] = Math.min(this.agreed[member], most);
    this.agreedNow[member] = Math.min(this.agreedNow[member], most);
  }

  /** What `countsFor` rests on has changed. */
  private onNews(): void {
    if (this.disputes.size > 0) this.news?.add(this);
  }

  /** The fewest objects of which `member` has told a digest that is not ours; 0 if there are none. */
  private lowestDispute(member: number): number {
    return this.points[member].find((point) => this.ledger.contradicts(point))?.count ?? 0;
  }

  /** Between how far `member` is known to agree with us, and where it is known to differ: 0 if nothing lies there. */
  private middle(member: number): number {
    const [low, high] = [Math.max(this.delivered, this.agreed[member]), this.lowestDispute(member)];
    const middle = (low + high) >> 1;
    // Of those long past the other one may have no other digests.
    const coarse = Math.ceil(middle / COARSE) * COARSE;
    return high <= low + 1 ? 0 : coarse < high && high - low > COARSE ? coarse : middle;
  }

  /** What both sides need: how far we agree, where we begin to differ, and the same as the member may see it. */
  private countsFor(member: number): number[] {
    const { readiness, delivered } = this;
    const counts = new Set<number>();
    if (readiness) counts.add(this.readyToSay);
    const claim = this.claims[member];
    const isFarBehind = this.isFarBehind(member);
    if (isFarBehind) counts.add(Math.floor((claim!.count + RECENT) / COARSE) * COARSE);
    if (this.disputes.has(member) && (readiness || !isFarBehind)) {
      // What the other one has let go of is the same here.
      counts
        .add(delivered)
        .add(delivered + 1)
        .add(claim!.base);
      // Where the other one may have no digest of that any more.
      if (readiness) counts.add(Math.ceil((delivered + 1) / COARSE) * COARSE);
      counts.add(this.middle(member));
      // Who has started again knows no digest from before: what one can tell the others are asked for, too.
      const others = new Set([...this.disputes].map((other) => this.lowestDispute(other)));
      for (const count of [...others].sort((a, b) => a - b).slice(0, MAX_DIFFERING)) counts.add(count);
      let differing = 0;
      let agreed = 0;
      for (const { count, chain } of this.points[member]) {
        const ours = this.ledger.chainAt(count);
        if (!ours) continue;
        if (equalBytes(chain, ours)) agreed = count;
        else counts.add(count);
        if (!equalBytes(chain, ours) && ++differing === MAX_DIFFERING) break;
      }
      counts.add(agreed);
    }
    return [...counts]
      .filter((count) => count > 0 && count < this.confirmed && this.ledger.chainAt(count) !== undefined)
      .sort((a, b) => a - b);
  }
}

function equalNumbers(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((number, i) => number === b[i]);
}

/** No object at or above it is held by who claims this. */
export function topOf({ count, ahead }: Pick<Claim, 'count' | 'ahead'>): number {
  for (let bit = 8 * ahead.length - 1; bit >= 0; bit--) if (bitAt(ahead, bit)) return count + bit + 2;
  return count;
}

const NOTHING = new Uint8Array(0);
export const MAX_POINTS = 16;
/** Digests told of counts on which a member and we differ. */
const MAX_DIFFERING = 8;
