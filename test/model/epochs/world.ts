/**
 * Groups that change, in small: members that store, say words, seal, deliver and prune as `Change` lets them, in random order, over a network that
 * loses, delays and repeats; members restart, are cut off and stop for good. No bytes, no time: an object is a number in its stream.
 */
import { Rng } from '../../../src/core/rng.js';
import { Change, type Descriptor, type EpochState, type Seal, type Standing, type Word } from './change.js';

interface Kept {
  standings: Map<string, Standing>;
  /** Next to deliver, of each stream. */
  cursor: Map<string, number>;
  state: EpochState;
}

class Actor {
  readonly slot: number;
  readonly stream: string;
  private readonly kind: typeof Change;
  /** What survives a restart. */
  kept: Kept;
  change: Change;
  /** All that it delivered, over all its runs: repeats by a restart are the consumer's affair. */
  readonly delivered = new Map<string, number[]>();
  isDown = false;

  constructor(slot: number, state: EpochState, kind: typeof Change) {
    this.slot = slot;
    this.kind = kind;
    this.stream = `s${slot}`;
    this.kept = { standings: new Map(), cursor: new Map(), state };
    this.change = new kind(slot, state);
  }

  standing(stream: string): Standing {
    return this.kept.standings.get(stream) ?? { count: 0, base: 0 };
  }

  /** All that was volatile is gone. */
  restart(): void {
    this.change = new this.kind(this.slot, this.kept.state);
  }

  store(): void {
    const { chain, active, seals, starts } = this.change.state();
    this.kept.state = { chain: [...chain], active, seals: [...seals], starts: new Map(starts) };
  }
}

type Letter = { to: number; word: Word } | { to: number; seal: Seal };

export interface WorldOptions {
  seed: string;
  members: number;
  changes: number;
  steps: number;
  /** The operators sign another descriptor for the first new epoch as well. */
  isContested?: boolean;
  /** With every rule, or with one of them otherwise: to see that the checks find it. */
  change?: typeof Change | undefined;
}

export class World {
  readonly actors: Actor[] = [];
  readonly chain: Descriptor[];
  private readonly rng: Rng;
  private readonly letters: Letter[] = [];
  private readonly cut = new Set<string>();
  private changesLeft: number;
  private isSettling = false;
  /** How soon members take what others have: where it is late, few hold it when something happens. */
  private readonly haste: number;
  private readonly options: WorldOptions;
  private rival: Descriptor | undefined;

  constructor(options: WorldOptions) {
    this.options = options;
    this.rng = new Rng(options.seed);
    this.changesLeft = options.changes;
    this.haste = this.rng.chance(0.5) ? 1 : 0.1;
    const slots = Array.from({ length: options.members }, (_, slot) => slot);
    const first: Descriptor = { epoch: 0, id: '0', slots };
    this.chain = [first];
    for (const slot of slots) this.enter(slot, { chain: [first], active: 0, seals: [], starts: new Map() });
  }

  /** Random steps, then all that is left without further faults; then what must be true is. Gives what is not. */
  run(): string[] {
    for (let step = 0; step < this.options.steps; step++) this.step();
    // What is not safe yet goes with those that stop now.
    for (const actor of this.actors) if (this.rng.chance(0.5)) this.halt(actor);
    this.isSettling = true;
    this.cut.clear();
    this.letters.length = 0;
    this.settle();
    return this.faults();
  }

  private enter(slot: number, state: EpochState): void {
    this.actors.push(new Actor(slot, state, this.options.change ?? Change));
  }

  private step(): void {
    const actor = this.pick(this.actors.filter(({ isDown }) => !isDown));
    const other = this.pick(this.actors);
    const what = this.rng.integer(0, 99);
    if (what < 10) this.broadcast(actor);
    else if (what < 40) this.say(actor, other);
    else if (what < 65) this.hear();
    else if (what < 80) {
      if (this.rng.chance(this.haste)) this.take(actor, other);
    } else if (what < 88) this.deliver(actor);
    else if (what < 92) this.prune(actor);
    else if (what < 94) this.learn(actor, other);
    else if (what < 95) this.propose();
    else if (what < 96) this.halt(actor);
    else if (what < 97) this.cutOrJoin(actor, other);
    else if (what < 98) actor.restart();
    else this.advance(actor);
  }

