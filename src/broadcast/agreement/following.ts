/**
 * Whom we follow against what we held: a quorum, or with READY more members than may lie, that hold other objects. In: digests
 * against ours. Out: whom to follow and from where on, what of others is still taken, and how much of ours we confirm.
 */
import { equalBytes } from '../../core/bytes.js';
import type { Descriptor } from '../../wire/symbol.js';
import type { Claims } from './claims.js';
import type { Comparison } from './comparison.js';
import { type Digest, type Ledger, link } from './ledger.js';
import { nthLargest, type Readiness } from './readiness.js';
import type { Rivals } from './rivals.js';
import type { Standing } from './standing.js';

/** Members that are to be believed against what we held, up to this count, where the digest must be this one. */
interface Followed extends Digest {
  members: readonly number[];
  /** What we hold below is theirs, too. */
  from: number;
}

export class Following {
  private readonly standing: Standing;
  private readonly ledger: Ledger;
  private readonly claims: Claims;
  private readonly comparison: Comparison;
  /** Where a quorum of confirms is not enough to deliver. */
  private readonly readiness: Readiness | undefined;
  private followed: Followed | undefined;

  constructor(
    standing: Standing,
    ledger: Ledger,
    parts: { claims: Claims; comparison: Comparison; readiness: Readiness | undefined },
  ) {
    this.standing = standing;
    this.ledger = ledger;
    this.claims = parts.claims;
    this.comparison = parts.comparison;
    this.readiness = parts.readiness;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    const { followed, readiness } = this;
    if (followed && readiness && followed.count !== readiness.pledge.count)
      return `${followed.count} objects of others to come, READY for ${readiness.pledge.count}`;
    if (this.readyToSay > this.confirmed) return `READY for ${this.readyToSay} of ${this.confirmed}`;
    return undefined;
  }

  /** Those that we follow, until we hold what they do. */
  get trusted(): Readonly<Followed> | undefined {
    return this.followed;
  }

  /**
   * The rivals that we have to follow: a quorum; or more members than may lie that are READY, those of the fewest objects; of our
   * own stream more than may lie in any case, for what one of them holds we have signed, in a run that our store knows nothing of.
   */
  winners(): Rivals | undefined {
    const { readiness, comparison, standing } = this;
    if (standing.isOwn) {
      const rivals = comparison.rivals();
      return rivals && rivals.members.length > standing.bounds.byzantine ? rivals : undefined;
    }
    if (!readiness) {
      const rivals = comparison.rivals();
      return rivals && rivals.votes >= standing.bounds.quorum ? rivals : undefined;
    }
    return comparison
      .rivalGroups(({ count, ready }) => ready >= count && count > readiness.pledge.count)
      .filter(({ members }) => readiness.isAttested(members.length))
      .sort((a, b) => a.count - b.count)[0];
  }

  /**
   * Where to start again from if we follow them: what lies below is theirs too. So many of them that one at least does not
   * lie agree with us on it, or keep it no more, which they do with nothing that we had not agreed on.
   */
  sharedWith(rivals: Rivals): number {
    const { ledger, claims } = this;
    const { byzantine } = this.standing.bounds;
    const members = this.comparison.like(rivals);
    if (members.length <= byzantine) return ledger.delivered;
    const pruned = nthLargest(
      members.map((member) => claims.of(member)?.base ?? 0),
      byzantine + 1,
    );
    const shared = Math.max(pruned, this.agreedWith(members));
    return Math.max(ledger.delivered, Math.min(ledger.count, this.differsBy(rivals) - 1, shared));
  }

  /**
   * Whether it is known from which object on ours are not theirs; those below `safe` are. Until then all is kept: the others
   * may have let go of what lies below a dispute, on our word.
   */
  isLocated(rivals: Rivals, safe: number): boolean {
    const members = this.comparison.like(rivals);
    if (members.length <= this.standing.bounds.byzantine) return false;
    return Math.max(safe, this.agreedWith(members)) >= this.differsBy(rivals) - 1;
  }

  /** Takes what they say for right. What we hold from `from` on is to be dropped. */
  follow({ members, count, chain }: Rivals, from: number): void {
    this.followed = { members, count, chain, from };
    // After a crash it is not to be learned again: who knows it may have let go of what lies below.
    if (this.readiness) this.readiness.pledge = { count, chain, from };
  }

