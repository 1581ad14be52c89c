/**
 * Model-based control after the BBR draft (draft-ietf-ccwg-bbr-06), with a loss floor. In: acks and losses. Out: a pacing
 * rate and a window from a model of the path: the most it delivered lately, and its smallest round-trip time.
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
import { LossFloor } from './loss-floor.js';

type State = 'startup' | 'drain' | 'down' | 'cruise' | 'refill' | 'up' | 'probe-rtt';

export class Bbr implements Controller {
  state: State = 'startup';
  readonly floor = new LossFloor();
  private mtu: number;
  private readonly rng: Rng;
  private cwnd: number;
  private rate: number;
  /** Most delivered, bytes per second, in this probing cycle and the one before. */
  private readonly peaks = [0, 0];
  private minRtt: Micros = Number.POSITIVE_INFINITY;
  private minRttAt: Micros = 0;
  private probeRttDone: Micros | undefined;
  private probeRttMin: Micros = Number.POSITIVE_INFINITY;
  private roundEnd = 0;
  private round = {
    acked: 0,
    lost: 0,
    losses: 0,
    minRtt: Number.POSITIVE_INFINITY,
    maxRtt: 0,
    peak: 0,
    limited: false,
  };
  private rounds = 0;
  private fullBandwidth = 0;
  private flatRounds = 0;
  private stateRound = 0;
  private cruiseRounds = 0;
  private upBase = 0;
  /** Bounds learned from congestive loss: of probing, and until the next probe. */
  private inflightHigh = Number.POSITIVE_INFINITY;
  private rateLow = Number.POSITIVE_INFINITY;
  private inflightLow = Number.POSITIVE_INFINITY;
  private extraEpoch: Micros = 0;
  private extraAcked = 0;
  private readonly extras = [0, 0];

  constructor(mtu: number) {
    this.mtu = mtu;
    this.rng = new Rng(mtu);
    this.cwnd = initialWindow(mtu);
    this.rate = Number.POSITIVE_INFINITY;
  }

  onSent(): void {}

  onLost(_now: Micros, loss: LossEvent): void {
    this.round.lost += loss.packets;
    this.round.losses += loss.ranges;
  }

  onAck(now: Micros, sample: RateSample): void {
    const roundStart = sample.priorDelivered >= this.roundEnd;
    this.noteRtt(now, sample);
    this.noteFloor(sample);
    this.noteRate(sample);
    this.noteExtra(now, sample);
    if (roundStart) this.endRound(sample);
    this.step(now, sample, roundStart);
    this.control(sample);
  }

  onPersistentCongestion(): void {
    this.peaks[0] = this.peaks[1] = 0;
    this.minRtt = Number.POSITIVE_INFINITY;
    this.cwnd = 2 * this.mtu;
    this.fullBandwidth = 0;
    this.flatRounds = 0;
    this.enter('startup');
  }

  onMtu(_now: Micros, bytes: number): void {
    this.mtu = bytes;
  }

  window(): number {
    return this.cwnd;
  }

  pacingRate(): number {
    return this.rate;
  }

  quiet(): boolean {
    return this.state === 'down' || this.state === 'probe-rtt' || this.state === 'startup';
  }

  metrics(): ControllerMetrics {
    return {
      name: 'bbr',
      state: this.state,
      window: this.cwnd,
      pacingRate: this.rate,
      bandwidth: this.bandwidth(),
      lossFloor: this.floor.floor,
    };
  }

  bandwidth(): number {
    return Math.max(this.peaks[0], this.peaks[1]);
  }

  /** Bytes in flight, lost ones included, that keep the path busy without a queue. */
  private bdp(): number {
    return Number.isFinite(this.minRtt)
      ? (this.bandwidth() * this.minRtt) / SECOND / (1 - this.floor.floor)
      : initialWindow(this.mtu);
  }

  private threshold(): Micros {
    return Math.max(2 * MILLISECOND, Math.min(this.minRtt / 8, 16 * MILLISECOND));
  }

  private noteRtt(now: Micros, { rtt }: RateSample): void {
    if (rtt === undefined) return;
    this.round.minRtt = Math.min(this.round.minRtt, rtt);
    this.round.maxRtt = Math.max(this.round.maxRtt, rtt);
    if (rtt <= this.minRtt + this.minRtt / 64) {
      this.minRtt = Math.min(this.minRtt, rtt);
      this.minRttAt = now;
    }
    if (this.state === 'probe-rtt') this.probeRttMin = Math.min(this.probeRttMin, rtt);
  }

  private noteFloor(sample: RateSample): void {
    if (sample.rtt === undefined || sample.rtt > this.minRtt + this.threshold()) return;
    if (sample.quietAckedPackets + sample.quietLostPackets > 0)
      this.floor.learn(sample.quietAckedPackets, sample.quietLostPackets);
  }

  private noteRate(sample: RateSample): void {
    if (sample.rate === 0) return;
    const limited = sample.appLimited || sample.hostLimited;
    if (limited) this.round.limited = true;
    if (!limited || sample.rate > this.bandwidth()) {
      this.peaks[0] = Math.max(this.peaks[0], sample.rate);
      this.round.peak = Math.max(this.round.peak, sample.rate);
    }
  }

  private noteExtra(now: Micros, sample: RateSample): void {
    const expected = (this.bandwidth() * (now - this.extraEpoch)) / SECOND;
    if (this.extraAcked <= expected) {
      this.extraEpoch = now;
      this.extraAcked = 0;
      this.extraAcked += sample.acked;
      return;
    }
    this.extraAcked += sample.acked;
    this.extras[0] = Math.max(this.extras[0], Math.min(this.extraAcked - expected, this.cwnd));
  }

  private endRound(sample: RateSample): void {
    const { round } = this;
    this.roundEnd = sample.delivered;
    this.rounds++;
    this.floor.fade();
    if (this.rounds % 5 === 0) {
      this.extras[1] = this.extras[0];
      this.extras[0] = 0;
    }
    const delayed = round.maxRtt > this.minRtt + this.threshold();
    const excess = this.floor.exceededBy(round.lost, round.lost + round.acked);
    this.answer(sample, delayed, excess);
    this.round = {
      acked: 0,
      lost: 0,
      losses: 0,
      minRtt: Number.POSITIVE_INFINITY,
      maxRtt: 0,
      peak: 0,
      limited: false,
    };
  }

  /** What a round that is over says about congestion. */
  private answer(sample: RateSample, delayed: boolean, excess: boolean): void {
    const { round } = this;
    if (this.state === 'startup') {
      if (round.peak >= this.fullBandwidth * 1.25) {
        this.fullBandwidth = round.peak;
        this.flatRounds = 0;
      } else if (!round.limited) this.flatRounds++;
      if (this.flatRounds >= 3 || (delayed && excess && round.losses >= 6)) this.enter('drain');
      return;
    }
    // The path has become slower: a queue stands and less is delivered than for many rounds.
    if (!round.limited && round.peak > 0 && round.peak < 0.6 * this.bandwidth() && round.minRtt > 2 * this.minRtt) {
      this.peaks[0] = this.peaks[1] = round.peak;
      this.enter('down');
      return;
    }
    if (this.state === 'up' && !excess) this.inflightHigh = Math.max(this.inflightHigh, sample.priorInFlight);
    if (!excess) return;
    if (this.state === 'up') {
      this.inflightHigh = Math.max(this.bdp(), 0.85 * sample.priorInFlight);
      this.enter('down');
    } else if (delayed) {
      this.rateLow = Math.max(round.peak, 0.7 * Math.min(this.rateLow, this.bandwidth()));
    }
  }

  private step(now: Micros, sample: RateSample, roundStart: boolean): void {
    const inState = this.rounds - this.stateRound;
    switch (this.state) {
      case 'startup':
        break;
      case 'drain':
        if (sample.inFlight <= this.bdp()) this.enter('cruise');
        break;
      case 'down':
        if (inState >= 1 && sample.inFlight <= this.bdp()) this.enter('cruise');
        break;
      case 'cruise':
        if (inState >= this.cruiseRounds) this.enter('refill');
        break;
      case 'refill':
        if (inState >= 1) this.enter('up');
        break;
      case 'up':
        if (roundStart && inState >= 1) {
          const grew = this.peaks[0] > 1.15 * this.upBase;
          this.upBase = Math.max(this.upBase, this.peaks[0]);
          if (!grew && sample.priorInFlight >= 1.2 * this.bdp()) this.enter('down');
          else if (!grew && inState >= 3) this.enter('down');
        }
        break;
      case 'probe-rtt':
        if (this.probeRttDone === undefined) {
          if (sample.inFlight <= 0.5 * this.bdp() + 4 * this.mtu)
            this.probeRttDone = now + Math.max(PROBE_RTT_TIME, this.minRtt);
        } else if (now >= this.probeRttDone) {
          this.minRtt = this.probeRttMin;
          this.minRttAt = now;
          this.enter('refill');
        }
        return;
    }
    if (this.state !== 'startup' && this.state !== 'drain' && now - this.minRttAt > PROBE_RTT_INTERVAL)
      this.enter('probe-rtt');
  }

  private enter(state: State): void {
    this.state = state;
    this.stateRound = this.rounds;
    switch (state) {
      case 'cruise':
        this.cruiseRounds = this.rng.integer(4, 8);
        break;
      case 'refill':
        this.rateLow = Number.POSITIVE_INFINITY;
        this.inflightLow = Number.POSITIVE_INFINITY;
        break;
      case 'up':
        this.upBase = this.bandwidth();
        this.peaks[1] = this.peaks[0];
        this.peaks[0] = 0;
        break;
      case 'probe-rtt':
        this.probeRttDone = undefined;
        this.probeRttMin = Number.POSITIVE_INFINITY;
        break;
    }
  }

  private control(sample: RateSample): void {
    this.round.acked += sample.ackedPackets;
    const share = 1 - this.floor.floor;
    const gain = PACING_GAIN[this.state];
    const bandwidth = this.bandwidth();
    if (bandwidth > 0) this.rate = (MARGIN * gain * Math.min(bandwidth, this.rateLow)) / share;
    else this.rate = (gain * this.cwnd * SECOND) / sample.smoothedRtt;
    if (this.state === 'startup' && bandwidth > 0)
      this.rate = Math.max(this.rate, (gain * initialWindow(this.mtu) * SECOND) / sample.smoothedRtt);
    if (this.state === 'probe-rtt') {
      this.cwnd = Math.max(4 * this.mtu, 0.5 * this.bdp());
      return;
    }
    const quantum = Math.max(2 * this.mtu, Math.min(65_536, (this.rate * MILLISECOND) / SECOND));
    let target = CWND_GAIN * this.bdp() + 3 * quantum + Math.max(this.extras[0], this.extras[1]) / share;
    target = Math.min(target, this.state === 'up' ? Number.POSITIVE_INFINITY : this.inflightHigh, this.inflightLow);
    if (this.state === 'startup') this.cwnd = Math.max(this.cwnd, this.cwnd + sample.acked / share);
    else this.cwnd = Math.min(target, this.cwnd + sample.acked / share);
    this.cwnd = Math.max(this.cwnd, 4 * this.mtu);
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
};
const CWND_GAIN = 2;
const MARGIN = 0.99;
const PROBE_RTT_INTERVAL: Micros = 5 * SECOND;
const PROBE_RTT_TIME: Micros = 200 * MILLISECOND;