  private settle(): void {
    // Each round all say, take and deliver all they can: enough of them for as many epochs as there are.
    for (let round = 0; round < 12 * this.chain.length + 20; round++) {
      for (const actor of this.up()) for (const other of this.up()) this.say(actor, other);
      while (this.letters.length > 0) this.hear();
      for (const actor of this.up()) {
        for (const descriptor of this.chain) this.give(actor, descriptor);
        if (this.rival) this.give(actor, this.rival);
        this.advance(actor);
        for (const other of this.up()) for (let i = 0; i < 20; i++) this.take(actor, other);
        this.deliver(actor);
      }
    }
  }

  private up(): Actor[] {
    return this.actors.filter(({ isDown }) => !isDown);
  }

  private broadcast(actor: Actor): void {
    const { count, base } = actor.standing(actor.stream);
    if (actor.change.isMember && count < 12)
      actor.kept.standings.set(actor.stream, { count: count + 1, base });
  }

  private say(actor: Actor, to: Actor): void {
    if (actor === to) return;
    this.letters.push({ to: to.slot, word: actor.change.word(actor.kept.standings) });
    const seal = actor.change.sealOf(Math.min(to.change.active, actor.change.has));
    if (seal) this.letters.push({ to: to.slot, seal });
    if (this.letters.length > 200) this.letters.splice(this.rng.integer(0, 199), 1);
  }

  /** Any letter, now; some stay, and are heard again. */
  private hear(): void {
    if (this.letters.length === 0) return;
    const at = this.rng.integer(0, this.letters.length - 1);
    const letter = this.letters[at];
    if (this.cut.size === 0 || this.rng.chance(0.9)) this.letters.splice(at, 1);
    const to = this.actors[letter.to];
    const from = 'word' in letter ? letter.word.slot : letter.seal.slot;
    if (to.isDown || this.cut.has(pairOf(from, to.slot))) return;
    if ('word' in letter) to.change.handleWord(letter.word);
    else to.change.handleSeal(letter.seal);
  }

  /** The next object of some stream that the other one keeps. */
  private take(actor: Actor, other: Actor): void {
    if (
      actor === other ||
      other.isDown ||
      !actor.change.isMember ||
      this.cut.has(pairOf(actor.slot, other.slot))
    )
      return;
    const streams = [...other.kept.standings.keys()];
    if (streams.length === 0) return;
    const stream = this.pick(streams);
    this.begin(actor, stream);
    const { count, base } = actor.standing(stream);
    const theirs = other.standing(stream);
    if (count < theirs.base || count >= theirs.count) return;
    actor.kept.standings.set(stream, { count: count + 1, base });
  }

  /** Who joins goes on from where the others have pruned to. */
  private begin(actor: Actor, stream: string): void {
    const start = actor.change.begin(stream);
    if (start <= actor.standing(stream).count) return;
    if (actor.delivered.has(stream))
      throw new Error(`${actor.slot} would skip objects of ${stream} after it delivered some`);
    actor.kept.standings.set(stream, { count: start, base: start });
    actor.kept.cursor.set(stream, start);
  }

  private deliver(actor: Actor): void {
    for (const stream of actor.kept.standings.keys()) {
      this.begin(actor, stream);
      const upTo = actor.change.deliverable(stream, actor.kept.standings);
      for (let at = actor.kept.cursor.get(stream) ?? actor.standing(stream).base; at < upTo; at++) {
        const list = actor.delivered.get(stream) ?? [];
        actor.delivered.set(stream, [...list, at]);
        actor.kept.cursor.set(stream, at + 1);
      }
    }
  }

  private prune(actor: Actor): void {
    for (const [stream, { count, base }] of actor.kept.standings) {
      const to = Math.min(actor.change.stable(stream), actor.kept.cursor.get(stream) ?? 0, count);
      if (to > base) actor.kept.standings.set(stream, { count, base: to });
    }
  }

  private learn(actor: Actor, other: Actor): void {
    if (this.cut.has(pairOf(actor.slot, other.slot))) return;
    for (const descriptor of other.kept.state.chain) this.give(actor, descriptor);
  }

  private give(actor: Actor, descriptor: Descriptor): void {
    if (actor.change.handleDescriptor(descriptor, actor.kept.standings)) actor.store();
  }

  private advance(actor: Actor): void {
    if (actor.change.advance(actor.kept.standings)) {
      actor.store();
      // The old bound may have ended with this: the worst moment to lose one.
      if (!this.isSettling && this.rng.chance(0.3)) this.halt(this.pick(this.up()));
    }
    for (const stream of this.actors.map((each) => each.stream)) this.begin(actor, stream);
  }

