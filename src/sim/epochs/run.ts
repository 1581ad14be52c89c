/**
 * Groups that change while they run, in the virtual world: members are added, removed and replaced while messages flow, members crash, are cut
 * off and stop for good. In: a seed. Out: what went wrong, if anything did. The checker's question is that of other runs: lost, doubled,
 * reordered, delivered by only some of those that stay; of who joined on the way, all from where it began.
 */

import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import { propose, sign } from '../../group/epochs/propose.js';
import { addressOf } from '../cluster.js';
import { Fleet, mostFaulty } from './fleet.js';

type Kind = 'add' | 'remove' | 'replace' | 'rotate';

/** What came of a run. */
export interface ChangeReport {
  violation: string | undefined;
  /** Epochs after the first, by what they changed: a rotation gives a member another key, under its name. */
  changes: Record<Kind, number>;
  /** Times that members were crashed and started again, for a new descriptor or as a fault. */
  starts: number;
  messages: number;
  time: Micros;
}

/** One run. The same seed gives the same. */
export function runChanges(seed: string, keepLines = 0): ChangeReport & { lines: readonly string[] } {
  const run = new ChangeRun(seed, keepLines);
  try {
    return run.report();
  } finally {
    run.dispose();
  }
}

/** What came of many. */
export interface ChangesReport extends Pick<ChangeReport, 'changes' | 'starts' | 'messages'> {
  failed: number;
}

/**
 * So many runs, of the seeds from `start` on.
 *
 * @param onFailed is told of each that broke a promise
 */
export function searchChanges(
  start: number,
  seeds: number,
  onFailed: (seed: number, violation: string) => void,
): ChangesReport {
  const sum = { failed: 0, changes: noChanges(), starts: 0, messages: 0 };
  for (let seed = start; seed < start + seeds; seed++) {
    const { violation, changes, starts, messages } = runChanges(`${seed}`);
    for (const kind of KINDS) sum.changes[kind] += changes[kind];
    sum.starts += starts;
    sum.messages += messages;
    if (violation === undefined) continue;
    sum.failed++;
    onFailed(seed, violation);
  }
  return sum;
}

/** Of all kinds. */
export function countChanges(changes: ChangeReport['changes']): number {
  return KINDS.reduce((sum, kind) => sum + changes[kind], 0);
}

class ChangeRun extends Fleet {
  /** Epochs still to come. */
  private toCome: number;
  private readonly made = noChanges();
  private isHealed = false;

  constructor(seed: string, keepLines: number) {
    const rng = new Rng(`${seed} changes`);
    const size = rng.integer(1, 5);
    const changes = rng.integer(1, 4);
    super(seed, { rng, size, most: size + changes, keepLines });
    this.toCome = changes;
    this.schedule();
  }

