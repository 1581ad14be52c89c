/**
 * Model-based control after the BBR draft (draft-ietf-ccwg-bbr-06), with a loss floor. In: acks and losses. Out: a pacing
 * rate and a window from a model of the path: the most it delivered lately, its smallest round-trip time, the loss it has
 * by itself. Three things differ from the draft, each for a number in the suite:
 * - rates and windows are divided by (1 - floor), or random loss above 20 % eats the probing gain;
 * - outside of probing the window is one BDP and a few datagrams, not two BDP, and the base RTT is not forgotten after
 *   10 s, so that flows of this kind share a short queue;
 * - against flows that keep the queue full whatever we do, it competes: it then follows CUBIC's curve and answers
 *   congestive loss only, and tests every few seconds whether the queue drains when it steps back.
 */
import { Rng } from '../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../core/time.js';
import {
  type Controller,
  type ControllerMetrics,
  initialWindow,
  type LossEvent,
  type RateSample,
} from './controller.js';
import { CubicCurve } from './cubic-curve.js';
import { LossFloor } from './loss-floor.js';

type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt' | 'compete';

export class Bbr implements Controller {
  state: State = 'startup';
  readonly floor = new LossFloor();
  private mtu: number;
  private readonly rng: Rng;
  private cwnd: number;
  private rate = Number.POSITIVE_INFINITY;
  /** Most delivered, bytes per second, in this probing cycle and the one before. */
  private readonly peaks = [0, 0];
  /** Smallest RTT; forgotten if it has not been met again for `BASE_WINDOW`. */
  private minRtt: Micros = Number.POSITIVE_INFINITY;
  private minRttAt: Micros = 0;
  /** Smallest RTT of the whole life of the path: the floor is learned near this one only. */
  private baseRtt: Micros = Number.POSITIVE_INFINITY;
  /** Smallest RTT that the tests since then have met. */
  private candidate: Micros = Number.POSITIVE_INFINITY;
  private smoothedRtt: Micros = 0;
  /** Largest RTT of this cycle and the one before: how far the queue goes. */
  private readonly maxRtts = [0, 0];
  /** How far the queue has moved the RTT in the last few hundred rounds. */
  private moved: Micros = 0;
  /** Smallest RTT of this cycle and the one before. */
  private readonly cycleMinRtts = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  private cycles = 0;
  /** The latest cycle found a crowd; a test will tell whether it stays when we step back. */
  private suspicious = false;
  private testedAt: Micros = 0;
  private testEnd: Micros | undefined;
  private testMin: Micros = Number.POSITIVE_INFINITY;
  private beforeTest: State = 'refill';
  private roundEnd = 0;
  private round = emptyRound(0);
  private before = emptyRound(0);
  /** Loss of the round before, if no queue stood then. */
  private lastLoss = 0;
  private rounds = 0;
  private stateRound = 0;
  private fullBandwidth = 0;
  private flatRounds = 0;
  private startupEnd = 0;
  private cruiseRounds = 0;
  private upBase = 0;
  /** The ceiling held the latest round of probing back, and there was no sign of a queue. */
  private free = false;
  /** Most delivered in about the last hundred rounds. */
  private capacity = 0;
  private inflightHigh = Number.POSITIVE_INFINITY;
  /** Window after congestive losses, along CUBIC's curve; Infinity while there were none. */
  private ceiling = Number.POSITIVE_INFINITY;
  private readonly curve = new CubicCurve();
  private cutAt: Micros = -1;
  /** Between the start of competing and the first loss: as a newcomer, it looks for the end of the buffer. */
  private claiming = false;
  private extraEpoch: Micros = 0;
  private extraAcked = 0;
  private readonly extras = [0, 0];

  constructor(mtu: number, seed: number | string = 'bbr') {
    this.mtu = mtu;
    this.rng = new Rng(seed);
    this.cwnd = initialWindow(mtu);
  }

  onSent(): void {}

  onLost(_now: Micros, loss: LossEvent): void {
    this.round.lost += loss.packets;
    this.round.losses += loss.ranges;
  }

