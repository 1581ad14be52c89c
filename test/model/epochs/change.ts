/**
 * A model of docs/EPOCHS.md in TypeScript: a change of members as one member sees it, by the rules C1 to C7 and C9; C8 is in `world.ts`. What it may confirm, deliver and prune,
 * and when it is active in the next epoch. In: descriptors that follow from each other, what others say, seals. Out: our seal, counts, what to tell.
 * Whoever drives it keeps objects, and stores each seal and each step of `active` before it is said. No bytes, digests or time.
 */

/** What of a descriptor matters here; f is 0. */
export interface Descriptor {
  epoch: number;
  /** Its hash, which names all those before it too. */
  id: string;
  /** Of its members. */
  slots: readonly number[];
}

/** Members of which any two sets have one in common. */
function quorumOf({ slots }: Descriptor): number {
  return Math.floor(slots.length / 2) + 1;
}

/** Of one stream: all objects below `count` are held, those from `base` on kept. */
export interface Standing {
  count: number;
  base: number;
}

/** By the name of the stream. What is not there has count and base 0. */
export type Standings = ReadonlyMap<string, Standing>;

/** What a member says of itself, in any order and as often as it likes. */
export interface Word {
  slot: number;
  /** The newest epoch of which it has the descriptor. */
  has: number;
  /** The hashes of the descriptors up to that one. A wire needs the last alone: each names the one before. */
  hashes: readonly string[];
  /** The newest epoch in which it is active: `has`, or the one before. */
  active: number;
  streams: Standings;
  /** What a member must hold that joins the epoch in which it is active: the lowest count in the seals of C4, of each stream. */
  starts: ReadonlyMap<string, number>;
}

/** How a member stood when it took the descriptor of the next epoch; from then on it confirms nothing in this one. */
export interface Seal {
  slot: number;
  epoch: number;
  /** The hash of the descriptor that it was sealed for. */
  next: string;
  streams: Standings;
}

/** What must outlive a process. */
export interface EpochState {
  chain: readonly Descriptor[];
  active: number;
  seals: readonly Seal[];
  starts: ReadonlyMap<string, number>;
}

export class Change {
  private readonly slot: number;
  private readonly chain: Descriptor[];
  private readonly hashes: string[];
  /** Of the epoch in which we are active. */
  private starts: Map<string, number>;
  /** Ours, by epoch. */
  private readonly own: Seal[];
  private activeIn: number;
  /** Of others, of the epoch in which we are active. */
  private readonly seals = new Map<number, Seal>();
  /** The newest of each other member. */
  private readonly words = new Map<number, Word>();
  /** What each said last while it had no descriptor beyond the epoch in which we are active. */
  private readonly before = new Map<number, Standings>();

  constructor(slot: number, { chain, active, seals, starts }: EpochState) {
    this.slot = slot;
    this.chain = [...chain];
    this.hashes = chain.map(({ id }) => id);
    this.activeIn = active;
    this.own = [...seals];
    this.starts = new Map(starts);
  }

  /** The newest epoch that we have. */
  get has(): number {
    return this.chain.length - 1;
  }

  get active(): number {
    return this.activeIn;
  }

  get isSealed(): boolean {
    return this.activeIn < this.has;
  }

  /** Whether we may broadcast and confirm: not once we are removed. */
  get isMember(): boolean {
    return this.isIn(this.has, this.slot);
  }

  /** Whether we deliver: a member that joins does so once it is active. */
  get isJoining(): boolean {
    return !this.isIn(this.activeIn, this.slot);
  }

  state(): EpochState {
    return { chain: this.chain, active: this.activeIn, seals: this.own, starts: this.starts };
  }

  /** What we say now; only if all of it is stored. */
  word(streams: Standings): Word {
    return {
      slot: this.slot,
      has: this.has,
      hashes: [...this.hashes],
      active: this.activeIn,
      streams: new Map(streams),
      starts: new Map(this.starts),
    };
  }

