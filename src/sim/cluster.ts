/**
 * A whole group in the virtual world: real endpoints with real keys and codec, virtual links, disks, consumers and clocks.
 * In: a seed, the number of members, what links and disks do, who lies. Out: the world to run, members that can be crashed
 * and restarted, and what each delivered and reported.
 */

import type { BulkRequest } from '../bulk/ports.js';
import { type ControllerFactory, fixedRate } from '../congestion/controller.js';
import { compareBytes } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import type { Micros } from '../core/time.js';
import { keyPair } from '../crypto/keys.js';
import { createGroup, type Group } from '../group/group.js';
import { Endpoint } from '../member/endpoint.js';
import type { Tamper } from '../member/tamper.js';
import { type Settings, withDefaults } from '../options.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { SimDisk, type SimDiskOptions } from './disk.js';
import { type Lie, liar } from './lies/byzantine.js';
import { type SimClock, type SimEvent, SimMember } from './member.js';
import type { LinkRule } from './net/link.js';
import { type NatBox, Nats } from './net/nat.js';
import { World } from './world.js';

/** What the group is, what its network and disks do, and who lies. Times are virtual, µs. */
export interface ClusterOptions {
  /** Decides everything that is random. */
  seed: string | number;
  /** How many. */
  members: number;
  /** Addresses of each member, one in each of as many networks: `10.<network>.<member, two bytes>:7000`. Default 1. */
  networks?: number;
  /** Members without an address in the group: they call the others, and are found by what those say. Default: none. */
  unlisted?: readonly number[];
  /** Whether members tell each other where they are. Default: where some are unlisted. */
  locators?: boolean;
  /** k and f of the group; defaults as in `createGroup`. */
  faulty?: number;
  /** Cp of the group, symbols of a block sent beyond K; default as in `createGroup`. */
  pessimism?: number;
  /** f of the group: how many of those may lie; default 0. */
  byzantine?: number;
  /** Options of all links, or of each by the addresses of its ends. Default: links that only forward. */
  links?: LinkRule<string>;
  /** Boxes that members are behind, the nearest first: these members cannot be called from outside. */
  nats?: ReadonlyMap<number, readonly NatBox[]>;
  /** Congestion control of every path; default: none, 20 Mbit/s. */
  controller?: ControllerFactory;
  /** Bytes per second of each member; default: as the paths allow. */
  maxRate?: number;
  /** What the members named here do wrong. */
  liars?: ReadonlyMap<number, readonly Lie[]>;
  /** @internal The same, told by hand. */
  tampers?: ReadonlyMap<number, Tamper>;
  /** The largest datagram that members try; default 1232. */
  maxDatagram?: number;
  /** Bytes; default 1 GiB. */
  maxMessageSize?: number;
  /** Default 'fifo'. */
  order?: Settings['order'];
  /** Default: disks that take no time. */
  disk?: SimDiskOptions;
  /** Bytes of objects that a member keeps for others; default: no limit. */
  maxStoredBytes?: number;
  /** How long the consumer of a member takes for a message; default 0. */
  consume?: (member: number, now: Micros) => Micros;
  /** Default: the world's. */
  clock?: (member: number, start: number) => SimClock;
  /** The session incarnation of a member's `start`-th life; default: `start`. A store begun then gets the same. */
  incarnation?: (member: number, start: number) => number;
  /** What happens at members, as it happens. */
  onEvent?: (member: SimMember, event: SimEvent) => void;
  /** @internal What the transfers of a member ask for, at a time by its own clock; answered at its endpoint. */
  onRequest?: (member: SimMember, now: Micros, request: BulkRequest) => void;
  /** How many of the latest event log lines to keep for reading; default 0. */
  keepLines?: number;
}

/** A group in the virtual world: made by `createCluster`. */
export interface Cluster {
  /** Runs the time: `cluster.world.runUntil`. */
  world: World;
  /** As all members know it. */
  group: Group;
  /** By index. */
  members: SimMember[];
  /** Broadcasts from a member now; returns its ticket. */
  broadcast(member: number, bytes: Uint8Array): number;
  /** Stops a member: all that is not on its disk is gone. */
  crash(member: number): void;
  /** Makes a copy of a member's store as it is now: that becomes its `store`-th. */
  copyStore(member: number, store: number): void;
  /** Puts another store into a member that is down: its `store`-th, from 0, an empty one where it had none of that number. */
  changeStore(member: number, store: number): void;
  /** Starts it again, at another address if one is given. */
  restart(member: number, address?: string): void;
  /** Whether it runs. */
  isLive(member: number): boolean;
  /** Frees the codecs; the world must not run after it. */
  dispose(): void;
}

/**
 * Builds a cluster and starts its members.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 5, links: { delay: 20_000, loss: iid(0.1) } });
 * cluster.broadcast(0, bytes);
 * cluster.world.runUntil(() => cluster.members.every((member) => member.delivered.length === 1), 60 * SECOND);
 * cluster.dispose();
 */
