/** Runs a scenario: builds its cluster, lets its faults happen, has a checker watch. Out: what became of it. */
import { type ControllerFactory, fixedRate } from '../congestion/controller.js';
import { CONTROLLERS } from '../congestion/index.js';
import { Writer } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';
import type { ObjectId } from '../wire/symbol.js';
import { Checker } from './checker.js';
import { addressOf, type Cluster, createCluster } from './cluster.js';
import type { SimEvent, SimMember } from './member.js';
import type { Fault, Scenario } from './scenario.js';
import { patienceOf, Watchdog } from './watchdog.js';

/** What is kept and told of a run. */
export interface RunOptions {
  /** How many of the latest event log lines to keep; default 0. */
  keepLines?: number;
  /** Told what happens at members, before anything else is. */
  observe?: (member: SimMember, event: SimEvent) => void;
}

/** How a run ended. */
export interface RunReport {
  /** What went wrong; undefined if nothing did. */
  violation: string | undefined;
  /** Of the whole event log. */
  hash: string;
  /** The latest of it, oldest first: `keepLines`. */
  lines: readonly string[];
  /** Virtual. */
  time: Micros;
  /** Messages that every member had to deliver. */
  messages: number;
  /** Sent. */
  datagrams: number;
  /** Of members. */
  crashes: number;
  /** The longest time that a member stood still although it was owed something, as a share of what is allowed: see `Watchdog`. */
  standstill: number;
  /** Reports of misbehaviour, by what was reported. */
  reports: Partial<Record<string, number>>;
}

/**
 * Runs `scenario` until everybody has delivered everything, a property is violated, a member stands still for too long (see
 * `Watchdog`), or two virtual minutes after the last
 * fault have passed.
 *
 * @example
 * const { violation } = runScenario(randomScenario('42'));
 */
export function runScenario(scenario: Scenario, options: RunOptions = {}): RunReport {
  const run = new Run(scenario, options);
  try {
    return run.report();
  } finally {
    run.dispose();
  }
}

class Run {
  private readonly scenario: Scenario;
  private readonly checker: Checker;
  private readonly cluster: Cluster;
  private readonly rng: Rng;
  private readonly gone = new Set<number>();
  /** Members whose clock was set back when they lost their store. */
  private readonly isBehind = new Set<number>();
  private readonly stalls: Extract<Fault, { type: 'stall' }>[];
  private readonly counts: Partial<Record<SimEvent['type'], number>> = {};
  private readonly reports: Partial<Record<string, number>> = {};
  private healed = false;
  private replies: number;
  private numbered = 0;
  private crashes = 0;
  private readonly watchdog: Watchdog;
  private readonly isInspected: boolean;
  /** Something happened that may have completed the run. */
  private isNews = false;

  constructor(scenario: Scenario, { keepLines = 0, observe }: RunOptions) {
    this.scenario = scenario;
    this.rng = new Rng(`${scenario.seed} run`);
    const { members, faults, order } = scenario;
    this.watchdog = new Watchdog(
      Array.from({ length: members }, (_, member) => patienceOf(scenario, member)),
    );
    const liars = new Map(
      faults.flatMap((fault) => (fault.type === 'liar' ? [[fault.member, fault.lies]] : [])),
    );
    const doomed = new Set(
      faults.flatMap((fault) => {
        // Who comes back with an earlier clock and no store is taken for a copy of what it was once.
        if (fault.type === 'store' && fault.clock === 'behind') return [fault.member];
        return fault.type === 'crash' && fault.down === undefined ? fault.members : [];
      }),
    );
    this.stalls = faults.filter((fault) => fault.type === 'stall');
    this.replies = scenario.replies;
    this.isInspected = new Rng(`${scenario.seed} inspection`).chance(INSPECTED);
    const all = Array.from({ length: members }, (_, member) => member);
    this.checker = new Checker({
      correct: all.map((member) => !liars.has(member)),
      lasting: all.map((member) => !doomed.has(member)),
      damaged: all.map((member) =>
        faults.some((fault) => fault.type === 'damage' && fault.member === member),
      ),
      order,
      quorum: Math.floor((members + scenario.byzantine) / 2) + 1,
    });
    const { seed, faulty, byzantine, links, maxDatagram, disk, clocks, slow } = scenario;
    const behind = faults.find((fault) => fault.type === 'store' && fault.clock === 'behind');
    this.cluster = createCluster({
      seed,
      members,
      faulty,
      byzantine,
      links: (from, to) =>
        slow && [from, to].includes(addressOf(slow.member)) ? { ...links, delay: slow.delay } : links,
      controller: factoryOf(scenario),
      liars,
      maxDatagram,
      order,
      disk,
      consume: (member, now) => this.consume(member, now),
      // With each start it is set back.
      clock: (member, start) => {
        const { offset, rate } = clocks[member] ?? { offset: 0, rate: 1 };
        return { offset: Math.floor(offset / start), rate };
      },
      ...(behind && { incarnation: (member, start) => start + (this.isBehind.has(member) ? 0 : BEHIND) }),
      onEvent: (member, event) => {
        observe?.(member, event);
        this.onEvent(member, event);
      },
      keepLines,
    });
    this.schedule();
  }

