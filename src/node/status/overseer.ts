/**
 * Looks after a running member: what it does over time, what is wrong with it, and its status. In: the events of the member, how its loop
 * and store fare, once a second the state of its endpoint. Out: warnings, and the status for who asks.
 */
import type { Micros } from '../../core/time.js';
import { HeadwaterError } from '../../errors.js';
import type { Group, Member } from '../../group/group.js';
import { parseLocator } from '../../group/locator.js';
import type { Endpoint, EndpointEvent } from '../../member/endpoint.js';
import type { EndpointStatus } from '../../member/status.js';
import type { UdpSocket } from '../udp.js';
import { statusOf } from './build.js';
import { conditionsOf } from './conditions.js';
import type { NodeEvent } from './events.js';
import { type Counters, Health } from './health.js';
import { conditionOf, olderRun } from './hints.js';
import { kernelDrops } from './kernel-drops.js';
import { membersMetrics } from './metrics.js';
import type { NodeStatus } from './shape.js';
import { type Condition, Warnings } from './warnings.js';
import { LossWatch } from './watch/losses.js';

export interface OverseerOptions {
  endpoint: Endpoint;
  group: Group;
  socket: UdpSocket;
  maxStoredBytes: number;
  maxDatagram: number;
  /** Of the member. */
  now(): Micros;
  /** Is told of warnings. */
  tell(event: NodeEvent): void;
}

export class Overseer {
  private readonly options: OverseerOptions;
  private readonly warnings: Warnings;
  private readonly health: Health;
  private readonly losses = new LossWatch();
  private readonly timer: NodeJS.Timeout;
  private readonly startedAt = Date.now();
  private readonly reachableSince = new Map<Member, number>();
  private readonly here = new Set<Member>();
  /** By member of which an older run is refused: when that was first told. */
  private readonly olderRuns = new Map<Member, { event: OlderRun; since: number }>();
  /** Since when the consumer has its message, and the store its commit. */
  private busySince: Micros | undefined;
  private committingSince: Micros | undefined;
  /** As last read, in all and of the last time. */
  private drops: number | undefined;
  /** Of the last ticks: what the system would not send by then. */
  private readonly refused: number[] = [0];
  private storeProblem: string | undefined;
  private newDrops = 0;
  private ticks = 0;

