/**
 * A few members with a SessionTable each on a virtual network of `Link`s: time, addresses that can be taken over (NAT),
 * a tap that sees all that is on the wire, and forged datagrams. Everything follows from one seed.
 */
import { TimeHeap } from '../../src/core/heap.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros } from '../../src/core/time.js';
import { type KeyPair, keyPair } from '../../src/crypto/keys.js';
import type { Suite } from '../../src/crypto/noise.js';
import type { SessionEvent } from '../../src/session/events.js';
import type { SessionLimits } from '../../src/session/limits.js';
import { type Received, SessionTable } from '../../src/session/table.js';
import { type LinkOptions, LinkTable } from '../../src/sim/net/link.js';
import type { Dialect } from '../../src/wire/dialect.js';

export interface Datagram {
  at: Micros;
  from: string;
  to: string;
  bytes: Uint8Array;
}

export interface WorldOptions {
  seed?: string;
  members?: number;
  link?: LinkOptions;
  limits?: Partial<SessionLimits>;
  suite?: Suite;
  /** Locators by member; default one: 'm0:1', 'm1:1', ... */
  locators?: string[][];
  groupIds?: Uint8Array[];
  /** Of the application, by member; default 0. */
  versions?: number[];
  /** Of the protocol, by member; default: all that there is. */
  dialects?: (Dialect | undefined)[];
}

export const DELAY = 20 * MILLISECOND;
export const RTT = 2 * DELAY;

/** One member; `address` is where its datagrams come from. */
export class Node {
  readonly index: number;
  readonly keys: KeyPair;
  table!: SessionTable;
  address: string;
  incarnation = 0;
  readonly received: (Received & { at: Micros; text: string })[] = [];
  readonly events: (SessionEvent & { at: Micros })[] = [];

  constructor(index: number, keys: KeyPair, address: string) {
    this.index = index;
    this.keys = keys;
    this.address = address;
  }

  texts(): string[] {
    return this.received.map(({ text }) => text);
  }

  saw(type: SessionEvent['type']): boolean {
    return this.events.some((event) => event.type === type);
  }
}

export class World {
  now: Micros = 1_000 * MILLISECOND;
  readonly nodes: Node[] = [];
  readonly links: LinkTable<string>;
  readonly rng: Rng;
  /** All that was sent, in order. */
  readonly wire: Datagram[] = [];
  /** May swallow or change what is about to be sent; returns what to send. */
  tap: (datagram: Datagram) => Datagram[] = (datagram) => [datagram];
  /** Each node's clock is `now` plus this. */
  readonly clockOffset: number[] = [];
  private readonly options: WorldOptions;
  private readonly queue = new TimeHeap<Datagram>();

  constructor(options: WorldOptions = {}) {
    this.options = options;
    const count = options.members ?? 2;
    this.rng = new Rng(options.seed ?? 'session');
    this.links = new LinkTable<string>(`${options.seed ?? 'session'} net`, { delay: DELAY, ...options.link });
    const keys = Array.from({ length: count }, () => keyPair(this.rng.bytes(32)));
    keys.forEach((key, index) => {
      const node = new Node(index, key, this.locators(index)[0]);
      this.nodes.push(node);
      this.clockOffset.push(0);
    });
    for (const node of this.nodes) this.start(node);
  }

  locators(index: number): string[] {
    return this.options.locators?.[index] ?? [`m${index}:1`];
  }

  /** (Re)starts a member: nothing but its keys survives. */
  start(node: Node): void {
    node.incarnation++;
    const rng = this.rng.fork(`entropy ${node.index} ${node.incarnation}`);
    node.table = new SessionTable({
      groupId: this.options.groupIds?.[node.index] ?? new Uint8Array(32).fill(7),
      keys: node.keys.exchangeKeys(),
      incarnation: node.incarnation,
      version: this.options.versions?.[node.index] ?? 0,
      dialect: this.options.dialects?.[node.index],
      entropy: rng,
      peers: this.nodes.map((peer) =>
        peer === node ? undefined : { publicKey: peer.keys.publicKey, locators: this.locators(peer.index) },
      ),
      ...(this.options.limits && { limits: this.options.limits }),
      ...(this.options.suite && { suite: this.options.suite }),
    });
  }

