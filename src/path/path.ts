/**
 * One peer as this member sees it: recovery and congestion control of what we send, acknowledgement of what it sends,
 * datagram size, loss, and whether it is there. In: sends, opened datagrams, time. Out: what may go now, which frames are
 * due, and deadlines. Starts afresh when the peer has restarted or its address has changed.
 */
import type { ControllerFactory } from '../congestion/controller.js';
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { AckWish } from '../wire/datagram.js';
import type { Ack } from '../wire/frames/ack.js';
import type { Frame } from '../wire/frames.js';
import { DATAGRAM_SIZE, JUMBO_DATAGRAM, MAX_DATAGRAM } from '../wire/limits.js';
import { type AckPolicy, AckTracker, CONFIRM_ACK_DELAY, DEFAULT_POLICY } from './ack.js';
import { Liveness, type PathState } from './liveness.js';
import { MtuDiscovery } from './mtu.js';
import type { PathObserver } from './observer.js';
import { type AckOutcome, Recovery, type SendMode } from './recovery.js';
import { GRANULARITY, type Rtt } from './rtt.js';
import { Trust } from './trust.js';

export interface PathOptions {
  controller: ControllerFactory;
  rng: Rng;
  /** The largest datagram worth a try, bytes of UDP payload. */
  maxDatagram: number;
  observer?: PathObserver | undefined;
}

export class Path {
  recovery: Recovery;
  mtu: MtuDiscovery;
  /** Of the address in use. */
  liveness = new Liveness();
  /** Whether there is a session to send in. */
  isOpen = false;
  /** The member that forwards what goes to the peer; undefined: nobody. */
  via: number | undefined;
  /** Members that the peer says it does not reach itself. */
  lacking: ReadonlySet<number> = NOBODY;
  /** When the peer's last genuine datagram came. */
  heardAt: Micros = -NEVER;
  sentBytes = 0;
  sentDatagrams = 0;
  receivedDatagrams = 0;
  /** In what this peer acknowledges. */
  readonly trust = new Trust();
  private readonly options: PathOptions;
  private acks = new AckTracker();
  private smoothedLoss = 0;
  /** Datagrams that it rests on. */
  private fates = 0;
  private policySent: AckPolicy = NO_POLICY;
  private policySentAt: Micros = -NEVER;
  private readonly reports: number[] = [];
  /** The first number of the peer that came: those before it are not missed. */
  private firstHeard = 0;
  /** Probe timeouts until the latest ack, or until large datagrams were last suspected. */
  private timeoutsSeen = 0;
  /** Probe timeouts until the latest ack. */
  private answeredTimeouts = 0;
  /** Nothing was acknowledged for so long that large datagrams were suspected, nor has anything been since. */
  private isSilent = false;

  constructor(options: PathOptions) {
    this.options = options;
    this.recovery = this.newRecovery(0);
    this.mtu = new MtuDiscovery(options.maxDatagram);
  }

  get isForwarded(): boolean {
    return this.via !== undefined;
  }

  get rtt(): Rtt {
    return this.recovery.rtt;
  }

  /** The share of our datagrams to this peer that are lost, smoothed, in [0, 1]. */
  get loss(): number {
    return this.smoothedLoss;
  }

  /** Too little has been sent to know that share. */
  get isUntried(): boolean {
    return this.fates < LOSS_PRIOR;
  }

  /** Probe timeouts since the last acknowledgement. */
  get unanswered(): number {
    return this.recovery.stats.probeTimeouts - this.answeredTimeouts;
  }

  /** The share of the peer's datagrams to us that are lost, since it or its path began. */
  get inboundLoss(): number {
    const { received, largest } = this.acks;
    return largest < 0 ? 0 : Math.max(0, 1 - received / (largest - this.firstHeard + 1));
  }

  isReachable(now: Micros): boolean {
    return now - this.heardAt < UNREACHABLE_AFTER;
  }

  /** Not heard from for long, though it was waited for since `since`. */
  isGone(now: Micros, since: Micros): boolean {
    return now - Math.max(since, this.heardAt) >= UNREACHABLE_AFTER;
  }

  /** Heard from lately: less certain than reachable, but known much sooner. */
  isResponsive(now: Micros): boolean {
    return now - this.heardAt < UNRESPONSIVE_AFTER + 2 * this.rtt.smoothed;
  }

  /** Whether symbols may go to it, and be asked of it: elsewhere each would take several links that others need as well. */
  isNear(now: Micros): boolean {
    return !this.isForwarded && this.isResponsive(now);
  }

