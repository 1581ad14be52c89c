/**
 * A group on a virtual clock, some members of which are liars: honest endpoints that say what an attack wants. Honest
 * members broadcast all the time. In: a seed, links, what happens. Out: what was delivered where and when, what it cost.
 */

import { cpuUsage } from 'node:process';
import { type ControllerFactory, fixedRate } from '../../../src/congestion/controller.js';
import { CONTROLLERS, type ControllerName } from '../../../src/congestion/index.js';
import { compareBytes, toHex } from '../../../src/core/bytes.js';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../../src/core/time.js';
import { sha256 } from '../../../src/crypto/hash.js';
import { type KeyPair, keyPair } from '../../../src/crypto/keys.js';
import type { Epochs } from '../../../src/epochs/epochs.js';
import type { Chain } from '../../../src/group/epochs/chain.js';
import { beginChain, type Changes, propose, sign } from '../../../src/group/epochs/propose.js';
import { groupOfChain } from '../../../src/group/epochs/view.js';
import { createGroup, type Group } from '../../../src/group/group.js';
import { Endpoint, type EndpointEvent } from '../../../src/member/endpoint.js';
import type { Tamper } from '../../../src/member/tamper.js';
import { SETTINGS, type Settings, withDefaults } from '../../../src/options.js';
import { addressOf } from '../../../src/sim/cluster.js';
import { SimDisk } from '../../../src/sim/disk.js';
import { SimMember } from '../../../src/sim/member.js';
import type { LinkRule } from '../../../src/sim/net/link.js';
import { Nats, natsOf } from '../../../src/sim/net/nat.js';
import { type SimNode, World } from '../../../src/sim/world.js';
import type { VectorEntry } from '../../../src/wire/frames/vector.js';
import type { Frame } from '../../../src/wire/frames.js';
import type { StreamId } from '../../../src/wire/symbol.js';
import { quantile } from './attack.js';
import { Forged, type Forger, vectorOf } from './forge.js';

export interface ArenaOptions {
  members?: number;
  byzantine?: number;
  faulty?: number;
  /** Whether the group begins with a descriptor, so that it may change (`Arena.change`); f is 0 then. Default: false. */
  changing?: boolean;
  /** Whether members tell each other where they are. Default: false. */
  locators?: boolean;
  /** Members without an address in the group, each behind a box that shows every address another port; `locators` is true then. */
  behind?: readonly number[];
  /** Default: the last one. */
  liars?: readonly number[];
  /** Default: 10 ms one way, no loss. */
  links?: LinkRule<string>;
  /** Default: none, 20 Mbit/s. */
  controller?: ControllerName;
  /** Bytes of a store; default 16 MB, so that what fills one is seen. */
  maxStoredBytes?: number;
  order?: Settings['order'];
  maxDatagram?: number;
  /** How long the load lasts, seconds of the virtual clock; default 8. */
  seconds?: number;
  /** One message of each honest member so often; default 100 ms. And of so many bytes; default 300. */
  every?: Micros;
  bytes?: number;
  /** One large message of the first member each second, of so many bytes; default 40,000; 0: none. */
  large?: number;
}

interface Sent {
  from: number;
  at: Micros;
}

export class Arena {
  readonly world: World;
  readonly group: Group;
  /** By member: the group file that it has, where the group changes. */
  private readonly groups: Group[];
  readonly members: SimMember[];
  readonly liars: ReadonlySet<number>;
  readonly honest: readonly number[];
  readonly rng: Rng;
  /** Of the control run: liars are as honest as the others. */
  readonly isControl: boolean;
  readonly options: Required<Pick<ArenaOptions, 'seconds' | 'every' | 'bytes' | 'large'>> & ArenaOptions;
  readonly keys: KeyPair[];
  private readonly tampers: Tamper[];
  private readonly sent = new Map<string, Sent>();
  /** By member: message -> when it came, and in which life. */
  private readonly got: Map<string, { at: Micros; life: number }[]>[];
  /** By member: name of a message of whomever -> what it was. */
  private readonly named: Map<string, string>[];
  private readonly excused: Micros[];
  private readonly cpu: number[];
  private readonly cpuAtLoad: number[];
  private readonly kept: number[];
  private readonly peak: number[];
  private counter = 0;
  private accused = 0;