  constructor(options: OverseerOptions) {
    this.options = options;
    this.warnings = new Warnings((event) => options.tell(event));
    this.health = new Health(options.now(), this.counters(options.endpoint.status(options.now())));
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** The loop comes so much later than it wanted to. */
  onLate(late: Micros): void {
    this.health.onLate(late);
  }

  /** A commit is under way; returns what is to be called once it is durable, or has failed. */
  onCommit(): (isDurable: boolean) => void {
    const since = this.options.now();
    this.committingSince = since;
    return (isDurable) => {
      this.committingSince = undefined;
      if (isDurable) this.health.onCommit(Date.now(), this.options.now() - since);
    };
  }

  /** The consumer is done with its message. */
  onConsumed(): void {
    this.busySince = undefined;
  }

  /** What the endpoint tells of messages. */
  onMessage(event: EndpointEvent): void {
    const { self } = this.options.endpoint;
    const now = this.options.now();
    if (event.type === 'durable') this.health.onDurable(now, event.id.seq);
    if (event.type !== 'deliver') return;
    this.busySince = now;
    const { origin, seq, index } = event.id;
    if (origin === self.index) this.health.onDelivered(now, seq, index);
  }

  /** What the member tells, which may be a hint at what is wrong. */
  onEvent(event: NodeEvent): void {
    const now = Date.now();
    if (event.type === 'peer') {
      const { member, reachable } = event;
      this.reachableSince.set(member, now);
      if (!reachable) this.here.delete(member);
      else {
        this.here.add(member);
        // What kept it away does so no more; that another run has its key was told by the one that is here.
        for (const code of ['unheard', 'other-group', 'other-protocol', 'clock-behind'] as const)
          this.warnings.end(now, code, member);
        this.warnings.end(now, 'clock-behind', undefined);
      }
      return;
    }
    if (event.type === 'older-run') {
      const { member } = event;
      this.olderRuns.set(member, { event, since: this.olderRuns.get(member)?.since ?? now });
    }
    if (event.type === 'store-error') {
      const isFull = event.error instanceof HeadwaterError && event.error.code === 'STORE_FULL';
      this.storeProblem = isFull ? undefined : event.error.message;
    }
    const condition = conditionOf(event, now);
    if (condition?.isOver) this.warnings.end(now, condition.code, condition.member);
    else if (condition) this.warnings.hint(now, condition);
  }

  /** The member as it stands; at the end of time, which is what a closed one is asked for, it hears nobody. */
  status(now: Micros, isDetailed = false): NodeStatus {
    return this.statusWith(this.options.endpoint.status(now, isDetailed), this.options.now());
  }

  private statusWith(standing: EndpointStatus, now: Micros): NodeStatus {
    const { endpoint, group, socket, maxStoredBytes } = this.options;
    return statusOf({
      now,
      wall: Date.now(),
      startedAt: this.startedAt,
      self: endpoint.self,
      group,
      maxStoredBytes,
      address: socket.address,
      socket: socket.status(),
      endpoint: standing,
      metrics: { ...endpoint.metrics, sendErrors: socket.sendErrors() },
      health: this.health,
      warnings: this.warnings.list(),
      isUnheard: (member) => this.warnings.isHeld('unheard', member),
      reachableSince: this.reachableSince,
      busySince: this.busySince,
      kernelDrops: this.drops ?? null,
    });
  }

  /** The same as metrics, in the text format of Prometheus. */
  metrics(now: Micros): string {
    this.health.onRebuilt(this.options.endpoint.takeRebuilds());
    return membersMetrics(this.status(now), this.health);
  }

  close(): void {
    clearInterval(this.timer);
  }

  private tick(): void {
    const now = this.options.now();
    const { group, maxDatagram, endpoint } = this.options;
    const standing = endpoint.status(now);
    this.health.take(now, this.counters(standing));
    this.health.watch(now, standing.streams);
    this.losses.take(standing.peers);
    this.health.onRebuilt(endpoint.takeRebuilds());
    if (this.ticks++ % DROPS_TICKS === 0) void this.readDrops();
    this.judgeOlderRuns(Date.now());
    for (const { member } of standing.peers)
      if (this.losses.isHeard(member)) this.warnings.end(Date.now(), 'unheard', member);
    const { lateSeconds, commitMs } = this.health.recent();
    const committingMs = this.committingSince === undefined ? 0 : (now - this.committingSince) / 1000;
    this.refused.push(this.options.socket.status().refused);
    if (this.refused.length > REFUSED_TICKS + 1) this.refused.shift();
    const lossTo = (member: Member) => this.losses.share(member);
    const measured = {
      refused: this.refused[this.refused.length - 1] - this.refused[0],
      storeProblem: this.storeProblem,
      lateSeconds,
      commitMs,
      committingMs,
      newKernelDrops: this.newDrops,
      maxDatagram,
      lossTo,
    };
    const conditions = conditionsOf(this.statusWith(standing, now), group, measured);
    // Of who does not hear us little comes, and in the end nothing but first messages.
    const isExplained = ({ code, member }: Condition) =>
      code === 'member-away' && this.warnings.isHeld('unheard', member);
    this.warnings.update(
      Date.now(),
      conditions.filter((each) => !isExplained(each)),
    );
  }

  /** Whose older runs are refused: whether the run that counts is alive shows after some seconds. */
  private judgeOlderRuns(now: number): void {
    for (const [member, { event, since }] of this.olderRuns) {
      const isHere = this.here.has(member);
      if (isHere && now - since < ALIVE_AFTER_MS) continue;
      const condition = olderRun(event, isHere);
      this.warnings.hint(now, condition);
      this.olderRuns.delete(member);
    }
  }

  private async readDrops(): Promise<void> {
    const drops = await kernelDrops(parseLocator(this.options.socket.address).port);
    this.newDrops = this.drops === undefined || drops === undefined ? 0 : Math.max(0, drops - this.drops);
    this.drops = drops;
  }

  private counters({ consumedMessages }: EndpointStatus): Counters {
    const { sentBytes, receivedBytes, drops } = this.options.endpoint.metrics;
    return {
      sentBytes,
      receivedBytes,
      deliveredMessages: consumedMessages,
      drops: { ...(drops as Record<string, number>) },
    };
  }
}

type OlderRun = Extract<NodeEvent, { type: 'older-run' }>;

const TICK_MS = 1000;
const REFUSED_TICKS = 10;
/** A member that has gone is told to have within some three seconds. */
const ALIVE_AFTER_MS = 6000;
/** Ticks between two looks at the kernel's table, which has a line for each socket of the machine. */
const DROPS_TICKS = 5;
