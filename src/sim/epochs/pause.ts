/**
 * For how long nothing is delivered while a group changes: three members that broadcast all the time, a fourth joins, one of the four is removed.
 * In: a seed, and whether the group changes. Out: the longest gaps between two deliveries, at members that stay, in virtual time. What a process
 * needs to close its store and open it again is not in that.
 */
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import { propose, sign } from '../../group/epochs/propose.js';
import type { SimEvent, SimMember } from '../member.js';
import { Fleet, mostFaulty } from './fleet.js';

/** What came of a run; times in µs. */
export interface PauseReport {
  violation: string | undefined;
  /** Epochs after the first that were over before the load ended: 2, or 0 where nothing was to change. */
  changes: number;
  /** Between two deliveries of whatever origin, at the worst of the members that stay. */
  longest: Micros;
  /** The same, of one origin that stays. */
  longestOfOrigin: Micros;
  messages: number;
}

/** One run. The same seed gives the same; without changes it has the same load. */
export function runPause(seed: string, isChanging: boolean): PauseReport {
  const run = new PauseRun(seed, isChanging);
  try {
    return run.report();
  } finally {
    run.dispose();
  }
}

class PauseRun extends Fleet {
  private readonly isChanging: boolean;
  private readonly removed: number;
  /** When members delivered something for the first time: by member, and under '', of whatever origin. */
  private readonly times: Map<number | '', Micros[]>[] = [];
  private readonly seen: Set<string>[] = [];
  private over = 0;

  constructor(seed: string, isChanging: boolean) {
    const rng = new Rng(`${seed} pause`);
    super(seed, {
      ...{ rng, size: SIZE, most: SIZE + 1, keepLines: 0 },
      conditions: { order: 'fifo', links: { delay: ONE_WAY }, disk: MILLISECOND },
    });
    this.isChanging = isChanging;
    this.removed = rng.integer(0, SIZE);
    for (let at = 0, next = 0; at < LOAD_END; at += EVERY, next++)
      this.world.at(at, () => this.broadcast(next % this.members.length));
    if (isChanging) this.world.at(WATCHED_FROM + this.drawWait(), () => this.add());
  }

  report(): PauseReport {
    const { world, checker, isChanging } = this;
    world.runUntil(LOAD_END + AFTER);
    const stay = [...Array(SIZE).keys()].filter((slot) => !(isChanging && slot === this.removed));
    const unfinished = stay.every((slot) => this.members[slot]!.isLive)
      ? this.unfinished()
      : 'a member that stays is down';
    const watched = stay.map((slot) => this.times[slot]);
    const longest = (of: (times: Map<number | '', Micros[]>) => Micros[][]) =>
      Math.max(...watched.flatMap((times) => of(times).map(longestGap)));
    return {
      violation: checker.violation ?? (unfinished && `not done: ${unfinished}`),
      changes: this.over,
      longest: longest((times) => [times.get('') ?? []]),
      longestOfOrigin: longest((times) => stay.map((origin) => times.get(origin) ?? [])),
      messages: this.numbered,
    };
  }

  dispose(): void {
    for (const member of this.members) if (member?.isLive) member.endpoint.dispose();
  }

  protected override onEvent(member: SimMember, event: SimEvent): void {
    super.onEvent(member, event);
    if (event.type !== 'deliver') return;
    const { index } = member;
    const { origin, incarnation, seq, index: place } = event.id;
    // What comes again after a restart is no news.
    const name = [origin, incarnation, seq, place].join('/');
    this.seen[index] ??= new Set();
    if (this.seen[index].has(name)) return;
    this.seen[index].add(name);
    this.times[index] ??= new Map();
    for (const key of [origin, ''] as const) {
      const times = this.times[index].get(key) ?? [];
      times.push(this.world.now);
      this.times[index].set(key, times);
    }
  }

  private add(): void {
    const { world } = this;
    const slot = this.members.length;
    this.change({ add: this.memberOf(slot), faulty: mostFaulty(SIZE + 1) }, () =>
      world.at(world.now + this.drawWait(), () => this.remove()),
    );
    // What was before it joined it does not have.
    this.joined.add(slot);
    this.checker.lost(slot, { origin: 0, incarnation: 0, from: 0, to: 0 });
    this.members[slot] = undefined;
    const { chain } = this;
    world.at(world.now + this.drawWait() / 2, () => this.begin(slot, chain));
  }

  private remove(): void {
    this.change({ remove: `m${this.removed}`, faulty: mostFaulty(SIZE) }, () => {
      this.gone.add(this.removed);
      this.stop(this.removed);
    });
  }

  /** As an operator does it: given to one member that stays, which tells the others. */
  private change(changes: Parameters<typeof propose>[1], whenOver: () => void): void {
    const { world } = this;
    this.chain = sign(propose(this.chain, changes), this.operator);
    const epoch = this.chain.length - 1;
    const stay = this.chain[epoch].members.filter(({ slot }) => this.members[slot]);
    this.apply(this.rng.pick(stay).slot, this.chain);
    const look = () => {
      if (!this.isOver(epoch)) return world.at(world.now + 20 * MILLISECOND, look);
      this.over = epoch;
      whenOver();
    };
    look();
  }

  /** Of an operator. */
  private drawWait(): Micros {
    return this.rng.integer(0, 1000) * MILLISECOND;
  }
}

function longestGap(times: readonly Micros[]): Micros {
  const watched = times.filter((at) => at >= WATCHED_FROM && at < LOAD_END);
  const edges = [WATCHED_FROM, ...watched, LOAD_END];
  return Math.max(...edges.slice(1).map((at, i) => at - edges[i]));
}

const SIZE = 3;
const ONE_WAY: Micros = 20 * MILLISECOND;
/** Between two messages, whoever sends them. */
const EVERY: Micros = 5 * MILLISECOND;
/** All have met. */
const WATCHED_FROM: Micros = SECOND;
const LOAD_END: Micros = 6 * SECOND;
/** Until the last ones are there. */
const AFTER: Micros = 5 * SECOND;