  constructor(seed: string, options: ArenaOptions, isControl: boolean) {
    const { members: n = 4, byzantine = 1, liars = [n - 1] } = options;
    this.options = { seconds: 8, every: 100 * MILLISECOND, bytes: 300, large: 40_000, ...options };
    this.isControl = isControl;
    this.liars = new Set(liars);
    this.honest = Array.from({ length: n }, (_, i) => i).filter((i) => !this.liars.has(i));
    this.rng = new Rng(`${seed} arena`);
    const rng = new Rng(`${seed} keys`);
    this.keys = Array.from({ length: n }, () => keyPair(rng.bytes(32))).sort((a, b) =>
      compareBytes(a.publicKey, b.publicKey),
    );
    const name = `arena-${seed}`;
    const faulty = options.faulty === undefined ? {} : { faulty: options.faulty };
    const { behind = [] } = options;
    const members = this.keys.map(({ publicKey }, i) => ({
      publicKey,
      locators: behind.includes(i) ? [] : [addressOf(i)],
    }));
    const changing = options.changing && begunBy(name, members);
    this.group = changing ? groupOfChain(changing) : createGroup({ name, members, byzantine, ...faulty });
    this.groups = members.map(() => this.group);
    this.world = new World(seed, {
      links: options.links ?? { delay: 10 * MILLISECOND },
      nats:
        behind.length > 0
          ? new Nats(new Map(behind.map((i) => [addressOf(i), natsOf('symmetric', i)])))
          : undefined,
    });
    const each = <T>(make: () => T) => Array.from({ length: n }, make);
    this.tampers = each(() => ({}));
    this.got = each(() => new Map());
    this.named = each(() => new Map());
    this.excused = each(() => 0);
    this.cpu = each(() => 0);
    this.cpuAtLoad = each(() => 0);
    this.kept = each(() => 0);
    this.peak = each(() => 0);
    this.members = this.keys.map((_, index) => this.makeMember(seed, index));
  }

  get now(): Micros {
    return this.world.now;
  }

  /** Of a member's present stream. */
  stream(member: number): StreamId {
    return { origin: member, incarnation: FIRST_STORE + (this.stores[member] ?? 0) };
  }
  private readonly stores: number[] = [];

  forger(self = this.liar): Forger {
    return { group: this.group, self, keys: this.keys[self] };
  }

  /** The first of the liars. */
  get liar(): number {
    return [...this.liars][0];
  }

  /** Replaces what a liar says; nothing in the control run. */
  tamper(change: Tamper, liar = this.liar): void {
    if (!this.isControl) Object.assign(this.tampers[liar], change);
  }

  /** Calls `act` at a time of the virtual clock, in seconds. */
  at(seconds: number, act: () => void): void {
    this.world.at(seconds * SECOND, act);
  }

  /** Calls `act` so often, from one time to another, in seconds. */
  each(from: number, to: number, every: Micros, act: (i: number) => void): void {
    for (let i = 0, at = from * SECOND; at < to * SECOND; i++, at += every) this.world.at(at, () => act(i));
  }

  /** A liar says this in its session with `peer`; false if there is none, or in the control run. */
  say(peer: number, frames: readonly Frame[], symbol?: Uint8Array, liar = this.liar): boolean {
    const member = this.members[liar];
    if (this.isControl || !member.isLive || peer === liar) return false;
    const said = member.endpoint.say(this.now, peer, frames, symbol);
    this.world.poll(member.address);
    return said;
  }

  vector(peer: number, entries: VectorEntry[], liar = this.liar): boolean {
    return this.say(peer, [vectorOf(entries)], undefined, liar);
  }

  /** Says to each honest member (or those given) what `make` gives for it. */
  tell(entries: (peer: number) => VectorEntry[], peers = this.honest, liar = this.liar): void {
    for (const peer of peers) this.vector(peer, entries(peer), liar);
  }

