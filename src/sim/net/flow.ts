/**
 * Flows of datagrams through one shared bottleneck, to try congestion controllers: each flow is a real `Recovery` with its
 * controller, a receiver with a real `AckTracker`, a path of its own behind the bottleneck (delay, loss, reordering), and
 * a way back for the acks. In: a seed, the bottleneck, the flows. Out: what each delivered when, what waited, what was
 * lost. Packets are numbers, not bytes: a simulated second of 1 Gbit/s takes about a quarter of a real one.
 */
import type { Controller, ControllerFactory } from '../../congestion/controller.js';
import { TimeHeap } from '../../core/heap.js';
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../core/time.js';
import { AckTracker } from '../../path/ack.js';
import type { PathObserver } from '../../path/observer.js';
import { Recovery } from '../../path/recovery.js';
import type { Ack } from '../../wire/frames/ack.js';
import type { Bottleneck } from './bottleneck.js';
import { Host, type Stall } from './host.js';
import { iid, type LossModel, type LossProcess, startLoss } from './loss.js';

export interface FlowOptions {
  controller: ControllerFactory;
  /** Round-trip propagation time, half of it on the way back. */
  rtt: Micros;
  start?: Micros;
  /** When it stops sending. */
  stop?: Micros;
  loss?: LossModel;
  ackLoss?: LossModel;
  /** Bytes of a datagram. */
  size?: number;
  /** Holds a packet back by up to `reorderDelay`, with this probability. */
  reorder?: number;
  reorderDelay?: Micros;
  /** Probability that an ack arrives twice. */
  ackDuplicate?: number;
  /** Acks are handed over together, at multiples of this (as WLAN and cable do). */
  ackAggregation?: Micros;
  /** The same for what the flow sends. */
  aggregation?: Micros;
  /** The host's timer wakes the sender only at multiples of this. */
  tick?: Micros;
  /** Extra delay of each packet and each ack, uniform in 0..jitter; never reorders, so a dense stream is nearly always late. */
  jitter?: Micros;
  /** The sending host sleeps: its datagrams and timers wait. */
  stalls?: readonly Stall[];
  /** The receiving host sleeps. */
  receiverStalls?: readonly Stall[];
  /** What each datagram takes of the processor, at the sending and at the receiving host. */
  work?: Micros;
  receiverWork?: Micros;
  /** Bytes that fit in the socket of either host. */
  socketBuffer?: number;
  /** The hosts know when a datagram came to the socket, not only when they read it. */
  stamped?: boolean;
  /** Bytes the application has offered by `now` in total; default unlimited. */
  app?: (now: Micros) => number;
  /** When the application offers more, after `now`; needed with `app`. */
  appNext?: (now: Micros) => Micros;
  /** Is told what the sending side measures. */
  observer?: PathObserver;
}

export class Flow {
  readonly recovery: Recovery;
  readonly controller: Controller;
  readonly options: FlowOptions;
  size: number;
  sentBytes = 0;
  deliveredBytes = 0;
  queueDrops = 0;
  /** Acknowledgements sent by the receiver, and those not lost. */
  acks = 0;
  acksCarried = 0;
  /** Delivered bytes in bins of `BIN`. */
  readonly bins: number[] = [];
  /** Largest number of datagrams sent at one instant. */
  maxBurst = 0;
  readonly tracker = new AckTracker();
  readonly host: Host;
  readonly receiver: Host;
  /** What comes waits in the order in which it came; else a host that wakes up has it all at once. */
  readonly hasSockets: boolean;
  readonly rng: Rng;
  readonly forward: LossProcess;
  readonly backward: LossProcess;
  outage: { from: Micros; to: Micros } | undefined;
  lastArrival: Micros = 0;
  lastAckArrival: Micros = 0;
  wakeAt: Micros = NEVER;
  ackWakeAt: Micros = NEVER;

  constructor(options: FlowOptions, rng: Rng) {
    this.options = options;
    this.size = options.size ?? 1232;
    this.rng = rng;
    this.controller = options.controller(this.size, rng.fork('controller').integer(0, 0xffffffff));
    this.recovery = new Recovery({
      controller: this.controller,
      rng: rng.fork('skip'),
      mtu: this.size,
      observer: options.observer,
    });
    const { stalls, receiverStalls, work, receiverWork, socketBuffer } = options;
    this.host = new Host({ stalls, work, buffer: socketBuffer });
    this.receiver = new Host({ stalls: receiverStalls, work: receiverWork, buffer: socketBuffer });
    this.hasSockets = work !== undefined || receiverWork !== undefined || socketBuffer !== undefined;
    this.forward = startLoss(options.loss ?? iid(0));
    this.backward = startLoss(options.ackLoss ?? iid(0));
  }

