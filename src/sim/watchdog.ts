/**
 * Tight liveness: while a member is owed something and no fault is under way, it gets on within a bound that follows from
 * what links, disks and consumers of the scenario do. In: what happens at whom, and when. Out: who stands still for too
 * long, and how near to its bound the longest standstill came.
 */
import { FIRST_PATIENCE } from '../broadcast/agreement/keepers.js';
import { PATIENCE } from '../broadcast/agreement/succession.js';
import { LOSS_BASED } from '../congestion/index.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { widthOf } from './graph.js';
import type { LossModel } from './net/loss.js';
import type { Scenario } from './scenario.js';

export class Watchdog {
  /** The longest standstill so far, as a share of what is allowed. */
  closest = 0;
  private readonly limits: readonly Micros[];
  /** By member: since when it has not got on; NEVER while it needs not. */
  private readonly since: Micros[];
  private readonly owed: boolean[];
  private disturbances = 0;
  /** The first time at which anyone stands still for too long. */
  private deadline: Micros = NEVER;

  /** @param limits by member: µs without progress that are too long */
  constructor(limits: readonly Micros[]) {
    this.limits = limits;
    this.since = limits.map(() => NEVER);
    this.owed = limits.map(() => false);
  }

  /** A fault begins: whoever stands still may do so because of it. */
  disturbed(now: Micros): void {
    this.disturbances++;
    this.startAll(now);
  }

  /** A fault ends, and the clock starts anew: all have to find out what they missed. */
  calmed(now: Micros): void {
    this.disturbances--;
    this.startAll(now);
  }

  /** This member has stored or delivered something, or consumed it. */
  progressed(now: Micros, member: number): void {
    this.start(now, member);
  }

  /** Whether there is anything left to do for this member. */
  owes(now: Micros, member: number, isOwed: boolean): void {
    if (this.owed[member] === isOwed) return;
    this.owed[member] = isOwed;
    this.start(now, member);
  }

  /** The member that has stood still for too long; -1 if none has. */
  stuck(now: Micros): number {
    if (now < this.deadline) return -1;
    const ends = this.since.map((since, member) => since + this.limits[member]);
    this.deadline = Math.min(...ends);
    return ends.findIndex((end) => end <= now);
  }

  private startAll(now: Micros): void {
    for (let member = 0; member < this.since.length; member++) this.start(now, member);
  }

  private start(now: Micros, member: number): void {
    this.closest = Math.max(this.closest, (now - this.since[member]) / this.limits[member]);
    this.since[member] = this.disturbances === 0 && this.owed[member] ? now : NEVER;
    this.deadline = Math.min(this.deadline, this.since[member] + this.limits[member]);
  }
}

/** How long a member may stand still in this scenario, with no fault under way: µs. A slow one holds up nobody else. */
export function patienceOf(scenario: Scenario, member: number): Micros {
  const { links, disk, consume, messages, clocks, byzantine, faults } = scenario;
  const { lost, trip, speed } = linkOf(scenario, member);
  // Confirms may have to come from the other end of a chain, and objects go from one to the next.
  const hops = scenario.apart ? widthOf(scenario.apart, scenario.members) : scenario.boxes ? 2 : 1;
  const missed = 1 - (1 - lost) ** (2 * hops);
  const tries = missed > 0 ? Math.log(UNLIKELY) / Math.log(missed) : 0;
  const factor = disk.slow ? (disk.slowFactor ?? 1) : 1;
  const store = (disk.delay ?? 0) * factor;
  const largest = Math.max(0, ...messages.map(({ size }) => size));
  const time =
    SETTLING +
    hops * STEPS * (trip + store + consume) +
    tries * burstOf(links.loss) * INTERVAL +
    (hops * 2 * largest) / speed;
  const slowest = Math.min(1, ...Object.values(clocks).map((clock) => clock.rate));
  // Where one word makes a member begin another stream, or a copy of its store does, it says nothing before.
  const mayBegin = faults.some(({ type }) => type === 'restore' || (type === 'liar' && byzantine === 0));
  const patience = (mayBegin ? PATIENCE : 0) + keepersPatience(faults, member);
  return Math.ceil((MARGIN * time + patience + (scenario.apart || scenario.boxes ? FINDING : 0)) / slowest);
}

/** What so many messages take to come to whoever gets them most slowly, however well they follow each other: µs. Liars make many. */
export function timeOf(scenario: Scenario, messages: number): Micros {
  const speeds = Array.from({ length: scenario.members }, (_, member) => linkOf(scenario, member).speed);
  return Math.ceil((messages * SMALL_MESSAGE) / Math.min(...speeds));
}

/** The links of a member: the share that they lose, a round trip in µs, and bytes per µs that come through. */
function linkOf({ links, slow, controller }: Scenario, member: number) {
  const delay = slow?.member === member ? slow.delay : (links.delay ?? 0);
  const { jitter = 0, rate = 0, corrupt = 0, reorder = 0 } = links;
  const lost = 1 - (1 - meanLoss(links.loss)) * (1 - corrupt);
  const queue = rate > 0 ? Math.max(100 * MILLISECOND, (24_000 * 8e6) / rate) : 0;
  const trip = 2 * (delay + jitter + queue + (reorder > 0 ? 10 * MILLISECOND : 0)) + MILLISECOND;
  const fastest = Math.min(2.5, rate > 0 ? rate / 8e6 : 2.5);
  // Those that take loss for congestion come down to two datagrams a round trip.
  const isHeld = LOSS_BASED.has(controller) && lost > 0.01;
  return { lost, trip, speed: (1 - lost) * (isHeld ? Math.min(fastest, 2400 / trip) : fastest) };
}

/** Who has lost what it held believes each of those that say they keep it for so long, though they serve nothing. */
function keepersPatience(faults: Scenario['faults'], member: number): Micros {
  const hasLost = faults.some(
    (fault) => (fault.type === 'store' || fault.type === 'restore') && fault.member === member,
  );
  const keepers = faults.filter((fault) => fault.type === 'liar' && fault.lies.includes('keep'));
  return hasLost ? keepers.length * FIRST_PATIENCE : 0;
}

function meanLoss(model: LossModel | undefined): number {
  if (!model) return 0;
  if (model.kind === 'iid') return model.probability;
  const { goodToBad, badToGood, lossGood, lossBad } = model;
  const bad = goodToBad / (goodToBad + badToGood);
  return lossGood * (1 - bad) + lossBad * bad;
}

/** How many datagrams in a row share one fate, on average. */
function burstOf(model: LossModel | undefined): number {
  return model?.kind === 'gilbert-elliott' ? 1 / model.badToGood : 1;
}

/** Bytes of a datagram with a message that is made up: headers, certificate, symbol. */
const SMALL_MESSAGE = 300;
/** In 1400 random runs the longest standstill took three quarters of what the rest comes to. */
const MARGIN = 2;
/** Among all the standstills of some ten thousand runs none should be longer by mere bad luck. */
const UNLIKELY = 1e-6;
/** Between tries: heartbeats, and VECTORs that are repeated, are 300 ms apart at most; so are PULLs before they get rarer. */
const INTERVAL: Micros = 300 * MILLISECOND;
/** A store that was full is tried again after a second; who comes back has a session, and is responsive, within that. */
const SETTLING: Micros = SECOND;
/** Those that are reached by way of others are found anew, one after the other, and have handshakes then. */
const FINDING: Micros = 6 * SECOND;
/** From one to the next: symbols, report, top-up or PULL, confirm, READY, each perhaps with a commit. */
const STEPS = 6;
