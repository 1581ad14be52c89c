/**
 * An endpoint under test and the other members in the hands of the test: each has real keys and real sessions, and sends
 * in them whatever the test wants, honest or not. Time stands still unless the test moves it.
 */

import { fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { type Micros, SECOND } from '../../src/core/time.js';
import type { KeyPair } from '../../src/crypto/keys.js';
import { HeadwaterError } from '../../src/errors.js';
import type { Group } from '../../src/group/group.js';
import {
  Endpoint,
  type EndpointEvent,
  type EndpointOptions,
  type Transmit,
} from '../../src/member/endpoint.js';
import { withDefaults } from '../../src/options.js';
import { SessionTable } from '../../src/session/index.js';
import { MemoryStore } from '../../src/store/memory.js';
import type { StoreWrite } from '../../src/store/store.js';
import { type Contents, parseContents, writeDatagram } from '../../src/wire/datagram.js';
import type { Dialect } from '../../src/wire/dialect.js';
import type { PullFrame } from '../../src/wire/frames/pull.js';
import type { VectorEntry } from '../../src/wire/frames/vector.js';
import type { Frame } from '../../src/wire/frames.js';
import type { StreamId } from '../../src/wire/symbol.js';
import { WayReader } from '../broadcast/way.js';

export interface PeerOptions {
  incarnation?: number;
  /** Of another group: default the endpoint's. */
  groupId?: Uint8Array;
  /** Where its datagrams come from; default its locator. */
  address?: string;
  /** What of the protocol it speaks; default: all that there is. */
  dialect?: Dialect;
  /** Keys that are not those of member `index`. */
  keys?: KeyPair;
}

/** One of the other members, or somebody who would like to be one. */
export class Peer {
  readonly index: number;
  readonly table: SessionTable;
  /** Where its datagrams come from, and where it hears. */
  address: string;
  /** What the endpoint said to it, opened. */
  readonly heard: (Contents & { bytes: number })[] = [];
  /** See `symbols`. */
  readonly bodies: Uint8Array[] = [];
  readonly reader = new WayReader();
  /** The newest packet number that it got. */
  newest = -1;
  private version = 0;
  private pulls = 0;
  private readonly bench: Bench;

  constructor(bench: Bench, index: number, options: PeerOptions = {}) {
    this.bench = bench;
    this.index = index;
    const { group, keys } = bench;
    const { incarnation = 1, address = group.members[index].locator } = options;
    this.address = address;
    this.table = new SessionTable({
      groupId: options.groupId ?? group.id,
      keys: (options.keys ?? keys[index]).exchangeKeys(),
      incarnation,
      dialect: options.dialect,
      entropy: new Rng(`peer ${index} ${incarnation} ${address}`),
      peers: group.members.map(({ publicKey, locator }) =>
        publicKey === group.members[index].publicKey ? undefined : { publicKey, locators: [locator] },
      ),
    });
  }

  get isUp(): boolean {
    return this.table.session(this.bench.self)!.isEstablished;
  }

  /** Asks the endpoint for a session; `settle` brings it up. */
  connect(): void {
    this.table.connect(this.bench.now, this.bench.self);
  }

  /** A genuine datagram, not sent yet. */
  seal(frames: readonly Frame[], symbol?: Uint8Array, size?: number): Uint8Array {
    const sealed = this.table.protectInPlace(
      this.bench.now,
      this.bench.self,
      writeDatagram(frames, symbol, size),
    );
    if (!sealed) throw new Error(`expected peer ${this.index} to have a session, got none`);
    return sealed.bytes;
  }

  /** Sends frames, and a symbol if given. */
  send(frames: readonly Frame[], symbol?: Uint8Array): void {
    this.bench.give(this.address, this.seal(frames, symbol));
  }

  /** Sends a text that need not be contents at all. */
  sendText(text: Uint8Array): void {
    const sealed = this.table.protect(this.bench.now, this.bench.self, text);
    if (!sealed) throw new Error(`expected peer ${this.index} to have a session, got none`);
    this.bench.give(this.address, sealed.bytes);
  }

  /** Sends each SYMBOL in a datagram of its own. */
  sendSymbols(bodies: readonly Uint8Array[]): void {
    for (const body of bodies) this.send([], body);
  }

  /** Forgets what it heard. */
  forget(): void {
    this.heard.length = 0;
    this.bodies.length = 0;
    this.pulls = 0;
  }

  /** Says what it holds. */
  confirm(...entries: VectorEntry[]): void {
    this.send([{ kind: 'vector', version: ++this.version, heard: 0, heardBefore: 0, entries }]);
  }

  /** The PULLs that it got since this was last asked. */
  takePulls(): PullFrame[] {
    const all = this.heard.flatMap(({ frames }) => frames).filter((frame) => frame.kind === 'pull');
    const fresh = all.slice(this.pulls);
    this.pulls = all.length;
    return fresh;
  }

  /** What it was told last that the endpoint holds of a stream. */
  told({ origin, incarnation }: StreamId): VectorEntry | undefined {
    return this.heard
      .flatMap(({ frames }) => frames)
      .flatMap((frame) => (frame.kind === 'vector' ? frame.entries : []))
      .findLast((entry) => entry.origin === origin && entry.incarnation === incarnation);
  }

  /** The symbols that it got, whatever form they had, as bodies of SYMBOLs. */
  symbols(): Uint8Array[] {
    return [...this.bodies];
  }

  frames(kind: Frame['kind']): Frame[] {
    return this.heard.flatMap(({ frames }) => frames.filter((frame) => frame.kind === kind));
  }
}

/** What went over the wire, in either direction. */
export interface Wired {
  from: string;
  to: string;
  bytes: Uint8Array;
}

export interface BenchOptions extends Partial<Omit<EndpointOptions, 'group' | 'keys'>> {
  group: Group;
  keys: KeyPair[];
  self: number;
  /** What the endpoint's store holds; default: nothing, as incarnation 1. */
  store?: MemoryStore;
}

/** The endpoint of member `self` among hand-driven peers. */
export class Bench {
  now: Micros = SECOND;
  readonly group: Group;
  readonly keys: KeyPair[];
  readonly self: number;
  readonly endpoint: Endpoint;
  /** Carries out commits at once, unless they are held back. */
  readonly store: MemoryStore;
  readonly peers: (Peer | undefined)[];
  readonly wire: Wired[] = [];
  /** Datagrams from the endpoint to nobody that is here. */
  readonly stray: Transmit[] = [];
  /** Says which datagrams do not arrive. */
  isLost: (datagram: Wired) => boolean = () => false;
  /** While true a commit waits for `release`, and what depends on it with it. */
  holdsCommits = false;
  /** While false nobody takes what is delivered: the first message waits. */
  consumes = true;
  private commit: readonly StoreWrite[] | undefined;
  private readonly past: EndpointEvent[] = [];

  constructor({ group, keys, self, store = new MemoryStore(1), ...options }: BenchOptions) {
    this.store = store;
    this.group = group;
    this.keys = keys;
    this.self = self;
    this.endpoint = new Endpoint({
      ...withDefaults(),
      group,
      keys: keys[self],
      rng: new Rng(1),
      entropy: new Rng('entropy of the endpoint'),
      incarnation: 5,
      controller: () => fixedRate(Number.POSITIVE_INFINITY),
      maxDatagram: 1232,
      maxMessageSize: 1e6,
      loaded: store.loaded(),
      maxStoredBytes: Number.POSITIVE_INFINITY,
      order: 'fifo',
      ...options,
    });
    this.peers = group.members.map((_, index) => (index === self ? undefined : new Peer(this, index)));
  }

  /** Where the endpoint is. */
  get address(): string {
    return this.group.members[this.self].locator;
  }

  peer(index: number): Peer {
    return this.peers[index]!;
  }

  /** Puts another one in the place of a member: it restarted. */
  replace(index: number, options: PeerOptions): Peer {
    const peer = new Peer(this, index, options);
    this.peers[index] = peer;
    return peer;
  }

  /** Gives a datagram to the endpoint, which gets a copy. */
  give(from: string, bytes: Uint8Array): void {
    const wired = { from, to: this.address, bytes: bytes.slice() };
    this.wire.push(wired);
    if (!this.isLost(wired)) this.endpoint.handleDatagram(this.now, from, bytes.slice());
    this.work();
  }

  /** Gives the endpoint a message to broadcast; returns its ticket. */
  submit(bytes: Uint8Array): number {
    const ticket = this.endpoint.messages.submit(bytes);
    this.work();
    return ticket;
  }

  /** Carries out the commit that is held back, and lets those after it through. */
  release(): void {
    this.holdsCommits = false;
    const { commit } = this;
    this.commit = undefined;
    if (commit) this.apply(commit);
    this.work();
  }

  /** The consumer is done with the message that it was given: for when `consumes` is false. */
  consume(): void {
    this.endpoint.consumer.handleConsumed(this.now);
    this.work();
  }

  /** Brings up sessions with all peers; the endpoint asks for them. */
  open(): this {
    this.settle();
    for (let i = 0; i < 100 && !this.peers.every((peer) => !peer || peer.isUp); i++) this.run(10_000);
    if (!this.peers.every((peer) => !peer || peer.isUp)) throw new Error('expected sessions, got none');
    this.settle();
    this.clear();
    return this;
  }

  /** Lets everything be said that wants to be said now. */
  settle(): void {
    let quiet = false;
    while (!quiet) {
      quiet = true;
      if (this.endpoint.nextTimeout(this.now) <= this.now) this.endpoint.handleTimeout(this.now);
      this.work();
      for (let out = this.endpoint.pollTransmit(this.now); out; out = this.endpoint.pollTransmit(this.now)) {
        quiet = false;
        this.deliver(out);
      }
      for (const peer of this.peers) {
        if (!peer) continue;
        const { table } = peer;
        if (table.nextTimeout() <= this.now) table.handleTimeout(this.now);
        for (let out = table.pollTransmit(); out; out = table.pollTransmit()) {
          quiet = false;
          if (out.to === this.address) this.give(peer.address, out.bytes);
        }
      }
    }
  }

  /** Lets time pass in steps of a millisecond. */
  run(duration: Micros): void {
    for (const end = this.now + duration; this.now < end; ) {
      this.now = Math.min(end, this.now + 1000);
      this.settle();
    }
  }

  /** The same, beside members that are there and say nothing. */
  runBeside(peers: readonly number[], duration: Micros): void {
    for (const end = this.now + duration; this.now < end; ) {
      for (const peer of peers) this.peer(peer).send([{ kind: 'ping' }]);
      this.run(Math.min(end - this.now, 100_000));
    }
  }

  /** What the endpoint reported since this was last asked. */
  events(): EndpointEvent[] {
    return this.past.splice(0);
  }

  /** Those of one type. */
  eventsOf<T extends EndpointEvent['type']>(type: T): Extract<EndpointEvent, { type: T }>[] {
    return this.events().filter((event): event is Extract<EndpointEvent, { type: T }> => event.type === type);
  }

  /** What the endpoint dropped, by reason. */
  drops(): Record<string, number> {
    return { ...this.endpoint.metrics.drops };
  }

  totalDrops(): number {
    return Object.values(this.drops()).reduce((sum, count) => sum + count, 0);
  }

  clear(): void {
    this.wire.length = 0;
    this.stray.length = 0;
    for (const peer of this.peers) peer?.forget();
  }

  /** Does what the endpoint wants of its store and its consumer. */
  private work(): void {
    for (;;) {
      const request = this.endpoint.store.pollRequest(this.now);
      if (request?.type === 'read')
        this.endpoint.store.handleRead(this.now, request.id, this.store.read(request.id));
      else if (request && this.holdsCommits) this.commit = request.writes;
      else if (request) this.apply(request.writes);
      const event = this.endpoint.pollEvent();
      if (!request && !event) return;
      if (!event) continue;
      this.past.push(event);
      if (event.type === 'deliver' && this.consumes) this.endpoint.consumer.handleConsumed(this.now);
    }
  }

  private apply(writes: readonly StoreWrite[]): void {
    let bytes: number;
    try {
      bytes = this.store.apply(writes);
    } catch (error) {
      if (!(error instanceof HeadwaterError) || error.code !== 'STORE_FULL') throw error;
      return this.endpoint.store.handleCommitFailed(this.now);
    }
    this.endpoint.store.handleCommitted(this.now, bytes);
  }

  private deliver({ to, bytes }: Transmit): void {
    const wired = { from: this.address, to, bytes: bytes.slice() };
    this.wire.push(wired);
    const peer = this.peers.find((other) => other?.address === to);
    if (!peer) this.stray.push({ to, bytes });
    if (!peer || this.isLost(wired)) return;
    const received = peer.table.handleDatagram(this.now, this.address, bytes.slice());
    if (received) {
      peer.newest = Math.max(peer.newest, received.packetNumber);
      const contents = parseContents(received.payload);
      peer.heard.push({ ...contents, bytes: bytes.length });
      peer.bodies.push(...peer.reader.bodies(contents));
    }
    for (let event = peer.table.pollEvent(); event; event = peer.table.pollEvent());
  }
}
