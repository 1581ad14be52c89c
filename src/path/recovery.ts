/**
 * The sending half of a path: numbers packets, learns from acknowledgements what arrived (`takeAcked`) and what is lost
 * (`LossDetector`), probes when all is silent (RFC 9002), and says whether the next datagram may go. In: sends, acks, the
 * deadline. Out: a controller that is kept informed, `askToSend`, `nextSend`, `nextTimeout`. A loss never causes a
 * retransmission; the caller sends the next fresh symbol instead.
 */
import { type Controller, MIN_WINDOW_PACKETS, type RateSample } from '../congestion/controller.js';
import { Pacer } from '../congestion/pacer.js';
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import type { AckWish } from '../wire/datagram.js';
import type { Ack } from '../wire/frames/ack.js';
import { DATAGRAM_SIZE } from '../wire/limits.js';
import { type AckPolicy, CONFIRM_ACK_DELAY, MAX_ACK_DELAY, policyFor } from './ack.js';
import { checkAck, type NewlyAcked, type Refused, takeAcked } from './acked.js';
import { Breaker, SILENT_PROBE_INTERVAL } from './breaker.js';
import { type FoundLosses, LargeDatagrams, LossDetector } from './losses.js';
import { metricsOf, type PathMetrics, type PathObserver } from './observer.js';
import { RateEstimator } from './rate.js';
import { INITIAL_RTT, Rtt } from './rtt.js';
import {
  Fate,
  FLAG_APP_LIMITED,
  FLAG_ASKED,
  FLAG_HOST_LIMITED,
  FLAG_HURRIED,
  FLAG_QUIET,
  SentTable,
} from './sent.js';
import type { Trust } from './trust.js';

/** Whether a datagram may go now, and if not, what holds it back. */
export type SendMode = 'any' | 'pacing' | 'window';

export type AckOutcome =
  | { ok: true; sample: RateSample }
  /** It says nothing new. */
  | { ok: true; sample: undefined }
  | Refused;

export interface RecoveryOptions {
  controller: Controller;
  /** Chooses the packet numbers that are skipped, to catch peers that acknowledge what they never received. */
  rng: Rng;
  /** The number after `next`, at least one above it, that is skipped in place of one that `rng` draws: where several count the same packets. */
  skipAfter?: (next: number) => number;
  /** The first packet number; default 0. */
  first?: number;
  /** Most packets in flight; a power of two. */
  capacity?: number;
  /** Most bytes of a datagram. */
  mtu?: number;
  /** In what the peer acknowledges; shared by all paths to it. */
  trust?: Trust;
  /** Is told of measurements, losses and states; nothing is made for it where there is none. */
  observer?: PathObserver | undefined;
}

export interface RecoveryStats {
  sentPackets: number;
  ackedPackets: number;
  lostPackets: number;
  spuriousPackets: number;
  probeTimeouts: number;
  rejectedAcks: number;
  persistentCongestion: number;
}

export class Recovery {
  readonly rtt = new Rtt();
  readonly breaker: Breaker;
  readonly stats: RecoveryStats = {
    sentPackets: 0,
    ackedPackets: 0,
    lostPackets: 0,
    spuriousPackets: 0,
    probeTimeouts: 0,
    rejectedAcks: 0,
    persistentCongestion: 0,
  };
  readonly controller: Controller;
  /** Bytes in flight. */
  inFlight = 0;
  /** The newest sample, bytes per second; 0 before the first. */
  deliveryRate = 0;
  /** The share of acknowledgements that are lost on their way to us. */
  ackLoss = 0;
  private readonly skipAfter: (next: number) => number;
  private readonly observer: PathObserver | undefined;
  private observedState = '';
  private readonly sent: SentTable;
  private readonly rate = new RateEstimator();
  private readonly pacer = new Pacer();
  private mtu: number;
  private readonly losses: LossDetector;
  private skipAt: number;
  private timerBase: Micros = 0;
  /** No timer comes before. */
  private graceUntil: Micros = -NEVER;
  private probeCount = 0;
  /** Probes that may be sent although the window is full. */
  private probes = 0;
  /** When the window was last full, and when the application last had nothing to send. */
  private windowUsedAt: Micros = -NEVER;
  private idleAt: Micros = -NEVER;
  /** Found lost since the last sample, by an ack or by the timer. */
  private newlyLost = noLosses();
  /** What becomes of datagrams larger than what every path carries. */
  readonly large = new LargeDatagrams();

