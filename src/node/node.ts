/**
 * A member of a group as a running thing: socket, loop and endpoint behind one handle.
 */
import { checkOptions, checkRequired } from '../core/checks.js';
import { type Micros, NEVER } from '../core/time.js';
import { assertBytes, assertInteger, closedError, HeadwaterError } from '../errors.js';
import { mapWho } from '../events.js';
import type { Group, Member } from '../group/group.js';
import type { Endpoint, EndpointEvent } from '../member/endpoint.js';
import { type Given, type Identity, REQUIRED, SETTINGS, type Settings } from '../options.js';
import { memoryStore } from '../store/memory.js';
import type { MessageRef, Store } from '../store/store.js';
import type { Dialect } from '../wire/dialect.js';
import type { MessageId } from '../wire/symbol.js';
import { Aborts, throwIfAborted, Waiters } from './aborts.js';
import { Transfers } from './bulk/transfers.js';
import { monotonic } from './clock.js';
import { Consumer } from './consumer.js';
import { type DeadLetter, DeadLetters } from './dead-letters.js';
import { type DebugOptions, debugLog } from './debug.js';
import type { Delivery } from './delivery.js';
import { type Driver, startDriver } from './driver.js';
import { CALL_OPTIONS, isKey, KEYED_OPTIONS, keyBytes, NODE_OPTIONS, STATUS_OPTIONS } from './options.js';
import {
  createEndpoint,
  largestDatagram,
  nearbyAddresses,
  openMemberSocket,
  requireMember,
  requireStore,
} from './setup.js';
import type { NodeEvent } from './status/events.js';
import { Overseer } from './status/overseer.js';
import type { NodeStatus, StatusOptions } from './status/shape.js';
import { DropWatch } from './status/watch/drops.js';
import { Submissions } from './submissions.js';
import { openTrace, type TraceFile } from './trace.js';
import type { UdpSocket } from './udp.js';

/** Who this member is, what it keeps, and how it sends. */
export interface NodeOptions extends Identity, Given<Settings> {
  /**
   * Where messages are kept until every member has them, and over a restart. The node closes it. Default: memory, so that
   * what this member had promised to hold ends with it.
   */
  store?: Store | undefined;
  /** A file for what is measured on each path, as qlog lines; replaced if it is there. Default: none, which costs nothing. */
  trace?: string | undefined;
  /** Lines on what becomes of frames, symbols and objects, for who asks why one did not arrive. Default: none, which costs nothing. */
  debug?: DebugOptions | undefined;
  /**
   * Called once for each message that a quorum of the group holds, our own included, one at a time: the next waits for
   * its promise. If it throws, the message comes again after a while. After a restart with a durable store the first
   * messages may be some that were delivered just before, under the same ids.
   */
  deliver?: ((delivery: Delivery) => void | Promise<void>) | undefined;
  /** Called when a peer comes or goes, a member is caught misbehaving, or something is wrong with the store. */
  onEvent?: ((event: NodeEvent) => void) | undefined;
}

export type { Delivery } from './delivery.js';
export type { NodeEvent } from './status/events.js';

/** What became of a broadcast. `missing` members were out of reach when a quorum already held the object. */
export interface BroadcastResult {
  /** The message's name. */
  id: MessageId;
  /** Who holds it, ourselves left out. */
  confirmed: Member[];
  /** The others. */
  missing: Member[];
}

/**
 * A member of a group, without codec and facade: `createNetwork` is the layer above.
 *
 * @example
 * const node = await Node.start({ group, secretKey });
 * await node.submit(bytes); // durable in its store
 * await node.close();
 */
