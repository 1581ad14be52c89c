/**
 * A member of a group as a running thing: socket, loop and endpoint behind one handle.
 */
import { randomBytes } from 'node:crypto';
import type { MessageId } from '../broadcast/delivery.js';
import type { Misbehaviour } from '../broadcast/events.js';
import { type Group, type Member, parseLocator } from '../broadcast/group.js';
import type { Outcome } from '../broadcast/outgoing.js';
import type { ObjectStatus } from '../broadcast/record.js';
import { CONTROLLERS, type ControllerName } from '../congestion/index.js';
import { toHex } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import { keyPair } from '../crypto/keys.js';
import { assertBytes, assertInteger, HeadwaterError } from '../errors.js';
import { memoryStore } from '../store/memory.js';
import type { Store } from '../store/store.js';
import { DATAGRAM_SIZE, MAX_DATAGRAM } from '../wire/limits.js';
import type { ObjectId } from '../wire/symbol.js';
import { type Driver, startDriver } from './driver.js';
import { Endpoint, type EndpointEvent, type EndpointMetrics } from './endpoint.js';
import type { PeerStatus } from './peers.js';
import { openTrace, type TraceFile } from './trace.js';
import { openUdp, type UdpSocket } from './udp.js';

export interface NodeOptions {
  group: Group;
  /** 32 bytes: the seed of this member's Ed25519 key. */
  secretKey: Uint8Array;
  /**
   * Address to bind, `host:port`; default: this member's own in the group, and where it has several, their port on all
   * of this machine's. Port 0 takes any.
   */
  bind?: string;
  /** Congestion control of each path. Default 'bbr': fills links that lose at random and yields to others. */
  controller?: ControllerName;
  /** Bytes per second that this member sends at most, on all paths together. Default: no limit of its own. */
  maxRate?: number;
  /**
   * The largest UDP payload to try, bytes. Default: 1452, as Ethernet carries; 65488 where all members are on this machine. Give
   * more only where every network in between carries it.
   */
  maxDatagram?: number;
  /** Of the application's messages: told to the others, and an event says who has another. 0 to 65535, default 0. */
  version?: number;
  /** Larger messages are refused, sent and received. Default 256 MiB. */
  maxObjectSize?: number;
  /**
   * Where messages are kept until every member has them, and over a restart. The node closes it. Default: memory, so that
   * what this member had promised to hold ends with it.
   */
  store?: Store;
  /** Bytes of messages kept for members that are away. Default 4 GiB; beyond, the oldest go, and an event says so. */
  maxStoredBytes?: number;
  /**
   * 'causal': our messages are delivered nowhere before those that we had delivered when we sent them. Default 'fifo':
   * those of one member in order.
   */
  order?: 'fifo' | 'causal';
  /** False: relay nothing for others. A fault, for demonstrations. Default true. */
  relay?: boolean;
  /** A file for what is measured on each path, as qlog lines; replaced if it is there. Default: none, which costs nothing. */
  trace?: string | undefined;
  /**
   * Called once for each message that a quorum of the group holds, our own included, one at a time: the next waits for
   * its promise. If it throws, the message comes again after a while. After a restart with a durable store the first
   * messages may be some that were delivered just before, under the same ids.
   */
  deliver?: (delivery: Delivery) => void | Promise<void>;
  /** Called when a peer comes or goes, a member is caught misbehaving, or something is wrong with the store. */
  onEvent?: (event: NodeEvent) => void;
}

export interface Delivery {
  from: Member;
  /** The same at every member, and after a restart. Those of one member's incarnation (a life of its store) rise: seq, then index. */
  id: MessageId;
  bytes: Uint8Array;
}

export type NodeEvent =
  | { type: 'peer'; member: Member; reachable: boolean }
  /** `evidence`: two certificates that the member has signed, for different objects of one id. */
  | {
      type: 'misbehaviour';
      member: Member;
      id: ObjectId;
      what: Misbehaviour;
      evidence?: [Uint8Array, Uint8Array];
    }
  /** The member has acknowledged what it cannot have received (`detail`): its path is held to a trickle, longer each time. */
  | { type: 'misbehaviour'; member: Member; what: 'bad-ack'; detail: string; id?: never; evidence?: never }
  /**
   * Objects `from` to `to` (excluded) of this member will not be delivered here: nobody keeps them any more; or they are our
   * own, and a quorum holds others under their names, as when our store is an old copy.
   */
  | { type: 'lost'; member: Member; incarnation: number; from: number; to: number }
  /** The disk no longer gives an object of this member as it was written; the others are asked for it. */
  | { type: 'damaged'; member: Member; id: ObjectId }
  /** For want of room, objects of this member below `to` are no longer kept, though `lacking` do not hold them. */
  | { type: 'overflow'; member: Member; incarnation: number; to: number; lacking: Member[] }
  /** The member runs another version of the application. */
  | { type: 'other-version'; member: Member; version: number }
  /** At the member's address somebody speaks another version of this protocol: only a hint. */
  | { type: 'foreign-version'; member: Member; version: number }
  /** Somebody, at the member's address if it is one, knows our key but holds another group file: only a hint. */
  | { type: 'foreign-group'; member: Member | undefined }
  /** The store takes nothing more, or does again; meanwhile nothing is confirmed, and nothing lost. */
  | { type: 'store-full'; full: boolean }
  | { type: 'store-error'; error: Error }
  /** `deliver` threw: the same message comes again after a while. */
  | { type: 'consumer-error'; error: unknown; id: MessageId; attempt: number };

