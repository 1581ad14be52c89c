/**
 * Model-based control after the BBR draft (draft-ietf-ccwg-bbr-06), with a loss floor: the default, see docs/CONGESTION.md.
 * In: acks and losses. Out: a pacing rate and a window, from a model of the path (`BbrPath`). It differs from the draft:
 * - rates and windows are divided by (1 - floor), or random loss above 20 % eats the probing gain;
 * - outside of probing the window is one BDP and a few datagrams, not two BDP, so that flows of this kind share a short
 *   queue; probing begins with a push that is as long for every path;
 * - against flows that keep the queue full whatever we do (`BbrCrowd`), it competes: it then follows CUBIC's curve and
 *   answers congestive loss only.
 */
import { Rng } from '../../core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import {
  type Controller,
  type ControllerMetrics,
  initialWindow,
  type LossEvent,
  type RateSample,
} from '../controller.js';
import { BbrCrowd } from './crowd.js';
import { LossCeiling } from './loss-ceiling.js';
import { BbrPath, emptyRound, HOST_TIME } from './path.js';
import { BbrStartup } from './startup.js';

type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt' | 'compete';

export class Bbr implements Controller {
  state: State = 'startup';
  private readonly path = new BbrPath();
  private readonly crowd = new BbrCrowd(this.path);
  private mtu: number;
  private readonly rng: Rng;
  private cwnd: number;
  private rate = Number.POSITIVE_INFINITY;
  private competing = false;
  private roundEnd = 0;
  private roundAt: Micros = 0;
  private round = emptyRound(0);
  private before = emptyRound(0);
  /** Loss of the round before, if no queue stood then. */
  private lastLoss = 0;
  private rounds = 0;
  private ackedAt: Micros = 0;
  /** When there was last no queue as long as the path. */
  private shortAt: Micros = 0;
  /** In some round since the latest probe the path, not the application, set the rate. */
  private unlimited = false;
  private stateRound = 0;
  private readonly startup = new BbrStartup(this.path);
  private startupEnd = 0;
  private cruiseRounds = 0;
  /** Bandwidth when probing began, and when it last grew. */
  private upStart = 0;
  private upBase = 0;
  /** The ceiling held the latest round of probing back, and there was no sign of a queue. */
  private free = false;
  private inflightHigh = Number.POSITIVE_INFINITY;
  private readonly ceiling = new LossCeiling();

  constructor(mtu: number, seed: number | string = 'bbr') {
    this.mtu = mtu;
    this.rng = new Rng(seed);
    this.cwnd = initialWindow(mtu);
  }

  onSent(now: Micros, bytes: number, inFlight = 0): void {
    if (inFlight === bytes) this.crowd.onRestart(now, this.ackedAt);
  }

  onLost(_now: Micros, loss: LossEvent): void {
    this.round.lost += loss.packets;
    this.round.losses += loss.ranges;
  }

  onAck(now: Micros, sample: RateSample): void {
    // A clock that jumps back must not stop the rounds.
    const roundStart = sample.priorDelivered >= this.roundEnd && Math.abs(now - this.roundAt) >= HOST_TIME;
    this.ackedAt = now;
    this.round.acked += sample.ackedPackets;
    this.round.inFlight = Math.max(this.round.inFlight, sample.priorInFlight);
    if (sample.rtt !== undefined) this.noteRtt(now, sample.rtt);
    this.path.onFates(sample, this.state === 'probe-rtt' && this.crowd.drained);
    this.noteRate(sample);
    this.path.onAcked(now, sample.acked, this.cwnd);
    this.ceiling.onAck(now, sample, this.mtu, this.state === 'compete');
    if (roundStart) this.endRound(now, sample);
    this.step(now, sample, roundStart);
    this.control(sample);
  }

