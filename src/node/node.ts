/**
 * A member of a group as a running thing: socket, loop and endpoint behind one handle.
 */
import { randomBytes } from 'node:crypto';
import type { BroadcastEvent, ObjectStatus } from '../broadcast/broadcast.js';
import type { Group, Member } from '../broadcast/group.js';
import type { Outcome } from '../broadcast/outgoing.js';
import { CONTROLLERS, type ControllerName } from '../congestion/index.js';
import { toHex } from '../core/bytes.js';
import { Rng } from '../core/rng.js';
import { keyPair } from '../crypto/keys.js';
import { assertBytes, assertInteger, HeadwaterError } from '../errors.js';
import { DATAGRAM_SIZE, MAX_DATAGRAM } from '../wire/limits.js';
import type { ObjectId } from '../wire/symbol.js';
import { type Driver, startDriver } from './driver.js';
import { Endpoint, type EndpointMetrics, type PeerStatus } from './endpoint.js';
import { openTrace, type TraceFile } from './trace.js';
import { openUdp, type UdpSocket } from './udp.js';

export interface NodeOptions {
  group: Group;
  /** 32 bytes: the seed of this member's Ed25519 key. */
  secretKey: Uint8Array;
  /** Address to bind, `host:port`; default: this member's own in the group. Port 0 takes any. */
  bind?: string;
  /** Congestion control of each path. Default 'bbr': fills links that lose at random and yields to others. */
  controller?: ControllerName;
  /** Bytes per second that this member sends at most, on all paths together. Default: no limit of its own. */
  maxRate?: number;
  /**
   * The largest UDP payload to try, bytes. Default: 1452, as Ethernet carries; 8972 where all members are on this machine. Give
   * more only where every network in between carries it.
   */
  maxDatagram?: number;
  /** Larger objects are refused, sent and received. Default 256 MiB. */
  maxObjectSize?: number;
  /** False: relay nothing for others. A fault, for demonstrations. Default true. */
  relay?: boolean;
  /** A file for what is measured on each path, as qlog lines; replaced if it is there. Default: none, which costs nothing. */
  trace?: string | undefined;
  /** Called once for each object that a quorum of the group holds, our own included. */
  deliver?: (delivery: Delivery) => void;
  /** Called when a peer comes or goes, or a member is caught misbehaving. */
  onEvent?: (event: NodeEvent) => void;
}

export interface Delivery {
  from: Member;
  id: ObjectId;
  bytes: Uint8Array;
}

export type NodeEvent =
  | { type: 'peer'; member: Member; reachable: boolean }
  | { type: 'misbehaviour'; member: Member; id: ObjectId; what: 'equivocation' | 'wrong-symbols' };

export interface NodeStatus {
  address: string;
  objects: ObjectStatus[];
  peers: PeerStatus[];
  metrics: EndpointMetrics & { sendErrors: number };
}

/** What became of a broadcast. `missing` members were out of reach when a quorum already held the object. */
export interface BroadcastResult {
  id: ObjectId;
  confirmed: Member[];
  missing: Member[];
}

export class Node implements AsyncDisposable {
  readonly group: Group;
  readonly self: Member;
  private readonly endpoint: Endpoint;
  private readonly options: NodeOptions;
  private readonly socket: UdpSocket;
  private readonly trace: TraceFile | undefined;
  private readonly driver: Driver;
  private readonly pending = new Map<
    number,
    { resolve(result: Outcome): void; reject(error: Error): void }
  >();
  private readonly peerWaiters = new Set<() => void>();
  private closed = false;

