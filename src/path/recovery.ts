/**
 * The sending half of a path: numbers packets, learns from acknowledgements what arrived, finds losses by packet and time
 * threshold and probes when all is silent (RFC 9002), and says whether the next datagram may go. In: sends, acks, the
 * deadline. Out: a controller that is kept informed, `canSend`, `nextSend`, `nextTimeout`. A loss never causes a
 * retransmission; the caller sends the next fresh symbol instead.
 */
import { type Controller, MIN_WINDOW_PACKETS, type RateSample } from '../congestion/controller.js';
import { Pacer } from '../congestion/pacer.js';
import { rangesFault } from '../core/ranges.js';
import type { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../core/time.js';
import { ACK_SPAN, type Ack } from '../wire/frames/ack.js';
import { type AckPolicy, MAX_ACK_DELAY, MAX_ACK_PACKETS } from './ack.js';
import { Breaker, SILENT_PROBE_INTERVAL } from './breaker.js';
import type { PathMetrics, PathObserver } from './observer.js';
import { RateEstimator } from './rate.js';
import { INITIAL_RTT, Rtt } from './rtt.js';
import { Fate, FLAG_APP_LIMITED, FLAG_HOST_LIMITED, FLAG_QUIET, SentTable } from './sent.js';
import type { Trust } from './trust.js';

/** Whether a datagram may go now, and if not, what holds it back. */
export type SendMode = 'any' | 'pacing' | 'window';

/** Why an ack was refused; nothing of it has been used. */
export type AckFault = 'malformed' | 'never-sent' | 'skipped' | 'impossible-count';

export type AckOutcome =
  | { ok: true; sample: RateSample }
  /** It says nothing new. */
  | { ok: true; sample: undefined }
  | { ok: false; reason: AckFault; detail: string };

export interface RecoveryOptions {
  controller: Controller;
  /** Chooses the packet numbers that are skipped, to catch peers that acknowledge what they never received. */
  rng: Rng;
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
  private readonly rng: Rng;
  private readonly observer: PathObserver | undefined;
  private observedState = '';
  private readonly sent: SentTable;
  private readonly rate = new RateEstimator();
  private readonly pacer = new Pacer();
  private mtu: number;
  private largestAcked = -1;
  private packetThreshold = PACKET_THRESHOLD;
  private skipAt: number;
  private lossTime: Micros = NEVER;
  private timerBase: Micros = 0;
  private probeCount = 0;
  /** Probes that may be sent although the window is full. */
  private probes = 0;
  /** When the first RTT sample came: losses before it say nothing about persistence. */
  private firstSampleAt: Micros = NEVER;
  /** When the window was last full, and when the application last had nothing to send. */
  private windowUsedAt: Micros = -NEVER;
  private idleAt: Micros = -NEVER;
  /** The newest sample, bytes per second; 0 before the first. */
  deliveryRate = 0;
  /** Found lost since the last sample, by an ack or by the timer. */
  private newlyLost = { bytes: 0, packets: 0, quiet: 0 };

  constructor(options: RecoveryOptions) {
    this.controller = options.controller;
    this.breaker = new Breaker(options.trust);
    this.rng = options.rng;
    this.observer = options.observer;
    this.mtu = options.mtu ?? 1232;
    this.sent = new SentTable(options.capacity ?? CAPACITY, options.first);
    this.skipAt = this.drawSkip();
  }

  /** The number that the next `onSent` takes. */
  get nextNumber(): number {
    return this.sent.next;
  }

  /** Whether a full datagram may go now. Acks and other datagrams that elicit no ack need not ask. */
  canSend(now: Micros): SendMode {
    if (this.sent.isFull) return 'window';
    if (this.probes > 0) return 'any';
    if (this.inFlight + this.mtu > this.window()) {
      this.windowUsedAt = now;
      return 'window';
    }
    return this.nextSend(now) > now ? 'pacing' : 'any';
  }

  /** When the pacer allows the next datagram; `now` or earlier means at once. Meant for `canSend` 'pacing'. */
  nextSend(now: Micros): Micros {
    const time = this.pacer.nextSend(now, this.pacingRate());
    if (this.pacer.takeHostLimited()) this.rate.markHostLimited(this.inFlight);
    return time;
  }

  /** The application has nothing to send although `canSend` says 'any'. Being held back by pacing alone is not that. */
  onAppLimited(now: Micros): void {
    this.idleAt = now;
    this.rate.markAppLimited(this.inFlight);
  }

  /** Our host was too busy to send or to read acks in time. Late pacing wake-ups are noticed without this call. */
  onHostLimited(_now: Micros): void {
    this.rate.markHostLimited(this.inFlight);
  }

  /** Notes that a datagram was sent and returns its number, which `nextNumber` had named. */
  onSent(now: Micros, bytes: number, options: { ackEliciting?: boolean } = {}): number {
    const number = this.sent.next;
    this.stats.sentPackets++;
    if (!(options.ackEliciting ?? true)) {
      this.sent.push(now, bytes, Fate.Silent);
    } else {
      const index = this.sent.push(now, bytes, Fate.InFlight);
      this.sent.flags[index] = this.controller.quiet() ? FLAG_QUIET : 0;
      this.rate.onSent(now, this.sent, index, this.inFlight);
      this.inFlight += bytes;
      // The timer runs from the first unanswered packet: heartbeats that go on regardless must not put it off for ever.
      if (this.inFlight === bytes) {
        this.timerBase = now;
        this.breaker.onFirstSent(now);
      }
      if (this.probes > 0) this.probes--;
      this.pacer.onSent(now, bytes, this.pacingRate());
      this.controller.onSent(now, bytes, this.inFlight);
    }
    this.sent.advance();
    if (this.sent.next === this.skipAt) {
      this.sent.push(now, 0, Fate.Skipped);
      this.skipAt = this.drawSkip();
    }
    return number;
  }

  /** Uses an acknowledgement that came on this path, or says why it is refused. */
  onAckReceived(now: Micros, ack: Ack): AckOutcome {
    const fault = this.check(ack);
    if (fault !== undefined) {
      this.stats.rejectedAcks++;
      return fault;
    }
    const { sent, stats } = this;
    const largest = ack.ranges[0];
    const priorInFlight = this.inFlight;
    let acked = 0;
    let ackedPackets = 0;
    let quietAcked = 0;
    let spurious = 0;
    let newest = -1;
    const oldest = Math.max(sent.oldest, largest - ACK_SPAN);
    for (let i = 0; i < ack.ranges.length; i += 2) {
      for (let number = ack.ranges[i]; number >= Math.max(ack.ranges[i + 1], oldest); number--) {
        const index = sent.index(number);
        const fate = sent.fate[index];
        if (fate !== Fate.InFlight && fate !== Fate.Lost) continue;
        if (fate === Fate.Lost) {
          spurious++;
          this.packetThreshold = Math.min(
            MAX_PACKET_THRESHOLD,
            Math.max(this.packetThreshold, largest - number + 1),
          );
        } else {
          this.inFlight -= sent.size[index];
        }
        sent.fate[index] = Fate.Acked;
        acked += sent.size[index];
        ackedPackets++;
        if ((sent.flags[index] & FLAG_QUIET) !== 0) quietAcked++;
        if (number > newest) newest = number;
      }
    }
    const advanced = largest > this.largestAcked;
    this.largestAcked = Math.max(this.largestAcked, largest);
    if (newest < 0) return { ok: true, sample: undefined };
    stats.ackedPackets += ackedPackets;
    stats.spuriousPackets += spurious;

    const index = sent.index(newest);
    const rtt = advanced && newest === largest ? this.takeRtt(now, sent.sentAt[index], ack.delay) : undefined;
    this.rate.onAcked(now, acked);
    const rate = this.rate.sample(now, sent, index, this.rtt.min ?? 0);
    if (rate > 0) this.deliveryRate = rate;
    this.probeCount = 0;
    this.probes = 0;
    this.timerBase = now;
    this.detectLosses(now);
    const lost = this.newlyLost;
    this.newlyLost = { bytes: 0, packets: 0, quiet: 0 };
    const sample: RateSample = {
      acked,
      ackedPackets,
      lost: lost.bytes,
      lostPackets: lost.packets,
      quietAckedPackets: quietAcked,
      quietLostPackets: lost.quiet,
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
      sentAt: sent.sentAt[index],
      spuriousPackets: spurious,
      windowUsed:
        this.idleAt < sent.sentAt[index] || this.windowUsedAt >= sent.sentAt[index] - this.rtt.smoothed,
    };
    this.controller.onAck(now, sample);
    if (this.breaker.onFates(now, ackedPackets, lost.packets)) this.controller.onPersistentCongestion(now);
    if (this.observer) this.observe(now, this.observer);
    return { ok: true, sample };
  }

  /** The path as it is measured now. */
  metrics(): PathMetrics {
    const { rtt, stats } = this;
    return {
      latestRtt: rtt.latest,
      smoothedRtt: rtt.smoothed,
      rttVariation: rtt.variation,
      minRtt: rtt.min,
      bytesInFlight: this.inFlight,
      deliveryRate: this.deliveryRate,
      deliveredBytes: this.rate.delivered,
      sentPackets: stats.sentPackets,
      ackedPackets: stats.ackedPackets,
      lostPackets: stats.lostPackets,
      probeCount: this.probeCount,
      controller: this.controller.metrics(),
    };
  }

  /** Probes to be sent at once, whatever the window says: a symbol, or a PING where there is none. */
  get probesDue(): number {
    return this.probes;
  }

  /** When to call `handleTimeout`; NEVER if nothing is in flight. Pacing has its own deadline (`nextSend`). */
  nextTimeout(): Micros {
    if (this.inFlight === 0) return NEVER;
    if (this.lossTime !== NEVER) return this.lossTime;
    const backoff = 2 ** Math.min(this.probeCount, MAX_BACKOFF);
    const timeout = this.rtt.probeTimeout(this.ackPolicy().delay);
    if (this.breaker.cause === 'silence') return this.timerBase + Math.max(SILENT_PROBE_INTERVAL, timeout);
    return this.timerBase + Math.ceil(Math.min(Math.max(MAX_PROBE_TIMEOUT, 2 * timeout), timeout * backoff));
  }

  /** To be called at `nextTimeout`; a spurious call does nothing. */
  handleTimeout(now: Micros): void {
    if (now < this.nextTimeout()) return;
    if (this.lossTime !== NEVER) {
      this.detectLosses(now);
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

  /** How often the peer should acknowledge: at least four times a round trip, each eighth of a window. */
  ackPolicy(): AckPolicy {
    const packets = Math.floor(this.controller.window() / this.mtu / 8);
    return {
      packets: Math.max(2, Math.min(MAX_ACK_PACKETS, packets)),
      delay: Math.round(Math.max(MILLISECOND / 4, Math.min(this.rtt.smoothed / 4, MAX_ACK_DELAY))),
    };
  }

  setMtu(now: Micros, bytes: number): void {
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

  private check(ack: Ack): (AckOutcome & { ok: false }) | undefined {
    const fault = rangesFault(ack.ranges, Number.MAX_SAFE_INTEGER - 2);
    if (fault !== undefined) return { ok: false, reason: 'malformed', detail: fault };
    const largest = ack.ranges[0];
    if (largest >= this.sent.next)
      return { ok: false, reason: 'never-sent', detail: `${largest} of ${this.sent.next}` };
    if (!(ack.received >= 0 && ack.received <= largest + 1))
      return { ok: false, reason: 'impossible-count', detail: `${ack.received} of ${largest + 1}` };
    const oldest = Math.max(this.sent.oldest, largest - ACK_SPAN);
    for (let i = 0; i < ack.ranges.length; i += 2)
      for (let number = ack.ranges[i]; number >= Math.max(ack.ranges[i + 1], oldest); number--)
        if (this.sent.fate[this.sent.index(number)] === Fate.Skipped)
          return { ok: false, reason: 'skipped', detail: `${number} was skipped` };
    return undefined;
  }

  private takeRtt(now: Micros, sentAt: Micros, ackDelay: Micros): Micros | undefined {
    const sample = now - sentAt;
    // Neither a clock that was put back nor one that leapt has measured anything.
    if (!(sample > 0 && sample < MAX_RTT)) return undefined;
    const delay = Math.min(ackDelay, MAX_ACK_DELAY);
    this.rtt.onSample(sample, delay);
    if (this.firstSampleAt === NEVER) this.firstSampleAt = now;
    return sample >= (this.rtt.min ?? 0) + delay ? sample - delay : sample;
  }

  /** RFC 9002 section 6.1: a packet is lost once a later one is acked, by number or by time. */
  private detectLosses(now: Micros): void {
    const { sent } = this;
    const result = { bytes: 0, packets: 0, quiet: 0 };
    const lossDelay = this.rtt.lossDelay();
    const priorInFlight = this.inFlight;
    let ranges = 0;
    let previous = -2;
    let newestAt: Micros = 0;
    let runStart = NEVER;
    let runPackets = 0;
    let longestRun: Micros = 0;
    let longestPackets = 0;
    const { ackedPackets, lostPackets } = this.stats;
    this.lossTime = NEVER;
    for (let number = sent.head; number <= this.largestAcked; number++) {
      const index = sent.index(number);
      const fate = sent.fate[index];
      if (fate !== Fate.InFlight) {
        if (fate === Fate.Acked) runStart = NEVER;
        continue;
      }
      const deadline = sent.sentAt[index] + lossDelay;
      if (number > this.largestAcked - this.packetThreshold && deadline > now) {
        this.lossTime = Math.min(this.lossTime, Math.ceil(deadline));
        continue;
      }
      sent.fate[index] = Fate.Lost;
      this.inFlight -= sent.size[index];
      this.observer?.(now, {
        type: 'lost',
        number,
        bytes: sent.size[index],
        trigger: deadline > now ? 'packets' : 'time',
      });
      result.bytes += sent.size[index];
      result.packets++;
      if ((sent.flags[index] & FLAG_QUIET) !== 0) result.quiet++;
      if (previous !== number - 1) ranges++;
      previous = number;
      newestAt = sent.sentAt[index];
      if (sent.sentAt[index] > this.firstSampleAt) {
        if (runStart === NEVER) {
          runStart = sent.sentAt[index];
          runPackets = 0;
        }
        runPackets++;
        if (sent.sentAt[index] - runStart >= longestRun) {
          longestRun = sent.sentAt[index] - runStart;
          longestPackets = runPackets;
        }
      }
    }
    sent.advance();
    if (result.packets === 0) return;
    this.newlyLost.bytes += result.bytes;
    this.newlyLost.packets += result.packets;
    this.newlyLost.quiet += result.quiet;
    this.stats.lostPackets += result.packets;
    this.controller.onLost(now, {
      bytes: result.bytes,
      packets: result.packets,
      ranges,
      sentAt: newestAt,
      priorInFlight,
    });
    // Section 7.6.2: two ack-eliciting packets so far apart, and all between them, were lost.
    // By the loss that the path had until now, that must be more than chance.
    const chance = (lostPackets / Math.max(1, ackedPackets + lostPackets)) ** longestPackets;
    if (
      longestRun > PERSISTENT_THRESHOLD * this.rtt.probeTimeout(MAX_ACK_DELAY) &&
      chance < PERSISTENT_CHANCE
    ) {
      this.stats.persistentCongestion++;
      this.rtt.forgetMin();
      this.controller.onPersistentCongestion(now);
    }
  }

  private observe(now: Micros, observer: PathObserver): void {
    const metrics = this.metrics();
    const { state } = metrics.controller;
    if (state !== this.observedState) observer(now, { type: 'state', from: this.observedState, to: state });
    this.observedState = state;
    observer(now, { type: 'metrics', metrics });
  }

  private drawSkip(): number {
    return this.sent.next + this.rng.integer(SKIP_MIN, SKIP_MAX);
  }
}

/** RFC 9002 section 6.1.1. */
const PACKET_THRESHOLD = 3;
/** Reordering seen raises the packet threshold up to this; beyond, the time threshold decides (RFC 9002 section 6.1.2). */
const MAX_PACKET_THRESHOLD = 256;
/** RFC 9002 section 7.6.1, kPersistentCongestionThreshold. */
const PERSISTENT_THRESHOLD = 3;
const PERSISTENT_CHANCE = 1e-3;
const MAX_BACKOFF = 10;
/** No path is so long; one sample of an hour would slow a window-paced sender down for minutes. */
const MAX_RTT: Micros = 10 * SECOND;
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