  /** What our store holds from `from` on is dropped, or gone: what comes in its place may be wrong from there on. */
  onLost(from: number): void {
    const { followed, readiness } = this;
    if (followed) followed.from = Math.min(followed.from, from);
    if (!readiness || readiness.pledge.count <= from) return;
    readiness.pledge = { ...readiness.pledge, from: Math.min(readiness.pledge.from ?? from, from) };
  }

  /** Objects are held that were not: those that we follow need it no more once they are theirs. */
  onHeld(): void {
    const { followed, readiness } = this;
    if (!followed || this.ledger.count < followed.count || this.isMisled) return;
    this.followed = undefined;
    if (readiness) readiness.pledge = { count: readiness.pledge.count, chain: readiness.pledge.chain };
  }

  /**
   * All is here that our store has. What we were READY for before it has still, but for what is damaged.
   *
   * @returns whether our store is to be told from where on other objects are to come
   */
  onLoaded(): boolean {
    const { followed, readiness } = this;
    if (!followed || !readiness || this.isMisled) return false;
    const { from } = readiness.pledge;
    followed.from = this.ledger.count;
    this.onLost(Math.min(from ?? followed.from, followed.from));
    return readiness.pledge.from !== from;
  }

  /** Other objects are held than before, or less. */
  onRestart(): void {
    const { count, delivered } = this.ledger;
    const pledge = this.readiness?.pledge;
    // What we are READY for it must become again.
    if (pledge && pledge.count > count)
      this.followed = { members: [], ...pledge, from: pledge.from ?? count };
    if (this.followed && this.followed.count <= delivered) this.followed = undefined;
  }

  /** Whether what we hold is known not to be what those that we follow hold. */
  get isMisled(): boolean {
    const { followed, ledger } = this;
    if (!followed || ledger.count < followed.count) return false;
    const ours = ledger.chainAt(followed.count);
    return ours === undefined || !equalBytes(followed.chain, ours);
  }

  /** Whether `member` may be believed of this stream's objects: always, unless a quorum has shown that we were misled. */
  believes(member: number): boolean {
    return !this.followed || this.readiness !== undefined || this.followed.members.includes(member);
  }

  /** Whether `member` is its origin, and has signed two objects under one name: it may serve either, and is not asked. */
  isTwofold(member: number): boolean {
    return this.followed !== undefined && member === this.standing.origin;
  }

  /** Whether a symbol of this object, from `member`, may be what is held by those that we follow. */
  admits(member: number, isServed: boolean, { seq, hash }: Pick<Descriptor, 'seq' | 'hash'>): boolean {
    const { followed, ledger } = this;
    if (!followed) return true;
    if (!this.readiness) return isServed && this.believes(member);
    const { delivered } = ledger;
    if (seq >= followed.count) return true;
    // Of the object next to what is delivered we know the hash if that is all that they are READY for.
    if (seq === delivered && followed.count === delivered + 1)
      return equalBytes(followed.chain, link(ledger.chainAt(delivered)!, hash));
    // Else an origin that has signed two could send the other one again and again.
    return isServed && !this.isTwofold(member);
  }

  /** So many of our objects we confirm: none that may not be those that we are READY for. */
  get confirmed(): number {
    return this.readiness && this.followed ? this.ledger.delivered : this.ledger.count;
  }

  /** For so many of them we are READY, and our store says so. */
  get readyToSay(): number {
    return Math.min(this.readiness?.durable ?? 0, this.confirmed);
  }

  /** So many objects more of these members than may lie agree with us on. */
  private agreedWith(members: readonly number[]): number {
    return nthLargest(
      members.map((member) => this.comparison.agreedOn(member)),
      this.standing.bounds.byzantine + 1,
    );
  }

  /** The fewest objects that more members than may lie, of those that are like these, have others of. */
  private differsBy(rivals: Rivals): number {
    const { comparison } = this;
    const counts = comparison.like(rivals).map((member) => comparison.lowestDispute(member) ?? rivals.count);
    return counts.sort((a, b) => a - b)[this.standing.bounds.byzantine] ?? rivals.count;
  }
}
