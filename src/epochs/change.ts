/**
 * A change of members as one member sees it, by the rules C1 to C4, C6, C7 and C9 of EPOCHS.md (`test/model/epochs` has them in small): what counts in which
 * epoch, and when it is active in the next. In: descriptors that follow from each other, what others say and when, seals. Out: our seal,
 * how much may be delivered and pruned. Whoever drives it stores each seal, and each step of `active`, before anything more is said.
 */
import { majority } from '../group/epochs/descriptor.js';
import { MAX_LISTED } from '../wire/frames/epochs/epoch.js';

/** What of an epoch matters here. */
export interface EpochView {
  /** Its hash, which names all those before it, too. */
  id: string;
  /** Of its members. */
  slots: readonly number[];
}

/** Of one stream: all objects below `count` are held, those from `base` on kept. */
export interface Standing {
  count: number;
  base: number;
}

/** By the name of the stream. What is not there has count and base 0. */
export type Standings = ReadonlyMap<string, Standing>;

/** How a member stood when it took the descriptor of the next epoch; from then on it confirms nothing in this one. */
export interface Seal {
  epoch: number;
  /** The hash of the descriptor that it was sealed for. */
  next: string;
  streams: Standings;
}

/** What must outlive a process. */
export interface EpochState {
  /** The newest epoch whose descriptor has been taken. */
  has: number;
  /** The newest epoch in which the member is active: `has`, or the one before. */
  active: number;
  /** Its own, by epoch. */
  seals: readonly Seal[];
  /** What a member must hold that joins the epoch in which we are active: by stream the lowest count in the seals of C4. */
  starts: ReadonlyMap<string, number>;
}

/** When something was said: what its sender had taken, and where it was active. */
export interface Mark {
  has: number;
  active: number;
}

interface Word extends Mark {
  streams: Map<string, Standing>;
  /** Undefined until all of them have been told. */
  starts: ReadonlyMap<string, number> | undefined;
}

export class Change {
  private readonly slot: number;
  private readonly chain: readonly EpochView[];
  private hasUpTo: number;
  private activeIn: number;
  private own: Seal[];
  private starts: ReadonlyMap<string, number>;
  /** Of others, of the epoch in which we are active. */
  private readonly seals = new Map<number, Seal>();
  /** The newest of each other member. */
  private readonly words = new Map<number, Word>();
  /** What each said while it had no descriptor beyond the epoch in which we are active. */
  private readonly before = new Map<number, Map<string, Standing>>();

  /** @param chain all epochs that are known, taken or not */
  constructor(slot: number, chain: readonly EpochView[], { has, active, seals, starts }: EpochState) {
    this.slot = slot;
    this.chain = chain;
    this.hasUpTo = has;
    this.activeIn = active;
    this.own = [...seals];
    this.starts = starts;
  }

  get has(): number {
    return this.hasUpTo;
  }

  get active(): number {
    return this.activeIn;
  }

  get isSealed(): boolean {
    return this.activeIn < this.hasUpTo;
  }

  /** Whether we may broadcast: not once we are removed. */
  get isMember(): boolean {
    return this.isIn(this.hasUpTo, this.slot);
  }

  /** A member that joins delivers once it is active. */
  get isJoining(): boolean {
    return !this.isIn(this.activeIn, this.slot);
  }

  get state(): EpochState {
    const { has, active, own: seals, starts } = this;
    return { has, active, seals: [...seals], starts };
  }

  isIn(epoch: number, slot: number): boolean {
    return this.chain[epoch].slots.includes(slot);
  }

  /** Members of the epoch in which we are active. */
  get slots(): readonly number[] {
    return this.chain[this.activeIn].slots;
  }

  /** Our seal of that epoch, for who asks. */
  sealOf(epoch: number): Seal | undefined {
    return this.own.find((seal) => seal.epoch === epoch);
  }

  /**
   * While sealed: so many objects of the stream others held when they sealed. They have begun anew since, so of these nobody sends
   * us any unasked.
   */
  sealedElsewhere(stream: string): number {
    if (!this.isSealed) return 0;
    return Math.max(0, ...[...this.seals.values()].map(({ streams }) => countOf(streams, stream)));
  }

