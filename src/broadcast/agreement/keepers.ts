/**
 * Members that keep objects of one stream: which of them we have asked, which may be expected to serve, and which say that
 * they keep no more. In: what they are asked, serve and say. Out: whether to wait for them.
 */
import { equalBytes } from '../../core/bytes.js';
import { type Micros, SECOND } from '../../core/time.js';
import type { Claims } from './claims.js';
import type { Digest } from './ledger.js';

export class Keepers {
  private readonly claims: Pick<Claims, 'hasLetGo' | 'keeps'>;
  /** By member: since when it has been asked for objects without serving any. */
  private readonly askedAt = new Map<number, Micros>();
  /** By member: when it was last asked, or served something of use. */
  private readonly servingAt = new Map<number, Micros>();
  /** By member: from where on it keeps the stream, and the digest there. */
  private readonly gone = new Map<number, Digest>();

  constructor(claims: Pick<Claims, 'hasLetGo' | 'keeps'>) {
    this.claims = claims;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    for (const [member, askedAt] of this.askedAt) {
      const servingAt = this.servingAt.get(member);
      if (servingAt === undefined || servingAt < askedAt)
        return `member ${member} asked, not expected to serve`;
    }
    return undefined;
  }

  /** `member` is asked for objects. */
  onAsked(now: Micros, member: number): void {
    if (!this.askedAt.has(member)) this.askedAt.set(member, now);
    this.servingAt.set(member, now);
  }

  /** `member` has served something that was of use. */
  onServed(now: Micros, member: number): void {
    this.askedAt.delete(member);
    this.servingAt.set(member, now);
  }

  /** What `member` has said and been asked belongs to its former run. */
  onFresh(member: number): void {
    this.gone.delete(member);
    this.askedAt.delete(member);
  }

  /**
   * `member` keeps nothing below `base`.
   *
   * @returns how many members have said the same of the same base
   */
  onGone(member: number, base: number, chain: Uint8Array): number {
    this.gone.set(member, { count: base, chain: chain.slice() });
    let votes = 0;
    for (const point of this.gone.values())
      if (point.count === base && equalBytes(point.chain, chain)) votes++;
    return votes;
  }

  isAsked(member: number): boolean {
    return this.askedAt.has(member);
  }

  /** Whether `member` may be expected to serve this object: it says that it keeps it, and does not leave us without for long. */
  isKeptBy(now: Micros, member: number, seq: number): boolean {
    return this.claims.keeps(member, seq) && now - (this.askedAt.get(member) ?? now) < PATIENCE;
  }

  /** Whether `member` has let go of an object, and has not said so in answer to us. */
  mayTell(member: number, seq: number): boolean {
    return this.claims.hasLetGo(member, seq) && !this.saysGone(member, seq);
  }

  /** Whether `member` may serve objects: we have asked it, and not so long ago that it is not to be expected any more. */
  mayServe(now: Micros, member: number): boolean {
    const servingAt = this.servingAt.get(member);
    return servingAt !== undefined && now - servingAt < PATIENCE;
  }

  /** Whether `member` has said that it does not keep this object any more. */
  saysGone(member: number, seq: number): boolean {
    return (this.gone.get(member)?.count ?? 0) > seq;
  }
}

/** How long a member that answers may leave us without what it says it keeps, before others are believed that it is gone. */
const PATIENCE: Micros = 10 * SECOND;