  /** Our seal of that epoch, for who asks. */
  sealOf(epoch: number): Seal | undefined {
    return this.own.find((seal) => seal.epoch === epoch);
  }

  /**
   * The descriptor that follows ours, which the caller has checked. False if it is not yet its turn (C9).
   * The seal, if we have one to give, and the descriptor are to be stored in one commit, before anything else is said or confirmed.
   */
  handleDescriptor(next: Descriptor, streams: Standings): boolean {
    if (next.epoch !== this.has + 1 || this.isSealed || !this.isIn(this.has, this.slot)) return false;
    this.own.push({ slot: this.slot, epoch: this.has, next: next.id, streams: new Map(streams) });
    this.chain.push(next);
    this.hashes.push(next.id);
    for (const [slot, word] of this.words) if (!this.isOfOurs(word)) this.words.delete(slot);
    return true;
  }

  handleWord(word: Word): void {
    if (!this.isOfOurs(word)) return;
    this.words.set(word.slot, word);
    if (word.has <= this.activeIn) this.before.set(word.slot, word.streams);
  }

  handleSeal(seal: Seal): void {
    if (seal.epoch !== this.activeIn || !this.isIn(seal.epoch, seal.slot)) return;
    this.seals.set(seal.slot, seal);
    // What it had confirmed when it sealed it has confirmed before, whatever it was sealed for (C2).
    this.before.set(seal.slot, seal.streams);
  }

  /** C3: objects of the stream that may be delivered, of those that we hold. */
  deliverable(stream: string, held: Standings): number {
    if (this.isJoining) return 0;
    const { slots } = this.chain[this.activeIn];
    const counts = slots
      .map((slot) => (slot === this.slot ? this.confirmed(held) : this.before.get(slot)))
      .map((standings) => countOf(standings, stream))
      .sort((a, b) => b - a);
    return Math.min(counts[quorumOf(this.chain[this.activeIn]) - 1], countOf(held, stream));
  }

  /** C7: objects of the stream that all hold, as far as the epoch says; nothing while sealed. */
  stable(stream: string): number {
    return this.isSealed ? 0 : this.heldByAll(stream);
  }

  private heldByAll(stream: string): number {
    const others = this.chain[this.activeIn].slots.filter((slot) => slot !== this.slot);
    return Math.min(...others.map((slot) => countOf(this.before.get(slot), stream)));
  }

  /**
   * C5: from where on a member that joins takes objects of the stream, as far as it knows now: what is below was pruned by one that knew that
   * all of the old epoch hold it. It may rise until we are active.
   */
  begin(stream: string): number {
    if (!this.isJoining) return 0;
    const words = [...this.words.values()].filter(
      ({ active, slot }) => active > this.activeIn && this.isIn(this.activeIn + 1, slot),
    );
    const told = [...this.sealsForNext().values(), ...words];
    return Math.max(0, ...told.map(({ streams }) => baseOf(streams, stream)));
  }

  /** C4 and C6: whether we are active in one more epoch now; what changed is to be stored before it is said. */
  advance(held: Standings): boolean {
    if (!this.isSealed || !this.isMember) return false;
    const starts = this.followed() ?? this.handedOver(held);
    if (starts === undefined) return false;
    // What is below the start somebody may have pruned that did not ask us: we must hold it, or nobody could tell that we lack it.
    if (this.isJoining) for (const [stream, start] of starts) if (countOf(held, stream) < start) return false;
    this.starts = new Map(starts);
    this.activeIn += 1;
    this.seals.clear();
    this.before.clear();
    for (const [slot, word] of this.words) if (word.has <= this.activeIn) this.before.set(slot, word.streams);
    return true;
  }

  /** C6: the starts of one that says it is active in the epoch after ours. */
  private followed(): ReadonlyMap<string, number> | undefined {
    const next = this.activeIn + 1;
    for (const { slot, active, starts } of this.words.values()) {
      if (active < next || !this.isIn(next, slot)) continue;
      return starts;
    }
    return undefined;
  }