  /** The peer lost its state: its numbers, and what it knew of ours, count from now on. */
  restart(next: number): void {
    this.acks = new AckTracker();
    this.firstHeard = 0;
    this.reports.length = 0;
    this.move(next);
  }

  /**
   * The peer is elsewhere: what was learned of the way there is void.
   *
   * @param rtt of the way there now, if something else has measured it
   */
  move(next: number, rtt?: Micros): void {
    this.recovery = this.newRecovery(Math.max(next, this.recovery.nextNumber));
    if (rtt) this.rtt.onSample(rtt);
    this.liveness = new Liveness(this.liveness);
    // Who forwards it takes no more.
    this.mtu = new MtuDiscovery(this.isForwarded ? DATAGRAM_SIZE : this.options.maxDatagram);
    this.smoothedLoss = 0;
    this.fates = 0;
    this.timeoutsSeen = 0;
    this.answeredTimeouts = 0;
    this.isSilent = false;
    this.policySent = NO_POLICY;
  }

  /** What silence on this path is to be judged by. */
  state(): PathState {
    const { smoothed, variation } = this.rtt;
    // Tighter than a probe timeout: no single miss decides anything.
    const answer = Math.max(
      MIN_SILENCE,
      Math.ceil(smoothed + Math.max(2 * variation, smoothed / 8, GRANULARITY)),
    );
    return {
      ackTimeout: answer + this.recovery.ackPolicy().delay,
      answerTimeout: answer,
      loss: this.smoothedLoss,
    };
  }

  /** Asks whether a datagram with a symbol may go now; see `Recovery.askToSend`. */
  askToSend(now: Micros): SendMode {
    return this.isOpen ? this.recovery.askToSend(now) : 'window';
  }

  /**
   * @param hasAsked `askToSend` has let it go
   * @returns the packet number to seal it with
   */
  onSent(now: Micros, bytes: number, wish: AckWish, hasAsked = true): number {
    this.sentBytes += bytes;
    this.sentDatagrams++;
    if (wish !== 'none') {
      const policy = this.policySent.packets > 0 ? this.policySent : DEFAULT_POLICY;
      this.liveness.onSent(now, policy, wish === 'some-time' ? CONFIRM_ACK_DELAY : 0);
    }
    return this.recovery.onSent(now, bytes, wish, hasAsked);
  }

  /**
   * False for a number that was seen before.
   *
   * @param receivedAt when it came to this host: the delay of its acknowledgement counts from then
   */
  onReceived(now: Micros, number: number, wish: AckWish, receivedAt: Micros = now): boolean {
    if (this.acks.largest < 0) this.firstHeard = number;
    if (!this.acks.onReceived(receivedAt, number, wish)) return false;
    this.heardAt = now;
    this.receivedDatagrams++;
    this.recovery.ackLoss = this.inboundLoss;
    return true;
  }

  /** @param receivedAt when it came to this host */
  onAck(now: Micros, ack: Ack, receivedAt: Micros = now): AckOutcome {
    const outcome = this.recovery.onAckReceived(now, ack, receivedAt);
    if (!outcome.ok && this.trust.onLie(now)) this.distrust(now);
    if (outcome.ok && outcome.sample) {
      this.timeoutsSeen = this.recovery.stats.probeTimeouts;
      this.answeredTimeouts = this.timeoutsSeen;
      if (this.isSilent) this.mtu.onBack(now);
      this.isSilent = false;
      this.liveness.onAlive(now, outcome.sample.sentAt, 'ack', this.state());
      const { ackedPackets, lostPackets } = outcome.sample;
      const total = ackedPackets + lostPackets;
      this.fates += total;
      // Of the first hundreds each counts the same, beside some that arrived.
      const weight = Math.min(1, Math.max(total / LOSS_WINDOW, total / (this.fates + LOSS_PRIOR)));
      this.smoothedLoss += weight * (lostPackets / total - this.smoothedLoss);
      if (this.recovery.large.areLost(this.smoothedLoss)) this.onBlackHole(now);
      if (this.mtu.asksForSpeed) this.judgeSpeed(now);
    }
    return outcome;
  }

  onPolicy(policy: AckPolicy): void {
    this.acks.setPolicy(policy);
  }

  /** The peer's probe of this size arrived: it will be told. */
  onMtuProbe(size: number): void {
    if (this.reports.length < MAX_REPORTS) this.reports.push(size);
  }

  onMtuReport(now: Micros, size: number): void {
    this.mtu.onReport(now, size);
    this.recovery.setMtu(now, this.mtu.size);
  }