  /** What `member` has said last of where it is. */
  markOf(member: number): Mark | undefined {
    return this.words.get(member);
  }

  /** C9: whether the next descriptor that is known may be taken. */
  get mayTake(): boolean {
    return this.hasUpTo + 1 < this.chain.length && !this.isSealed && this.isMember;
  }

  /** C1: takes the next descriptor, and seals the epoch before it with what is held now. */
  take(streams: Standings): void {
    this.own.push({ epoch: this.hasUpTo, next: this.chain[this.hasUpTo + 1].id, streams: new Map(streams) });
    this.hasUpTo += 1;
  }

  /** `member` has told where it is; what it says from then on is of that. Whether this is news. */
  handleMark(member: number, { has, active }: Mark): boolean {
    const known = this.words.get(member);
    if (known && !isLater(known, { has, active })) return false;
    this.words.set(member, { has, active, streams: new Map(), starts: undefined });
    return true;
  }

  /** `member` has said at `mark`, which may have been before it said other things, that it stands so in a stream. */
  handleEntry(member: number, mark: Mark, stream: string, { count, base }: Standing): void {
    const word = this.words.get(member);
    if (word && word.has === mark.has && word.active === mark.active)
      remember(word.streams, stream, { count, base });
    if (mark.has > this.activeIn) return;
    const before = this.before.get(member) ?? new Map<string, Standing>();
    this.before.set(member, before);
    if (countOf(before, stream) <= count) remember(before, stream, { count, base });
  }

  /** What `member` says that who joins the epoch where it is active must hold. */
  handleStarts(member: number, mark: Mark, starts: ReadonlyMap<string, number>): void {
    const word = this.words.get(member);
    if (word && word.has === mark.has && word.active === mark.active) word.starts = starts;
  }

  /** Whether this is news. */
  handleSeal(member: number, seal: Seal): boolean {
    if (seal.epoch !== this.activeIn || !this.isIn(seal.epoch, member) || this.seals.has(member))
      return false;
    this.seals.set(member, seal);
    // What it had confirmed when it sealed it has confirmed before, whatever it was sealed for (C2).
    this.before.set(member, new Map(seal.streams));
    return true;
  }

  /** C3: objects of the stream that a quorum of the epoch in which we are active confirms; none where we join. */
  confirmed(stream: string, held: number): number {
    if (this.isJoining) return 0;
    const { slots } = this;
    const own = this.isSealed ? countOf(this.sealOf(this.activeIn)?.streams, stream) : held;
    const counts = slots.map((slot) => (slot === this.slot ? own : countOf(this.before.get(slot), stream)));
    return counts.sort((a, b) => b - a)[majority(slots.length) - 1];
  }

  /** C7: objects of the stream that all others of the epoch have said in it that they hold; nothing while sealed. */
  stable(stream: string): number {
    if (this.isSealed) return 0;
    const others = this.slots.filter((slot) => slot !== this.slot);
    return Math.min(...others.map((slot) => countOf(this.before.get(slot), stream)));
  }

  /** C4 and C6: whether we are active in one more epoch now. */
  advance(held: Standings): boolean {
    if (!this.isSealed || !this.isMember) return false;
    const starts = this.followed() ?? this.handedOver(held);
    if (starts === undefined) return false;
    // What is below the start somebody may have pruned that did not ask us: we must hold it, or nobody could tell that we lack it.
    if (this.isJoining && this.lacking(starts, held).length > 0) return false;
    this.starts = starts;
    this.activeIn += 1;
    // Who is not there yet follows us (C6).
    this.own = this.own.filter(({ epoch }) => epoch >= this.activeIn);
    this.seals.clear();
    this.before.clear();
    for (const [slot, word] of this.words)
      if (word.has <= this.activeIn) this.before.set(slot, new Map(word.streams));
    return true;
  }

  /** Streams of which we lack something that who joins must hold, as far as that is known yet. */
  missing(held: Standings): string[] {
    const starts = this.isSealed && this.isJoining ? (this.followed() ?? this.handedOver(held)) : undefined;
    return starts ? this.lacking(starts, held) : [];
  }

