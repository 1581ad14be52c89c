/**
 * What the conformance suite needs of something that calls itself a network: a way to open a group of it, to start and stop
 * its members, and to let time pass. In: a kind of network. Out: a cluster whose members' deliveries and events are kept.
 */
import { expect } from 'vitest';
import type { Group, Member } from '../../src/group/group.js';
import type { Connectivity, Network, NetworkCallback } from '../../src/network/network.js';
import type { MessageId } from '../../src/wire/symbol.js';

/** Messages go through the network's default codec. */
export type Message = number | string | Uint8Array;

export interface ClusterOptions {
  members: number;
  /** The version of each member's message format; default 1. */
  versions?: readonly number[];
  /** This member has another list of members: nobody but itself, or one more than the others have. */
  foreign?: { member: number; list: 'itself' | 'one more' };
}

/** Faults that not every kind of network can be given by a test. */
export interface Faults {
  /** The others take this member for dead, for a moment, though it lives. */
  lapse(member: number): Promise<void>;
  /** The group no longer keeps but the newest `keep` messages, though a member may lack older ones. */
  forgetMessages(keep: number): Promise<void>;
  /** A member that is stopped loses its record of what it has consumed. */
  forgetCursor(member: number): Promise<void>;
}

export interface Backend extends Partial<Faults>, AsyncDisposable {
  readonly group: Group;
  /** Starts a member, with what it stored before if it is started again. */
  start(member: number, callback: NetworkCallback<Message>): Promise<Network<Message>>;
  /** Lets time, real or virtual, pass until `condition` holds; rejects when that has taken a minute of it. */
  until(condition: () => boolean, what: () => string): Promise<void>;
}

/** A kind of network to hold to the contract. A new one is one of these and a test file of one line. */
export interface NetworkKind {
  name: string;
  /** Why it cannot run here. */
  unavailable?: string | undefined;
  /** Why it cannot be given a fault. */
  lacks?: Partial<Record<keyof Faults, string>>;
  open(options: ClusterOptions): Promise<Backend>;
}

export interface Delivery {
  msg: Message;
  from: Member;
  id: MessageId;
}

/** A member as the suite sees it, over all its starts. */
export interface Seat {
  network: Network<Message> | undefined;
  readonly deliveries: Delivery[];
  readonly events: Connectivity[];
  /** What it does with a message before it counts as consumed. */
  consume: (delivery: Delivery) => void | Promise<void>;
}

export interface Cluster extends AsyncDisposable {
  readonly group: Group;
  readonly seats: readonly Seat[];
  readonly faults: Partial<Faults>;
  start(...members: number[]): Promise<void>;
  stop(...members: number[]): Promise<void>;
  /** Broadcasts one after the other, each once the one before it is durable. */
  send(member: number, ...messages: Message[]): Promise<void>;
  /** Lets time pass until it settles. */
  finish<T>(promise: Promise<T>): Promise<T>;
  until(condition: () => boolean, what: string): Promise<void>;
  /** Waits until a member has consumed these messages in this order, and checks that it has consumed nothing else. */
  consumed(member: number, messages: readonly Message[]): Promise<void>;
  /** Waits until a member has been told of an event with these properties since `from` events ago. */
  told(member: number, event: Partial<Connectivity>, from?: number): Promise<void>;
}

export async function openCluster(kind: NetworkKind, options: ClusterOptions): Promise<Cluster> {
  const backend = await kind.open(options);
  const { group } = backend;
  const seats: Seat[] = group.members.map(() => ({
    network: undefined,
    deliveries: [],
    events: [],
    consume: () => {},
  }));
  const show = () =>
    seats.map(
      ({ deliveries, events }, i) =>
        `  member ${i}: ${deliveries.length} consumed, the last ${deliveries.slice(-3).map(({ msg }) => brief(msg))}; ` +
        `${events.map((event) => ('peer' in event && event.peer ? `${event.type} ${event.peer.index}` : event.type)).join(', ')}`,
    );
  const cluster: Cluster = {
    group,
    seats,
    faults: backend,
    async start(...members) {
      for (const member of members) {
        const seat = seats[member];
        seat.network = await backend.start(member, {
          async deliver(msg, from, id) {
            await seat.consume({ msg, from, id });
            seat.deliveries.push({ msg, from, id });
          },
          onConnectivity: (event) => seat.events.push(event),
        });
      }
    },
    async stop(...members) {
      await cluster.finish(
        Promise.all(
          members.map(async (member) => {
            await seats[member].network?.close();
            seats[member].network = undefined;
          }),
        ),
      );
    },
    async send(member, ...messages) {
      for (const msg of messages) await cluster.finish(seats[member].network!.broadcast(msg));
    },
    async finish(promise) {
      let settled = false;
      const settle = () => {
        settled = true;
      };
      promise.then(settle, settle);
      await cluster.until(() => settled, 'a call to settle');
      return promise;
    },
    until: (condition, what) => backend.until(condition, () => `expected ${what}, got\n${show().join('\n')}`),
    async consumed(member, messages) {
      const { deliveries } = seats[member];
      await cluster.until(
        () => deliveries.length >= messages.length,
        `${messages.length} at member ${member}`,
      );
      expect(deliveries.map(({ msg }) => msg)).toEqual(messages);
    },
    async told(member, event, from = 0) {
      const { events } = seats[member];
      const matches = (told: Connectivity) =>
        Object.entries(event).every(([key, value]) => told[key as keyof Connectivity] === value);
      const wanted = Object.values(event).map((value) => (typeof value === 'object' ? value.index : value));
      await cluster.until(
        () => events.slice(from).some(matches),
        `member ${member} told of ${wanted.join(' ')}`,
      );
    },
    async [Symbol.asyncDispose]() {
      await cluster.stop(...seats.keys());
      await backend[Symbol.asyncDispose]();
    },
  };
  return cluster;
}

/** `until` for backends in real time. */
export async function untilReal(condition: () => boolean, what: () => string): Promise<void> {
  const deadline = Date.now() + LIMIT_MS;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`after ${LIMIT_MS / 1000} s: ${what()}`);
    await new Promise((done) => setTimeout(done, POLL_MS));
  }
}

function brief(msg: Message): string {
  return typeof msg === 'object' ? `${msg.length} bytes` : String(msg);
}

const LIMIT_MS = 60_000;
const POLL_MS = 2;