export class Node implements AsyncDisposable {
  /** As it was given. */
  readonly group: Group;
  /** This member. */
  readonly self: Member;
  /** @internal Files that move beside the messages: see `sendFiles` and `receiveFiles`. */
  readonly transfers: Transfers;
  /** @internal From whom comes what is thrown away, for who looks closely. */
  readonly drops: DropWatch;
  private readonly endpoint: Endpoint;
  private readonly options: NodeOptions;
  private readonly socket: UdpSocket;
  private readonly trace: TraceFile | undefined;
  private readonly driver: Driver;
  private readonly store: Store;
  private readonly aborts = new Aborts();
  private readonly submissions: Submissions;
  private readonly letters: DeadLetters;
  private readonly consumer: Consumer;
  private readonly overseer: Overseer;
  /** Calls of `reach`. */
  private readonly waiters = new Waiters(this.aborts);
  private closed: Promise<void> | undefined;

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
    this.letters = new DeadLetters(store, options.group, (delivery) => options.deliver?.(delivery));
    this.consumer = new Consumer({
      letters: this.letters,
      deliver: options.deliver && ((delivery) => options.deliver?.(delivery)),
      onError: (error, { id }, attempt) => this.tell({ type: 'consumer-error', error, id, attempt }),
      onDone: () => {
        this.overseer.onConsumed();
        endpoint.consumer.handleConsumed(this.driver.now());
        this.driver.stir();
      },
    });
    this.submissions = new Submissions(endpoint.messages, this.aborts, () => this.driver.wake());
    this.overseer = new Overseer({
      ...options,
      endpoint,
      socket,
      maxStoredBytes: options.maxStoredBytes ?? SETTINGS.maxStoredBytes.default,
      maxDatagram: options.maxDatagram ?? largestDatagram(options.group),
      now: monotonic,
      tell: (event) => this.tell(event),
    });
    this.transfers = new Transfers(endpoint.bulk.files, options.group, socket.address, () => this.driver);
    this.drops = new DropWatch(() => ({ ...endpoint.metrics.drops }));
    this.driver = connect(this);
  }

  /**
   * Starts a member of the group. If it rejects, nothing is left open but the store that it was given.
   *
   * @throws HeadwaterError INVALID_ARGUMENT for an option that is not what it should be, INVALID_CONFIG if the key is none of the
   *   group's, NETWORK if the address cannot be bound, FILE if the trace cannot be written
   * @example
   * await using node = await Node.start({ group, secretKey, deliver: ({ from, bytes }) => console.log(from.name, bytes) });
   * await node.reach(group.quorum - 1);
   * const { confirmed } = await node.broadcast(new TextEncoder().encode('hello'));
   */
  static async start(options: NodeOptions): Promise<Node> {
    return Node.startAs(options, undefined);
  }

  /**
   * @internal Starts a member that speaks as a build of another age, for tests of upgrades, or whose socket something else shares:
   * that is given each datagram first, and says whether it was its own.
   */
  static async startAs(options: NodeOptions, dialect: Dialect | undefined, beside?: Beside): Promise<Node> {
    checkOptions('options', options, NODE_OPTIONS);
    checkRequired(options, REQUIRED);
    requireStore(options);
    const store = options.store ?? memoryStore(Date.now());
    const parts = await openParts(options, store, { dialect, beside });
    const { endpoint, socket, trace, early } = parts;
    const started = new Node(options, endpoint, socket, store, trace, (node) => {
      parts.driver = startDriver(endpoint, {
        socket,
        store,
        onEvent: (event) => node.onEvent(event),
        onLate: (late) => node.overseer.onLate(late),
        onCommit: () => node.overseer.onCommit(),
        transfers: node.transfers,
        drops: node.drops,
        onStoreError: (error) => node.tell({ type: 'store-error', error }),
      });
      return parts.driver;
    });
    trace?.follow(() => started.status({ detail: true }));
    for (const event of early) started.overseer.onEvent(event);
    parts.onRoute = (event) => started.tell(event);
    const onError = (error: unknown, id: MessageRef) =>
      started.tell({ type: 'consumer-error', error, id, attempt: 1 });
    setImmediate(() => started.letters.start(options.maxStoredBytes, onError));
    return started;
  }

  /** Where the socket is bound, `host:port`. */
  get address(): string {
    return this.socket.address;
  }

  /**
   * Broadcasts a message of 0 to `maxMessageSize` bytes to the whole group, ourselves included, and waits for every other
   * member's confirm, or for a quorum's once the rest has been out of reach for 3 s. The bytes must not change before. Any
   * number of calls may be under way, and `deliver` may wait for one.
   *
   * A message that is on its way when the signal fires may still be delivered.
   *
   * @throws HeadwaterError INVALID_ARGUMENT, TOO_LARGE, ABORTED, CLOSED, or BUSY: when it waits for room that only the consumer or
   *   the store can make, and these have done nothing for 10 s
   */
  async broadcast(bytes: Uint8Array, options: { signal?: AbortSignal } = {}): Promise<BroadcastResult> {
    assertBytes('bytes', bytes);
    checkOptions('options', options, CALL_OPTIONS);
    this.begin(options);
    requireMember(this.endpoint);
    const { id, outcome } = await this.submissions.broadcast(bytes, options.signal);
    const members = (indices: number[]) => indices.map((index) => this.group.members[index]);
    return { id, confirmed: members(outcome.confirmed), missing: members(outcome.missing) };
  }

  /**
   * The same, but waits only until the message is in our store: from then on it will be delivered everywhere, even if this
   * process dies now. Waits before that while too many of our messages are on their way.
   *
   * @param options.key 1 to 64 bytes, or a text of as many in UTF-8, that name this message for its sender: stored with it, in one
   *   step, so that `sent` tells after a crash whether it was. A message sent again under its key has the id that it has, and
   *   nothing is sent twice. The last 65,536 keys of a store are known.
   * @throws HeadwaterError as `broadcast`: INVALID_ARGUMENT, TOO_LARGE, ABORTED, CLOSED, BUSY
   * @returns the message's name
   */
  async submit(
    bytes: Uint8Array,
    options: { signal?: AbortSignal; key?: string | Uint8Array } = {},
  ): Promise<MessageId> {
    assertBytes('bytes', bytes);
    checkOptions('options', options, KEYED_OPTIONS);
    this.begin(options);
    requireMember(this.endpoint);
    const key = options.key === undefined ? undefined : keyBytes(options.key);
    return this.submissions.submit(bytes, options.signal, key);
  }

  /** The id of our message that was submitted with this key, if it is in our store; else it was not taken, or is not yet. */
  sent(key: string | Uint8Array): MessageId | undefined {
    isKey('key', key);
    return this.endpoint.messages.find(keyBytes(key));
  }

  /** @internal Sends a datagram that is none of the member's, to one of its locators or to where one has come from. */
  sendBeside(to: string, bytes: Uint8Array): void {
    this.socket.send(to, bytes);
    this.socket.flush();
  }

  /** Waits until `count` other members are reachable. @throws HeadwaterError INVALID_ARGUMENT, ABORTED or CLOSED */
  async reach(count: number, options: { signal?: AbortSignal } = {}): Promise<void> {
    assertInteger('count', count, 0, this.group.members.length - 1);
    checkOptions('options', options, CALL_OPTIONS);
    while (this.endpoint.status(this.now).peers.filter((peer) => peer.reachable).length < count) {
      this.begin(options);
      await this.waiters.wait(options.signal);
    }
  }

  /** The messages that are kept aside since several runs in a row had ended at them, in the order of their ids. */
  deadLetters(): Promise<DeadLetter[]> {
    return this.letters.list();
  }

  /** One of them. @throws HeadwaterError INVALID_ARGUMENT if there is none of that name */
  deadLetter(id: MessageId): Promise<Delivery> {
    return this.letters.read(id);
  }

  /**
   * Gives one of them to `deliver` again, between two others, and forgets it when that is done; keeps it if `deliver` throws, and
   * throws that. Not to be waited for from within `deliver`.
   *
   * @throws HeadwaterError INVALID_ARGUMENT if there is none of that name; CLOSED
   */
  retryDeadLetter(id: MessageId): Promise<void> {
    return this.letters.retry(id);
  }

  /** As it stands: quorum, warnings, peers, streams, store, counters; see GUIDE. @throws HeadwaterError INVALID_ARGUMENT */
  status(options: StatusOptions = {}): NodeStatus {
    checkOptions('options', options, STATUS_OPTIONS);
    return this.overseer.status(this.now, options.detail);
  }

  /** The same as metrics: text of Prometheus's format, version 0.0.4. */
  metrics(): string {
    return this.overseer.metrics(this.now);
  }

  /** A node that is closed hears nobody any more. */
  private get now(): Micros {
    return this.closed ? NEVER : this.driver.now();
  }

  /**
   * Stops: what waits for the network is rejected with CLOSED; what is being stored is stored first. `deliver` is not called
   * again; a message that it has not done with comes again after the next start. May be called from within it, and any number
   * of times: each call waits for the end.
   *
   * @throws HeadwaterError FILE if the trace has gaps, STORE if the store cannot be closed
   */
  close(): Promise<void> {
    this.closed ??= this.stop();
    return this.closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private async stop(): Promise<void> {
    this.driver.stop();
    this.overseer.close();
    this.consumer.close();
    for (const part of [this.submissions, this.letters]) part.close(closedError());
    this.waiters.wake();
    await inTurn([
      () => this.socket.close(),
      () => this.transfers.stop(),
      () => this.saveCursor(),
      () => this.store.close(),
      () => this.endpoint.dispose(),
      () => this.trace?.close(),
    ]);
  }

  /** Saves what a restart would otherwise repeat or lack. A full disk does not keep a node from closing. */
  private async saveCursor(): Promise<void> {
    const writes = this.endpoint.store.flush();
    if (writes.length === 0) return;
    await this.store.commit(writes).catch((error: Error) => this.tell({ type: 'store-error', error }));
  }

  private begin({ signal }: { signal?: AbortSignal }): void {
    if (this.closed) throw closedError();
    throwIfAborted(signal);
  }

  private onEvent(event: EndpointEvent): void {
    const { members } = this.group;
    this.overseer.onMessage(event);
    switch (event.type) {
      case 'deliver':
        this.consumer.give({ from: members[event.id.origin], id: event.id, bytes: event.bytes });
        break;
      case 'durable':
        this.submissions.onDurable(event);
        break;
      case 'refused':
        this.submissions.onRefused(event.tickets);
        break;
      case 'outcome':
        this.submissions.onOutcome(event.id, event.outcome);
        break;
      default:
        if (event.type === 'peer') this.waiters.wake();
        this.tell(mapWho(event, (index) => members[index]));
    }
  }

  /** The application's: an error in it is none of the node's, which goes on. */
  private tell(event: NodeEvent): void {
    try {
      this.options.onEvent?.(event);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
    this.trace?.tell(event);
    // What it is a sign of is told after it.
    this.overseer.onEvent(event);
  }
}

/** Is given each datagram first, and says whether it was its own. */
type Beside = (from: string, bytes: Uint8Array) => boolean;

/** What a node is made of, and where its socket hands up what comes before and after it is there. */
interface Parts {
  endpoint: Endpoint;
  socket: UdpSocket;
  trace: TraceFile | undefined;
  driver: Driver | undefined;
  onRoute: (event: NodeEvent) => void;
  /** What was told before there was a node. */
  early: NodeEvent[];
}

async function openParts(
  options: NodeOptions,
  store: Store,
  as: { dialect: Dialect | undefined; beside: Beside | undefined },
): Promise<Parts> {
  const { dialect, beside } = as;
  let trace: TraceFile | undefined;
  const endpoint = createEndpoint(options, store, {
    dialect,
    observer: options.debug && debugLog(options.group, options.debug),
    observe:
      options.trace === undefined ? undefined : (now, peer, event) => trace?.write(now, peer.name, event),
  });
  const early: NodeEvent[] = [];
  const live: Pick<Parts, 'driver' | 'onRoute'> = {
    driver: undefined,
    onRoute: (event) => {
      early.push(event);
      options.onEvent?.(event);
    },
  };
  let socket: UdpSocket | undefined;
  try {
    socket = await openMemberSocket(
      { ...options, onEvent: (event) => live.onRoute(event) },
      endpoint.self,
      (from, bytes, receivedAt) => {
        if (!beside?.(from, bytes)) live.driver?.onDatagram(from, bytes, receivedAt);
      },
    );
    endpoint.locators.handleBound(monotonic(), socket.address, nearbyAddresses(socket.address));
    if (options.trace !== undefined)
      trace = openTrace(options.trace, endpoint.self.name, performance.timeOrigin);
  } catch (error) {
    await socket?.close();
    endpoint.dispose();
    throw error;
  }
  return Object.assign(live, { endpoint, socket, trace, early });
}

/** Each, whatever becomes of the others: nothing is to stay open. Throws what the first threw that did. */
async function inTurn(steps: (() => void | Promise<void>)[]): Promise<void> {
  const failures: unknown[] = [];
  for (const step of steps)
    try {
      await step();
    } catch (error) {
      failures.push(error);
    }
  if (failures.length > 0) throw asCoded(failures[0]);
}

function asCoded(error: unknown): HeadwaterError {
  if (error instanceof HeadwaterError) return error;
  const { message } = error as Error;
  return new HeadwaterError('STORE', `store: expected to be closed in order, got ${message}`, {
    cause: error,
  });
}