  /** The operator: one member more, one less, or both, once the last change is over for a quorum. */
  private propose(): void {
    const last = this.chain.at(-1)!;
    if (this.changesLeft === 0 || (last.epoch > 0 && !this.isOver(last.epoch))) return;
    const kind = this.rng.integer(0, 2);
    const slots = [...last.slots];
    if (kind !== 0 && slots.length > 2) slots.splice(this.rng.integer(0, slots.length - 1), 1);
    const isAdding = kind !== 1 && slots.length < 7;
    const added = this.actors.length;
    if (isAdding) slots.push(added);
    if (slots.length === last.slots.length && !isAdding) return;
    const down = slots.filter((slot) => this.actors[slot]?.isDown).length;
    if (down > faultyOf(slots.length)) return;
    const next: Descriptor = { epoch: last.epoch + 1, id: `${last.id}-${slots.join()}`, slots };
    this.chain.push(next);
    this.changesLeft -= 1;
    const chain = [...this.chain];
    if (isAdding) this.enter(added, { chain, active: next.epoch - 1, seals: [], starts: new Map() });
    this.give(this.pick(this.up()), next);
    if (!this.options.isContested) return;
    this.changesLeft = 0;
    this.rival = { ...last, epoch: next.epoch, id: `${last.id}-rival` };
    this.give(this.pick(this.up()), this.rival);
  }

  /** C8, seen from above: a quorum of the epoch is active in it. */
  private isOver(epoch: number): boolean {
    const { slots } = this.chain[epoch];
    const active = slots.filter((slot) => this.actors[slot].kept.state.active >= epoch);
    return active.length > slots.length / 2;
  }

  /** For good; at most k of each epoch that is not over, and whoever is in none of these. */
  private halt(actor: Actor): void {
    const newest = this.chain.length - 1;
    const inForce = this.chain.filter(({ epoch }) => epoch === newest || !this.isOver(epoch + 1));
    for (const { slots } of inForce) {
      if (!slots.includes(actor.slot)) continue;
      const down = slots.filter((slot) => this.actors[slot].isDown).length;
      if (down >= faultyOf(slots.length)) return;
    }
    actor.isDown = true;
  }

  private cutOrJoin(actor: Actor, other: Actor): void {
    const pair = pairOf(actor.slot, other.slot);
    if (!this.cut.delete(pair)) this.cut.add(pair);
  }

  private faults(): string[] {
    const found: string[] = [];
    const newest = this.chain.at(-1)!;
    const stay = this.up().filter(({ slot }) => newest.slots.includes(slot));
    for (const actor of this.actors)
      for (const [stream, list] of actor.delivered)
        if (list.some((at, i) => i > 0 && at !== list[i - 1] + 1))
          found.push(`${actor.slot} delivered ${list} of ${stream}`);
    if (this.rival) return [...found, ...this.bothWon(this.rival)];
    for (const actor of stay) {
      if (actor.change.active !== newest.epoch)
        found.push(`${actor.slot} is active in ${actor.change.active} of ${newest.epoch}`);
      for (const { stream, slot, isDown } of this.actors) {
        const anyone = Math.max(
          0,
          ...this.actors.map((each) => (each.delivered.get(stream)?.at(-1) ?? -1) + 1),
        );
        const isHere = !isDown && stay.some((each) => each.slot === slot);
        const sent = isHere ? this.actors[slot].standing(stream).count : 0;
        const reached = actor.kept.cursor.get(stream) ?? 0;
        if (reached < Math.max(anyone, sent))
          found.push(`${actor.slot} has ${reached} of ${stream}, of ${anyone} delivered and ${sent} sent`);
      }
      // Who was there from the start has skipped nothing.
      if (this.chain[0].slots.includes(actor.slot))
        for (const [stream, list] of actor.delivered)
          if (list[0] !== 0) found.push(`${actor.slot} began ${stream} at ${list[0]}`);
    }
    return found;
  }

  /** Whether members are active by either of two descriptors. */
  private bothWon({ epoch }: Descriptor): string[] {
    const active = this.actors.filter(
      ({ kept }) => kept.state.active >= epoch && kept.state.seals.length > 0,
    );
    const names = new Set(active.map(({ kept }) => kept.state.chain[epoch].id));
    return names.size > 1 ? [`${active.length} members are active by two descriptors`] : [];
  }

  private pick<T>(list: readonly T[]): T {
    return list[this.rng.integer(0, list.length - 1)];
  }
}

function faultyOf(n: number): number {
  return n - (Math.floor(n / 2) + 1);
}

function pairOf(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
