/**
 * One member in the virtual world: an endpoint, its disk, its consumer and its clock, as one node. In: datagrams, time, and
 * faults: crash, restart, a consumer that stands still. Out: datagrams, and what happened, told to a listener at once, so
 * that a fault can strike at that very instant.
 */
import type { BulkRequest } from '../bulk/ports.js';
import { type Micros, NEVER } from '../core/time.js';
import type { Endpoint, EndpointEvent, Transmit } from '../member/endpoint.js';
import type { EndpointStatus } from '../member/status.js';
import type { Loaded, StoreWrite } from '../store/store.js';
import type { SimDisk } from './disk.js';
import type { SimNode } from './world.js';

/** A clock that runs `rate` times as fast as the world's, and showed `offset` µs at its start. */
export interface SimClock {
  /** µs. */
  offset: Micros;
  /** 1 is the world's. */
  rate: number;
}

/** What a member's listener is told. */
export type SimEvent =
  | EndpointEvent
  /** The consumer is done with the message that it was given. */
  | { type: 'consumed' }
  /** A commit has been handed to the disk, and is durable there (or failed: `ok` is false). */
  | { type: 'commit'; writes: readonly StoreWrite[] }
  | { type: 'committed'; ok: boolean };

export interface SimMemberOptions {
  index: number;
  address: string;
  disk: SimDisk;
  /** Of the `start`-th life: a clock may be set back between two. */
  clock: (start: number) => SimClock;
  /** Makes the endpoint of the `start`-th life, from 1, with what the disk holds. */
  start: (start: number, loaded: Loaded) => Endpoint;
  /** How long the consumer takes for a message that it gets now. */
  consume: (now: Micros) => Micros;
  /** What its transfers ask for. */
  onRequest: (member: SimMember, now: Micros, request: BulkRequest) => void;
  /** May crash the member: then nothing more happens to it. */
  onEvent: (member: SimMember, event: SimEvent) => void;
}

/**
 * A member of a `Cluster`: crashed, restarted, and looked at.
 *
 * @example
 * const cluster = createCluster({ seed: 'a', members: 3 });
 * cluster.crash(2);
 * cluster.members[2].isLive; // false
 * cluster.dispose();
 */
export class SimMember implements SimNode {
  /** In the group. */
  readonly index: number;
  /** In the world. */
  address: string;
  /** @internal May be replaced while the member is down. */
  disk: SimDisk;
  /** @internal */
  endpoint: Endpoint;
  /** Lives so far. */
  starts = 0;
  /** Whether it runs. */
  isLive = false;
  /** Of all its lives. */
  readonly events: EndpointEvent[] = [];
  /** The messages delivered, in order, again after a restart included. */
  readonly delivered: { origin: number; bytes: Uint8Array }[] = [];
  private readonly options: SimMemberOptions;
  private clock: SimClock;
  /** When the consumer is done with what it has; NEVER if it has nothing. */
  private consumedAt: Micros = NEVER;

  /** @internal */
  constructor(options: SimMemberOptions) {
    this.options = options;
    this.index = options.index;
    this.address = options.address;
    this.disk = options.disk;
    this.clock = options.clock(1);
    this.endpoint = this.start();
  }

  /** @internal Begins a life, from what the disk holds. */
  start(): Endpoint {
    this.starts++;
    this.isLive = true;
    this.consumedAt = NEVER;
    this.clock = this.options.clock(this.starts);
    this.endpoint = this.options.start(this.starts, this.disk.load());
    return this.endpoint;
  }

  /** @internal Its socket is there: it may tell others where it is. */
  tellBound(now: Micros): void {
    this.endpoint.locators.handleBound(this.local(now), this.address);
  }

  /** @internal Ends it, as a power failure does. */
  crash(): void {
    this.isLive = false;
    this.endpoint.dispose();
    this.disk.crash();
  }

