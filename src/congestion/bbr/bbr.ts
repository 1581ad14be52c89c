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
import { BbrPath, HOST_TIME } from './path.js';
import { BbrProbe } from './probe.js';
import { BbrRounds } from './rounds.js';
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
  private readonly rounds = new BbrRounds(this.path);
  private ackedAt: Micros = 0;
  private stateRound = 0;
  private readonly startup = new BbrStartup(this.path, this.rounds);
  private startupEnd = 0;
  private cruiseRounds = 0;
  private readonly ceiling = new LossCeiling();
  private readonly probe = new BbrProbe(this.path, this.ceiling);

  constructor(mtu: number, seed: number | string = 'bbr') {
    this.mtu = mtu;
    this.rng = new Rng(seed);
    this.cwnd = initialWindow(mtu);
  }

  onSent(now: Micros, bytes: number, inFlight = 0): void {
    if (inFlight === bytes) this.crowd.onRestart(now, this.ackedAt);
  }

  onLost(_now: Micros, loss: LossEvent): void {
    this.rounds.onLost(loss);
  }

  onAck(now: Micros, sample: RateSample): void {
    if (sample.rtt !== undefined) this.path.onRtt(now, sample.rtt);
    const roundStart = this.rounds.onAck(now, sample);
    this.ackedAt = now;
    this.path.onFates(sample, this.state === 'probe-rtt' && this.crowd.drained);
    // A test sends too little to measure a rate.
    if (this.state !== 'probe-rtt' || sample.rate > this.path.bandwidth()) this.rounds.onRate(now, sample);
    this.path.onAcked(now, sample.acked, this.cwnd);
    this.ceiling.onAck(now, sample, this.mtu, this.state === 'compete');
    if (roundStart) this.endRound(now, sample);
    this.step(now, sample, roundStart);
    this.giveWay(now);
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

  private bdp(): number {
    return this.path.bdp(this.mtu);
  }

  private roundsInState(): number {
    return this.rounds.count - this.stateRound;
  }

  private endRound(now: Micros, sample: RateSample): void {
    const { rounds } = this;
    rounds.end(now, sample.delivered);
    if (this.path.endRound(now) && this.state === 'compete') this.path.turnPeaks();
    this.answer(now, sample);
    this.crowd.onRound(rounds.current.minRtt, rounds.current.maxRtt);
    rounds.turn(sample.sentAt);
  }

  /** What a round that is over says about congestion. */
  private answer(now: Micros, sample: RateSample): void {
    const { current: round, before } = this.rounds;
    const total = round.lost + round.acked;
    // No more under way than any path may be sent at first, and no delay: what is lost then is random.
    const thin = round.limited && round.inFlight <= initialWindow(this.mtu) / (1 - this.path.floor.floor);
    if (thin && round.maxRtt < 1.25 * this.path.minRtt) this.path.floor.learn(round.acked, round.lost);
    if (!round.limited) this.probe.isUnlimited = true;
    const delayed = round.maxRtt >= this.path.highRtt();
    if (this.state === 'startup') {
      const isResumed = this.startupEnd > 0;
      if (this.startup.endsWith(round, before, { delayed, isResumed, cwnd: this.cwnd, mtu: this.mtu }))
        this.enter('drain', now);
      return;
    }
    if (this.state === 'up') {
      if (this.probe.onRound(round, sample.priorInFlight, this.bdp())) return;
      // Where others have made us give way before, probing is answered like any other congestive loss.
      if (this.ceiling.isFinite()) this.cut(now, sample);
      this.enter('down', now);
      return;
    }
    if (this.state === 'probe-rtt') return;
    // Right after startup the losses are of our own making, and the floor is not known yet.
    if (!this.path.floor.isKnown && this.rounds.count < this.startupEnd + UNKNOWN_ROUNDS) return;
    if (
      delayed &&
      round.sentAt > this.ceiling.cutAt &&
      this.path.floor.exceededBy(round.lost, total, 3, this.state === 'compete' ? 0.008 : undefined)
    )
      this.cut(now, sample);
  }

  /** The path has become slower: a queue stands that need not be kept standing until a round is over. */
  private giveWay(now: Micros): void {
    if (this.state === 'startup' || this.state === 'compete' || this.state === 'probe-rtt') return;
    const rate = this.rounds.slowRate(now);
    if (rate === undefined) return;
    this.path.slowDown(rate);
    this.enter('down', now);
  }

  /** Congestive loss: as CUBIC would. */
  private cut(now: Micros, sample: RateSample): void {
    // What an application leaves unused is not congestion.
    const used = Math.max(
      this.rounds.current.limited ? this.cwnd : sample.priorInFlight,
      MIN_PACKETS * this.mtu,
    );
    // Where the path loses by itself a burst may pass for congestion: never give up what the model knows to be there.
    const lossy = this.path.isLossy();
    const least = lossy ? 0.85 * this.bdp() + BURST_BYTES : 2 * this.mtu;
    this.ceiling.cut(now, { used, least, mtu: this.mtu, isCompeting: this.state === 'compete' });
  }

  private step(now: Micros, sample: RateSample, roundStart: boolean): void {
    const inState = this.roundsInState();
    switch (this.state) {
      case 'startup':
        return this.startup.train.onAck(now, sample);
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
          const grew = this.probe.takeGrowth();
          if (this.probe.isWide(this.rounds.before)) this.enter('startup', now);
          else if (!grew && !this.probe.isHeldBack) this.enter('down', now);
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

  private enter(state: State, now: Micros): void {
    this.state = state;
    this.stateRound = this.rounds.count;
    switch (state) {
      case 'startup':
        this.startup.begin();
        this.probe.inflightHigh = Number.POSITIVE_INFINITY;
        break;
      case 'drain':
        this.startupEnd = this.rounds.count;
        this.ceiling.cutAt = now;
        break;
      case 'cruise':
        this.cruiseRounds = this.rng.integer(4, 8);
        break;
      case 'up':
        this.probe.begin();
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
            sample.acked + (this.rounds.current.maxRtt < 1.25 * this.path.minRtt ? sample.lost : 0),
          );
        this.cwnd = Math.max(minimum, Math.min(this.cwnd, this.startup.limit(this.mtu) + slack));
        if (this.startup.flatRounds > 0) gain = STARTUP_FLAT_GAIN;
        const model = (MARGIN * gain * bandwidth) / (1 - Math.min(0.6, this.rounds.lastLoss));
        // What a process took to start is smoothed into the RTT for long.
        const rtt = Math.min(this.path.minRtt, sample.smoothedRtt);
        this.rate = Math.max(model, (gain * initialWindow(this.mtu) * SECOND) / rtt, this.startup.train.pace);
        this.cwnd = Math.max(this.cwnd, this.startup.train.window);
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
        target = Math.min(
          this.bdp() + this.probe.push(this.bdp(), this.roundsInState()) + slack,
          1.25 * this.ceiling.bytes,
        );
        break;
      case 'down':
        gain = Math.max(0.5, gain - 0.1 * Math.max(0, this.roundsInState() - 1));
        target = Math.min(target, this.probe.inflightHigh, this.ceiling.bytes);
        break;
      default:
        target = Math.min(target, this.probe.inflightHigh, this.ceiling.bytes);
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
const FAIR_SLACK = 0.75;
const FAIR_TIME: Micros = 30 * MILLISECOND;
const BURSTY_FLOOR = 0.003;
const BURST_BYTES = 24 * 1232;
const UNKNOWN_ROUNDS = 8;