export function createCluster(options: ClusterOptions): Cluster {
  const { seed, members: n, liars, onEvent, consume = () => 0, clock = () => TRUE_CLOCK } = options;
  const incarnation = options.incarnation ?? ((_member, start) => start);
  const rng = new Rng(`${seed} cluster`);
  // In the order of the group's members, so that the last part of an address is the member's index.
  const keys = Array.from({ length: n }, () => keyPair(rng.bytes(32))).sort((a, b) =>
    compareBytes(a.publicKey, b.publicKey),
  );
  const { unlisted = [], locators = unlisted.length > 0 } = options;
  const places = Array.from({ length: options.networks ?? 1 }, (_, network) => network);
  const group = createGroup({
    name: `sim-${seed}`,
    members: keys.map(({ publicKey }, i) => ({
      publicKey,
      locators: unlisted.includes(i) ? [] : places.map((network) => addressOf(i, network)),
    })),
    ...(options.faulty === undefined ? {} : { faulty: options.faulty }),
    ...(options.pessimism === undefined ? {} : { pessimism: options.pessimism }),
    ...(options.byzantine === undefined ? {} : { byzantine: options.byzantine }),
  });
  const { links = {}, keepLines = 0, nats } = options;
  const behind = nats && new Nats(new Map([...nats].map(([index, boxes]) => [addressOf(index), boxes])));
  const world = new World(seed, { links, keepLines, nats: behind });
  const newDisk = (index: number, store: number, start: number) => {
    const name = `${seed} disk ${index}${store === 0 ? '' : ` ${store}`}`;
    return new SimDisk(new Rng(name), incarnation(index, start), options.disk ?? INSTANT_DISK);
  };
  const disks = group.members.map(({ index }) => [newDisk(index, 0, 1)]);
  const members = group.members.map(({ index }) => {
    const own = keys[index];
    return new SimMember({
      index,
      address: addressOf(index),
      disk: disks[index][0],
      clock: (start) => clock(index, start),
      consume: (now) => consume(index, now),
      start: (start, loaded) => {
        const lies = liars?.get(index);
        const context = { group, self: index, keys: own };
        const defaults = withDefaults();
        return new Endpoint({
          ...defaults,
          group,
          keys: own,
          rng: new Rng(`${seed} member ${index} ${start}`),
          incarnation: incarnation(index, start),
          entropy: new Rng(`${seed} entropy ${index} ${start}`),
          controller: options.controller ?? (() => UNCONTROLLED),
          maxRate: options.maxRate ?? defaults.maxRate,
          maxDatagram: options.maxDatagram ?? DATAGRAM_SIZE,
          maxMessageSize: options.maxMessageSize ?? DEFAULT_MAX_MESSAGE_SIZE,
          loaded,
          maxStoredBytes: options.maxStoredBytes ?? Number.POSITIVE_INFINITY,
          order: options.order ?? 'fifo',
          relay: !lies?.includes('mute'),
          tamper:
            options.tampers?.get(index) ??
            (lies && liar(lies, { ...context, rng: new Rng(`${seed} lies ${index} ${start}`) })),
        });
      },
      onRequest: (member, now, request) => options.onRequest?.(member, now, request),
      onEvent: (member, event) => {
        world.log(
          `${member.address} ${event.type}${'id' in event ? ` ${event.id.origin}/${event.id.seq}` : ''}`,
        );
        onEvent?.(member, event);
      },
    });
  });
  const connect = (index: number) => {
    const member = members[index];
    if (locators) member.tellBound(world.now);
    world.addNode(member.address, member, group.members[index].locators.slice(1));
  };
  members.forEach((_, index) => void connect(index));
  return {
    world,
    group,
    members,
    broadcast(index, bytes) {
      const member = members[index];
      const ticket = member.endpoint.messages.submit(bytes);
      member.settle(world.now);
      world.poll(member.address);
      return ticket;
    },
    crash(index) {
      world.removeNode(members[index].address);
      members[index].crash();
    },
    copyStore(index, store) {
      disks[index][store] = members[index].disk.copy(new Rng(`${seed} disk ${index} ${store}`));
    },
    changeStore(index, store) {
      const start = members[index].starts + 1;
      disks[index][store] ??= newDisk(index, store, start);
      disks[index][store].advance(incarnation(index, start));
      members[index].disk = disks[index][store];
    },
    restart(index, address = members[index].address) {
      members[index].address = address;
      members[index].start();
      connect(index);
    },
    isLive: (index) => members[index].isLive,
    dispose() {
      for (const member of members) if (member.isLive) member.endpoint.dispose();
    },
  };
}

/** Where a member is, in each of its networks. */
export function addressOf(member: number, network = 0): string {
  return `10.${network}.${member >> 8}.${member & 255}:7000`;
}

/** Who is at an address that `addressOf` gives. */
export function memberAt(address: string): number {
  const [, , high, low] = address.split(/[.:]/).map(Number);
  return (high << 8) | low;
}

/** It has no state, so one will do for all paths. */
const UNCONTROLLED = fixedRate(2.5e6);
const DEFAULT_MAX_MESSAGE_SIZE = 2 ** 30;
const INSTANT_DISK: SimDiskOptions = { delay: 0, rate: Number.POSITIVE_INFINITY };
const TRUE_CLOCK: SimClock = { offset: 0, rate: 1 };