  onAck(now: Micros, sample: RateSample): void {
    const roundStart = sample.priorDelivered >= this.roundEnd;
    this.smoothedRtt = sample.smoothedRtt;
    this.round.acked += sample.ackedPackets;
    this.round.inFlight = Math.max(this.round.inFlight, sample.priorInFlight);
    this.noteRtt(now, sample);
    this.noteFloor(sample);
    this.noteRate(sample);
    this.noteExtra(now, sample);
    if (this.claiming && this.state === 'compete') this.ceiling += CLAIM_GROWTH * sample.acked;
    else if (Number.isFinite(this.ceiling) && sample.windowUsed)
      this.ceiling = this.curve.grow(now, this.ceiling, sample.acked, sample.smoothedRtt, this.mtu);
    if (roundStart) this.endRound(now, sample);
    this.step(now, sample, roundStart);
    this.control(sample);
  }

  onPersistentCongestion(): void {
    // The model stays, to be tried again from the smallest window; what is no longer true of it expires within two cycles.
    this.cwnd = 2 * this.mtu;
    this.minRttAt = Number.NEGATIVE_INFINITY;
  }

  onMtu(_now: Micros, bytes: number): void {
    this.mtu = bytes;
    this.cwnd = Math.max(this.cwnd, MIN_PACKETS * bytes);
  }

  window(): number {
    return this.cwnd;
  }

  pacingRate(): number {
    return this.rate;
  }

  quiet(): boolean {
    return this.state === 'down' || this.state === 'drain' || this.state === 'probe-rtt';
  }

  metrics(): ControllerMetrics {
    return {
      name: 'bbr',
      state: this.state,
      window: this.cwnd,
      pacingRate: this.rate,
      bandwidth: this.bandwidth(),
      lossFloor: this.floor.floor,
      slowStartThreshold: this.ceiling,
    };
  }

  private bandwidth(): number {
    return Math.max(this.peaks[0], this.peaks[1]);
  }

  /** Bytes in flight, those that will be lost included, that keep the path busy without a queue. */
  private bdp(): number {
    if (!Number.isFinite(this.minRtt)) return initialWindow(this.mtu);
    const noise = Math.min(NOISE_SHARE * (this.quietRtt() - this.minRtt), NOISE_LIMIT * this.minRtt);
    return (this.bandwidth() * (this.minRtt + noise)) / SECOND / (1 - this.floor.floor);
  }

  /**
   * RTT without a queue of ours: the smallest of two cycles, each of which lets the queue run empty once. What it exceeds
   * the smallest ever by is jitter, which a dense stream always meets, or the queue of others; the latter only where the
   * path itself loses too little to keep loss-based flows out of the queue, so there it counts for nothing.
   */
  private quietRtt(): Micros {
    const rtt = Math.min(this.cycleMinRtts[0], this.cycleMinRtts[1]);
    return this.floor.floor >= NOISE_FLOOR && Number.isFinite(rtt) ? Math.max(this.minRtt, rtt) : this.minRtt;
  }

  /** How far the queue has moved the RTT lately. */
  private span(): Micros {
    return Math.max(0, this.maxRtt() - this.baseRtt);
  }

  private maxRtt(): Micros {
    return Math.max(this.maxRtts[0], this.maxRtts[1]);
  }

  /** Below this the path shows no queue to speak of. */
  private lowRtt(): Micros {
    if (this.floor.floor < NOISE_FLOOR) {
      const limit = Math.max(2 * MILLISECOND, Math.min(this.baseRtt / 8, 16 * MILLISECOND));
      return this.baseRtt + Math.min(limit, Math.max(LOW_RTT_MIN, LOW_RTT_SHARE * this.span()));
    }
    const low = this.quietRtt();
    return low + Math.max(LOW_RTT_MIN, LOW_RTT_SHARE * (this.maxRtt() - low));
  }

  /** Above this the queue is as long as it gets, or nearly. */
  private highRtt(): Micros {
    return this.baseRtt + Math.max(this.moved / 2, this.baseRtt / 16, MILLISECOND);
  }

  private noteRtt(now: Micros, { rtt }: RateSample): void {
    if (rtt === undefined) return;
    // What was learned until now may have been learned in a queue, where losses are not random.
    if (rtt < this.baseRtt - Math.max(this.baseRtt / 8, 2 * MILLISECOND) && Number.isFinite(this.baseRtt))
      this.floor.doubt();
    this.baseRtt = Math.min(this.baseRtt, rtt);
    this.round.minRtt = Math.min(this.round.minRtt, rtt);
    this.round.maxRtt = Math.max(this.round.maxRtt, rtt);
    this.cycleMinRtts[0] = Math.min(this.cycleMinRtts[0], rtt);
    this.maxRtts[0] = Math.max(this.maxRtts[0], rtt);
    if (rtt <= this.minRtt + this.minRtt / 64) {
      this.minRtt = Math.min(this.minRtt, rtt);
      this.minRttAt = now;
      this.candidate = Number.POSITIVE_INFINITY;
    }
    if (this.state === 'probe-rtt') this.testMin = Math.min(this.testMin, rtt);
  }