  private lacking(starts: ReadonlyMap<string, number>, held: Standings): string[] {
    return [...starts].flatMap(([stream, start]) => (countOf(held, stream) < start ? [stream] : []));
  }

  /** C6: the starts of one that says it is active in the epoch after ours. */
  private followed(): ReadonlyMap<string, number> | undefined {
    const next = this.activeIn + 1;
    for (const [slot, { active, starts }] of this.words)
      if (active >= next && this.isIn(next, slot) && starts) return starts;
    return undefined;
  }

  /** C4: the seals of a quorum, each with all that it names handed over, or below the highest base of these seals. */
  private handedOver(held: Standings): ReadonlyMap<string, number> | undefined {
    let chosen = this.sealsForNext();
    const keepers = this.keepers(held);
    // Where one that joins begins, it has from a seal; from one that we may never hear.
    const joining = keepers.filter(({ slot }) => !this.isIn(this.activeIn, slot));
    // The largest set that holds: fewer seals have lower bases, and so name more.
    for (let size = -1; size !== chosen.length; ) {
      size = chosen.length;
      const bases = extremes([...chosen, ...joining], baseOf, Math.max);
      chosen = chosen.filter((seal) => this.isHeld(seal, bases, keepers));
    }
    return chosen.length < majority(this.slots.length) ? undefined : extremes(chosen, countOf, Math.min);
  }

  /** Whether a quorum of the next epoch keeps each object that the seal names, from its base and from `bases` on. */
  private isHeld(seal: Seal, bases: ReadonlyMap<string, number>, keepers: readonly Keeper[]): boolean {
    const needed = majority(this.chain[this.activeIn + 1].slots.length);
    for (const [stream, { count, base }] of seal.streams) {
      const from = Math.max(base, bases.get(stream) ?? 0);
      // Between these the keepers are the same.
      const edges = [from, ...keepers.map(({ streams }) => countOf(streams, stream))];
      for (const at of edges) {
        if (at < from || at >= count) continue;
        const keep = keepers.filter(
          ({ streams }) => baseOf(streams, stream) <= at && at < countOf(streams, stream),
        );
        if (keep.length < needed) return false;
      }
    }
    return true;
  }

  /** Members of the next epoch that have sealed ours, or join, and are not active yet: they prune nothing. */
  private keepers(held: Standings): Keeper[] {
    const next = this.activeIn + 1;
    return this.chain[next].slots.flatMap((slot) => {
      if (slot === this.slot) return [{ slot, streams: held }];
      const word = this.words.get(slot);
      return word?.has === next && word.active === this.activeIn ? [{ slot, streams: word.streams }] : [];
    });
  }

  private sealsForNext(): Seal[] {
    const own = this.sealOf(this.activeIn);
    const { id } = this.chain[this.activeIn + 1];
    return [...this.seals.values(), ...(own ? [own] : [])].filter(({ next }) => next === id);
  }
}

interface Keeper {
  slot: number;
  streams: Standings;
}

/** It may name any number of streams, each once: what it has not named for longest is forgotten. */
function remember(streams: Map<string, Standing>, stream: string, standing: Standing): void {
  streams.delete(stream);
  streams.set(stream, standing);
  if (streams.size > MAX_LISTED) streams.delete(streams.keys().next().value!);
}

function isLater(known: Mark, { has, active }: Mark): boolean {
  return has > known.has || (has === known.has && active > known.active);
}

/** Of each stream that one of them names. */
function extremes(
  all: readonly { streams: Standings }[],
  of: (streams: Standings, stream: string) => number,
  extreme: (...values: number[]) => number,
): Map<string, number> {
  const names = new Set(all.flatMap(({ streams }) => [...streams.keys()]));
  return new Map([...names].map((name) => [name, extreme(...all.map(({ streams }) => of(streams, name)))]));
}

function countOf(standings: Standings | undefined, stream: string): number {
  return standings?.get(stream)?.count ?? 0;
}

function baseOf(standings: Standings, stream: string): number {
  return standings.get(stream)?.base ?? 0;
}
