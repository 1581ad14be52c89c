/** Streams without an agreement, for tests of the spread: what a member holds it holds, and whoever says so is believed. */
import type { StreamsView, StreamView } from '../../../src/broadcast/spread/view.js';
import type { StreamId } from '../../../src/wire/symbol.js';

/** What one member holds of one stream: it takes the word of the others, and keeps all. */
export class Shelf implements StreamView {
  readonly origin: number;
  readonly incarnation: number;
  count = 0;
  readonly delivered = 0;
  readonly ledger = { backlog: 0, waiting: 0, damaged: new Set<number>(), fits: () => true };
  readonly keepers = { mayServe: () => true };
  readonly standing = { attested: true, closed: false };
  readonly following = { admits: () => true };
  readonly claims = {
    isHeldBy: (member: number, seq: number) => this.holders[member].has(seq),
    isVouched: () => false,
    confirmed: () => 0,
  };
  /** By member: the objects that it holds. */
  readonly holders: readonly Set<number>[];
  private readonly self: number;

  constructor({ origin, incarnation }: StreamId, self: number, members: number) {
    this.holders = Array.from({ length: members }, () => new Set());
    this.origin = origin;
    this.incarnation = incarnation;
    this.self = self;
  }

  holds(seq: number): boolean {
    return this.holders[this.self].has(seq);
  }

  lacks(seq: number): boolean {
    return !this.holds(seq);
  }
}

/** One stream, which is there as soon as somebody asks for it. */
export class Shelves implements StreamsView<Shelf> {
  shelf: Shelf | undefined;
  readonly retired = { has: () => false };
  private readonly self: number;
  private readonly members: number;

  constructor(self: number, members: number) {
    this.self = self;
    this.members = members;
  }

  *[Symbol.iterator](): Generator<Shelf> {
    if (this.shelf) yield this.shelf;
  }

  find(): Shelf | undefined {
    return this.shelf;
  }

  of(): readonly Shelf[] {
    return this.shelf ? [this.shelf] : [];
  }

  signed(id: StreamId): Shelf {
    this.shelf ??= new Shelf(id, this.self, this.members);
    return this.shelf;
  }

  hasLater(): boolean {
    return false;
  }
}