  private noteFloor(sample: RateSample): void {
    if (sample.rtt === undefined || sample.rtt > this.lowRtt()) return;
    // Where pushing does not raise the RTT, either there is no queue or it is always full: nothing can be told apart.
    if (this.moved < Math.max(this.baseRtt / 10, MILLISECOND / 4)) return;
    if (sample.quietAckedPackets + sample.quietLostPackets > 0)
      this.floor.learn(sample.quietAckedPackets, sample.quietLostPackets);
  }

  private noteRate(sample: RateSample): void {
    // A test sends too little to measure a rate.
    if (sample.rate === 0 || (this.state === 'probe-rtt' && sample.rate <= this.bandwidth())) return;
    const limited = sample.appLimited || sample.hostLimited;
    if (limited) this.round.limited = true;
    if (limited && sample.rate <= this.bandwidth()) return;
    this.peaks[0] = Math.max(this.peaks[0], sample.rate);
    this.capacity = Math.max(this.capacity, sample.rate);
    this.round.peak = Math.max(this.round.peak, sample.rate);
  }

  /** How much more than the rate explains arrives at once: acks come in lumps. */
  private noteExtra(now: Micros, sample: RateSample): void {
    const expected = (this.bandwidth() * (now - this.extraEpoch)) / SECOND;
    if (this.extraAcked <= expected) {
      this.extraEpoch = now;
      this.extraAcked = sample.acked;
      return;
    }
    this.extraAcked += sample.acked;
    this.extras[0] = Math.max(this.extras[0], Math.min(this.extraAcked - expected, this.cwnd));
  }

  private endRound(now: Micros, sample: RateSample): void {
    this.roundEnd = sample.delivered;
    this.rounds++;
    this.moved = Math.max(this.moved * MOVED_FADE, this.span());
    this.capacity *= CAPACITY_FADE;
    this.floor.onRound();
    if (this.rounds % EXTRA_ROUNDS === 0) {
      this.extras[1] = this.extras[0];
      this.extras[0] = 0;
    }
    if (this.rounds % RANGE_ROUNDS === 0) {
      this.maxRtts[1] = this.maxRtts[0];
      this.maxRtts[0] = 0;
      if (this.state === 'compete') this.turnPeaks();
    }
    this.answer(now, sample);
    this.before = this.round;
    const random = this.round.maxRtt < 1.25 * this.minRtt;
    this.lastLoss = random
      ? this.round.lost / Math.max(1, this.round.lost + this.round.acked)
      : this.floor.floor;
    this.round = emptyRound(sample.sentAt);
  }