  /** Text of any bytes, sealed in a liar's session. */
  sayRaw(peer: number, text: Uint8Array, liar = this.liar): void {
    const { endpoint, isLive, address } = this.members[liar];
    if (this.isControl || !isLive) return;
    const datagram = new Uint8Array(9 + text.length + 16);
    datagram.set(text, 9);
    // Named so that it does not compile once they are called otherwise.
    const to = endpoint['peers'][peer];
    if (!to?.isUsable(this.now)) return;
    this.inject(peer, address, endpoint['sender'].seal(this.now, to, datagram, 'none').bytes);
  }

  /** A datagram arrives at a member, now, as if from `from`. */
  inject(to: number, from: string, bytes: Uint8Array): void {
    if (this.isControl || !this.members[to].isLive) return;
    this.injected += bytes.length;
    this.nodeOf(to).handleDatagram(this.now, from, bytes.slice());
    this.world.poll(this.members[to].address);
  }

  /** Gives a whole forged object to peers, served, `gap` between datagrams. */
  serve(forged: Forged, peers: readonly number[] = this.honest, gap: Micros = MILLISECOND): void {
    if (this.isControl) return;
    let at = this.now;
    for (const body of forged.served(1180)) {
      at += gap;
      this.world.at(at, () => {
        for (const peer of peers) this.say(peer, [], body);
      });
    }
  }

  forge(bytes: Uint8Array, seq = 0, changes: ConstructorParameters<typeof Forged>[3] = {}): Forged {
    const { incarnation } = this.stream(this.liar);
    return new Forged(
      this.forger(),
      { incarnation: changes.incarnation ?? incarnation, seq },
      bytes,
      changes,
    );
  }

  /** A message of an honest member, now. */
  submit(from: number, bytes = this.options.bytes): string {
    const id = `${from}-${this.counter++}`;
    // No two symbols of it are the same.
    const message = new Rng(id).bytes(Math.max(bytes, id.length + 1));
    message.set(new TextEncoder().encode(`${id}|`));
    const member = this.members[from];
    if (!member.isLive || !member.endpoint.messages.hasRoom) return id;
    if (!this.liars.has(from)) this.sent.set(id, { from, at: this.now });
    member.endpoint.messages.submit(message);
    member.settle(this.now);
    this.world.poll(member.address);
    return id;
  }

  stop(member: number): void {
    if (!this.members[member].isLive) return;
    this.world.removeNode(this.members[member].address);
    this.members[member].crash();
  }

  start(member: number): void {
    if (this.members[member].isLive) return;
    this.members[member].start();
    this.world.addNode(this.members[member].address, this.nodeOf(member));
  }

  /**
   * A stopped member's disk is a new one; what was broadcast before need not reach it.
   *
   * @param step by how much the clock has gone on since the disk before was made
   */
  lose(member: number, step = 1000): void {
    this.stores[member] = (this.stores[member] ?? 0) + step;
    this.members[member].disk.lose(this.stream(member).incarnation);
    this.excuse(member);
  }

  /** A stopped member goes on with its other disk, which is new at first, and a later time with the one before. */
  swapDisks(member: number): void {
    const holder = this.members[member] as { disk: SimDisk };
    const other = this.spares.get(member) ?? new SimDisk(this.rng.fork('spare'), FIRST_STORE + 500, {});
    this.spares.set(member, holder.disk);
    holder.disk = other;
  }
  private readonly spares = new Map<number, SimDisk>();

  /** What a member of a group that changes has taken and could say that it has. */
  epochs(member: number): Epochs {
    return this.members[member].endpoint.epochs!;
  }

  /** Operators sign these changes, and members start again with them; all do, if it is not said which. */
  change(changes: Changes, members: readonly number[] = this.members.map(({ index }) => index)): void {
    const chain = sign(propose(this.groups[members[0]].epochs!, changes), OPERATOR);
    for (const member of members) {
      this.groups[member] = groupOfChain(chain);
      this.stop(member);
      this.start(member);
    }
  }

  /** What was broadcast until now need not reach this member. */
  excuse(member: number): void {
    this.excused[member] = this.now;
  }

