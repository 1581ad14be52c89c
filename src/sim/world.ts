/**
 * The virtual world: nodes, the links between them and a schedule of faults, on one virtual clock, in one process, from
 * one seed. In: nodes as sans-IO state machines, link options, calls at given times. Out: the run itself, and a hash over
 * every send, delivery, drop and log line of it: the same seed gives the same hash, byte for byte.
 */
import { createHash } from 'node:crypto';
import { TimeHeap } from '../core/heap.js';
import { Rng } from '../core/rng.js';
import { type Micros, NEVER, SECOND } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import { Groups } from './net/groups.js';
import { type Link, type LinkRule, LinkTable } from './net/link.js';
import type { Nats } from './net/nat.js';

/** What the world asks of a node. Any input may change the answers of both polls; spurious polls must do no harm. */
export interface SimNode {
  /** A datagram from the address `from` has arrived. */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array): void;
  /** A datagram has arrived that was sent to a group which it has joined. */
  handleCast?(now: Micros, group: string, bytes: Uint8Array): void;
  /** The deadline that `nextTimeout` named has come. */
  handleTimeout(now: Micros): void;
  /** The next datagram to send now, to a group if it has `cast`; undefined if there is none. Its bytes are the world's from then on. */
  pollTransmit(now: Micros): { to: string; bytes: Uint8Array; cast?: unknown } | undefined;
  /** When to call `handleTimeout`: a time (one that is past counts as now), or NEVER. */
  nextTimeout(now: Micros): Micros;
}

/** Of a `World`. */
export interface WorldOptions {
  /** Options of the links, as in `setLinks`. Default: links that do nothing but forward. */
  links?: LinkRule<string>;
  /** Boxes that translate addresses. Links are those of the nodes' own addresses. Default: none. */
  nats?: Nats | undefined;
  /** How many of the latest log lines `lines` keeps for reading. Default 0: the log is hashed only. */
  keepLines?: number;
  /** Datagrams that one node may send, and times it may time out, at one instant before it counts as stuck. Default 250,000. */
  instantLimit?: number;
}

/** What has happened so far, in datagrams where nothing else is said. */
export interface WorldCounters {
  /** Inputs to nodes and scheduled calls. */
  events: number;
  /** By nodes. */
  sent: number;
  /** To nodes. */
  delivered: number;
  /** Not delivered: dropped by a link (its counters say why), by a partition, or since no node has the address. */
  dropped: number;
}

/**
 * A simulated network of nodes.
 *
 * @example
 * const world = new World('seed-1', { links: { delay: 20_000, loss: iid(0.1) } });
 * const heard: string[] = [];
 * world.addNode('a', {
 *   handleDatagram: (now, from) => heard.push(`${from} at ${now}`),
 *   handleTimeout: () => {},
 *   pollTransmit: () => undefined,
 *   nextTimeout: () => Number.POSITIVE_INFINITY,
 * });
 * world.at(5 * SECOND, () => world.removeNode('a'));
 * world.runUntil(() => heard.length > 0, 60 * SECOND); // false: nobody sends
 * world.logHash(); // the same on every machine
 */
export class World {
  /** For what the scenario draws. Links do not use it: each has a generator of its own. */
  readonly rng: Rng;
  /** The first address of the node that the latest event was for; undefined if it may have changed any node. */
  latest: string | undefined;
  /** So far. */
  readonly counters: WorldCounters = { events: 0, sent: 0, delivered: 0, dropped: 0 };
  private readonly links: LinkTable<string>;
  private readonly nats: Nats | undefined;
  /** @internal Of multicast. */
  readonly groups = new Groups();
  private readonly nodes = new Map<string, Resident>();
  private readonly queue = new TimeHeap<WorldEvent>();
  private readonly hash = createHash('sha256');
  private readonly instantLimit: number;
  private readonly keepLines: number;
  private kept: string[] = [];
  private unhashed = '';
  private time: Micros = 0;
  /** Which side of the partition an address is on; those not listed are together on one more side. */
  private sides = new Map<string, number>();

