/** Has a scenario's faults happen to its cluster: when their time comes, or at an event; and in the end all is well again. */
import type { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import type { ObjectId } from '../wire/symbol.js';
import type { Checker } from './checker.js';
import type { Cluster } from './cluster.js';
import { areApart } from './graph.js';
import type { SimEvent } from './member.js';
import type { Fault, Scenario } from './scenario.js';
import type { Watchdog } from './watchdog.js';

interface FaultsOptions {
  readonly scenario: Scenario;
  readonly cluster: Cluster;
  readonly checker: Checker;
  readonly watchdog: Watchdog;
  readonly rng: Rng;
  /** Members whose clock was set back when they lost their store. */
  readonly isBehind: Set<number>;
  /** Something happened that may have completed the run. */
  readonly onNews: () => void;
}

export class Faults {
  /** Whether the last fault is over. */
  healed = false;
  /** How often a member stopped. */
  crashes = 0;
  private readonly scenario: Scenario;
  private readonly cluster: Cluster;
  private readonly checker: Checker;
  private readonly watchdog: Watchdog;
  private readonly rng: Rng;
  private readonly isBehind: Set<number>;
  private readonly onNews: () => void;
  private readonly gone = new Set<number>();
  private readonly counts: Partial<Record<SimEvent['type'], number>> = {};

  constructor({ scenario, cluster, checker, watchdog, rng, isBehind, onNews }: FaultsOptions) {
    this.scenario = scenario;
    this.cluster = cluster;
    this.checker = checker;
    this.watchdog = watchdog;
    this.rng = rng;
    this.isBehind = isBehind;
    this.onNews = onNews;
  }

  /** Has all of them happen when their time comes. */
  schedule(): void {
    const { world } = this.cluster;
    const { faults, healAt } = this.scenario;
    for (const fault of faults) {
      if (fault.type === 'crash' && 'at' in fault.when) world.at(fault.when.at, () => this.strike(fault, -1));
      else if (fault.type === 'cut') this.during(fault, (on) => this.cut(fault, on));
      else if (fault.type === 'narrow') world.at(fault.at, () => this.narrow(fault.between));
      else if (fault.type === 'store') {
        world.at(fault.at, () => {
          if (fault.clock === 'behind') this.isBehind.add(fault.member);
          this.changeStore(fault, 1);
        });
        if (fault.back !== undefined) world.at(fault.back, () => this.changeStore(fault, 0));
      } else if (fault.type === 'restore') {
        world.at(fault.at, () => this.copyStore(fault.member));
        world.at(fault.back, () => this.changeStore(fault, COPY));
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

  /** Something happened at a member: some faults wait for that. */
  onEvent(type: SimEvent['type'], index: number): void {
    const count = (this.counts[type] ?? 0) + 1;
    this.counts[type] = count;
    for (const fault of this.scenario.faults)
      if (
        fault.type === 'crash' &&
        'on' in fault.when &&
        fault.when.on === type &&
        fault.when.count === count
      )
        this.strike(fault, index);
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
    this.onNews();
  }

  private copyStore(member: number): void {
    this.cluster.copyStore(member, COPY);
    this.checker.copiedStore(member, COPY);
  }

  private changeStore({ member, down }: { member: number; down: Micros }, store: number): void {
    const { world } = this.cluster;
    if (this.cluster.isLive(member)) {
      this.stop(member);
      world.at(world.now + down, () => this.restart(member));
    }
    this.cluster.changeStore(member, store);
    this.checker.changedStore(member, store);
    this.onNews();
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
        if (areApart(this.scenario.apart, a.index, b.index)) continue;
        world.link(a.address, b.address).update({ blocked });
        if (!oneWay) world.link(b.address, a.address).update({ blocked });
      }
  }

  private narrow(between: readonly [number, number]): void {
    const { world, members } = this.cluster;
    const [a, b] = between.map((member) => members[member].address);
    const mtu = DATAGRAM_SIZE + (this.scenario.links.overhead ?? 0);
    world.link(a, b).update({ mtu });
    world.link(b, a).update({ mtu });
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
    this.onNews();
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

/** By its number, the copy of a member's store. */
const COPY = 2;
