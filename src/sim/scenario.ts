/**
 * What happens in one run, as plain data: the group, its links, disks and clocks, who broadcasts what, and what goes wrong.
 * In: a seed. Out: a random scenario within what the group is built for. After swarm testing (Groce et al., ISSTA 2012) each
 * has a few features only: with all of them at once, one would hide the faults of another.
 */

import { CONTROLLERS, type ControllerName, DEFAULT_CONTROLLER, LOSS_BASED } from '../congestion/index.js';
import { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';
import type { Settings } from '../options.js';
import { DATAGRAM_SIZE, ETHERNET_DATAGRAM } from '../wire/limits.js';
import type { SimDiskOptions } from './disk.js';
import { type Pair, randomApart } from './graph.js';
import { LIES, type Lie } from './lies/byzantine.js';
import type { SimClock } from './member.js';
import type { LinkOptions } from './net/link.js';
import { gilbertElliott, iid } from './net/loss.js';
import { NAT_KINDS, type NatKind } from './net/nat.js';

/** A time, or the instant of the `count`-th event of a kind, at whichever member. */
export type When = { at: Micros } | { on: 'deliver' | 'durable' | 'commit' | 'committed'; count: number };

/** What goes wrong in a scenario. */
export type Fault =
  /** `down`: for how long; undefined: for good. 'hit': the member at which the event happened goes too, for as long. */
  | { type: 'crash'; members: number[]; when: When; down: Micros | undefined; hit: boolean }
  /** What is sent from `from` to any of the others is lost, and if not `oneWay` the other way, too. */
  | { type: 'cut'; from: number[]; at: Micros; until: Micros; oneWay: boolean }
  /** From then on the links between the two carry no more than every path must, for good. */
  | { type: 'narrow'; between: [number, number]; at: Micros }
  /** Its disk takes no more. */
  | { type: 'full'; member: number; at: Micros; until: Micros }
  /** Its consumer stands still. */
  | { type: 'stall'; member: number; at: Micros; until: Micros }
  /** An object on its disk is damaged. */
  | { type: 'damage'; member: number; at: Micros }
  /**
   * It stops, and comes back after `down` with an empty store; and if `back` is given, stops once more then and has the former
   * one again. `clock` 'behind': it has no idea that it was there before, as the others do.
   */
  | {
      type: 'store';
      member: number;
      at: Micros;
      down: Micros;
      back: Micros | undefined;
      clock: 'right' | 'behind';
    }
  /** A copy is made of its store `at`; at `back` it stops, and comes back after `down` with that copy in the store's place. */
  | { type: 'restore'; member: number; at: Micros; back: Micros; down: Micros }
  | { type: 'liar'; member: number; lies: Lie[] };

/** A message that a scenario sends. */
export interface Message {
  /** Who sends it. */
  origin: number;
  /** When. */
  at: Micros;
  /** Bytes. */
  size: number;
}

/** One run, as plain data: to be made by hand, or by `randomScenario`. */
export interface Scenario {
  /** Of what is random in the run. */
  seed: string;
  /** How many. */
  members: number;
  /** k of the group. */
  faulty: number;
  /** f of the group. */
  byzantine: number;
  /** Of deliveries. */
  order: Settings['order'];
  /** 'fixed': 20 Mbit/s, whatever the links do. */
  controller: ControllerName | 'fixed';
  /** Bytes of the largest datagram that members try. */
  maxDatagram: number;
  /** Of all links. */
  links: LinkOptions;
  /** Of all members. */
  disk: SimDiskOptions;
  /** How long consumers take for a message. */
  consume: Micros;
  /** By member; those not named have the world's. */
  clocks: Record<number, SimClock>;
  /** A member that everything takes longer to and from: one way, µs. It only listens. */
  slow?: { member: number; delay: Micros } | undefined;
  /** Between these two nothing ever passes. */
  apart?: readonly Pair[] | undefined;
  /** By member: boxes that it is behind, so that the group has no address of it; some others can be called. */
  boxes?: Readonly<Record<number, NatKind>> | undefined;
  /** Who broadcasts what, and when. */
  messages: Message[];
  /** So many deliveries are answered with a message, from within the consumer. */
  replies: number;
  /** What goes wrong. */
  faults: Fault[];
  /** When all faults are over, and those come back that are not gone for good. */
  healAt: Micros;
}

/**
 * The scenario of a seed: always the same one, within what its group is built for.
 *
 * @example
 * const scenario = { ...randomScenario('42'), faults: [] };
 * runScenario(scenario).violation; // undefined
 */
export function randomScenario(seed: string): Scenario {
  const rng = new Rng(`${seed} scenario`);
  const members = randomMembers(rng);
  const most = Math.floor((members - 1) / 3);
  // Two liars or more are the worst, and only large groups may have them.
  const isByzantine = most > 0 && rng.chance(most > 1 ? 0.5 : 0.3);
  const byzantine = isByzantine ? rng.integer(1, most) : 0;
  const quorum = Math.floor((members + byzantine) / 2) + 1;
  const faulty = Math.max(byzantine, rng.integer(Math.min(1, members - quorum), members - quorum));
  const small = members > 12;
  const controller = rng.pick(MADE_WITH);
  const large = !small && rng.chance(0.04);
  const links = randomLinks(rng, controller, large);
  const scenario: Scenario = {
    seed,
    members,
    faulty,
    byzantine,
    order: rng.chance(0.5) ? 'causal' : 'fifo',
    controller,
    maxDatagram: rng.chance(0.15) ? 8952 : 1232,
    links,
    disk: rng.chance(0.3)
      ? { delay: 0, rate: 1e9 }
      : {
          delay: rng.integer(0, 8) * MILLISECOND,
          rate: 100e6,
          slow: rng.chance(0.3) ? 0.05 : 0,
          slowTime: 500 * MILLISECOND,
          slowFactor: 30,
        },
    consume: rng.chance(0.3) ? rng.integer(0, 30) * MILLISECOND : 0,
    clocks: rng.chance(0.3) ? randomClocks(rng, members) : {},
    messages: [],
    replies: !small && rng.chance(0.25) ? rng.integer(1, 8) : 0,
    faults: [],
    healAt: 0,
  };
  const span = rng.integer(0, 1200) * MILLISECOND;
  scenario.faults = randomFaults(rng, scenario, span, small);
  randomSizes(scenario, new Rng(`${seed} sizes`), span);
  const crashes = scenario.faults.some(({ type }) => type === 'crash' || type === 'store');
  const copies = new Rng(`${seed} copies`);
  scenario.faults = scenario.faults.map((fault) => withCopy(fault, copies));
  const graph = new Rng(`${seed} graph`);
  if (members > 2 && !small && graph.chance(0.12))
    scenario.apart = randomApart(graph, members, leavesOf(scenario));
  const nats = new Rng(`${seed} boxes`);
  if (members > 2 && !small && !scenario.apart && nats.chance(0.08))
    scenario.boxes = randomBoxes(nats, members, leavesOf(scenario));
  scenario.messages = randomMessages(rng, members, span, large, crashes, small);
  const restored = scenario.faults.find((fault) => fault.type === 'restore');
  // It has something to say that the copy does not hold, and something once it is back.
  if (restored && copies.chance(0.7))
    for (const message of scenario.messages) {
      if (copies.chance(0.4)) continue;
      const { at, back, down } = restored;
      const [from, to] = copies.chance(0.5) ? [at, back] : [back + down, back + down + 300 * MILLISECOND];
      message.origin = restored.member;
      message.at = copies.integer(from, to);
    }
  scenario.messages.sort((a, b) => a.at - b.at);
  const { slow } = scenario;
  if (slow)
    for (const message of scenario.messages)
      if (message.origin === slow.member) message.origin = (slow.member + 1) % members;
  // At two datagrams in a round trip of seconds more than that takes minutes.
  if (slow && LOSS_BASED.has(scenario.controller))
    for (const message of scenario.messages) message.size = Math.min(message.size, 20_000);
  const equivocator = scenario.faults.find(
    (fault) => fault.type === 'liar' && fault.lies.includes('equivocate'),
  );
  if (equivocator?.type === 'liar' && rng.chance(0.5))
    for (const message of scenario.messages) if (rng.chance(0.8)) message.origin = equivocator.member;
  for (const fault of scenario.faults) {
    const end =
      'until' in fault
        ? fault.until
        : fault.type === 'crash'
          ? span + SECOND
          : fault.type === 'store' || fault.type === 'restore'
            ? (fault.back ?? fault.at) + fault.down
            : 0;
    scenario.healAt = Math.max(scenario.healAt, end, span);
  }
  return scenario;
}

/** Paths that carry more than all must, and some that stop to. */
function randomSizes(scenario: Scenario, rng: Rng, span: Micros): void {
  const { members, faults } = scenario;
  if (scenario.maxDatagram === DATAGRAM_SIZE && rng.chance(0.3)) scenario.maxDatagram = ETHERNET_DATAGRAM;
  if (scenario.maxDatagram === DATAGRAM_SIZE || members < 2 || rng.chance(0.4)) return;
  for (let i = rng.integer(1, members); i > 0; i--) {
    const [a, b] = rng.shuffle(Array.from({ length: members }, (_, member) => member));
    faults.push({ type: 'narrow', between: [a, b], at: rng.chance(0.3) ? 0 : rng.integer(0, span) });
  }
}

/** One or two members can be called, none of them one that others must not depend on. */
function randomBoxes(
  rng: Rng,
  members: number,
  leaves: ReadonlySet<number>,
): Record<number, NatKind> | undefined {
  const order = rng.shuffle(Array.from({ length: members }, (_, member) => member));
  const hubs = order.filter((member) => !leaves.has(member)).slice(0, rng.integer(1, 2));
  if (hubs.length === 0) return undefined;
  const boxed = order.filter((member) => !hubs.includes(member));
  return Object.fromEntries(boxed.map((member) => [member, rng.pick(NAT_KINDS)]));
}

/** Nobody has to be reached by way of those that lie, are slow, or do not come back as they were. */
function leavesOf({ faults, slow }: Scenario): Set<number> {
  const leaves = faults.flatMap((fault) => {
    if (fault.type === 'crash') return fault.down === undefined ? fault.members : [];
    return fault.type === 'liar' || (fault.type === 'store' && fault.clock === 'behind')
      ? [fault.member]
      : [];
  });
  return new Set(slow ? [...leaves, slow.member] : leaves);
}

function randomMembers(rng: Rng): number {
  // What a run costs goes with the square.
  if (rng.chance(0.002)) return rng.integer(17, 40);
  if (rng.chance(0.02)) return rng.integer(8, 16);
  return rng.pick([1, 2, 3, 3, 3, 3, 3, 4, 4, 4, 5, 5, 6, 7, 7]);
}

function randomLinks(rng: Rng, controller: Scenario['controller'], large: boolean): LinkOptions {
  const chance = rng.chance(0.4) ? 0 : rng.float();
  // Those that take every loss for congestion crawl at two datagrams a round trip beyond a few per cent.
  const worst = LOSS_BASED.has(controller) && large ? 0.2 : 0.4;
  const loss = chance * worst;
  return {
    delay: rng.chance(0.1) ? 0 : rng.integer(0, 40) * MILLISECOND,
    jitter: rng.chance(0.3) ? rng.integer(0, 20) * MILLISECOND : 0,
    // A burst ends with traffic, not with time: on a link that carries a heartbeat now and then it is an outage of seconds.
    loss:
      loss > 0 && rng.chance(0.2)
        ? gilbertElliott({ meanLoss: Math.min(0.2, loss), meanBurst: 1 + 8 * rng.float() })
        : iid(loss),
    reorder: rng.chance(0.2) ? rng.float() * 0.3 : 0,
    duplicate: rng.chance(0.2) ? rng.float() * 0.3 : 0,
    corrupt: rng.chance(0.2) ? rng.float() * 0.1 : 0,
    rate: rng.chance(0.5) ? rng.integer(2, 50) * 1e6 : 0,
    overhead: 28,
  };
}

function randomClocks(rng: Rng, members: number): Record<number, SimClock> {
  const clocks: Record<number, SimClock> = {};
  for (let member = 0; member < members; member++)
    if (rng.chance(0.6))
      clocks[member] = { offset: rng.integer(0, 10_000) * SECOND, rate: 1 + (rng.float() - 0.5) * 0.1 };
  return clocks;
}

function randomMessages(
  rng: Rng,
  members: number,
  span: Micros,
  large: boolean,
  crashes: boolean,
  small: boolean,
): Message[] {
  const origins = rng.chance(0.4) ? [rng.integer(0, members - 1)] : undefined;
  const burst = rng.chance(0.3);
  const count = small ? rng.integer(1, 5) : rng.integer(1, rng.chance(0.15) ? 60 : 12);
  const messages = Array.from({ length: count }, (): Message => {
    const origin = origins ? origins[0] : rng.integer(0, members - 1);
    const at = burst ? rng.integer(0, 2) * Math.ceil(span / 2) : rng.integer(0, span);
    // Which of several empty ones a member had stored when it stopped cannot be told.
    return { origin, at, size: rng.integer(crashes ? 8 : 0, rng.chance(0.1) ? 3000 : 100) };
  });
  if (large) messages[0].size = Math.ceil(10 ** (4 + 1.5 * rng.float()));
  return messages.sort((a, b) => a.at - b.at);
}

/** One or two lies of each liar. Several may be of one mind: one signs two objects, the others confirm what suits each. */
function randomLies(rng: Rng, liars: number): Lie[][] {
  const some = () => rng.shuffle(LIES).slice(0, rng.integer(1, 2));
  const isPlot = liars > 1 && rng.chance(0.5);
  return Array.from({ length: liars }, (_, liar) => {
    if (!isPlot) return some();
    const part = liar === 0 ? 'equivocate' : rng.pick<Lie>(['collude', 'collude', 'confirm']);
    const besides = some().filter((lie) => lie !== part);
    return rng.chance(0.7) ? [part] : [part, ...besides];
  });
}

/** Lies that hold up nobody even where no member is expected to lie. */
const TOLERATED: readonly Lie[] = [
  'mute',
  'silent',
  'phantom',
  'phantoms',
  'gone',
  'unmet',
  'pulls',
  'greedy',
  'acks',
];

/** At most k members are gone for good, liars or damaged, so that a quorum is left that keeps all its promises. */
function randomFaults(rng: Rng, scenario: Scenario, span: Micros, small: boolean): Fault[] {
  const { members, faulty, byzantine } = scenario;
  const faults: Fault[] = [];
  const order = rng.shuffle(Array.from({ length: members }, (_, i) => i));
  const bad = order.slice(0, faulty);
  const some = (most: number) => order.slice(0, rng.integer(1, Math.max(1, most)));
  const time = () => rng.integer(0, span + 300 * MILLISECOND);
  const interval = () => {
    const at = time();
    return { at, until: at + rng.integer(50, small ? 500 : 2500) * MILLISECOND };
  };
  const anyone = () => rng.integer(0, members - 1);
  for (const lies of randomLies(rng, byzantine)) faults.push({ type: 'liar', member: bad.pop()!, lies });
  // Nobody is said to lie; who does counts as failed, and must not do more harm than that.
  if (byzantine === 0 && bad.length > 0 && rng.chance(0.1))
    faults.push({
      type: 'liar',
      member: bad.pop()!,
      lies: rng.shuffle(TOLERATED).slice(0, 1),
    });
  if (bad.length > 0 && rng.chance(0.2)) faults.push(randomStore(rng, bad.pop()!, time()));
  if (bad.length > 0 && members > 2 && !small && rng.chance(0.04))
    scenario.slow = { member: bad.pop()!, delay: rng.integer(200, 2000) * MILLISECOND };
  // Damage is a fault of the disk's that breaks a promise, which liars would have to be added to.
  if (byzantine === 0 && bad.length > 0 && rng.chance(0.08))
    for (const member of bad.splice(0, rng.integer(1, bad.length)))
      for (let i = rng.integer(1, 3); i > 0; i--) faults.push({ type: 'damage', member, at: time() });
  if (rng.chance(0.45))
    for (let i = rng.integer(1, 3); i > 0; i--)
      faults.push({
        type: 'crash',
        members: rng.chance(0.3) ? order : rng.shuffle(order).slice(0, rng.integer(0, 2)),
        when: randomWhen(rng, time()),
        down: rng.integer(0, 1500) * MILLISECOND,
        hit: rng.chance(0.5),
      });
  if (bad.length > 0 && rng.chance(0.3))
    faults.push({ type: 'crash', members: bad, when: randomWhen(rng, time()), down: undefined, hit: false });
  if (members > 1 && rng.chance(0.25))
    for (let i = rng.integer(1, 2); i > 0; i--)
      faults.push({ type: 'cut', from: some(members - 1), ...interval(), oneWay: rng.chance(0.4) });
  if (rng.chance(0.12)) faults.push({ type: 'full', member: anyone(), ...interval() });
  if (rng.chance(0.15)) faults.push({ type: 'stall', member: anyone(), ...interval() });
  // Long enough that sessions expire.
  if (members > 1 && members < 5 && rng.chance(0.02))
    faults.push({
      type: 'cut',
      from: some(members - 1),
      at: time(),
      until: 80 * SECOND,
      oneWay: rng.chance(0.7),
    });
  return rng.shuffle(faults);
}

function randomStore(rng: Rng, member: number, at: Micros): Fault {
  const down = rng.integer(0, 600) * MILLISECOND;
  const back = rng.chance(0.4) ? at + down + rng.integer(50, 1500) * MILLISECOND : undefined;
  const clock = back === undefined && rng.chance(0.1) ? 'behind' : 'right';
  return { type: 'store', member, at, down, back, clock };
}

/** Some of those that come back with their former store find in it what it held when they lost it. */
function withCopy(fault: Fault, rng: Rng): Fault {
  if (fault.type !== 'store' || fault.back === undefined || rng.chance(0.4)) return fault;
  const { member, at, back, down } = fault;
  return { type: 'restore', member, at, back, down };
}

function randomWhen(rng: Rng, at: Micros): When {
  if (rng.chance(0.4)) return { at };
  const on = rng.pick(['deliver', 'deliver', 'durable', 'commit', 'committed'] as const);
  return { on, count: rng.chance(0.5) ? 1 : rng.integer(1, 30) };
}

/** Every controller, most often the one that members have by default. */
const MADE_WITH: readonly Scenario['controller'][] = [
  DEFAULT_CONTROLLER,
  ...(Object.keys(CONTROLLERS) as ControllerName[]),
  'fixed',
];