  /** C4: the seals of a quorum, each with all that it names handed over, or below the highest base of these seals. */
  private handedOver(held: Standings): ReadonlyMap<string, number> | undefined {
    let chosen = [...this.sealsForNext().values()];
    // Where one that joins begins, it has from a seal; from one that we may never hear.
    const joining = this.joining(held);
    // The largest set that holds: fewer seals have lower bases, and so name more.
    for (let size = -1; size !== chosen.length; ) {
      size = chosen.length;
      const bases = extremes([...chosen, ...joining], baseOf, Math.max);
      chosen = chosen.filter((seal) => this.isHeld(seal, bases, held));
    }
    if (chosen.length < quorumOf(this.chain[this.activeIn])) return undefined;
    return extremes(chosen, countOf, Math.min);
  }

  /** Whether a quorum of the next epoch keeps each object that the seal names, from its base and from `bases` on. */
  private isHeld(seal: Seal, bases: ReadonlyMap<string, number>, held: Standings): boolean {
    const next = this.chain[this.activeIn + 1];
    const keepers = this.keepers(held).map(({ streams }) => streams);
    for (const [stream, { count, base }] of seal.streams) {
      const from = Math.max(base, bases.get(stream) ?? 0);
      // Between these the keepers are the same.
      const edges = [from, ...keepers.map((standings) => countOf(standings, stream))];
      for (const at of edges) {
        if (at < from || at >= count) continue;
        const keep = keepers.filter((each) => baseOf(each, stream) <= at && at < countOf(each, stream));
        if (keep.length < quorumOf(next)) return false;
      }
    }
    return true;
  }

  /** Members of the next epoch that have sealed ours, or join, and are not active yet: they prune nothing. */
  private keepers(held: Standings): Pick<Word, 'slot' | 'streams'>[] {
    const next = this.activeIn + 1;
    return this.chain[next].slots.flatMap((slot) => {
      if (slot === this.slot) return [{ slot, streams: held }];
      const word = this.words.get(slot);
      return word?.has === next && word.active === this.activeIn ? [word] : [];
    });
  }

  private joining(held: Standings): Pick<Word, 'slot' | 'streams'>[] {
    return this.keepers(held).filter(({ slot }) => !this.isIn(this.activeIn, slot));
  }

  private sealsForNext(): Map<number, Seal> {
    const all = new Map(this.seals);
    const own = this.sealOf(this.activeIn);
    if (own !== undefined) all.set(this.slot, own);
    for (const [slot, { next }] of all) if (next !== this.hashes[this.activeIn + 1]) all.delete(slot);
    return all;
  }

  /** Whether its descriptors are ours as far as both have them; two may compete for one epoch. */
  private isOfOurs({ has, hashes }: Word): boolean {
    const last = Math.min(has, this.has);
    return hashes[last] === this.hashes[last];
  }

  /** What of ours counts in the epoch in which we are active. */
  private confirmed(held: Standings): Standings {
    return this.isSealed ? (this.sealOf(this.activeIn)?.streams ?? new Map()) : held;
  }

  private isIn(epoch: number, slot: number): boolean {
    return this.chain[epoch].slots.includes(slot);
  }
}

/** Of each stream that one of the seals names. */
function extremes(
  seals: readonly Pick<Seal, 'streams'>[],
  of: (streams: Standings, stream: string) => number,
  extreme: (...values: number[]) => number,
): Map<string, number> {
  const names = new Set(seals.flatMap(({ streams }) => [...streams.keys()]));
  return new Map([...names].map((name) => [name, extreme(...seals.map(({ streams }) => of(streams, name)))]));
}

function countOf(standings: Standings | undefined, stream: string): number {
  return standings?.get(stream)?.count ?? 0;
}

function baseOf(standings: Standings, stream: string): number {
  return standings.get(stream)?.base ?? 0;
}
