/**
 * Members that keep objects of one stream: which of them we have asked, which may be expected to serve, and which say that
 * they keep no more. In: what they are asked, serve and say. Out: whether to wait for them.
 */
import { equalBytes } from '../../core/bytes.js';
import { SparseMap, SparseSet } from '../../core/sparse.js';
import { type Micros, SECOND } from '../../core/time.js';
import type { Claims } from './claims.js';
import type { Digest } from './ledger.js';

export class Keepers {
  private readonly claims: Pick<Claims, 'hasLetGo' | 'keeps'>;
  /** Members that were asked for objects, and have served nothing since. */
  private readonly asked = new SparseSet<number>();
  /** Members that were asked for objects, and have served none whole since. */
  private readonly owing = new SparseSet<number>();
  /** By member: until when it counts as a keeper, unless it serves at a decent rate. */
  private readonly keepsUntil = new SparseMap<number, Micros>();
  /** By member: when it was last asked, or served something of use. */
  private readonly servingAt = new SparseMap<number, Micros>();
  /** By member: from where on it keeps the stream, and the digest there. */
  private readonly gone = new SparseMap<number, Digest>();

  constructor(claims: Pick<Claims, 'hasLetGo' | 'keeps'>) {
    this.claims = claims;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    for (const member of this.asked) {
      if (!this.servingAt.has(member)) return `member ${member} asked, not expected to serve`;
      if (!this.owing.has(member)) return `member ${member} asked, and owes nothing`;
    }
    for (const member of this.owing)
      if (!this.keepsUntil.has(member)) return `member ${member} is waited for without end`;
    return undefined;
  }

  /** `member` is asked for objects. */
  onAsked(now: Micros, member: number): void {
    const until = this.keepsUntil.get(member);
    if (until === undefined) this.keepsUntil.set(member, now + FIRST_PATIENCE);
    else if (!this.owing.has(member) && until <= now) this.keepsUntil.set(member, now + PATIENCE);
    this.asked.add(member);
    this.owing.add(member);
    this.servingAt.set(member, now);
  }

  /**
   * `member` has served so many bytes of symbols that were of use, the last of their object if that is `whole` with them. One
   * symbol now and then buys no patience: what it claims to keep has to come at a decent rate.
   */
  onServed(now: Micros, member: number, bytes: number, isWhole = false): void {
    this.asked.delete(member);
    this.servingAt.set(member, now);
    if (isWhole) this.owing.delete(member);
    const until = this.keepsUntil.get(member);
    if (until === undefined) return;
    const bought = Math.ceil((bytes / DECENT_RATE) * SECOND) + (isWhole ? OBJECT_PATIENCE : 0);
    // One that served too slowly, and then all of an object, has shown that it keeps some.
    if (until > now || isWhole)
      this.keepsUntil.set(member, Math.min(now + PATIENCE, Math.max(until, now) + bought));
  }

  /** What `member` has said and been asked belongs to its former run. */
  onFresh(member: number): void {
    this.gone.delete(member);
    this.asked.delete(member);
    this.owing.delete(member);
    this.keepsUntil.delete(member);
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

  /** `member` says that it does not keep what it claims to: it counts no longer as a keeper, until it serves some. */
  onDenied(now: Micros, member: number): void {
    this.owing.add(member);
    this.keepsUntil.set(member, now);
  }

  isAsked(member: number): boolean {
    return this.asked.has(member);
  }

  /** Whether `member` may be expected to serve this object: it says that it keeps it, and what we ask it for comes, or soon will. */
  isKeptBy(now: Micros, member: number, seq: number): boolean {
    return this.claims.keeps(member, seq) && !(this.owing.has(member) && now >= this.keepsUntil.get(member)!);
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

/** As long as for one that cannot be heard: a member that has served nothing yet has shown no more than its word. */
export const FIRST_PATIENCE: Micros = 3 * SECOND;
/** How long a member that answers may leave us without what it says it keeps, before others are believed that it is gone. */
const PATIENCE: Micros = 10 * SECOND;
/** Bytes a second: so fast must what it serves come, on the whole, or it counts no longer. */
const DECENT_RATE = 4096;
/** What a whole object buys beside its bytes: of small ones, each round trip may bring few. */
const OBJECT_PATIENCE: Micros = SECOND;