  /** What a round that is over says about congestion. */
  private answer(now: Micros, sample: RateSample): void {
    const { round } = this;
    const total = round.lost + round.acked;
    const delayed = round.maxRtt >= this.highRtt();
    if (this.state === 'startup') {
      const queued = round.minRtt > 1.25 * this.minRtt;
      // Noise stays as it is while we double, and a busy host delays too; a queue of ours grows.
      const rising = queued && !round.limited && round.minRtt > 1.1 * this.before.minRtt;
      const excess =
        this.floor.isKnown && round.losses >= STARTUP_LOSSES && this.floor.exceededBy(round.lost, total, 3);
      // A handshake or a heartbeat tells nothing about the path, although it is all there was to send.
      if (round.peak >= this.fullBandwidth * STARTUP_GROWTH) {
        // The path carried still more, so what the round before lost was random.
        if (!excess) this.floor.learn(this.before.acked, this.before.lost);
        this.fullBandwidth = round.peak;
        this.flatRounds = 0;
      } else if (!round.limited && 4 * round.inFlight >= Math.min(this.cwnd, 4 * initialWindow(this.mtu)))
        this.flatRounds++;
      // A queue and no growth: the path is full, however few the rounds; they get longer as the queue grows.
      if (this.flatRounds >= STARTUP_ROUNDS || (queued && excess) || (rising && this.flatRounds > 0))
        this.enter('drain', now);
      return;
    }
    // The path has become slower: a queue stands, and less is delivered than for many rounds.
    const slow =
      !round.limited && total >= SLOW_PACKETS && round.peak > 0 && round.peak < 0.6 * this.bandwidth();
    if (
      this.state !== 'compete' &&
      this.state !== 'probe-rtt' &&
      slow &&
      round.minRtt > 2 * this.quietRtt()
    ) {
      this.peaks[0] = this.peaks[1] = round.peak;
      // What stands now is a queue, not noise.
      this.cycleMinRtts[0] = this.minRtt;
      this.enter('down', now);
      return;
    }
    if (this.state === 'up') {
      if (this.floor.exceededBy(round.lost, total, 2)) {
        this.inflightHigh = Math.max(this.bdp(), 0.85 * sample.priorInFlight);
        this.free = false;
        // Where others have made us give way before, probing is answered like any other congestive loss.
        if (Number.isFinite(this.ceiling)) this.cut(now, sample);
        this.enter('down', now);
      } else {
        this.inflightHigh = Math.max(this.inflightHigh, sample.priorInFlight);
        this.free = round.maxRtt <= this.lowRtt() && this.ceiling < 1.2 * this.bdp();
        if (this.free) this.ceiling = Math.max(this.ceiling, sample.priorInFlight);
      }
      return;
    }
    if (this.state === 'probe-rtt') return;
    // Right after startup the losses are of our own making, and the floor is not known yet.
    if (!this.floor.isKnown && this.rounds < this.startupEnd + UNKNOWN_ROUNDS) return;
    if (
      delayed &&
      round.sentAt > this.cutAt &&
      this.floor.exceededBy(round.lost, total, 3, this.state === 'compete' ? 0.008 : undefined)
    )
      this.cut(now, sample);
  }

  /** Congestive loss: as CUBIC would. */
  private cut(now: Micros, sample: RateSample): void {
    this.cutAt = now;
    this.claiming = false;
    // What an application leaves unused is not congestion.
    const used = Math.max(this.round.limited ? this.cwnd : sample.priorInFlight, MIN_PACKETS * this.mtu);
    const cut = this.curve.cut(Math.min(this.ceiling, used), this.mtu);
    // Tuned in the suite, not derived: with 1.0 our share against CUBIC was lower in most of its deep-buffer cases.
    // Where the path loses by itself a burst may pass for congestion: never give up what the model knows to be there.
    const lossy = this.floor.floor >= LOSS_BASED_LIMIT;
    const least = lossy ? 0.85 * this.bdp() + BURST_PACKETS * this.mtu : 2 * this.mtu;
    this.ceiling = Math.max(this.state === 'compete' ? LATE_CUT * cut : cut, least);
    // All flows of our kind lose at the same time and so test at the same time: only others can then hold the queue.
    if (
      this.state === 'compete' &&
      now - this.testedAt > Math.max(4 * PROBE_RTT_INTERVAL, 40 * this.smoothedRtt)
    )
      this.enter('probe-rtt', now);
  }

  private step(now: Micros, sample: RateSample, roundStart: boolean): void {
    const inState = this.rounds - this.stateRound;
    switch (this.state) {
      case 'startup':
        return;
      case 'drain':
        if (sample.inFlight <= this.bdp() || inState >= 4) this.enter('down', now);
        return;
      case 'down':
        if (inState >= 1 && (sample.inFlight <= this.bdp() || inState >= 5)) this.enter('cruise', now);
        break;
      case 'cruise':
        if (roundStart && inState >= this.cruiseRounds)
          this.enter(this.isCrowded() ? 'probe-rtt' : 'refill', now);
        break;
      case 'refill':
        if (inState >= 1) this.enter('up', now);
        break;
      case 'up':
        // The first round of acks is for what was sent before.
        if (roundStart && inState >= 2) {
          const grew = this.peaks[0] > 1.1 * this.upBase;
          this.upBase = Math.max(this.upBase, this.peaks[0]);
          if (!grew && !this.free) this.enter('down', now);
        }
        break;
      case 'compete':
        if (this.round.minRtt <= this.minRtt + this.minRtt / 8) this.enter('refill', now);
        break;
      case 'probe-rtt':
        this.testRtt(now, sample);
        return;
    }
    const interval =
      this.state === 'compete' ? Math.max(4 * PROBE_RTT_INTERVAL, 60 * this.smoothedRtt) : PROBE_RTT_INTERVAL;
    if (now - Math.max(this.minRttAt, this.testedAt) > interval) this.enter('probe-rtt', now);
  }