  /** Runs the load and what has been scheduled, until all is delivered. */
  run(): void {
    const { seconds, every, bytes, large } = this.options;
    for (const member of this.members) this.world.addNode(member.address, this.nodeOf(member.index));
    this.honest.forEach((member, i) => {
      const first = SECOND + Math.floor((every * i) / this.honest.length);
      for (let at = first; at < (1 + seconds) * SECOND; at += every)
        this.world.at(at, () => void this.submit(member, bytes));
    });
    if (large > 0)
      for (let second = 1; second <= seconds; second++)
        this.at(second + 0.05, () => void this.submit(this.honest[0], large));
    this.at(ATTACK_AT, () => this.cpuAtLoad.splice(0, this.cpu.length, ...this.cpu));
    this.world.runUntil((1 + seconds) * SECOND);
    const end = this.now;
    this.cpuShare = Math.max(...this.honest.map((i) => (this.cpu[i] - this.cpuAtLoad[i]) / (seconds - 1)));
    for (let i = 0; i < DRAIN_SECONDS * 4 && this.missing() > 0; i++)
      this.world.runUntil(end + (i + 1) * 0.25 * SECOND);
    // Whatever comes now would be a message too many; and what all hold is let go of.
    this.world.runUntil(this.now + 2 * SECOND);
    for (const { endpoint, isLive } of this.members) if (isLive) endpoint.dispose();
  }

  /** Of the worst honest member under load, as a share of a core at the virtual clock's pace. */
  cpuShare = 0;

  /** Bytes that came by `inject`. */
  injected = 0;
  /** Bytes that honest members have sent to addresses of nobody. */
  strayBytes = 0;
  /** Sees all datagrams that arrive at honest members, as a stranger on the way does. */
  wiretap: ((to: number, from: string, bytes: Uint8Array) => void) | undefined;
  /** The longest that one honest member's turn has taken, ms of CPU. */
  longestTurn = 0;

  /** Honest messages that have not come where they should. */
  missing(members = this.honest): number {
    let missing = 0;
    for (const [id, { at }] of this.sent)
      for (const member of members) if (at >= this.excused[member] && !this.got[member].has(id)) missing++;
    return missing;
  }

  /** Messages delivered twice in one life, different things under one name, and what some honest members have and others do not. */
  wrong(): number {
    let wrong = 0;
    for (const member of this.honest)
      for (const times of this.got[member].values())
        wrong += times.length - new Set(times.map(({ life }) => life)).size;
    const all = new Map<string, string>();
    for (const member of this.honest)
      for (const [name, what] of this.named[member]) {
        if ((all.get(name) ?? what) !== what) wrong++;
        all.set(name, what);
      }
    const unexcused = this.honest.filter((member) => this.excused[member] === 0);
    for (const name of all.keys()) if (unexcused.some((member) => !this.named[member].has(name))) wrong++;
    return wrong;
  }

  /** From submission to delivery at each honest member, ms; what did not come counts as the whole time. */
  latencies(): number[] {
    const all: number[] = [];
    for (const [id, { at }] of this.sent)
      for (const member of this.honest)
        if (at >= this.excused[member])
          all.push(((this.got[member].get(id)?.[0].at ?? this.now) - at) / MILLISECOND);
    return all;
  }

  latency(p: number): number {
    return quantile(this.latencies(), p);
  }

  /** The most bytes that an honest member's store has held, and what the worst holds in the end, MB. */
  get peakStored(): number {
    return Math.max(...this.honest.map((i) => this.peak[i])) / 1e6;
  }
  get finallyStored(): number {
    return Math.max(...this.honest.map((i) => this.kept[i])) / 1e6;
  }

  /** How often honest members have called an honest one a liar. */
  get falselyAccused(): number {
    return this.accused;
  }

  /** Events of one type at a member. */
  events(member: number, type: EndpointEvent['type']): EndpointEvent[] {
    return this.members[member].events.filter((event) => event.type === type);
  }

  /** What an honest member has sent in all, MB. */
  get sentMegabytes(): number {
    return Math.max(...this.honest.map((i) => this.members[i].endpoint.metrics.sentBytes)) / 1e6;
  }