  constructor(options: RecoveryOptions) {
    this.controller = options.controller;
    this.breaker = new Breaker(options.trust);
    this.skipAfter = options.skipAfter ?? ((next) => next + options.rng.integer(SKIP_MIN, SKIP_MAX));
    this.observer = options.observer;
    this.mtu = options.mtu ?? DATAGRAM_SIZE;
    this.sent = new SentTable(options.capacity ?? CAPACITY, options.first);
    this.losses = new LossDetector(this.sent, this.rtt, options.observer);
    this.skipAt = this.skipAfter(this.sent.next);
  }

  /** The number that the next `onSent` takes. */
  get nextNumber(): number {
    return this.sent.next;
  }

  /** Whether no more can be in flight. */
  get isFull(): boolean {
    return this.sent.isFull;
  }

  /** What became of a packet. */
  fateOf(number: number): Fate {
    return this.sent.fateOf(number);
  }

  /**
   * Asks whether a full datagram may go now; what holds it back is noted, for the controller is told of it. Acks and other
   * datagrams that elicit no ack need not ask.
   */
  askToSend(now: Micros): SendMode {
    if (this.isFull) return 'window';
    if (this.probes > 0) return 'any';
    if (!hasRoom(this.inFlight, this.sent.asked, this.mtu, this.window())) {
      this.windowUsedAt = now;
      return 'window';
    }
    const next = this.nextSend(now);
    if (this.pacer.takeHostLimited()) this.rate.markHostLimited(this.inFlight);
    return next > now ? 'pacing' : 'any';
  }

  /** When the pacer allows the next datagram; `now` or earlier means at once. Meant for `askToSend` 'pacing'. */
  nextSend(now: Micros): Micros {
    return this.pacer.nextSend(now, this.pacingRate());
  }

  /** The application has nothing to send although `askToSend` says 'any'. Being held back by pacing alone is not that. */
  onAppLimited(now: Micros): void {
    this.idleAt = now;
    this.rate.markAppLimited(this.inFlight);
  }

  /** Our host was too busy to send or to read acks in time: a timer that is due waits a little, once, as its answer may have come. */
  onHostLimited(now: Micros): void {
    this.rate.markHostLimited(this.inFlight);
    if (this.deadline() <= now && this.graceUntil < this.deadline()) this.graceUntil = now + LATE_GRACE;
  }

  /**
   * Notes that a datagram was sent and returns its number, which `nextNumber` had named.
   *
   * @param hasAsked `askToSend` has let it go
   */
  onSent(now: Micros, bytes: number, wish: AckWish = 'soon', hasAsked = true): number {
    const number = this.sent.next;
    this.stats.sentPackets++;
    if (wish === 'none') this.sent.push(now, bytes, Fate.Silent);
    else {
      const index = this.sent.push(now, bytes, Fate.InFlight);
      const isHurried = wish !== 'some-time';
      // The timer runs from the first unanswered packet: heartbeats that go on regardless must not put it off for ever.
      if (this.inFlight === 0) this.breaker.onFirstSent(now);
      if (this.inFlight === 0 || (isHurried && this.sent.hurried === 0)) this.timerBase = now;
      const quiet = this.controller.quiet() ? FLAG_QUIET : 0;
      this.sent.mark(index, quiet | (isHurried ? FLAG_HURRIED : 0) | (hasAsked ? FLAG_ASKED : 0));
      this.rate.onSent(now, this.sent, index, this.inFlight);
      this.inFlight += bytes;
      if (this.probes > 0) this.probes--;
      this.pacer.onSent(now, bytes, this.pacingRate(), hasAsked);
      this.controller.onSent(now, bytes, this.inFlight);
    }
    this.sent.advance();
    if (this.sent.next === this.skipAt) {
      this.sent.push(now, 0, Fate.Skipped);
      this.skipAt = this.skipAfter(this.sent.next);
    }
    return number;
  }

