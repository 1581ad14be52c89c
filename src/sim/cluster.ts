/**
 * A whole group in the virtual world: real endpoints with real keys and codec, virtual links and clock. In: a seed, the
 * number of members, what the links do, who is mute. Out: the world to run, and what each member delivered and reported.
 */
import { createGroup, type Group } from '../broadcast/group.js';
import { type ControllerFactory, fixedRate } from '../congestion/controller.js';
import { Rng } from '../core/rng.js';
import { keyPair } from '../crypto/keys.js';
import { Endpoint, type EndpointEvent } from '../node/endpoint.js';
import { MemoryStore } from '../store/memory.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import type { LinkRule } from './link.js';
import { World } from './world.js';

export interface ClusterOptions {
  seed: string | number;
  members: number;
  /** k of the group; default as in `createGroup`. */
  faulty?: number;
  /** Cp of the group, symbols of a block sent beyond K; default as in `createGroup`. */
  pessimism?: number;
  links?: LinkRule<string>;
  /** Congestion control of every path; default: none, 20 Mbit/s. */
  controller?: ControllerFactory;
  /** Bytes per second of each member; default: as the paths allow. */
  egressRate?: number;
  /** Members that relay nothing. */
  mute?: readonly number[];
  /** The largest datagram that members try; default 1232. */
  maxDatagram?: number;
  /** Bytes; default 1 GiB. */
  maxObjectSize?: number;
  /** How many of the latest event log lines to keep for reading; default 0. */
  keepLines?: number;
}

/** What a member did so far. */
export interface SimMember {
  address: string;
  endpoint: Endpoint;
  store: MemoryStore;
  events: EndpointEvent[];
  /** The objects delivered, in order. */
  delivered: { origin: number; bytes: Uint8Array }[];
}

export interface Cluster {
  world: World;
  group: Group;
  members: SimMember[];
  /** Broadcasts from a member now. */
  broadcast(member: number, bytes: Uint8Array): void;
  /** Stops a member for good. */
  crash(member: number): void;
  isLive(member: number): boolean;
  /** Frees the codecs; the world must not run after it. */
  dispose(): void;
}

/**
 * Builds a cluster and lets its members find each other's round-trip times.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 5, links: { delay: 20_000, loss: iid(0.1) } });
 * cluster.broadcast(0, bytes);
 * cluster.world.runUntil(() => cluster.members.every((member) => member.delivered.length === 1), 60 * SECOND);
 */
export function createCluster(options: ClusterOptions): Cluster {
  const { seed, members: n, mute = [] } = options;
  const rng = new Rng(`${seed} cluster`);
  const keys = Array.from({ length: n }, () => keyPair(rng.bytes(32)));
  const group = createGroup({
    name: `sim-${seed}`,
    members: keys.map(({ publicKey }, i) => ({ publicKey, locator: `10.0.${i >> 8}.${i & 255}:7000` })),
    ...(options.faulty === undefined ? {} : { faulty: options.faulty }),
    ...(options.pessimism === undefined ? {} : { pessimism: options.pessimism }),
  });
  const world = new World(seed, { links: options.links ?? {}, keepLines: options.keepLines ?? 0 });
  const live = new Set<number>();
  const members = group.members.map(({ index, locator, publicKey }): SimMember => {
    const store = new MemoryStore(1);
    const endpoint = new Endpoint({
      group,
      keys: keys.find((pair) => pair.publicKey === publicKey)!,
      rng: rng.fork(`member ${index}`),
      incarnation: 1,
      entropy: rng.fork(`entropy ${index}`),
      controller: options.controller ?? (() => fixedRate(DEFAULT_RATE)),
      egressRate: options.egressRate ?? Number.POSITIVE_INFINITY,
      maxDatagram: options.maxDatagram ?? DATAGRAM_SIZE,
      maxObjectSize: options.maxObjectSize ?? DEFAULT_MAX_OBJECT_SIZE,
      loaded: store.loaded(),
      maxStoredBytes: Number.POSITIVE_INFINITY,
      order: 'fifo',
      relay: !mute.includes(index),
    });
    return { address: locator, endpoint, store, events: [], delivered: [] };
  });
  members.forEach((member, index) => {
    live.add(index);
    world.addNode(member.address, nodeOf(world, member));
  });
  return {
    world,
    group,
    members,
    broadcast(member, bytes) {
      members[member].endpoint.submit(bytes);
      collect(world, members[member]);
      world.poll(members[member].address);
    },
    crash(member) {
      live.delete(member);
      world.removeNode(members[member].address);
    },
    isLive: (member) => live.has(member),
    dispose() {
      for (const { endpoint } of members) endpoint.dispose();
    },
  };
}

function nodeOf(world: World, member: SimMember) {
  const { endpoint } = member;
  return {
    handleDatagram(now: number, from: string, bytes: Uint8Array) {
      endpoint.handleDatagram(now, from, bytes);
      collect(world, member);
    },
    handleTimeout(now: number) {
      endpoint.handleTimeout(now);
      collect(world, member);
    },
    pollTransmit: (now: number) => endpoint.pollTransmit(now),
    pollTimeout: () => endpoint.pollTimeout(),
  };
}

/** Carries out what the endpoint wants of its store, at once, and takes its events. */
function collect(world: World, member: SimMember): void {
  const { endpoint, store } = member;
  for (;;) {
    const request = endpoint.pollStore(world.now);
    if (request?.type === 'commit') endpoint.handleCommitted(world.now, store.apply(request.writes));
    else if (request) endpoint.handleRead(world.now, request.id, store.read(request.id));
    const event = endpoint.pollEvent();
    if (!request && !event) return;
    if (!event) continue;
    member.events.push(event);
    world.log(`${member.address} ${event.type}${'id' in event ? ` ${event.id.origin}/${event.id.seq}` : ''}`);
    if (event.type !== 'deliver') continue;
    member.delivered.push({ origin: event.id.origin, bytes: event.bytes });
    endpoint.consumed(world.now);
  }
}

const DEFAULT_RATE = 2.5e6;
const DEFAULT_MAX_OBJECT_SIZE = 2 ** 30;