  private makeMember(seed: string, index: number): SimMember {
    const { options, groups, keys } = this;
    const { controller } = options;
    return new SimMember({
      index,
      address: addressOf(index),
      disk: new SimDisk(new Rng(`${seed} disk ${index}`), FIRST_STORE, {}),
      clock: () => ({ offset: 0, rate: 1 }),
      consume: () => 0,
      start: (start, loaded) => {
        // As in a real one, above all incarnations of stores, whichever it has now.
        const session = FIRST_STORE * 1000 + start;
        const endpoint = new Endpoint({
          ...withDefaults(),
          group: groups[index],
          keys: keys[index],
          rng: new Rng(`${seed} member ${index} ${start}`),
          entropy: new Rng(`${seed} entropy ${index} ${start}`),
          incarnation: session,
          controller: controller ? CONTROLLERS[controller] : UNCONTROLLED,
          maxDatagram: options.maxDatagram ?? 1232,
          maxMessageSize: 64 * 2 ** 20,
          loaded: { ...loaded, session },
          maxStoredBytes: options.maxStoredBytes ?? 16e6,
          order: options.order ?? SETTINGS.order.default,
          ...(this.liars.has(index) ? { tamper: this.tampers[index] } : {}),
        });
        if (options.locators || options.behind) endpoint.locators.handleBound(this.now, addressOf(index));
        const { store } = endpoint;
        const committed = store.handleCommitted.bind(store);
        store.handleCommitted = (now, bytes) => {
          this.kept[index] = bytes;
          this.peak[index] = Math.max(this.peak[index], bytes);
          committed(now, bytes);
        };
        return endpoint;
      },
      onRequest: () => {},
      onEvent: (member, event) => {
        if (event.type === 'misbehaviour' && !this.liars.has(index) && !this.liars.has(event.member))
          this.accused++;
        if (event.type !== 'deliver') return;
        const { origin, incarnation, seq, index: place } = event.id;
        // The rest is noise.
        const text = new TextDecoder('latin1').decode(event.bytes.subarray(0, 24));
        const id = text.slice(0, Math.max(0, text.indexOf('|')));
        const times = this.got[index].get(id) ?? [];
        times.push({ at: this.now, life: member.starts });
        if (this.sent.has(id)) this.got[index].set(id, times);
        this.named[index].set(`${origin}/${incarnation}/${seq}/${place}`, toHex(sha256(event.bytes)));
      },
    });
  }

  /** The member, with a look at what it costs. */
  private nodeOf(index: number): SimNode {
    const member = this.members[index];
    if (this.liars.has(index)) return member;
    const timed = <T>(act: () => T): T => {
      const { user, system } = cpuUsage();
      const result = act();
      const after = cpuUsage();
      const used = after.user + after.system - user - system;
      this.cpu[index] += used / SECOND;
      this.longestTurn = Math.max(this.longestTurn, used / MILLISECOND);
      return result;
    };
    return {
      handleDatagram: (now, from, bytes) => {
        this.wiretap?.(index, from, bytes);
        timed(() => member.handleDatagram(now, from, bytes));
      },
      handleTimeout: (now) => timed(() => member.handleTimeout(now)),
      pollTransmit: (now) => {
        const transmit = timed(() => member.pollTransmit(now));
        if (transmit && !this.members.some(({ address }) => address === transmit.to))
          this.strayBytes += transmit.bytes.length;
        return transmit;
      },
      nextTimeout: (now) => member.nextTimeout(now),
    };
  }
}

/** A group of these that begins with a descriptor. */
function begunBy(name: string, members: readonly { publicKey: Uint8Array; locators: string[] }[]): Chain {
  return beginChain({
    name,
    members: members.map((member, i) => ({ name: `m${i}`, ...member })),
    operators: [OPERATOR.publicKey],
  });
}

const OPERATOR = keyPair(new Uint8Array(32).fill(77));
/** When attacks begin, s: sessions stand, and the load runs. */
export const ATTACK_AT = 2;
const FIRST_STORE = 1000;
const DRAIN_SECONDS = 20;
/** It has no state, so one will do for all paths. */
const CONTROL = fixedRate(2.5e6);
const UNCONTROLLED: ControllerFactory = () => CONTROL;