  /** Uses an acknowledgement, or says why it is refused. It measures by `receivedAt`, when it came to this host, not to us. */
  onAckReceived(now: Micros, ack: Ack, receivedAt: Micros = now): AckOutcome {
    const fault = checkAck(this.sent, ack);
    if (fault !== undefined) {
      this.stats.rejectedAcks++;
      return fault;
    }
    const priorInFlight = this.inFlight;
    const acked = takeAcked(this.sent, ack);
    this.inFlight -= acked.fromFlight;
    if (acked.spurious > 0) this.losses.onReordered(acked.reordering);
    const largest = ack.ranges[0];
    const hasAdvanced = this.losses.onAcked(largest);
    if (acked.newest < 0) return { ok: true, sample: undefined };
    this.stats.ackedPackets += acked.packets;
    this.stats.spuriousPackets += acked.spurious;
    const sentAt = this.sent.sentAt[this.sent.index(acked.newest)];
    const isMeasured = hasAdvanced && acked.newest === largest;
    const rtt = isMeasured
      ? this.rtt.measure(receivedAt, sentAt, Math.min(ack.delay, MAX_ACK_DELAY))
      : undefined;
    this.probeCount = 0;
    this.probes = 0;
    this.timerBase = now;
    this.large.onAcked(acked);
    const sample = this.sample(now, receivedAt, acked, priorInFlight, rtt);
    this.controller.onAck(now, sample);
    if (this.breaker.onFates(now, acked.packets, sample.lostPackets))
      this.controller.onPersistentCongestion(now);
    if (this.observer) this.observe(now, this.observer);
    return { ok: true, sample };
  }

  /** The path as it is measured now. */
  metrics(): PathMetrics {
    return metricsOf(this, { deliveredBytes: this.rate.delivered, probeCount: this.probeCount });
  }

  /** Probes to be sent at once, whatever the window says: a symbol, or a PING where there is none. */
  get probesDue(): number {
    return this.probes;
  }

  /** When to call `handleTimeout`; NEVER if nothing is in flight. Pacing has its own deadline (`nextSend`). */
  nextTimeout(): Micros {
    return Math.max(this.deadline(), this.graceUntil);
  }

  private deadline(): Micros {
    if (this.inFlight === 0) return NEVER;
    if (this.losses.dueAt !== NEVER) return this.losses.dueAt;
    const backoff = 2 ** Math.min(this.probeCount, MAX_BACKOFF);
    const { delay } = this.ackPolicy();
    const timeout = this.rtt.probeTimeout(this.sent.hurried > 0 ? delay : Math.max(delay, CONFIRM_ACK_DELAY));
    if (this.breaker.cause === 'silence') return this.timerBase + Math.max(SILENT_PROBE_INTERVAL, timeout);
    return this.timerBase + Math.ceil(Math.min(Math.max(MAX_PROBE_TIMEOUT, 2 * timeout), timeout * backoff));
  }

  /** To be called at `nextTimeout`; a spurious call does nothing. */
  handleTimeout(now: Micros): void {
    if (now < this.nextTimeout()) return;
    if (this.losses.dueAt !== NEVER) {
      this.findLosses(now);
      if (this.observer) this.observe(now, this.observer);
      return;
    }
    this.stats.probeTimeouts++;
    this.probeCount++;
    this.breaker.onProbeTimeout(now, this.probeCount);
    // RFC 9002 section 6.2.4: one or two probes, beyond the window. Each is a fresh symbol.
    this.probes = this.breaker.cause === 'silence' ? 1 : 2;
    this.timerBase = now;
  }

  /** How often the peer should acknowledge. */
  ackPolicy(): AckPolicy {
    return policyFor(this.controller.window() / this.mtu, this.rtt.smoothed, this.ackLoss);
  }

  setMtu(now: Micros, bytes: number): void {
    this.large.forget();
    this.mtu = bytes;
    this.controller.onMtu(now, bytes);
  }

  private window(): number {
    if (this.breaker.cause === 'silence') return 0;
    const window = this.controller.window();
    return this.breaker.cause === undefined ? window : Math.min(window, MIN_WINDOW_PACKETS * this.mtu);
  }

  /** Whose acknowledgements are not believed says nothing of the round trip either: it counts as if nothing were known. */
  private pacingRate(): number {
    const rate = this.controller.pacingRate();
    const trickle = (MIN_WINDOW_PACKETS * this.mtu * SECOND) / INITIAL_RTT;
    return this.breaker.cause === 'lies' ? Math.min(rate, trickle) : rate;
  }