  /** Of `SimNode`: the world's. */
  handleDatagram(now: Micros, from: string, bytes: Uint8Array): void {
    this.endpoint.handleDatagram(this.local(now), from, bytes);
    // As a socket does that reads the next one into the same memory.
    bytes.fill(GONE);
    this.settle(now);
  }

  /** Of `SimNode`: the world's. */
  handleCast(now: Micros, group: string, bytes: Uint8Array): void {
    this.endpoint.bulk.casts.handleDatagram(this.local(now), group, bytes);
    bytes.fill(GONE);
    this.settle(now);
  }

  /** Of `SimNode`: the world's. */
  handleTimeout(now: Micros): void {
    const local = this.local(now);
    if (this.endpoint.nextTimeout(local) <= local) this.endpoint.handleTimeout(local);
    this.settle(now);
  }

  /** Of `SimNode`: the world's. */
  pollTransmit(now: Micros): Transmit | undefined {
    return this.endpoint.pollTransmit(this.local(now));
  }

  /** Of `SimNode`: the world's. */
  nextTimeout(now: Micros): Micros {
    return Math.min(
      this.world(this.endpoint.nextTimeout(this.local(now))),
      this.disk.nextTimeout(),
      this.consumedAt,
    );
  }

  /** What its endpoint knows of objects and peers, at this time of the world. */
  status(now: Micros, isDetailed = false): EndpointStatus {
    return this.endpoint.status(this.local(now), isDetailed);
  }

  /** @internal Carries out what the endpoint wants of its store and its consumer, and tells what happened. */
  settle(now: Micros): void {
    const { starts } = this;
    const local = this.local(now);
    while (this.isLive && this.starts === starts) {
      const done = this.disk.poll(now);
      if (done?.type === 'read') this.endpoint.store.handleRead(local, done.id, done.object);
      else if (done) {
        this.tell({ type: 'committed', ok: done.type === 'committed' });
        if (!this.isLive || this.starts !== starts) return;
        if (done.type === 'committed') this.endpoint.store.handleCommitted(local, done.bytes);
        else this.endpoint.store.handleCommitFailed(local);
      }
      const isConsumed = this.consumedAt <= now;
      if (isConsumed) {
        this.consumedAt = NEVER;
        this.tell({ type: 'consumed' });
        if (!this.isLive || this.starts !== starts) return;
        this.endpoint.consumer.handleConsumed(local);
      }
      const request = this.endpoint.store.pollRequest(local);
      if (request?.type === 'read') this.disk.submitRead(now, request.id);
      else if (request) {
        this.disk.submit(now, request.writes);
        this.tell({ type: 'commit', writes: request.writes });
        if (!this.isLive || this.starts !== starts) return;
      }
      const wanted = this.endpoint.bulk.files.pollRequest();
      if (wanted) this.options.onRequest(this, local, wanted);
      const event = this.endpoint.pollEvent();
      if (event) this.take(now, event);
      else if (!done && !isConsumed && !request && !wanted) return;
    }
  }

  private take(now: Micros, event: EndpointEvent): void {
    this.events.push(event);
    if (event.type === 'deliver') {
      this.delivered.push({ origin: event.id.origin, bytes: event.bytes });
      this.consumedAt = now + this.options.consume(now);
    }
    this.tell(event);
  }

  private tell(event: SimEvent): void {
    this.options.onEvent(this, event);
  }

  private local(now: Micros): Micros {
    const { offset, rate } = this.clock;
    return Math.floor(offset + now * rate);
  }

  /** The first time of the world at which the own clock shows `local`. */
  private world(local: Micros): Micros {
    const { offset, rate } = this.clock;
    if (local === NEVER) return NEVER;
    let time = Math.max(0, Math.ceil((local - offset) / rate));
    while (this.local(time) < local) time++;
    return time;
  }
}

/** What a datagram's memory holds once it has been handled. */
const GONE = 0xa5;