  onPersistentCongestion(): void {
    // The model stays, to be tried again from the smallest window; what is no longer true of it expires within two cycles.
    this.cwnd = 2 * this.mtu;
    this.path.doubtRtt();
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
      bandwidth: this.path.bandwidth(),
      lossFloor: this.path.floor.floor,
      slowStartThreshold: this.ceiling.bytes,
    };
  }

  /** Probing adds a quarter of a BDP, but begins with a queue that is short for every path. */
  private push(): number {
    const quarter = 0.25 * this.bdp();
    // Where the path loses by itself the rate is not easily seen to grow; where others made us give way, they push harder.
    if (this.path.isLossy() || this.ceiling.isFinite()) return quarter;
    const time = PUSH_TIME * 2 ** Math.max(0, this.rounds - this.stateRound - 1);
    return Math.min(quarter, (this.path.bandwidth() * time) / SECOND);
  }

  private bdp(): number {
    return this.path.bdp(this.mtu);
  }

  private noteRtt(now: Micros, rtt: Micros): void {
    this.path.onRtt(now, rtt);
    if (rtt <= 2 * this.path.quietRtt()) this.shortAt = now;
    this.round.minRtt = Math.min(this.round.minRtt, rtt);
    this.round.maxRtt = Math.max(this.round.maxRtt, rtt);
  }

  private noteRate(sample: RateSample): void {
    // A test sends too little to measure a rate.
    if (sample.rate === 0 || (this.state === 'probe-rtt' && sample.rate <= this.path.bandwidth())) return;
    const limited = sample.appLimited || sample.hostLimited;
    if (limited) this.round.limited = true;
    if (limited && sample.rate <= this.path.bandwidth()) return;
    this.path.onRate(sample.rate);
    this.round.peak = Math.max(this.round.peak, sample.rate);
  }

  private endRound(now: Micros, sample: RateSample): void {
    this.roundEnd = sample.delivered;
    this.roundAt = now;
    this.rounds++;
    if (this.path.endRound(now) && this.state === 'compete') this.path.turnPeaks();
    this.answer(now, sample);
    this.crowd.onRound(this.round.minRtt, this.round.maxRtt);
    this.before = this.round;
    const random = this.round.maxRtt < 1.25 * this.path.minRtt;
    this.lastLoss = random
      ? this.round.lost / Math.max(1, this.round.lost + this.round.acked)
      : this.path.floor.floor;
    this.round = emptyRound(sample.sentAt);
  }

  /** What a round that is over says about congestion. */
  private answer(now: Micros, sample: RateSample): void {
    const { round } = this;
    const total = round.lost + round.acked;
    // No more under way than any path may be sent at first, and no delay: what is lost then is random.
    const thin = round.limited && round.inFlight <= initialWindow(this.mtu) / (1 - this.path.floor.floor);
    if (thin && round.maxRtt < 1.25 * this.path.minRtt) this.path.floor.learn(round.acked, round.lost);
    if (!round.limited) this.unlimited = true;
    const delayed = round.maxRtt >= this.path.highRtt();
    if (this.state === 'startup') {
      const isResumed = this.startupEnd > 0;
      if (this.startup.endsWith(round, this.before, { delayed, isResumed, cwnd: this.cwnd, mtu: this.mtu }))
        this.enter('drain', now);
      return;
    }
    // The path has become slower: a queue stands, and less is delivered than for many rounds.
    const slow =
      !round.limited && total >= SLOW_PACKETS && round.peak > 0 && round.peak < 0.6 * this.path.bandwidth();
    if (
      this.state !== 'compete' &&
      this.state !== 'probe-rtt' &&
      slow &&
      round.minRtt > 2 * this.path.quietRtt() &&
      now - this.shortAt >= SLOW_TIME
    ) {
      this.path.slowDown(round.peak);
      this.enter('down', now);
      return;
    }
    if (this.state === 'up') {
      if (this.path.floor.exceededBy(round.lost, total, 2)) {
        this.inflightHigh = Math.max(this.bdp(), 0.85 * sample.priorInFlight);
        this.free = false;
        // Where others have made us give way before, probing is answered like any other congestive loss.
        if (this.ceiling.isFinite()) this.cut(now, sample);
        this.enter('down', now);
      } else {
        this.inflightHigh = Math.max(this.inflightHigh, sample.priorInFlight);
        this.free = round.maxRtt <= this.path.lowRtt() && this.ceiling.bytes < 1.2 * this.bdp();
        if (this.free) this.ceiling.bytes = Math.max(this.ceiling.bytes, sample.priorInFlight);
      }
      return;
    }
    if (this.state === 'probe-rtt') return;
    // Right after startup the losses are of our own making, and the floor is not known yet.
    if (!this.path.floor.isKnown && this.rounds < this.startupEnd + UNKNOWN_ROUNDS) return;
    if (
      delayed &&
      round.sentAt > this.ceiling.cutAt &&
      this.path.floor.exceededBy(round.lost, total, 3, this.state === 'compete' ? 0.008 : undefined)
    )
      this.cut(now, sample);
  }

  /** Congestive loss: as CUBIC would. */
  private cut(now: Micros, sample: RateSample): void {
    // What an application leaves unused is not congestion.
    const used = Math.max(this.round.limited ? this.cwnd : sample.priorInFlight, MIN_PACKETS * this.mtu);
    // Where the path loses by itself a burst may pass for congestion: never give up what the model knows to be there.
    const lossy = this.path.isLossy();
    const least = lossy ? 0.85 * this.bdp() + BURST_BYTES : 2 * this.mtu;
    this.ceiling.cut(now, used, least, this.mtu, this.state === 'compete');
  }

  private step(now: Micros, sample: RateSample, roundStart: boolean): void {
    const inState = this.rounds - this.stateRound;
    switch (this.state) {
      case 'startup':
        return;
      case 'drain':
        // Who comes into a standing queue steps back at once, or would take it for the length of the path.
        if (sample.inFlight <= this.bdp() || inState >= 4)
          this.enter(
            this.path.isLossy() || this.path.drainedAt > this.ceiling.cutAt ? 'down' : 'probe-rtt',
            now,
          );
        return;
      case 'down':
        if (inState >= 1 && (sample.inFlight <= this.bdp() || inState >= 5)) this.enter('cruise', now);
        break;
      case 'cruise':
        if (roundStart && inState >= this.cruiseRounds) this.enter('refill', now);
        break;
      case 'refill':
        if (inState >= 1) this.enter('up', now);
        break;
      case 'up':
        // The first round of acks is for what was sent before.
        if (roundStart && inState >= 2) {
          const grew = this.path.peak() > 1.1 * this.upBase;
          this.upBase = Math.max(this.upBase, this.path.peak());
          if (this.isWide()) this.enter('startup', now);
          else if (!grew && !this.free) this.enter('down', now);
        }
        break;
      case 'compete':
        break;
      case 'probe-rtt': {
        const stepped = sample.inFlight <= this.cwnd;
        const compete = this.crowd.poll(now, sample.rtt, stepped, this.mtu);
        if (compete === undefined) return;
        if (compete && !this.competing) {
          const rate = (this.crowd.held + this.path.bandwidth()) / 2;
          this.ceiling.claim(Math.max(this.cwnd, (rate * sample.smoothedRtt) / SECOND));
        }
        this.competing = compete;
        this.enter(compete ? 'compete' : 'refill', now);
        return;
      }
    }
    if (this.crowd.isDue(now, sample.rtt, this.competing)) this.enter('probe-rtt', now);
  }

  /** Probing has found so much more, without a queue and without loss, that startup must have ended too early. */
  private isWide(): boolean {
    const { before, path } = this;
    const total = before.lost + before.acked;
    return (
      path.isSteady() &&
      path.peak() > WIDE * this.upStart &&
      before.maxRtt <= path.lowRtt() &&
      !before.limited &&
      !path.floor.exceededBy(before.lost, total, 2)
    );
  }

  private enter(state: State, now: Micros): void {
    this.state = state;
    this.stateRound = this.rounds;
    switch (state) {
      case 'startup':
        this.startup.begin();
        this.inflightHigh = Number.POSITIVE_INFINITY;
        break;
      case 'drain':
        this.startupEnd = this.rounds;
        this.ceiling.cutAt = now;
        break;
      case 'cruise':
        this.cruiseRounds = this.rng.integer(4, 8);
        break;
      case 'up':
        this.upBase = this.upStart = this.path.bandwidth();
        this.free = false;
        // What the application leaves unused says nothing against the rate that was measured.
        if (this.unlimited) this.path.turnPeaks();
        this.unlimited = false;
        break;
      case 'down':
        this.path.turnCycle();
        break;
      case 'probe-rtt':
        this.crowd.begin(now, this.competing);
        break;
    }
  }

  private control(sample: RateSample): void {
    const share = 1 - this.path.floor.floor;
    const bandwidth = this.path.bandwidth();
    // So many are meant to arrive.
    const minimum = ((this.ceiling.isFinite() ? 2 : MIN_PACKETS) * this.mtu) / share;
    const quantum = Math.max(this.mtu, Math.min(65_536, (bandwidth * MILLISECOND) / SECOND));
    // A burst of losses must not fill the window before the three packets come that reveal it.
    const burst = this.path.floor.floor > BURSTY_FLOOR ? Math.max(BURST_BYTES, MIN_PACKETS * this.mtu) : 0;
    // Concave in the rate, so that of two flows in one queue the smaller gains. The factor is tuned in the suite.
    const fair = 4 + FAIR_SLACK * Math.sqrt((bandwidth * FAIR_TIME) / SECOND / this.mtu);
    const slack = fair * this.mtu + burst + quantum + this.path.lump() / share;
    let gain = PACING_GAIN[this.state];
    // On a short path what is under way waits for the hosts to run, so that the window must not be what limits the rate.
    let target = Math.max(this.bdp(), (bandwidth * HOST_TIME) / SECOND / share) + slack;
    switch (this.state) {
      case 'startup': {
        // What the application leaves unused must not grow (RFC 9002 section 7.8).
        if (sample.windowUsed)
          this.cwnd += Math.max(
            sample.acked / share,
            sample.acked + (this.round.maxRtt < 1.25 * this.path.minRtt ? sample.lost : 0),
          );
        this.cwnd = Math.max(minimum, this.cwnd);
        if (this.startup.flatRounds > 0) gain = STARTUP_FLAT_GAIN;
        const model = (MARGIN * gain * bandwidth) / (1 - Math.min(0.6, this.lastLoss));
        this.rate = Math.max(model, (gain * initialWindow(this.mtu) * SECOND) / sample.smoothedRtt);
        return;
      }
      case 'compete':
        this.cwnd = Math.max(this.ceiling.bytes, minimum);
        this.rate = (1.25 * this.cwnd * SECOND) / sample.smoothedRtt;
        return;
      case 'probe-rtt':
        this.cwnd = Math.max(minimum + burst, Math.min(0.5 * this.bdp(), this.ceiling.bytes));
        this.rate = (0.5 * bandwidth) / share;
        return;
      case 'up':
        target = Math.min(this.bdp() + this.push() + slack, 1.25 * this.ceiling.bytes);
        break;
      case 'down':
        gain = Math.max(0.5, gain - 0.1 * Math.max(0, this.rounds - this.stateRound - 1));
        target = Math.min(target, this.inflightHigh, this.ceiling.bytes);
        break;
      default:
        target = Math.min(target, this.inflightHigh, this.ceiling.bytes);
    }
    if (this.ceiling.bytes > 2 * this.bdp() + 2 * slack) this.ceiling.lift();
    this.cwnd = Math.max(minimum, Math.min(target, this.cwnd + sample.acked / share));
    // The smallest window is not paced below what it allows anyway: the little that a thin flow sends says nothing of the rate.
    this.rate = Math.max(
      (MARGIN * gain * Math.max(bandwidth, 1)) / share,
      (minimum * SECOND) / sample.smoothedRtt,
    );
  }
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
/** While the rate has not grown there is no reason to push as hard. */
const STARTUP_FLAT_GAIN = 1.5;
const SLOW_PACKETS = 16;
/** A host that stalls shows a queue, too, but seldom for so long. */
const SLOW_TIME: Micros = 100 * MILLISECOND;
const FAIR_SLACK = 0.75;
const FAIR_TIME: Micros = 30 * MILLISECOND;
const BURSTY_FLOOR = 0.003;
const BURST_BYTES = 24 * 1232;
/** The first round of a probe adds a queue this long; each further round twice as much. */
const PUSH_TIME: Micros = 5 * MILLISECOND;
/** More than one round of probing with the gain of 1.25 can find by chance. */
const WIDE = 1.4;
const UNKNOWN_ROUNDS = 8;