  /** What this ack tells the controller, with all that it shows to be lost. */
  private sample(
    now: Micros,
    receivedAt: Micros,
    acked: NewlyAcked,
    priorInFlight: number,
    rtt: Micros | undefined,
  ): RateSample {
    const { sent } = this;
    const index = sent.index(acked.newest);
    const sentAt = sent.sentAt[index];
    this.rate.onAcked(receivedAt, acked.bytes);
    const rate = this.rate.sample(receivedAt, sent, index, this.rtt.min ?? 0);
    if (rate > 0) this.deliveryRate = rate;
    this.findLosses(now);
    const lost = this.newlyLost;
    this.newlyLost = noLosses();
    return {
      acked: acked.bytes,
      ackedPackets: acked.packets,
      lost: lost.bytes,
      lostPackets: lost.packets,
      quietAckedPackets: acked.quiet,
      quietLostPackets: lost.quiet,
      quietLostSince: lost.quietSince,
      rate,
      appLimited: (sent.flags[index] & FLAG_APP_LIMITED) !== 0,
      hostLimited: (sent.flags[index] & FLAG_HOST_LIMITED) !== 0,
      rtt,
      smoothedRtt: this.rtt.smoothed,
      minRtt: this.rtt.min ?? this.rtt.smoothed,
      priorInFlight,
      inFlight: this.inFlight,
      delivered: this.rate.delivered,
      priorDelivered: sent.delivered[index],
      sentAt,
      spuriousPackets: acked.spurious,
      windowUsed: this.idleAt < sentAt || this.windowUsedAt >= sentAt - this.rtt.smoothed,
    };
  }

  private findLosses(now: Micros): void {
    const { stats, controller, newlyLost } = this;
    const found = this.losses.detect(now, this.inFlight);
    if (!found) return;
    const usualShare = stats.lostPackets / Math.max(1, stats.ackedPackets + stats.lostPackets);
    this.inFlight -= found.bytes;
    addLosses(newlyLost, found);
    this.large.onLost(found.large);
    stats.lostPackets += found.packets;
    controller.onLost(now, found);
    if (!this.losses.isPersistent(found, usualShare)) return;
    stats.persistentCongestion++;
    this.rtt.forgetMin();
    controller.onPersistentCongestion(now);
  }

  private observe(now: Micros, observer: PathObserver): void {
    const metrics = this.metrics();
    const { state } = metrics.controller;
    if (state !== this.observedState) observer(now, { type: 'state', from: this.observedState, to: state });
    this.observedState = state;
    observer(now, { type: 'metrics', metrics });
  }
}

/**
 * Whether the window takes one more datagram. What goes without asking may fill it all: on a path of seconds heartbeats do. The
 * smallest window is left for what asks.
 */
function hasRoom(inFlight: number, asked: number, mtu: number, window: number): boolean {
  return inFlight + mtu <= window || asked + mtu <= Math.min(window, MIN_WINDOW_PACKETS * mtu);
}

type Losses = Pick<FoundLosses, 'bytes' | 'packets' | 'quiet' | 'quietSince'>;

function noLosses(): Losses {
  return { bytes: 0, packets: 0, quiet: 0, quietSince: Number.POSITIVE_INFINITY };
}

function addLosses(sum: Losses, found: Losses): void {
  sum.bytes += found.bytes;
  sum.packets += found.packets;
  sum.quiet += found.quiet;
  sum.quietSince = Math.min(sum.quietSince, found.quietSince);
}

/** Some turns of a process that has just been kept from running. */
const LATE_GRACE: Micros = 5 * MILLISECOND;
const MAX_BACKOFF = 10;
/** Two datagrams each 100 ms: members exchange heartbeats every 300 ms anyway, and soon call a silent peer unreachable. */
const MAX_PROBE_TIMEOUT: Micros = 100 * MILLISECOND;
/** 1 Gbit/s over 300 ms is 31,000 datagrams; twice that, and what is under way when a loss is found. */
const CAPACITY = 1 << 17;
/**
 * RFC 9000 section 21.4: skip numbers at random to catch optimistic acks. Who acknowledges a share p of what it never got is
 * caught after 540 / p datagrams on average: 700 kB if it is all of them. A gap costs an ack two bytes.
 */
const SKIP_MIN = 64;
const SKIP_MAX = 1024;