export interface NodeStatus {
  address: string;
  objects: ObjectStatus[];
  peers: PeerStatus[];
  metrics: EndpointMetrics & { sendErrors: number };
}

/** What became of a broadcast. `missing` members were out of reach when a quorum already held the object. */
export interface BroadcastResult {
  id: MessageId;
  confirmed: Member[];
  missing: Member[];
}

interface Pending {
  durable?(id: MessageId): void;
  outcome?(id: MessageId, outcome: Outcome): void;
  reject(error: Error): void;
}

export class Node implements AsyncDisposable {
  readonly group: Group;
  readonly self: Member;
  private readonly endpoint: Endpoint;
  private readonly options: NodeOptions;
  private readonly socket: UdpSocket;
  private readonly trace: TraceFile | undefined;
  private readonly driver: Driver;
  private readonly store: Store;
  /** Messages that somebody waits for, by ticket until they have an id, then by seq and index. */
  private readonly submitted = new Map<number, Pending>();
  private readonly sent = new Map<number, Map<number, Pending>>();
  private readonly waiters = new Set<() => void>();
  private retry: NodeJS.Timeout | undefined;
  private closed = false;

  private constructor(
    options: NodeOptions,
    endpoint: Endpoint,
    socket: UdpSocket,
    store: Store,
    trace: TraceFile | undefined,
    connect: (node: Node) => Driver,
  ) {
    this.options = options;
    this.group = options.group;
    this.endpoint = endpoint;
    this.self = endpoint.self;
    this.socket = socket;
    this.store = store;
    this.trace = trace;
    this.driver = connect(this);
  }

