/**
 * What `bbr` counts in each round trip. In: acks and losses. Out: the round that runs, the one before, and how many are over. A
 * round is over when a packet that was sent in it is acknowledged.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
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
  /** What was acknowledged since a queue as long as the path stands and far less is delivered than for many rounds. */
  private slow: { since: Micros; packets: number; bytes: number } | undefined;
  /** What was sent before tells of the path as it was. */
  private slowSince: Micros = Number.NEGATIVE_INFINITY;

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
      if (sample.rtt <= 2 * this.path.quietRtt()) this.slow = undefined;
    }
    if (this.slow) {
      this.slow.packets += sample.ackedPackets;
      this.slow.bytes += sample.acked;
    }
    // A clock that jumps back must not stop the rounds.
    return sample.priorDelivered >= this.endsAt && Math.abs(now - this.endedAt) >= HOST_TIME;
  }

  onRate(now: Micros, { rate, rtt, sentAt, appLimited, hostLimited }: RateSample): void {
    // A clock that jumps back must not stop the samples.
    if (rate === 0 || (sentAt < this.slowSince && this.slowSince <= now)) return;
    const { current, path } = this;
    const isLimited = appLimited || hostLimited;
    if (isLimited) current.limited = true;
    if (isLimited || rate >= SLOW_SHARE * path.bandwidth()) this.slow = undefined;
    else if (rtt !== undefined && rtt > 2 * path.quietRtt())
      this.slow ??= { since: now, packets: 0, bytes: 0 };
    if (isLimited && rate <= path.bandwidth()) return;
    path.onRate(rate);
    current.peak = Math.max(current.peak, rate);
  }

  /**
   * What the path now carries, bytes per second, if it has become slower. It is counted in time and packets: rounds get as
   * long as the queue.
   */
  slowRate(now: Micros): number | undefined {
    const { slow } = this;
    if (slow === undefined || slow.packets < SLOW_PACKETS) return undefined;
    const time = Math.abs(now - slow.since);
    if (time < Math.max(SLOW_TIME, this.path.minRtt)) return undefined;
    this.slow = undefined;
    this.slowSince = slow.since;
    return (slow.bytes * SECOND) / time;
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
const SLOW_SHARE = 0.6;
/** A host that stalls shows a queue, too, but seldom for so long. */
const SLOW_TIME: Micros = 200 * MILLISECOND;