  report(): ChangeReport & { lines: readonly string[] } {
    const { world, checker } = this;
    let calmAt: Micros | undefined;
    let lookAt: Micros = 0;
    const isOver = () => {
      if (checker.violation) return true;
      if (!this.isHealed || world.now < lookAt) return false;
      lookAt = world.now + 100 * MILLISECOND;
      if (calmAt === undefined && this.unfinished() === undefined) calmAt = world.now + SECOND;
      return calmAt !== undefined && world.now >= calmAt;
    };
    let finished = false;
    try {
      finished = world.runUntil(isOver, FAULTS_END + PATIENCE);
    } catch (error) {
      checker.fail(0, `throws: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const { violation = finished ? undefined : `not done: ${this.unfinished()}` } = checker;
    const { made: changes, starts, numbered: messages } = this;
    const { now: time, lines } = world;
    return { violation, changes, starts, messages, time, lines };
  }

  dispose(): void {
    for (const member of this.members) if (member?.isLive) member.endpoint.dispose();
  }

  private schedule(): void {
    const { rng, world } = this;
    for (let at = 0; at < FAULTS_END; at += rng.integer(5, 120) * MILLISECOND)
      world.at(at, () => this.broadcast(rng.integer(0, this.members.length - 1)));
    let proposeAt = rng.integer(0, 2000) * MILLISECOND;
    for (let i = 0; i < 40; i++, proposeAt += rng.integer(50, 800) * MILLISECOND)
      if (proposeAt < FAULTS_END) world.at(proposeAt, () => this.propose());
    const isHarsh = rng.chance(0.7);
    for (let i = 0; isHarsh && i < 8; i++) {
      const at = rng.integer(0, FAULTS_END / MILLISECOND) * MILLISECOND;
      world.at(at, () => this.fault());
    }
    world.at(FAULTS_END, () => this.heal());
  }

  private fault(): void {
    const { rng, world } = this;
    const index = rng.integer(0, this.members.length - 1);
    if (rng.chance(0.4)) {
      const other = rng.integer(0, this.members.length - 1);
      if (other === index) return;
      this.cut(index, other, true);
      world.at(world.now + rng.integer(50, 4000) * MILLISECOND, () => this.cut(index, other, false));
      return;
    }
    if (rng.chance(0.25)) return this.halt(index);
    this.stop(index);
    world.at(world.now + rng.integer(1, 3000) * MILLISECOND, () => this.resume(index));
  }

  private cut(a: number, b: number, blocked: boolean): void {
    this.world.link(addressOf(a), addressOf(b)).update({ blocked });
    this.world.link(addressOf(b), addressOf(a)).update({ blocked });
  }

  private heal(): void {
    for (let a = 0; a < this.members.length; a++)
      for (let b = 0; b < this.members.length; b++) if (a !== b) this.cut(a, b, false);
    this.members.forEach((_, index) => void this.resume(index));
    this.isHealed = true;
    // If all to whom it was applied have stopped, the operator applies it again.
    const [, before = this.chain[0]] = this.chain.toReversed();
    for (const { slot } of before.members)
      if (this.members[slot]?.isLive) return this.apply(slot, this.chain);
  }

  /** For good; at most k of each epoch that is not over (C8). */
  private halt(index: number): void {
    const newest = this.chain.length - 1;
    for (const { epoch, members } of this.chain) {
      if (epoch !== newest && this.isOver(epoch + 1)) continue;
      if (!members.some(({ slot }) => slot === index)) continue;
      const down = members.filter(({ slot }) => this.gone.has(slot)).length;
      if (down >= mostFaulty(members.length)) return;
    }
    this.gone.add(index);
    this.stop(index);
  }

  private propose(): void {
    const { rng, chain, world } = this;
    const last = chain[chain.length - 1];
    if (this.toCome === 0 || (last.epoch > 0 && !this.isOver(last.epoch))) return;
    const index = this.members.length;
    const kind = rng.integer(0, 2);
    const removed = kind !== 0 && last.members.length > 1 ? rng.pick(last.members) : undefined;
    const added = kind !== 1 ? this.memberOf(index) : undefined;
    if (!removed && !added) return;
    const isRotated = added !== undefined && removed !== undefined && rng.chance(0.5);
    const add = isRotated ? { ...added, name: removed.name } : added;
    const n = last.members.length + (add ? 1 : 0) - (removed ? 1 : 0);
    const stay = last.members.filter((each) => each !== removed);
    if (stay.filter(({ slot }) => this.gone.has(slot)).length > mostFaulty(n)) return;
    const proposed = propose(chain, { add, remove: removed?.name, faulty: mostFaulty(n) });
    this.chain = sign(proposed, this.operator);
    this.made[isRotated ? 'rotate' : !removed ? 'add' : !add ? 'remove' : 'replace'] += 1;
    this.toCome -= 1;
    world.log(`epoch ${this.chain.length - 1}: ${this.chain.at(-1)!.members.map(({ slot }) => slot)}`);
    const live = last.members.map(({ slot }) => slot).filter((slot) => this.members[slot]?.isLive);
    if (live.length > 0) this.apply(rng.pick(live), this.chain);
    // It is applied elsewhere as well: who hears of it may have stopped.
    for (const { slot } of stay)
      if (rng.chance(0.3))
        world.at(world.now + rng.integer(0, 500) * MILLISECOND, () => this.apply(slot, this.chain));
    if (add) {
      const { chain: joining } = this;
      this.joined.add(index);
      this.checker.lost(index, { origin: 0, incarnation: 0, from: 0, to: 0 });
      this.members[index] = undefined;
      world.at(world.now + rng.integer(0, 1500) * MILLISECOND, () => this.begin(index, joining));
    }
    if (removed && rng.chance(0.7)) {
      const { length } = this.chain;
      const whenOver = () => {
        if (this.isOver(length - 1)) return this.halt(removed.slot);
        world.at(world.now + 20 * MILLISECOND, whenOver);
      };
      whenOver();
    }
  }
}

function noChanges(): Record<Kind, number> {
  return { add: 0, remove: 0, replace: 0, rotate: 0 };
}

const KINDS = ['add', 'remove', 'replace', 'rotate'] as const;
const FAULTS_END: Micros = 12 * SECOND;
const PATIENCE: Micros = 120 * SECOND;