  /** Bytes per second delivered between two times. */
  rate(from: Micros, to: Micros): number {
    let bytes = 0;
    for (let bin = Math.floor(from / BIN); bin < Math.floor(to / BIN); bin++) bytes += this.bins[bin] ?? 0;
    return (bytes * SECOND) / (to - from);
  }
}

type FlowEvent =
  | { kind: 'come'; flow: Flow; number: number; size: number }
  | { kind: 'read'; flow: Flow; number: number; size: number; receivedAt: Micros }
  | { kind: 'ack-come'; flow: Flow; ack: Ack }
  | { kind: 'ack-read'; flow: Flow; ack: Ack; receivedAt: Micros }
  | { kind: 'wake'; flow: Flow; isLate: boolean }
  | { kind: 'ack-wake'; flow: Flow; isLate: boolean }
  | { kind: 'call'; action: () => void };

/**
 * @example
 * const net = new FlowNetwork('seed', new Bottleneck({ rate: 10e6, buffer: 62_500 }));
 * const flow = net.add({ controller: (mtu) => new Cubic(mtu), rtt: 50_000 });
 * net.run(30 * SECOND);
 * flow.rate(10 * SECOND, 30 * SECOND);
 */
export class FlowNetwork {
  now: Micros = 0;
  readonly flows: Flow[] = [];
  readonly bottleneck: Bottleneck;
  private readonly queue = new TimeHeap<FlowEvent>();
  private readonly seed: string;
  private hash = 0x811c9dc5;

  constructor(seed: string, bottleneck: Bottleneck) {
    this.seed = seed;
    this.bottleneck = bottleneck;
  }

  add(options: FlowOptions): Flow {
    const flow = new Flow(options, new Rng(`${this.seed} flow ${this.flows.length}`));
    this.flows.push(flow);
    this.wake(flow, options.start ?? 0);
    return flow;
  }

  /** The path's datagrams are of this size from now on, as its discovery would say. */
  resize(flow: Flow, bytes: number): void {
    flow.size = bytes;
    flow.recovery.setMtu(this.now, bytes);
  }

  at(time: Micros, action: () => void): void {
    this.queue.push(time, { kind: 'call', action });
  }

  run(until: Micros): void {
    while (this.queue.size > 0 && this.queue.nextTime() <= until) {
      this.now = this.queue.nextTime();
      this.handle(this.queue.pop()!);
    }
    this.now = until;
  }

  /** A digest of every arrival and acknowledgement so far, in order. */
  digest(): number {
    return this.hash >>> 0;
  }

  private handle(event: FlowEvent): void {
    const { now } = this;
    switch (event.kind) {
      case 'come': {
        const at = event.flow.receiver.receive(now, event.size);
        if (at !== undefined) this.read(at, { ...event, kind: 'read', receivedAt: now });
        break;
      }
      case 'read':
        this.note(event.number);
        this.arrive(event.flow, event);
        break;
      case 'ack-come': {
        const at = event.flow.host.receive(now, ACK_SIZE);
        if (at !== undefined) this.read(at, { ...event, kind: 'ack-read', receivedAt: now });
        break;
      }
      case 'ack-read': {
        const { flow, ack, receivedAt } = event;
        this.note(ack.received);
        // As a path sees it by their numbers.
        flow.recovery.ackLoss = 1 - flow.acksCarried / flow.acks;
        flow.recovery.onAckReceived(now, ack, flow.options.stamped ? receivedAt : now);
        this.send(flow);
        break;
      }
      case 'wake':
        if (event.flow.wakeAt !== now) break;
        // A process that wakes up late reads what waits for it first, as our driver does.
        if (event.isLate) {
          this.queue.push(now, { ...event, isLate: false });
          break;
        }
        event.flow.wakeAt = NEVER;
        event.flow.recovery.handleTimeout(now);
        this.send(event.flow);
        break;
      case 'ack-wake':
        if (event.flow.ackWakeAt !== now) break;
        if (event.isLate) {
          this.queue.push(now, { ...event, isLate: false });
          break;
        }
        event.flow.ackWakeAt = NEVER;
        if (event.flow.tracker.nextAck() <= now) this.acknowledge(event.flow);
        else this.scheduleAck(event.flow);
        break;
      case 'call':
        event.action();
        break;
    }
  }

  private read(at: Micros, event: FlowEvent): void {
    if (at <= this.now) this.handle(event);
    else this.queue.push(at, event);
  }