  clock(node: Node): Micros {
    return this.now + this.clockOffset[node.index];
  }

  /** Sends `text` from one member to another; false if there is no session yet. */
  send(from: Node, to: Node, text: string): boolean {
    const sealed = from.table.protect(this.clock(from), to.index, new TextEncoder().encode(text));
    if (sealed) this.transmit(from.address, sealed.to, sealed.bytes);
    this.flush(from);
    return sealed !== undefined;
  }

  /** Puts a datagram on the wire, as anybody could. */
  inject(from: string, to: string, bytes: Uint8Array): void {
    this.transmit(from, to, bytes.slice());
  }

  /** Runs until `duration` has passed or `until` holds; tells whether it does. */
  run(duration: Micros, until: () => boolean = () => false): boolean {
    const end = this.now + duration;
    for (const node of this.nodes) this.flush(node);
    while (!until()) {
      let next = this.queue.nextTime();
      for (const node of this.nodes)
        next = Math.min(next, Math.max(this.now, node.table.nextTimeout() - this.clockOffset[node.index]));
      if (next > end) {
        this.now = end;
        return until();
      }
      this.now = next;
      while (this.queue.nextTime() <= this.now) this.deliver(this.queue.pop()!);
      for (const node of this.nodes) {
        if (node.table.nextTimeout() <= this.clock(node)) node.table.handleTimeout(this.clock(node));
        this.flush(node);
      }
    }
    return true;
  }

  /** Brings up the session between two members. */
  connect(a: Node, b: Node): void {
    a.table.connect(this.clock(a), b.index);
    const up = () => a.table.session(b.index)!.isEstablished && b.table.session(a.index)!.isEstablished;
    if (!this.run(30_000 * MILLISECOND, up)) throw new Error('expected a session within 30 s');
    this.run(4 * RTT);
  }

  private flush(node: Node): void {
    for (let out = node.table.pollTransmit(); out; out = node.table.pollTransmit())
      this.transmit(node.address, out.to, out.bytes);
    for (let event = node.table.pollEvent(); event; event = node.table.pollEvent())
      node.events.push({ ...event, at: this.now });
  }

  private transmit(from: string, to: string, bytes: Uint8Array): void {
    for (const datagram of this.tap({ at: this.now, from, to, bytes })) {
      this.wire.push({ ...datagram, bytes: datagram.bytes.slice() });
      for (const { at, bytes: delivered } of this.links
        .link(datagram.from, datagram.to)
        .send(this.now, datagram.bytes.slice()))
        this.queue.push(at, { at, from: datagram.from, to: datagram.to, bytes: delivered });
    }
  }

  private deliver({ from, to, bytes }: Datagram): void {
    const node = this.nodes.find(({ address, index }) => address === to || this.isExtra(index, to));
    if (!node) return;
    const received = node.table.handleDatagram(this.clock(node), from, bytes);
    if (received)
      node.received.push({ ...received, at: this.now, text: new TextDecoder().decode(received.payload) });
    this.flush(node);
  }

  /** A member with several locators hears on all of them, unless the world cuts their links. */
  private isExtra(index: number, to: string): boolean {
    return this.locators(index).slice(1).includes(to);
  }
}

/** The kind of a datagram, without its version. */
export function kindOf(bytes: Uint8Array): number {
  return bytes[0] & 0x0f;
}
export const KIND = { initiation: 1, response: 2, cookie: 3, data: 4, control: 5 } as const;

export function drops(node: Node): Record<string, number> {
  return { ...node.table.metrics.drops };
}