  /** The same seed, options and calls give the same world, event for event. */
  constructor(seed: string | number, options: WorldOptions = {}) {
    this.rng = new Rng(`${seed} world`);
    this.links = new LinkTable(seed, options.links);
    this.nats = options.nats;
    this.keepLines = options.keepLines ?? 0;
    this.instantLimit = options.instantLimit ?? INSTANT_LIMIT;
  }

  /** The virtual time, µs from the start of the world. */
  get now(): Micros {
    return this.time;
  }

  /** The latest log lines, oldest first; empty unless `keepLines` was given. */
  get lines(): readonly string[] {
    return this.kept.slice(-this.keepLines);
  }

  /**
   * Starts a node. A node that takes the address of a removed one, as after a restart, also gets the datagrams that were
   * under way to that one. A node with several addresses is in as many networks: what it sends to another's second address
   * comes from its own second, as routes choose, and from its first where it has no second.
   *
   * @throws HeadwaterError INVALID_ARGUMENT if the address is taken
   */
  addNode(address: string, node: SimNode, others: readonly string[] = []): void {
    const addresses = [address, ...others];
    for (const each of addresses)
      if (this.nodes.has(each)) throw invalid(`address: expected one that is free, got '${each}'`);
    const resident: Resident = {
      addresses,
      node,
      alarms: [],
      removed: false,
      instant: 0,
      sent: 0,
      timeouts: 0,
    };
    for (const each of addresses) this.nodes.set(each, resident);
    this.write(`start ${address}`);
    this.drain(resident);
  }

  /** Crashes a node: it gets no further input, and datagrams to it vanish. What it has sent still arrives. */
  removeNode(address: string): void {
    const resident = this.nodes.get(address);
    if (resident === undefined) throw invalid(`address: expected that of a node, got '${address}'`);
    resident.removed = true;
    for (const each of resident.addresses) this.nodes.delete(each);
    this.write(`stop ${address}`);
  }

  /**
   * Looks at what a node wants to send and when it wants to be woken. For commands given to a node between two events;
   * after a call scheduled with `at`, and when a run starts, the world does this for every node by itself.
   */
  poll(address: string): void {
    const resident = this.nodes.get(address);
    if (resident !== undefined) this.drain(resident);
  }

  /** The link from one address to another, made by the rules of `setLinks` when first asked for. */
  link(from: string, to: string): Link {
    return this.links.link(from, to);
  }

  /**
   * Changes the given options on every link, now and for links that come up later.
   *
   * @example
   * const world = new World('a');
   * world.setLinks({ delay: 20_000 });
   * world.setLinks((from) => (from === 'a' ? { rate: 1e6 } : {}));
   */
  setLinks(rule: LinkRule<string>): void {
    this.links.update(rule);
  }

  /**
   * Drops what is sent between addresses of different groups from now on; what is under way still arrives. Addresses in no
   * group form one more group. Replaces an earlier partition. For one direction only, use `link(a, b).update({ blocked })`.
   */
  partition(groups: readonly (readonly string[])[]): void {
    this.sides = new Map(groups.flatMap((group, side) => group.map((address) => [address, side] as const)));
    this.write(`partition ${groups.map((group) => group.join(',')).join(' | ')}`);
  }

  /** Ends the partition. Links blocked one by one stay so. */
  heal(): void {
    this.sides.clear();
    this.write('heal');
  }

  /** Calls `action` at `time` (µs; now if that is past), then polls all nodes. Calls of one time run in the order given. */
  at(time: Micros, action: () => void): void {
    this.queue.push(Math.max(time, this.time), { kind: 'call', action });
  }

  /** Adds a line of the application's to the event log. */
  log(event: string): void {
    this.write(`log ${event}`);
  }

  /** Runs the next event. False if there is none left. */
  step(): boolean {
    while (this.queue.size > 0) if (this.runNext()) return true;
    return false;
  }

