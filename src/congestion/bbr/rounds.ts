/**
 * What `bbr` counts in each round trip. In: acks and losses. Out: the round that runs, the one before, and how many are over. A
 * round is over when a packet that was sent in it is acknowledged.
 */
import { MILLISECOND, type Micros } from '../../core/time.js';
import type { LossEvent, RateSample } from '../controller.js';
import { type BbrPath, HOST_TIME } from './path.js';

/** What is counted in a round trip. */
export interface Round {
  /** Of packets sent from then on. */
  readonly sentAt: Micros;
  acked: number;
  lost: number;
  /** Bursts of losses. */
  losses: number;
  /** Most bytes in flight. */
  inFlight: number;
  minRtt: Micros;
  maxRtt: Micros;
  /** Most delivered, bytes per second. */
  peak: number;
  /** The application or the host, not the path, set the rate. */
  limited: boolean;
}

export class BbrRounds {
  /** How many are over. */
  count = 0;
  current = emptyRound(0);
  before = emptyRound(0);
  /** Loss of the round before, if no queue stood then. */
  lastLoss = 0;
  private readonly path: BbrPath;
  /** In bytes delivered. */
  private endsAt = 0;
  private endedAt: Micros = 0;
  /** Of the two rounds before the one before. */
  private earlierMinRtts = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  /** When there was last no queue as long as the path. */
  private shortAt: Micros = 0;

  constructor(path: BbrPath) {
    this.path = path;
  }

  onLost(loss: LossEvent): void {
    this.current.lost += loss.packets;
    this.current.losses += loss.ranges;
  }

  /** Counts an ack, whose RTT the path has been told; says whether the round is over with it. */
  onAck(now: Micros, sample: RateSample): boolean {
    const { current } = this;
    current.acked += sample.ackedPackets;
    current.inFlight = Math.max(current.inFlight, sample.priorInFlight);
    if (sample.rtt !== undefined) {
      current.minRtt = Math.min(current.minRtt, sample.rtt);
      current.maxRtt = Math.max(current.maxRtt, sample.rtt);
      if (sample.rtt <= 2 * this.path.quietRtt()) this.shortAt = now;
    }
    // A clock that jumps back must not stop the rounds.
    return sample.priorDelivered >= this.endsAt && Math.abs(now - this.endedAt) >= HOST_TIME;
  }

  onRate({ rate, appLimited, hostLimited }: RateSample): void {
    if (rate === 0) return;
    const { current, path } = this;
    const isLimited = appLimited || hostLimited;
    if (isLimited) current.limited = true;
    if (isLimited && rate <= path.bandwidth()) return;
    path.onRate(rate);
    current.peak = Math.max(current.peak, rate);
  }

  /** The path has become slower: a queue stands, and less is delivered than for many rounds. */
  isSlower(now: Micros): boolean {
    const { current, path } = this;
    return (
      !current.limited &&
      current.lost + current.acked >= SLOW_PACKETS &&
      current.peak > 0 &&
      current.peak < 0.6 * path.bandwidth() &&
      current.minRtt > 2 * path.quietRtt() &&
      now - this.shortAt >= SLOW_TIME
    );
  }

  /** The round is over; `turn` follows once it has been looked at. */
  end(now: Micros, delivered: number): void {
    this.endsAt = delivered;
    this.endedAt = now;
    this.count++;
  }

  /** The smallest RTT of the last three rounds. */
  get quietestRtt(): Micros {
    return Math.min(this.before.minRtt, ...this.earlierMinRtts);
  }

  /** Begins the next round, for packets sent from `sentAt` on. */
  turn(sentAt: Micros): void {
    const { current, path } = this;
    const isRandom = current.maxRtt < 1.25 * path.minRtt;
    this.lastLoss = isRandom ? current.lost / Math.max(1, current.lost + current.acked) : path.floor.floor;
    this.earlierMinRtts = [this.before.minRtt, this.earlierMinRtts[0]];
    this.before = current;
    this.current = emptyRound(sentAt);
  }
}

function emptyRound(sentAt: Micros): Round {
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

const SLOW_PACKETS = 16;
/** A host that stalls shows a queue, too, but seldom for so long. */
const SLOW_TIME: Micros = 100 * MILLISECOND;