  report(): RunReport {
    const { checker, cluster, scenario } = this;
    const { world } = cluster;
    let end = Number.POSITIVE_INFINITY;
    const isOver = () => {
      if (checker.violation) return true;
      if (this.isNews) this.look();
      this.inspect();
      const stuck = this.watchdog.stuck(world.now);
      if (stuck >= 0) {
        checker.fail(stuck, `stands still: ${checker.missing()}`);
        return true;
      }
      const { isNews } = this;
      this.isNews = false;
      if (!this.healed || (!isNews && end === Number.POSITIVE_INFINITY)) return false;
      // Whatever comes later must not deliver anything twice.
      if (end === Number.POSITIVE_INFINITY && checker.isComplete) end = world.now + AFTERWARDS;
      return world.now >= end;
    };
    let finished = false;
    try {
      finished = world.runUntil(isOver, scenario.healAt + PATIENCE);
    } catch (error) {
      checker.fail(-1, `throws: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const late =
      finished || checker.violation ? '' : ` ${PATIENCE / SECOND} s after all faults: ${checker.missing()}`;
    return {
      violation: checker.violation ?? (late === '' ? undefined : `not done${late}`),
      hash: world.logHash(),
      lines: world.lines,
      time: world.now,
      messages: checker.messages,
      datagrams: world.counters.sent,
      crashes: this.crashes,
      standstill: this.watchdog.closest,
      reports: this.reports,
    };
  }

  dispose(): void {
    this.cluster.dispose();
  }

  private schedule(): void {
    const { world } = this.cluster;
    const { messages, faults, healAt } = this.scenario;
    for (const { origin, at, size } of messages) world.at(at, () => this.broadcast(origin, size));
    for (const fault of faults) {
      if (fault.type === 'crash' && 'at' in fault.when) world.at(fault.when.at, () => this.strike(fault, -1));
      else if (fault.type === 'cut') this.during(fault, (on) => this.cut(fault, on));
      else if (fault.type === 'store') {
        world.at(fault.at, () => this.changeStore(fault, 1));
        if (fault.back !== undefined) world.at(fault.back, () => this.changeStore(fault, 0));
      } else if (fault.type === 'stall') this.during(fault, () => {});
      else if (fault.type === 'full') {
        const { disk } = this.cluster.members[fault.member];
        this.during(fault, (on) => {
          disk.full = on;
        });
      } else if (fault.type === 'damage') world.at(fault.at, () => this.damage(fault.member));
    }
    world.at(healAt, () => this.heal());
  }

  /** Switches a fault on and off again; meanwhile nobody has to wait in vain. */
  private during({ at, until }: { at: Micros; until: Micros }, set: (on: boolean) => void): void {
    const { world } = this.cluster;
    world.at(at, () => {
      set(true);
      this.watchdog.disturbed(world.now);
    });
    world.at(until, () => {
      set(false);
      this.watchdog.calmed(world.now);
    });
  }

  private broadcast(origin: number, size: number): void {
    const { cluster, checker } = this;
    const member = cluster.members[origin];
    if (!member.isLive || !member.endpoint.messages.hasRoom) return;
    const bytes = this.rng.bytes(size);
    // No two messages are alike, so that it can be told which is which.
    if (size >= 8) bytes.set(new Writer(4).u32(this.numbered++).finish());
    // Before the disk, which may take no time, says that it is durable.
    checker.submitted(origin, member.endpoint.messages.submit(bytes), bytes);
    this.isNews = true;
    member.settle(cluster.world.now);
    cluster.world.poll(member.address);
  }

  /** Whether any member's state contradicts itself; in a share of the runs, since it takes longer than all else. */
  private inspect(): void {
    if (!this.isInspected) return;
    for (const { index, isLive, endpoint } of this.cluster.members) {
      const fault = isLive ? endpoint.check() : undefined;
      if (fault) this.checker.fail(index, `contradicts itself: ${fault}`);
    }
  }

  /** Who is owed something now? */
  private look(): void {
    const { checker, cluster, watchdog } = this;
    for (const { index } of cluster.members) watchdog.owes(cluster.world.now, index, checker.isOwed(index));
  }

  private consume(member: number, now: Micros): Micros {
    let until = now + this.scenario.consume;
    for (const stall of this.stalls)
      if (stall.member === member && stall.at <= now && now < stall.until)
        until = Math.max(until, stall.until);
    return until - now;
  }

  private onEvent(member: SimMember, event: SimEvent): void {
    const { checker, cluster } = this;
    const { index } = member;
    const { now } = cluster.world;
    switch (event.type) {
      case 'durable':
        checker.durable(index, event.id, event.tickets);
        break;
      case 'deliver':
        checker.delivered(index, event.id, event.bytes);
        this.watchdog.progressed(now, index);
        if (this.replies > 0 && index !== this.scenario.slow?.member && this.rng.chance(0.3)) {
          this.replies--;
          cluster.world.at(cluster.world.now, () => this.broadcast(index, 8 + this.rng.integer(0, 30)));
        }
        break;
      case 'consumed':
        checker.consumed(index);
        this.watchdog.progressed(now, index);
        break;
      case 'commit':
        checker.commitBegun(
          index,
          event.writes.flatMap((write) => (write.type === 'object' ? [write.object] : [])),
        );
        break;
      case 'committed':
        if (checker.commitEnded(index, event.ok)) this.watchdog.progressed(now, index);
        break;
      case 'misbehaviour':
        this.reports[event.what] = (this.reports[event.what] ?? 0) + 1;
        checker.accused(index, event.member, event.what);
        break;
      case 'disagreement':
        this.reports[event.type] = (this.reports[event.type] ?? 0) + 1;
        checker.disagreed(index);
        break;
      case 'begun-anew':
        checker.begunAnew(index);
        break;
      case 'lost':
        checker.lost(index, { ...event, origin: event.member });
        break;
      case 'overflow':
        checker.fail(index, 'says that its store has overflowed');
        break;
    }
    this.isNews = true;
    const count = (this.counts[event.type] ?? 0) + 1;
    this.counts[event.type] = count;
    for (const fault of this.scenario.faults)
      if (
        fault.type === 'crash' &&
        'on' in fault.when &&
        fault.when.on === event.type &&
        fault.when.count === count
      )
        this.strike(fault, index);
  }

  private strike(fault: Extract<Fault, { type: 'crash' }>, hit: number): void {
    if (this.healed) return;
    const { world } = this.cluster;
    const members =
      fault.hit && hit >= 0 && fault.down !== undefined ? [...fault.members, hit] : fault.members;
    for (const member of members) {
      if (fault.down === undefined) this.gone.add(member);
      if (!this.cluster.isLive(member)) continue;
      this.stop(member);
      // Of who is gone for good the others only have to take note.
      if (fault.down === undefined) this.watchdog.calmed(world.now);
      if (fault.down !== undefined) world.at(world.now + fault.down, () => this.restart(member));
    }
  }

  private restart(member: number): void {
    if (this.cluster.isLive(member) || this.gone.has(member)) return;
    this.cluster.restart(member);
    this.checker.restarted(member, this.cluster.members[member].disk.load());
    this.watchdog.calmed(this.cluster.world.now);
    this.isNews = true;
  }

  private changeStore({ member, down, clock }: Extract<Fault, { type: 'store' }>, store: number): void {
    const { world } = this.cluster;
    if (this.cluster.isLive(member)) {
      this.stop(member);
      world.at(world.now + down, () => this.restart(member));
    }
    if (clock === 'behind') this.isBehind.add(member);
    this.cluster.changeStore(member, store);
    this.checker.changedStore(member, store);
    this.isNews = true;
  }

  private stop(member: number): void {
    this.crashes++;
    this.cluster.crash(member);
    this.checker.crashed(member);
    this.watchdog.disturbed(this.cluster.world.now);
  }

  private cut({ from, oneWay }: Extract<Fault, { type: 'cut' }>, blocked: boolean): void {
    const { world, members } = this.cluster;
    const side = new Set(from);
    for (const a of members)
      for (const b of members) {
        if (side.has(b.index) || !side.has(a.index)) continue;
        world.link(a.address, b.address).update({ blocked });
        if (!oneWay) world.link(b.address, a.address).update({ blocked });
      }
  }

  /** Of its own objects only such as others hold too: what is nowhere else is gone with the disk. */
  private damage(member: number): void {
    const { disk } = this.cluster.members[member];
    const { held, streams } = disk.load();
    const objects: ObjectId[] = held.filter(({ origin }) => origin !== member);
    for (const { origin, incarnation, base, delivered } of streams)
      for (let seq = base; seq < delivered; seq++) objects.push({ origin, incarnation, seq });
    if (objects.length > 0) disk.corrupt(this.rng.pick(objects));
  }

  private heal(): void {
    this.healed = true;
    this.isNews = true;
    const { faults } = this.scenario;
    // Whose end had not come: those that were to die at an event that never happened.
    for (const fault of faults)
      if (fault.type === 'crash' && fault.down === undefined) {
        this.healed = false;
        this.strike(fault, -1);
        this.healed = true;
      }
    for (const { index } of this.cluster.members) this.restart(index);
  }
}

/** The fixed rate is what no congestion control would send: more than most of the links carry. */
function factoryOf({ controller }: Scenario): ControllerFactory {
  return controller === 'fixed' ? () => fixedRate(2.5e6) : CONTROLLERS[controller];
}

const PATIENCE: Micros = 120 * SECOND;
/** More than the starts of any run. */
const BEHIND = 1000;
/** Share of the runs. */
const INSPECTED = 0.2;
const AFTERWARDS: Micros = 300 * MILLISECOND;