  /** A whole cycle through the queue never came down, although our own share of it is a few datagrams. */
  private isCrowded(): boolean {
    // Until startup's own overshoot has left the model, the crowd may be us.
    // And where the path itself loses more than a few per cent, no loss-based flow can hold a queue.
    this.suspicious =
      ++this.cycles > 2 && this.floor.floor < LOSS_BASED_LIMIT && this.cycleMinRtts[0] > this.crowdedRtt();
    return this.suspicious;
  }

  private crowdedRtt(): Micros {
    // Four flows of our kind may well stand eight datagrams each, however small our own share is.
    const rate = Math.max(this.bandwidth(), this.capacity / 4);
    return (
      this.minRtt + Math.max(0.3 * this.minRtt, CROWD_MIN) + (rate > 0 ? (6 * this.mtu * SECOND) / rate : 0)
    );
  }

  /** ProbeRTT: half our share in flight, long enough to see what remains in the queue without us. */
  private testRtt(now: Micros, sample: RateSample): void {
    if (this.testEnd === undefined) {
      if (sample.inFlight <= this.cwnd) {
        this.testEnd = now + Math.max(Math.min(PROBE_RTT_TIME, 20 * this.minRtt), this.minRtt);
        this.testMin = Number.POSITIVE_INFINITY;
      }
      return;
    }
    if (now < this.testEnd) return;
    this.testedAt = now;
    this.candidate = Math.min(this.candidate, this.testMin);
    const crowded = this.beforeTest === 'compete' || this.candidate > this.crowdedRtt();
    if (now - this.minRttAt > (crowded ? CROWDED_BASE_WINDOW : BASE_WINDOW)) {
      this.minRtt = this.candidate;
      this.minRttAt = now;
      this.candidate = Number.POSITIVE_INFINITY;
    }
    const drained = this.testMin <= 0.9 * this.crowdedRtt();
    const stays = !drained && (this.beforeTest === 'compete' || this.suspicious);
    if (stays && this.suspicious) this.claim();
    this.suspicious = false;
    this.enter(stays ? 'compete' : 'refill', now);
  }

  private enter(state: State, now: Micros): void {
    const before = this.state;
    this.state = state;
    this.stateRound = this.rounds;
    switch (state) {
      case 'drain':
        this.startupEnd = this.rounds;
        this.cutAt = now;
        break;
      case 'cruise':
        this.cruiseRounds = this.rng.integer(4, 8);
        break;
      case 'up':
        this.upBase = this.bandwidth();
        this.free = false;
        this.turnPeaks();
        break;
      case 'down':
        this.cycleMinRtts[1] = this.cycleMinRtts[0];
        this.cycleMinRtts[0] = Number.POSITIVE_INFINITY;
        break;
      case 'probe-rtt':
        this.beforeTest = before;
        this.testEnd = undefined;
        break;
    }
  }

  /** Takes what a second flow would have got, since our own model gave way while the others came. */
  private claim(): void {
    this.curve.reset();
    this.claiming = true;
    this.ceiling = Math.max(this.cwnd, (CLAIM * this.capacity * this.smoothedRtt) / SECOND);
  }

  private turnPeaks(): void {
    this.peaks[1] = this.peaks[0];
    this.peaks[0] = 0;
  }

