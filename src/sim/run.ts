/** Runs a scenario: builds its cluster, lets its faults happen, has a checker watch. Out: what became of it. */
import { type ControllerFactory, fixedRate } from '../congestion/controller.js';
import { CONTROLLERS } from '../congestion/index.js';
import { Writer } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';
import { Checker } from './checker.js';
import { addressOf, type Cluster, createCluster, memberAt } from './cluster.js';
import { Faults } from './faults.js';
import { areApart } from './graph.js';
import type { SimEvent, SimMember } from './member.js';
import { natsOf } from './net/nat.js';
import type { Fault, Scenario } from './scenario.js';
import { patienceOf, timeOf, Watchdog } from './watchdog.js';

/** What is kept and told of a run. */
export interface RunOptions {
  /** How many of the latest event log lines to keep; default 0. */
  keepLines?: number;
  /** Told what happens at members, before anything else is. */
  observe?: (member: SimMember, event: SimEvent) => void;
  /** Called after each event, to look at the group. */
  look?: (cluster: Cluster) => void;
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
 * `Watchdog`), or two virtual minutes after the last fault, and what all the messages take (see `timeOf`), have passed.
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
  private readonly faults: Faults;
  private readonly stalls: Extract<Fault, { type: 'stall' }>[];
  private readonly reports: Partial<Record<string, number>> = {};
  private replies: number;
  private numbered = 0;
  private readonly watchdog: Watchdog;
  private readonly isInspected: boolean;
  private readonly watch: RunOptions['look'];
  /** Something happened that may have completed the run. */
  private isNews = false;

  constructor(scenario: Scenario, { keepLines = 0, observe, look }: RunOptions) {
    this.watch = look;
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
    const { seed, faulty, byzantine, links, maxDatagram, disk, clocks, slow, apart } = scenario;
    const boxed = Object.entries(scenario.boxes ?? {}).map(
      ([member, kind]) => [Number(member), kind] as const,
    );
    const isBehind = new Set<number>();
    const behind = faults.find((fault) => fault.type === 'store' && fault.clock === 'behind');
    this.cluster = createCluster({
      seed,
      members,
      faulty,
      byzantine,
      links: (from, to) => {
        const isApart = areApart(apart, memberAt(from), memberAt(to));
        const isSlow = slow && [from, to].includes(addressOf(slow.member));
        return { ...links, ...(isSlow ? { delay: slow.delay } : {}), ...(isApart ? { blocked: true } : {}) };
      },
      unlisted: boxed.map(([member]) => member),
      ...(boxed.length > 0 && {
        nats: new Map(boxed.map(([member, kind]) => [member, natsOf(kind, member)])),
      }),
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
      ...(behind && { incarnation: (member, start) => start + (isBehind.has(member) ? 0 : BEHIND) }),
      onEvent: (member, event) => {
        observe?.(member, event);
        this.onEvent(member, event);
      },
      keepLines,
    });
    const { checker, cluster, watchdog, rng } = this;
    const onNews = () => {
      this.isNews = true;
    };
    this.faults = new Faults({ scenario, checker, cluster, watchdog, rng, isBehind, onNews });
    for (const { origin, at, size } of scenario.messages)
      cluster.world.at(at, () => this.broadcast(origin, size));
    this.faults.schedule();
  }

  report(): RunReport {
    const { checker, cluster, scenario } = this;
    const { world } = cluster;
    let end = Number.POSITIVE_INFINITY;
    const isOver = () => {
      if (checker.violation) return true;
      this.watch?.(cluster);
      if (this.isNews) this.look();
      this.inspect();
      const stuck = this.watchdog.stuck(world.now);
      if (stuck >= 0) {
        checker.fail(stuck, `stands still: ${checker.missing()}`);
        return true;
      }
      const { isNews } = this;
      this.isNews = false;
      if (!this.faults.healed || (!isNews && end === Number.POSITIVE_INFINITY)) return false;
      // Whatever comes later must not deliver anything twice.
      if (end === Number.POSITIVE_INFINITY && checker.isComplete) end = world.now + AFTERWARDS;
      return world.now >= end;
    };
    let finished = false;
    try {
      for (let limit = 0; !finished && limit < this.limit(); ) {
        limit = this.limit();
        finished = world.runUntil(isOver, limit);
      }
    } catch (error) {
      checker.fail(-1, `throws: ${error instanceof Error ? error.stack : String(error)}`);
    }
    const seconds = Math.round((world.now - scenario.healAt) / SECOND);
    const late = finished || checker.violation ? '' : ` ${seconds} s after all faults: ${checker.missing()}`;
    return {
      violation: checker.violation ?? (late === '' ? undefined : `not done${late}`),
      hash: world.logHash(),
      lines: world.lines,
      time: world.now,
      messages: checker.messages,
      datagrams: world.counters.sent,
      crashes: this.faults.crashes,
      standstill: this.watchdog.closest,
      reports: this.reports,
    };
  }

  dispose(): void {
    this.cluster.dispose();
  }

  /** When all has to be done. */
  private limit(): Micros {
    const { scenario, checker } = this;
    return scenario.healAt + PATIENCE + timeOf(scenario, checker.messages);
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
    const { members, world } = this.cluster;
    // In a large group with liars a look at one member takes ten times as long as an event.
    if (world.counters.events % Math.ceil(members.length / INSPECTED_EACH) !== 0) return;
    for (const { index, isLive, address, endpoint } of members) {
      if (world.latest !== undefined && world.latest !== address) continue;
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
    this.faults.onEvent(event.type, index);
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
/** Members up to which each event is followed by a look at the one that it was for; in a group of n times as many each n-th. */
const INSPECTED_EACH = 5;
const AFTERWARDS: Micros = 300 * MILLISECOND;