  /**
   * Runs until a virtual time is reached, or until a predicate (asked after each event) holds.
   *
   * @param limit virtual time at which to give up on a predicate, µs; default one hour from now
   * @returns whether the goal was reached; false if the limit was, or if a predicate does not hold and no event is left
   */
  runUntil(goal: Micros | (() => boolean), limit: Micros = this.time + 3_600 * SECOND): boolean {
    const end = typeof goal === 'number' ? goal : limit;
    const done = typeof goal === 'number' ? undefined : goal;
    this.pollAll();
    while (done === undefined || !done()) {
      if (this.queue.size === 0 || this.queue.nextTime() > end) {
        // With no event left nothing can change, so a predicate that gives up then leaves the clock where it was.
        if ((done === undefined || this.queue.size > 0) && end !== NEVER)
          this.time = Math.max(this.time, end);
        return done === undefined;
      }
      this.runNext();
    }
    return true;
  }

  /** SHA-256, in hex, over the event log so far. */
  logHash(): string {
    this.flush();
    return this.hash.copy().digest('hex');
  }

  /** Runs the next entry of the queue. False if it was void: an alarm that came too early, or of a node that is gone. */
  private runNext(): boolean {
    this.time = this.queue.nextTime();
    const event = this.queue.pop()!;
    this.latest = undefined;
    switch (event.kind) {
      case 'datagram': {
        this.arrive(event);
        break;
      }
      case 'alarm': {
        const { resident } = event;
        if (resident.removed) return false;
        resident.alarms.pop();
        if (resident.node.nextTimeout(this.time) > this.time) {
          this.setAlarm(resident);
          return false;
        }
        this.countInstant(resident);
        if (++resident.timeouts > this.instantLimit) throw this.stuck(resident, 'times out');
        this.latest = resident.addresses[0];
        resident.node.handleTimeout(this.time);
        this.drain(resident);
        break;
      }
      case 'call': {
        event.action();
        this.pollAll();
        break;
      }
    }
    this.counters.events++;
    return true;
  }

  private arrive({ from, to, bytes, digest, group, isLetIn }: DatagramEvent): void {
    const resident = this.nodes.get(to);
    if (resident === undefined || isLetIn?.(this.time) === false) {
      this.counters.dropped++;
      this.write(`drop ${from}>${to} ${bytes.length} ${digest} ${resident ? 'nat' : 'nobody'}`);
      return;
    }
    this.counters.delivered++;
    this.write(`recv ${from}>${to} ${bytes.length} ${digest}`);
    this.latest = resident.addresses[0];
    if (group === undefined) resident.node.handleDatagram(this.time, from, bytes);
    else resident.node.handleCast?.(this.time, group, bytes);
    this.drain(resident);
  }

  private pollAll(): void {
    for (const resident of new Set(this.nodes.values())) this.drain(resident);
  }

  private drain(resident: Resident): void {
    this.countInstant(resident);
    while (!resident.removed) {
      const datagram = resident.node.pollTransmit(this.time);
      if (datagram === undefined) break;
      if (++resident.sent > this.instantLimit) throw this.stuck(resident, 'transmits');
      const { to, bytes, cast } = datagram;
      const from = this.source(resident, to);
      if (cast === undefined) this.send(from, to, bytes);
      else for (const each of this.groups.hearing(to, from)) this.send(from, each, bytes.slice(), to);
    }
    if (!resident.removed) this.setAlarm(resident);
  }

  private source({ addresses }: Resident, to: string): string {
    if (addresses.length === 1) return addresses[0];
    return addresses[this.nodes.get(to)?.addresses.indexOf(to) ?? 0] ?? addresses[0];
  }