  private control(sample: RateSample): void {
    const share = 1 - this.floor.floor;
    const bandwidth = this.bandwidth();
    const minimum = (Number.isFinite(this.ceiling) ? 2 : MIN_PACKETS) * this.mtu;
    const quantum = Math.max(this.mtu, Math.min(65_536, (bandwidth * MILLISECOND) / SECOND));
    // A burst of losses must not fill the window before the three packets come that reveal it.
    const burst = this.floor.floor > BURSTY_FLOOR ? BURST_PACKETS : 0;
    // Concave in the rate, so that of two flows in one queue the smaller gains. The factor is tuned in the suite.
    const fair = 4 + FAIR_SLACK * Math.sqrt(this.bdp() / this.mtu);
    const slack = (fair + burst) * this.mtu + quantum + Math.max(this.extras[0], this.extras[1]) / share;
    let gain = PACING_GAIN[this.state];
    let target = this.bdp() + slack;
    switch (this.state) {
      case 'startup': {
        this.cwnd = Math.max(
          minimum,
          this.cwnd +
            Math.max(
              sample.acked / share,
              sample.acked + (this.round.maxRtt < 1.25 * this.minRtt ? sample.lost : 0),
            ),
        );
        if (this.flatRounds > 0) gain = STARTUP_FLAT_GAIN;
        const model = (MARGIN * gain * bandwidth) / (1 - Math.min(0.6, this.lastLoss));
        this.rate = Math.max(model, (gain * initialWindow(this.mtu) * SECOND) / sample.smoothedRtt);
        return;
      }
      case 'compete':
        this.cwnd = Math.max(this.ceiling, minimum);
        this.rate = (1.25 * this.cwnd * SECOND) / sample.smoothedRtt;
        return;
      case 'probe-rtt':
        this.cwnd = Math.max(minimum + burst * this.mtu, Math.min(0.5 * this.bdp(), this.ceiling));
        this.rate = (0.5 * bandwidth) / share;
        return;
      case 'up':
        target = Math.min(1.25 * this.bdp() + slack, 1.25 * this.ceiling);
        break;
      case 'down':
        gain = Math.max(0.5, gain - 0.1 * Math.max(0, this.rounds - this.stateRound - 1));
        target = Math.min(target, this.inflightHigh, this.ceiling);
        break;
      default:
        target = Math.min(target, this.inflightHigh, this.ceiling);
    }
    if (this.ceiling > 2 * this.bdp() + 2 * slack) this.ceiling = Number.POSITIVE_INFINITY;
    this.cwnd = Math.max(minimum, Math.min(target, this.cwnd + sample.acked / share));
    this.rate = (MARGIN * gain * Math.max(bandwidth, 1)) / share;
  }
}

function emptyRound(sentAt: Micros) {
  return {
    sentAt,
    acked: 0,
    lost: 0,
    losses: 0,
    inFlight: 0,
    minRtt: Number.POSITIVE_INFINITY,
    maxRtt: 0,
    peak: 0,
    limited: false,
  };
}

/** BBR draft -06 section 2. */
const PACING_GAIN: Record<State, number> = {
  startup: 2.77,
  drain: 0.5,
  down: 0.9,
  cruise: 1,
  refill: 1,
  up: 1.25,
  'probe-rtt': 1,
  compete: 1,
};
const MARGIN = 0.99;
const MIN_PACKETS = 4;
const STARTUP_GROWTH = 1.25;
/** While the rate has not grown there is no reason to push as hard. */
const STARTUP_FLAT_GAIN = 1.5;
const STARTUP_ROUNDS = 3;
const STARTUP_LOSSES = 6;
const PROBE_RTT_INTERVAL: Micros = 5 * SECOND;
const PROBE_RTT_TIME: Micros = 200 * MILLISECOND;
const BASE_WINDOW: Micros = 30 * SECOND;
/** While others fill the queue the base cannot be seen; a route that has become longer looks the same. */
const CROWDED_BASE_WINDOW: Micros = 300 * SECOND;
const MOVED_FADE = 0.997;
const SLOW_PACKETS = 16;
const FAIR_SLACK = 0.75;
const CLAIM_GROWTH = 0.05;
const LOSS_BASED_LIMIT = 0.02;
const CLAIM = 0.15;
const LATE_CUT = 1.1;
const BURSTY_FLOOR = 0.003;
const BURST_PACKETS = 24;
/** A queue shorter than this is within what timers, acks and bursts make. */
const CROWD_MIN: Micros = 4 * MILLISECOND;
const UNKNOWN_ROUNDS = 8;
const CAPACITY_FADE = 0.995;
const EXTRA_ROUNDS = 5;
const RANGE_ROUNDS = 10;
/** Where half a per cent of random loss is, a loss-based flow keeps 17 packets in flight (Mathis) and fills no queue. */
const NOISE_FLOOR = 0.005;
/** Below 1, or flows of our kind would take each other's queue for noise and add to it without end. */
const NOISE_SHARE = 0.75;
const NOISE_LIMIT = 3;
const LOW_RTT_SHARE = 0.3;
const LOW_RTT_MIN: Micros = 100;