  private arrive(flow: Flow, { number, size, receivedAt }: Extract<FlowEvent, { kind: 'read' }>): void {
    const { now } = this;
    flow.deliveredBytes += size;
    const bin = Math.floor(now / BIN);
    while (flow.bins.length <= bin) flow.bins.push(0);
    flow.bins[bin] += size;
    flow.tracker.setPolicy(flow.recovery.ackPolicy());
    flow.tracker.onReceived(flow.options.stamped ? receivedAt : now, number);
    if (flow.tracker.nextAck() <= now) this.acknowledge(flow);
    else this.scheduleAck(flow);
  }

  private scheduleAck(flow: Flow): void {
    const due = flow.tracker.nextAck();
    if (due === NEVER || flow.ackWakeAt <= due) return;
    flow.ackWakeAt = flow.receiver.awake(due);
    this.queue.push(flow.ackWakeAt, {
      kind: 'ack-wake',
      flow,
      isLate: flow.hasSockets && flow.ackWakeAt > due,
    });
  }

  private acknowledge(flow: Flow): void {
    const { options, rng } = flow;
    const ack = flow.tracker.take(this.now)!;
    const blocked = flow.outage && this.now >= flow.outage.from && this.now < flow.outage.to;
    flow.acks++;
    if (flow.backward.lost(rng) || blocked) return;
    flow.acksCarried++;
    let at = this.now + Math.floor(options.rtt / 2);
    if (options.ackAggregation) at = Math.ceil(at / options.ackAggregation) * options.ackAggregation;
    if (options.jitter) at = Math.max(at + rng.integer(0, options.jitter), flow.lastAckArrival);
    flow.lastAckArrival = at;
    this.carryAck(flow, at, ack);
    if (options.ackDuplicate && rng.chance(options.ackDuplicate)) this.carryAck(flow, at + MILLISECOND, ack);
  }

  private carryAck(flow: Flow, at: Micros, ack: Ack): void {
    if (flow.hasSockets) this.queue.push(at, { kind: 'ack-come', flow, ack });
    else this.queue.push(flow.host.awake(at), { kind: 'ack-read', flow, ack, receivedAt: at });
  }

  private send(flow: Flow): void {
    const { now } = this;
    const { options, recovery } = flow;
    let burst = 0;
    let next = NEVER;
    while (now < (options.stop ?? NEVER)) {
      if (flow.host.busyUntil > now) {
        next = flow.host.busyUntil;
        break;
      }
      const mode = recovery.askToSend(now);
      if (mode === 'window') break;
      if (mode === 'pacing') {
        next = recovery.nextSend(now);
        break;
      }
      if (options.app && options.app(now) < flow.sentBytes + flow.size) {
        recovery.onAppLimited(now);
        next = options.appNext?.(now) ?? NEVER;
        break;
      }
      this.transmit(flow);
      burst++;
    }
    flow.maxBurst = Math.max(flow.maxBurst, burst);
    if (next !== NEVER && options.tick) next = Math.ceil(next / options.tick) * options.tick;
    this.wake(flow, Math.min(next, recovery.nextTimeout()));
  }

  private transmit(flow: Flow): void {
    const { now } = this;
    const { options, rng } = flow;
    const number = flow.recovery.onSent(now, flow.size);
    if (options.work) flow.host.work(now);
    flow.sentBytes += flow.size;
    const left = this.bottleneck.send(now, flow.size);
    if (left === undefined) {
      flow.queueDrops++;
      return;
    }
    const blocked = flow.outage && now >= flow.outage.from && now < flow.outage.to;
    if (flow.forward.lost(rng) || blocked) return;
    let at = Math.round(left) + Math.ceil(options.rtt / 2);
    if (options.jitter) at += rng.integer(0, options.jitter);
    if (options.aggregation) at = Math.ceil(at / options.aggregation) * options.aggregation;
    at = Math.max(at, flow.lastArrival);
    if (options.reorder && rng.chance(options.reorder))
      at += rng.integer(1, options.reorderDelay ?? 10 * MILLISECOND);
    else flow.lastArrival = at;
    const { size } = flow;
    if (flow.hasSockets) this.queue.push(at, { kind: 'come', flow, number, size });
    else this.queue.push(flow.receiver.awake(at), { kind: 'read', flow, number, size, receivedAt: at });
  }

  private wake(flow: Flow, at: Micros): void {
    if (at === NEVER) return;
    const time = flow.host.awake(Math.max(at, this.now, flow.host.busyUntil));
    if (flow.wakeAt === time) return;
    flow.wakeAt = time;
    this.queue.push(time, { kind: 'wake', flow, isLate: flow.hasSockets && time > at });
  }

  private note(value: number): void {
    this.hash = Math.imul(this.hash ^ value, 0x01000193);
    this.hash = Math.imul(this.hash ^ (this.now % 0x100000000), 0x01000193);
  }
}

export const BIN: Micros = 10 * MILLISECOND;
const ACK_SIZE = 64;