  private send(from: string, to: string, bytes: Uint8Array, group?: string): void {
    const digest = digest32(bytes);
    this.counters.sent++;
    if (this.sides.size > 0 && this.sides.get(from) !== this.sides.get(to)) {
      this.counters.dropped++;
      this.write(`drop ${from}>${to} ${bytes.length} ${digest} partition`);
      return;
    }
    const passage = this.nats ? this.nats.pass(this.time, from, to) : { from, to };
    const link = passage && this.links.link(from, passage.to);
    const deliveries = link?.send(this.time, bytes) ?? [];
    if (!passage || link?.dropped !== undefined) {
      this.counters.dropped++;
      this.write(`drop ${from}>${to} ${bytes.length} ${digest} ${link?.dropped ?? 'nat'}`);
      return;
    }
    this.write(`send ${from}>${to} ${bytes.length} ${digest}`);
    for (const delivery of deliveries) {
      // A link that corrupts or duplicates makes a new array, and only then can the digest differ.
      const arriving = delivery.bytes === bytes ? digest : digest32(delivery.bytes);
      const event = { ...passage, bytes: delivery.bytes, digest: arriving, group };
      this.queue.push(delivery.at, { kind: 'datagram', ...event });
    }
  }

  /**
   * Queues an alarm unless one is queued that rings by the node's deadline: that one looks again when it rings. So a
   * deadline that moves back with every datagram, as idle timers do, costs no entry of the queue each time.
   */
  private setAlarm(resident: Resident): void {
    const deadline = Math.max(resident.node.nextTimeout(this.time), this.time);
    const { alarms } = resident;
    if (deadline === NEVER || (alarms.length > 0 && alarms[alarms.length - 1] <= deadline)) return;
    alarms.push(deadline);
    this.queue.push(deadline, { kind: 'alarm', resident });
  }

  private countInstant(resident: Resident): void {
    if (resident.instant === this.time) return;
    resident.instant = this.time;
    resident.sent = 0;
    resident.timeouts = 0;
  }

  private stuck(resident: Resident, what: string): Error {
    return new Error(
      `simulation: node '${resident.addresses[0]}' ${what} more than ${this.instantLimit} times at ${this.time} µs`,
    );
  }

  private write(text: string): void {
    const line = `${this.time} ${text}\n`;
    this.unhashed += line;
    // One call of the hash per line would cost more than the rest of the event.
    if (this.unhashed.length >= FLUSH_LENGTH) this.flush();
    if (this.keepLines === 0) return;
    this.kept.push(line.slice(0, -1));
    if (this.kept.length >= 2 * this.keepLines) this.kept = this.kept.slice(-this.keepLines);
  }

  private flush(): void {
    this.hash.update(this.unhashed);
    this.unhashed = '';
  }
}

/** A node and what the world notes about it. */
interface Resident {
  readonly addresses: readonly string[];
  readonly node: SimNode;
  /** Times of its alarms in the queue, each before the one in front of it: the last rings next. */
  readonly alarms: Micros[];
  removed: boolean;
  /** The latest instant at which it was polled, and what it did at that instant. */
  instant: Micros;
  sent: number;
  timeouts: number;
}

interface DatagramEvent {
  kind: 'datagram';
  from: string;
  to: string;
  bytes: Uint8Array;
  digest: number;
  /** That it was sent to, if it was. */
  group: string | undefined;
  /** Whether boxes on its way let it through, when it comes. */
  isLetIn?: (now: Micros) => boolean;
}

type WorldEvent =
  | DatagramEvent
  | { kind: 'alarm'; resident: Resident }
  | { kind: 'call'; action: () => void };

/** FNV-1a over 32-bit words and the rest: enough to tell two runs apart, and far cheaper than a real hash. */
function digest32(bytes: Uint8Array): number {
  const words = bytes.length & ~3;
  let hash = 0x811c9dc5;
  for (let i = 0; i < words; i += 4) {
    const word = bytes[i] | (bytes[i + 1] << 8) | (bytes[i + 2] << 16) | (bytes[i + 3] << 24);
    hash = Math.imul(hash ^ word, 0x01000193);
    // Without this the high bits of a word would never reach the low bits of the hash.
    hash ^= hash >>> 15;
  }
  for (let i = words; i < bytes.length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193);
  return hash >>> 0;
}

function invalid(message: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', message);
}

const INSTANT_LIMIT = 250_000;
const FLUSH_LENGTH = 16_384;