  private constructor(
    options: NodeOptions,
    endpoint: Endpoint,
    socket: UdpSocket,
    trace: TraceFile | undefined,
    connect: (node: Node) => Driver,
  ) {
    this.options = options;
    this.group = options.group;
    this.endpoint = endpoint;
    this.self = endpoint.self;
    this.socket = socket;
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
    assertInteger('maxDatagram', maxDatagram, DATAGRAM_SIZE, MAX_DATAGRAM);
    let trace: TraceFile | undefined;
    const endpoint = new Endpoint({
      group,
      keys: keyPair(secretKey),
      rng: new Rng(toHex(randomBytes(16))),
      incarnation: Date.now(),
      entropy: { bytes: (length) => Uint8Array.from(randomBytes(length)) },
      controller: CONTROLLERS[controller],
      egressRate: maxRate,
      maxDatagram,
      maxObjectSize: options.maxObjectSize ?? DEFAULT_MAX_OBJECT_SIZE,
      relay: options.relay ?? true,
      observe:
        options.trace === undefined ? undefined : (now, peer, event) => trace?.write(now, peer.name, event),
    });
    let driver: Driver | undefined;
    const socket = await openUdp(
      options.bind ?? endpoint.self.locator,
      group.members.map((member) => member.locator),
      (from, bytes) => driver?.onDatagram(from, bytes),
    );
    try {
      if (options.trace !== undefined)
        trace = openTrace(options.trace, endpoint.self.name, performance.timeOrigin);
    } catch (error) {
      await socket.close();
      throw error;
    }
    return new Node(options, endpoint, socket, trace, (node) => {
      driver = startDriver(endpoint, socket.send, (event) => node.onEvent(event));
      return driver;
    });
  }

  /** Where the socket is bound, `host:port`. */
  get address(): string {
    return this.socket.address;
  }

  /**
   * Broadcasts 1 to `maxObjectSize` bytes to the whole group, ourselves included. The bytes must not change until the
   * promise settles: with every other member's confirm, or with a quorum's once the rest has been out of reach for 3 s.
   * Throws TOO_LARGE, BUSY (too many broadcasts under way), ABORTED or CLOSED.
   */
  async broadcast(bytes: Uint8Array, { signal }: { signal?: AbortSignal } = {}): Promise<BroadcastResult> {
    assertBytes('bytes', bytes);
    this.assertOpen();
    throwIfAborted(signal);
    const id = this.endpoint.broadcast(this.driver.now(), bytes);
    const outcome = await new Promise<Outcome>((resolve, reject) => {
      const onAbort = () => {
        this.pending.delete(id.seq);
        this.endpoint.cancel(id);
        reject(abortError(signal!));
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.pending.set(id.seq, {
        resolve(result) {
          signal?.removeEventListener('abort', onAbort);
          resolve(result);
        },
        reject,
      });
      this.driver.wake();
    });
    const members = (indices: number[]) => indices.map((index) => this.group.members[index]);
    return { id, confirmed: members(outcome.confirmed), missing: members(outcome.missing) };
  }

  /** Waits until `count` other members are reachable. Throws ABORTED or CLOSED. */
  async reach(count: number, { signal }: { signal?: AbortSignal } = {}): Promise<void> {
    while (this.endpoint.peers().filter((peer) => peer.reachable).length < count) {
      this.assertOpen();
      throwIfAborted(signal);
      await new Promise<void>((done) => {
        const settle = () => {
          this.peerWaiters.delete(settle);
          signal?.removeEventListener('abort', settle);
          done();
        };
        this.peerWaiters.add(settle);
        signal?.addEventListener('abort', settle, { once: true });
      });
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

  /** Stops at once; broadcasts under way are rejected with CLOSED. Calling it again does nothing. Throws FILE if the trace has gaps. */
  async close(): Promise<void> {
    if (this.closed) return;
    this.closed = true;
    this.driver.stop();
    for (const { reject } of this.pending.values()) reject(closedError());
    this.pending.clear();
    for (const settle of [...this.peerWaiters]) settle();
    await this.socket.close();
    this.endpoint.dispose();
    await this.trace?.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  private onEvent(event: BroadcastEvent): void {
    const { members } = this.group;
    switch (event.type) {
      case 'deliver':
        this.options.deliver?.({ from: members[event.id.origin], id: event.id, bytes: event.bytes });
        break;
      case 'outcome':
        this.pending.get(event.id.seq)?.resolve(event.outcome);
        this.pending.delete(event.id.seq);
        break;
      default:
        if (event.type === 'peer') for (const settle of [...this.peerWaiters]) settle();
        this.options.onEvent?.({ ...event, member: members[event.member] });
    }
  }

  private assertOpen(): void {
    if (this.closed) throw closedError();
  }
}

/**
 * The system cuts up what the network does not carry and puts it together again, and Node has no way to forbid that. So a
 * large probe arrives whatever the path is, and a loss of one piece is then a loss of all.
 */
function largestDatagram({ members }: Group): number {
  const isLocal = ({ locator }: Member) => /^(127\.|\[::1\]|localhost:)/.test(locator);
  return members.every(isLocal) ? MAX_DATAGRAM : ETHERNET_DATAGRAM;
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