  /**
   * Starts a member of the group. Throws INVALID_CONFIG if the key is none of the group's, NETWORK if the address cannot
   * be bound or a peer's name is unknown, FILE if the trace cannot be written.
   *
   * @example
   * await using node = await Node.start({ group, secretKey, deliver: ({ from, bytes }) => console.log(from.name, bytes) });
   * await node.reach(group.quorum - 1);
   * const { confirmed } = await node.broadcast(new TextEncoder().encode('hello'));
   */
  static async start(options: NodeOptions): Promise<Node> {
    const { group, secretKey } = options;
    const { controller = 'bbr', maxRate = Number.POSITIVE_INFINITY } = options;
    const { maxDatagram = largestDatagram(group) } = options;
    if (!(maxRate > 0))
      throw new HeadwaterError('INVALID_ARGUMENT', `maxRate: expected more than 0 bytes/s, got ${maxRate}`);
    if (!CONTROLLERS[controller])
      throw new HeadwaterError(
        'INVALID_ARGUMENT',
        `controller: expected bbr, cubic or newreno, got ${controller}`,
      );
    assertInteger('version', options.version ?? 0, 0, 0xffff);
    assertInteger('maxDatagram', maxDatagram, DATAGRAM_SIZE, MAX_DATAGRAM);
    const store = options.store ?? memoryStore(Date.now());
    let trace: TraceFile | undefined;
    const endpoint = new Endpoint({
      group,
      keys: keyPair(secretKey),
      rng: new Rng(toHex(randomBytes(16))),
      incarnation: store.loaded.session,
      entropy: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
      controller: CONTROLLERS[controller],
      egressRate: maxRate,
      maxDatagram,
      maxObjectSize: options.maxObjectSize ?? DEFAULT_MAX_OBJECT_SIZE,
      loaded: store.loaded,
      maxStoredBytes: options.maxStoredBytes ?? DEFAULT_MAX_STORED_BYTES,
      order: options.order ?? 'fifo',
      version: options.version ?? 0,
      relay: options.relay ?? true,
      observe:
        options.trace === undefined ? undefined : (now, peer, event) => trace?.write(now, peer.name, event),
    });
    let driver: Driver | undefined;
    const socket = await openUdp(
      options.bind ?? bindingFor(endpoint.self),
      group.members.map((member) => member.locators),
      (from, bytes) => driver?.onDatagram(from, bytes),
    );
    try {
      if (options.trace !== undefined)
        trace = openTrace(options.trace, endpoint.self.name, performance.timeOrigin);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return new Node(options, endpoint, socket, store, trace, (node) => {
      driver = startDriver(endpoint, {
        send: socket.send,
        store,
        onEvent: (event) => node.onEvent(event),
        onStoreError: (error) => options.onEvent?.({ type: 'store-error', error }),
      });
      return driver;
    });
  }

  /** Where the socket is bound, `host:port`. */
  get address(): string {
    return this.socket.address;
  }

  /**
   * Broadcasts a message of 0 to `maxObjectSize` bytes to the whole group, ourselves included, and waits for every other
   * member's confirm, or for a quorum's once the rest has been out of reach for 3 s. The bytes must not change until then.
   * Throws TOO_LARGE, ABORTED or CLOSED; a message that is on its way when the signal fires may still be delivered.
   */
  async broadcast(bytes: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<BroadcastResult> {
    const members = (indices: number[]) => indices.map((index) => this.group.members[index]);
    return this.track<BroadcastResult>(bytes, options.signal, (resolve) => ({
      outcome: (id, { confirmed, missing }) =>
        resolve({ id, confirmed: members(confirmed), missing: members(missing) }),
    }));
  }

  /**
   * The same, but waits only until the message is in our store: from then on it will be delivered everywhere, even if this
   * process dies now. Waits before that while too many of our messages are on their way.
   *
   * @returns the message's name
   */
  async submit(bytes: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<MessageId> {
    return this.track<MessageId>(bytes, options.signal, (resolve) => ({ durable: resolve }));
  }

  /** Waits until `count` other members are reachable. Throws ABORTED or CLOSED. */
  async reach(count: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    while (this.endpoint.peers().filter((peer) => peer.reachable).length < count) {
      this.assertOpen();
      throwIfAborted(signal);
      await this.change(signal);
    }
  }

  status(): NodeStatus {
    return {
      address: this.address,
      objects: this.endpoint.objects(),
      peers: this.endpoint.peers(),
      metrics: { ...this.endpoint.metrics, sendErrors: this.socket.sendErrors() },
    };
  }

  /**
   * Stops: what waits for the network is rejected with CLOSED; what is being stored is stored first. Calling it again does
   * nothing. Throws FILE if the trace has gaps.
   */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.driver.stop();
    clearTimeout(this.retry);
    const waiting = [
      ...this.submitted.values(),
      ...[...this.sent.values()].flatMap((each) => [...each.values()]),
    ];
    for (const { reject } of waiting) reject(closedError());
    this.submitted.clear();
    this.sent.clear();
    this.wakeWaiters();
    await this.socket.close();
    await this.saveCursor();
    await this.store.close();
    this.endpoint.dispose();
    await this.trace?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  /** Saves what a restart would otherwise repeat or lack. A full disk does not keep a node from closing. */
  private async saveCursor(): Promise<void> {
    const writes = this.endpoint.flush();
    if (writes.length === 0) return;
    try {
      await this.store.commit(writes);
    } catch (error) {
      this.options.onEvent?.({ type: 'store-error', error: error as Error });
    }
  }

  /** Submits a message once there is room for it, and waits for what `pending` resolves with. */
  private async track<Result>(
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
    pending: (resolve: (result: Result) => void) => Omit<Pending, 'reject'>,
  ): Promise<Result> {
    assertBytes('bytes', bytes);
    this.assertOpen();
    throwIfAborted(signal);
    while (!this.endpoint.hasRoom) {
      await this.change(signal);
      this.assertOpen();
      throwIfAborted(signal);
    }
    const ticket = this.endpoint.submit(bytes);
    return new Promise<Result>((resolve, reject) => {
      const onAbort = () => {
        this.endpoint.cancel(ticket);
        this.submitted.delete(ticket);
        reject(abortError(signal!));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      const settle = () => signal?.removeEventListener('abort', onAbort);
      const done = (result: Result) => {
        settle();
        resolve(result);
      };
      const failed = (error: Error) => {
        settle();
        reject(error);
      };
      this.submitted.set(ticket, { ...pending(done), reject: failed });
      this.driver.wake();
    });
  }

  /** Waits until something may have changed that somebody waits for, or the signal fires. */
  private change(signal: AbortSignal | undefined): Promise<void> {
    return new Promise<void>((done) => {
      const settle = () => {
        this.waiters.delete(settle);
        signal?.removeEventListener('abort', settle);
        done();
      };
      this.waiters.add(settle);
      signal?.addEventListener('abort', settle, { once: true });
    });
  }

  private wakeWaiters(): void {
    for (const settle of [...this.waiters]) settle();
  }

  private onEvent(event: EndpointEvent): void {
    const { members } = this.group;
    const { onEvent } = this.options;
    switch (event.type) {
      case 'deliver':
        this.deliver({ from: members[event.id.origin], id: event.id, bytes: event.bytes }, 1);
        break;
      case 'durable':
        this.onDurable(event.id, event.tickets);
        break;
      case 'outcome':
        for (const [index, pending] of this.sent.get(event.id.seq) ?? [])
          pending.outcome?.({ ...event.id, index }, event.outcome);
        this.sent.delete(event.id.seq);
        break;
      case 'peer':
        this.wakeWaiters();
        onEvent?.({ ...event, member: members[event.member] });
        break;
      case 'misbehaviour':
        onEvent?.({ ...event, member: members[event.member] });
        break;
      case 'lost': {
        const { origin, ...rest } = event;
        onEvent?.({ ...rest, member: members[origin] });
        break;
      }
      case 'damaged':
        onEvent?.({ ...event, member: members[event.id.origin] });
        break;
      case 'overflow': {
        const { type, incarnation, to } = event;
        const lacking = event.members.map((index) => members[index]);
        onEvent?.({ type, member: members[event.origin], incarnation, to, lacking });
        break;
      }
      case 'store-full':
        onEvent?.(event);
        break;
      case 'other-version':
      case 'foreign-version': {
        const { peer, ...rest } = event;
        onEvent?.({ ...rest, member: members[peer] });
        break;
      }
      case 'foreign-group':
        onEvent?.({ type: event.type, member: event.peer === undefined ? undefined : members[event.peer] });
        break;
    }
  }

  private onDurable(id: ObjectId, tickets: readonly number[]): void {
    const waiting = new Map<number, Pending>();
    tickets.forEach((ticket, index) => {
      const pending = this.submitted.get(ticket);
      this.submitted.delete(ticket);
      pending?.durable?.({ ...id, index });
      if (pending?.outcome) waiting.set(index, pending);
    });
    if (waiting.size > 0) this.sent.set(id.seq, waiting);
    this.wakeWaiters();
  }

  /** Gives the consumer a message until it takes it: order would be lost if the next one came before. */
  private async deliver(delivery: Delivery, attempt: number): Promise<void> {
    try {
      const taken = this.options.deliver?.(delivery);
      // A consumer that is done at once gets the next one in the same turn.
      if (taken) await taken;
    } catch (error) {
      this.options.onEvent?.({ type: 'consumer-error', error, id: delivery.id, attempt });
      if (this.closed) return;
      const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 16));
      this.retry = setTimeout(() => this.deliver(delivery, attempt + 1), wait);
      return;
    }
    if (this.closed) return;
    this.endpoint.consumed(this.driver.now());
    this.driver.wake();
  }

  private assertOpen(): void {
    if (this.closed) throw closedError();
  }
}

/** One socket hears on all addresses of the machine, which a socket bound to one of them would not. */
function bindingFor({ locators }: Member): string {
  if (locators.length === 1) return locators[0];
  const ports = new Set(locators.map((locator) => parseLocator(locator).port));
  if (ports.size > 1)
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `bind: expected an address to bind, since this member's own differ in port (${locators.join(', ')})`,
    );
  const any = locators.some((locator) => locator.startsWith('[')) ? '[::]' : '0.0.0.0';
  return `${any}:${[...ports][0]}`;
}

/**
 * The system cuts up what the network does not carry and puts it together again, and Node has no way to forbid that. So a
 * large probe arrives whatever the path is, and a loss of one piece is then a loss of all.
 */
function largestDatagram({ members }: Group): number {
  const isLocal = (locator: string) => /^(127\.|\[::1\]|localhost:)/.test(locator);
  return members.every(({ locators }) => locators.every(isLocal)) ? MAX_DATAGRAM : ETHERNET_DATAGRAM;
}

function closedError(): HeadwaterError {
  return new HeadwaterError('CLOSED', 'node: expected an open one, got one that was closed');
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw abortError(signal);
}

function abortError(signal: AbortSignal): HeadwaterError {
  return new HeadwaterError('ABORTED', 'broadcast: aborted by the caller', { cause: signal.reason });
}

/** 1500 bytes less the headers of IPv6 and UDP. */
const ETHERNET_DATAGRAM = 1452;
const DEFAULT_MAX_OBJECT_SIZE = 256 * 1024 * 1024;
const DEFAULT_MAX_STORED_BYTES = 4 * 1024 ** 3;
const FIRST_RETRY_MS = 10;
const MAX_RETRY_MS = 10_000;