  /** When frames of the path itself are due: an ack, a probe that a timer asked for, a report. */
  nextFrames(): Micros {
    if (!this.isOpen) return NEVER;
    if (this.recovery.probesDue > 0 || this.reports.length > 0) return -NEVER;
    return this.acks.nextAck();
  }

  /** Those frames; to be sent now. */
  takeFrames(now: Micros): Frame[] {
    const frames: Frame[] = [];
    const ack = this.acks.hasNews ? this.acks.take(now) : undefined;
    if (ack) frames.push({ kind: 'ack', ack });
    for (const size of this.reports.splice(0)) frames.push({ kind: 'mtu-report', size });
    return frames;
  }

  /** Our wish how often to be acknowledged, if it has changed enough to be told again. */
  takePolicy(now: Micros): Frame | undefined {
    const policy = this.recovery.ackPolicy();
    const { packets, delay } = this.policySent;
    const changed =
      Math.abs(policy.packets - packets) * 4 > packets || Math.abs(policy.delay - delay) * 4 > delay;
    const age = now - this.policySentAt;
    // Repeated now and then, since it may have been lost.
    if (!(changed && age >= this.rtt.smoothed) && age < POLICY_REPEAT) return undefined;
    this.policySent = policy;
    this.policySentAt = now;
    return { kind: 'ack-policy', ...policy };
  }

  nextTimeout(): Micros {
    return this.isOpen ? Math.min(this.recovery.nextTimeout(), this.mtu.nextProbe()) : NEVER;
  }

  handleTimeout(now: Micros): void {
    if (!this.isOpen) return;
    const { stats } = this.recovery;
    const probes = stats.probeTimeouts;
    this.recovery.handleTimeout(now);
    if (stats.probeTimeouts > probes && stats.probeTimeouts - this.timeoutsSeen >= BLACK_HOLE_TIMEOUTS) {
      this.timeoutsSeen = stats.probeTimeouts;
      this.isSilent = true;
      this.onBlackHole(now);
    }
  }

  /** Large datagrams do not arrive any more. */
  private onBlackHole(now: Micros): void {
    this.mtu.onBlackHole(now);
    this.recovery.setMtu(now, this.mtu.size);
  }

  /** Once a path was fast only loss makes it slow: the rate may be what the application asks for. */
  private judgeSpeed(now: Micros): void {
    const { mtu, recovery } = this;
    const { size } = mtu;
    const isLarge = size > JUMBO_DATAGRAM;
    const isFast = isLarge || recovery.deliveryRate * MAX_PASSAGE >= MAX_DATAGRAM * SECOND;
    mtu.setFast(now, isFast && this.smoothedLoss < (isLarge ? MAX_LARGE_LOSS : MAX_LARGE_LOSS / 20));
    if (mtu.size !== size) recovery.setMtu(now, mtu.size);
  }

  /** All that was learned from its acknowledgements may be a lie: begins anew, from the smallest window. */
  private distrust(now: Micros): void {
    this.move(this.recovery.nextNumber);
    this.recovery.controller.onPersistentCongestion(now);
  }

  private newRecovery(first: number): Recovery {
    const { controller, rng, observer } = this.options;
    return new Recovery({
      controller: controller(DATAGRAM_SIZE, rng.uint32()),
      rng: rng.fork('recovery'),
      first,
      capacity: MAX_IN_FLIGHT,
      trust: this.trust,
      observer,
    });
  }
}

const NOBODY: ReadonlySet<number> = new Set();
const NO_POLICY: AckPolicy = { packets: 0, delay: 0 };
/** A process that is kept from running for so long is not gone. */
const MIN_SILENCE: Micros = 10 * MILLISECOND;
export const HEARTBEAT: Micros = 300 * MILLISECOND;
/** Ten heartbeats: at 50 % loss the chance to miss all of them is 0.1 %. */
const UNREACHABLE_AFTER: Micros = 10 * HEARTBEAT;
const UNRESPONSIVE_AFTER: Micros = 1.5 * HEARTBEAT;
/** Datagrams over which the loss estimate is smoothed. */
const LOSS_WINDOW = 256;
const LOSS_PRIOR = 32;
/** Datagrams in flight on one path: 20 MB of the default size, half a megabyte of memory. */
const MAX_IN_FLIGHT = 1 << 14;
const MAX_REPORTS = 4;
/** A datagram of the largest size is worth it where it takes no longer than this, and no more of them than that are lost. */
const MAX_PASSAGE: Micros = MILLISECOND;
const MAX_LARGE_LOSS = 0.2;
const POLICY_REPEAT: Micros = 1000 * MILLISECOND;
/** Probe timeouts without an ack between them after which large datagrams are suspected. */
const BLACK_HOLE_TIMEOUTS = 6;
