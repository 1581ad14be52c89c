/**
 * Where a stream stands: whose it is, in which group, and what it is among the other streams of its origin. In: what is
 * attested, recorded and retired. Out: whether its origin and others still count, and whether there is something to say.
 */
import { SparseSet } from '../../core/sparse.js';
import type { Change } from '../../epochs/change.js';
import type { Group } from '../../group/group.js';
import type { StreamId } from '../../wire/symbol.js';

/** The group as one member sees it. */
export interface Bounds extends Pick<Group, 'byzantine' | 'faulty' | 'quorum' | 'readyQuorum'> {
  self: number;
  /** How many there are. */
  members: number;
  /** In a group that changes: what counts in which epoch. */
  change?: Change | undefined;
}

export class Standing implements StreamId {
  readonly origin: number;
  readonly incarnation: number;
  readonly bounds: Bounds;
  /** Its origin has named it, or signed an object of it: else it is a rumour, the word of others about one that is not them. */
  attested = true;
  /** It was taken on its origin's word alone. */
  onWord = true;
  /** Our store says so, too; only then is it spoken of. */
  recorded = true;
  /** What we hold begins here, since nobody keeps what is below, and our store does not say so yet: nothing is said until it does. */
  unsaidFrom: number | undefined;
  /** A later one of its origin is attested: nothing is taken any more that might be nowhere else. */
  closed = false;
  /** And our store says so. */
  ended = false;
  /** No earlier one of its origin is here. */
  isFirst = true;
  /** An earlier one of its origin is known: then it is spoken of even while it is empty. */
  isLater = false;
  /** Members that have retired it. */
  readonly over = new SparseSet<number>();

  constructor({ origin, incarnation }: StreamId, bounds: Bounds) {
    this.origin = origin;
    this.incarnation = incarnation;
    this.bounds = bounds;
  }

  /** What of it contradicts the rest; undefined if nothing does. */
  check(): string | undefined {
    if (this.ended && !this.closed) return 'ended, though no later one is attested';
    if (this.over.has(this.bounds.self)) return 'retired by ourselves, though it is here';
    return undefined;
  }

  /** Our store says that what we hold begins at `base`. Whether there is more to say now. */
  onBaseStored(base: number): boolean {
    if (this.unsaidFrom === undefined || base < this.unsaidFrom) return false;
    this.unsaidFrom = undefined;
    return true;
  }

  /** Whether `member` is of the group now. */
  counts(member: number): boolean {
    return this.bounds.change?.slots.includes(member) ?? true;
  }

  get isOwn(): boolean {
    return this.origin === this.bounds.self;
  }

  /** Nobody lies: what a member says that it holds is what we shall hold, before we can check it. */
  get isTrusting(): boolean {
    return this.bounds.byzantine === 0;
  }

  /** Whether it has ended, and nothing is known of an earlier one that we might still need. */
  get isFirstEnded(): boolean {
    return this.ended && this.isFirst;
  }
}
