/**
 * What `bbr` believes of its path. In: round-trip times, delivery rates, fates of packets, the ends of rounds and cycles.
 * Out: the rate the path carries, its round-trip time without a queue, the loss it has by itself, how much of the queue has
 * been seen lately, and how many bytes in flight keep it busy.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import { initialWindow, type RateSample } from '../controller.js';
import { LossFloor } from './loss-floor.js';

export class BbrPath {
  readonly floor = new LossFloor();
  /** Smallest RTT; forgotten if it has not been met again for `BASE_WINDOW`. */
  minRtt: Micros = Number.POSITIVE_INFINITY;
  /** Smallest RTT of the whole life of the path: the floor is learned near this one only. */
  baseRtt: Micros = Number.POSITIVE_INFINITY;
  /** When the queue was last seen empty, or nearly. */
  drainedAt: Micros = 0;
  /** Most delivered, bytes per second, in this probing cycle and the one before. */
  private readonly peaks = [0, 0];
  private minRttAt: Micros = 0;
  /** Smallest RTT that the tests since then have met. */
  private candidate: Micros = Number.POSITIVE_INFINITY;
  /** Largest RTT of the last `RANGE_ROUNDS` and those before: how far the queue goes. */
  private readonly maxRtts = [0, 0];
  /** How far the queue has moved the RTT in the last few hundred rounds. */
  private moved: Micros = 0;
  /** Smallest RTT of this cycle and the one before. */
  private readonly cycleMinRtts = [Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY];
  private rounds = 0;
  /** When the first of the latest packets was sent of which none has met a full queue; Infinity if the latest did. */
  private roomSince: Micros = Number.POSITIVE_INFINITY;
  /** Fates of the latest packets that were sent quietly and met no queue. */
  private quietAcked = 0;
  private quietLost = 0;
  private lumpEpoch: Micros = 0;
  private lumpAcked = 0;
  private readonly lumps = [0, 0];
  private lumpsAt: Micros = 0;

  /** Bytes per second. */
  bandwidth(): number {
    return Math.max(this.peaks[0], this.peaks[1]);
  }

  /** Most delivered in this cycle. */
  peak(): number {
    return this.peaks[0];
  }

  /** Bytes in flight, those that will be lost included, that keep the path busy without a queue. */
  bdp(mtu: number): number {
    if (!Number.isFinite(this.minRtt)) return initialWindow(mtu);
    const noise = Math.min(NOISE_SHARE * (this.quietRtt() - this.minRtt), NOISE_LIMIT * this.minRtt);
    return (this.bandwidth() * (this.minRtt + noise)) / SECOND / (1 - this.floor.floor);
  }

  /** Bytes that arrive at once beyond what the rate explains: acks come in lumps. */
  lump(): number {
    if (!Number.isFinite(this.minRtt)) return 0;
    const most = (this.bandwidth() * Math.max(this.minRtt, LUMP_PATH)) / SECOND;
    return Math.min(most, Math.max(this.lumps[0], this.lumps[1]));
  }

  /** Whether the path itself loses so much that no loss-based flow can hold a queue on it. */
  isLossy(): boolean {
    return this.floor.floor >= NOISE_FLOOR;
  }

  /**
   * RTT without a queue of ours: the smallest of two cycles, each of which lets the queue run empty once. What it exceeds
   * the smallest ever by is jitter, which a dense stream always meets, or the queue of others; the latter only where the
   * path itself loses too little to keep loss-based flows out of the queue, so there it counts for nothing.
   */
  quietRtt(): Micros {
    const rtt = Math.min(this.cycleMinRtts[0], this.cycleMinRtts[1]);
    return this.isLossy() && Number.isFinite(rtt) ? Math.max(this.minRtt, rtt) : this.minRtt;
  }

  maxRtt(): Micros {
    return Math.max(this.maxRtts[0], this.maxRtts[1]);
  }

  /** Below this the path shows no queue to speak of. */
  lowRtt(): Micros {
    if (!this.isLossy()) {
      const limit = Math.max(2 * MILLISECOND, Math.min(this.baseRtt / 8, 16 * MILLISECOND));
      return this.baseRtt + Math.min(limit, Math.max(LOW_RTT_MIN, LOW_RTT_SHARE * this.span()));
    }
    const low = this.quietRtt();
    return low + Math.max(LOW_RTT_MIN, LOW_RTT_SHARE * (this.maxRtt() - low));
  }

  /** Above this the queue is as long as it has lately been, or nearly. */
  private fullRtt(): Micros {
    return this.minRtt + FULL_SHARE * (this.maxRtt() - this.minRtt);
  }

  /** Above this the queue is as long as it gets, or nearly. */
  highRtt(): Micros {
    return this.baseRtt + Math.max(this.moved / 2, this.baseRtt / 16, MILLISECOND);
  }

  /** Unless the queue has lately become so long that it must have been the line that grew slow: a rate that rises may fall again. */
  isSteady(): boolean {
    return this.highRtt() < STEADY_RTTS * Math.max(this.baseRtt, HOST_TIME);
  }

  onRtt(now: Micros, rtt: Micros): void {
    // What was learned until now may have been learned in a queue, where losses are not random.
    if (rtt < this.baseRtt - Math.max(this.baseRtt / 8, 2 * MILLISECOND) && Number.isFinite(this.baseRtt))
      this.floor.doubt();
    this.baseRtt = Math.min(this.baseRtt, rtt);
    this.cycleMinRtts[0] = Math.min(this.cycleMinRtts[0], rtt);
    this.maxRtts[0] = Math.max(this.maxRtts[0], rtt);
    if (rtt <= this.minRtt + Math.max(this.minRtt / 64, (this.maxRtt() - this.minRtt) / 8))
      this.drainedAt = now;
    if (rtt <= this.minRtt + this.minRtt / 64) {
      this.minRtt = Math.min(this.minRtt, rtt);
      this.minRttAt = now;
      this.candidate = Number.POSITIVE_INFINITY;
    }
  }

  /** Fates of packets; those sent quietly that met no queue tell the floor. `drained`: a test has just seen that none stands. */
  onFates(sample: RateSample, drained: boolean): void {
    if (sample.rtt === undefined) return;
    if (sample.rtt > this.fullRtt()) {
      this.roomSince = Number.POSITIVE_INFINITY;
      return;
    }
    const since = this.roomSince;
    this.roomSince = Math.min(since, sample.sentAt);
    // A full queue may be empty again by the time a loss is found: what was sent just before and after must have found room.
    if (since > Math.min(sample.sentAt, sample.quietLostSince)) return;
    if (sample.rtt > this.lowRtt() && !drained) return;
    const { quietAckedPackets: acked, quietLostPackets: lost } = sample;
    this.countQuiet(acked, lost);
    // Where pushing does not raise the RTT, either there is no queue or it is always full: nothing can be told apart.
    if (this.moved < Math.max(this.baseRtt / 10, MILLISECOND / 4) && !this.losesMuch()) return;
    if (acked + lost > 0) this.floor.learn(acked, lost);
  }

  /** Whether more is lost of what is sent quietly than who fills queues could live with. */
  private losesMuch(): boolean {
    const total = this.quietAcked + this.quietLost;
    return total >= MUCH_PACKETS && this.quietLost > MUCH_LOSS * total;
  }

  private countQuiet(acked: number, lost: number): void {
    this.quietAcked += acked;
    this.quietLost += lost;
    if (this.quietAcked + this.quietLost <= 4 * MUCH_PACKETS) return;
    this.quietAcked /= 2;
    this.quietLost /= 2;
  }

  onRate(rate: number): void {
    this.peaks[0] = Math.max(this.peaks[0], rate);
  }

  onAcked(now: Micros, acked: number, window: number): void {
    const expected = (this.bandwidth() * (now - this.lumpEpoch)) / SECOND;
    if (this.lumpAcked <= expected || now - this.lumpEpoch > LUMP_TIME) {
      this.lumpEpoch = now;
      this.lumpAcked = acked;
      return;
    }
    this.lumpAcked += acked;
    this.lumps[0] = Math.max(this.lumps[0], Math.min(this.lumpAcked - expected, window));
  }

  /** @returns whether the range of RTTs starts anew, as it does each few rounds */
  endRound(now: Micros): boolean {
    this.rounds++;
    this.moved = Math.max(this.moved * MOVED_FADE, this.span());
    this.floor.onRound();
    if (this.rounds % LUMP_ROUNDS === 0 && Math.abs(now - this.lumpsAt) >= LUMP_MEMORY) {
      this.lumpsAt = now;
      turn(this.lumps, 0);
    }
    if (this.rounds % RANGE_ROUNDS !== 0) return false;
    turn(this.maxRtts, 0);
    return true;
  }

  /** The rate of the cycle before the latest is forgotten. */
  turnPeaks(): void {
    turn(this.peaks, 0);
  }

  /** From here on the queue is let run empty. */
  turnCycle(): void {
    turn(this.cycleMinRtts, Number.POSITIVE_INFINITY);
  }

  /** The path has become slower: what stands now is a queue, not noise. */
  slowDown(rate: number): void {
    this.peaks.fill(rate);
    this.cycleMinRtts[0] = this.minRtt;
  }

  /** The smallest RTT that a test has met: it replaces one that has not been met for long. */
  onTest(now: Micros, rtt: Micros, crowdedRtt: Micros, competing: boolean): void {
    this.candidate = Math.min(this.candidate, rtt);
    const crowded = competing || this.candidate > crowdedRtt;
    if (now - this.minRttAt <= (crowded ? CROWDED_BASE_WINDOW : BASE_WINDOW)) return;
    this.minRtt = this.candidate;
    this.minRttAt = now;
    this.candidate = Number.POSITIVE_INFINITY;
  }

  /** Everything was lost for long: the next test replaces the smallest RTT. */
  doubtRtt(): void {
    this.minRttAt = Number.NEGATIVE_INFINITY;
  }

  /** How far the queue has moved the RTT lately. */
  private span(): Micros {
    return Math.max(0, this.maxRtt() - this.baseRtt);
  }
}

function turn(pair: number[], empty: number): void {
  pair[1] = pair[0];
  pair[0] = empty;
}

/** What scheduling at both ends takes now and then: where the path is shorter, this is its length. */
export const HOST_TIME: Micros = 4 * MILLISECOND;
const BASE_WINDOW: Micros = 30 * SECOND;
/** While others fill the queue the base cannot be seen; a route that has become longer looks the same. */
const CROWDED_BASE_WINDOW: Micros = 300 * SECOND;
const STEADY_RTTS = 3;
const MOVED_FADE = 0.997;
const LUMP_ROUNDS = 5;
const LUMP_MEMORY: Micros = 200 * MILLISECOND;
/** What lasts longer is not a lump of acks but a share of the line that others left. */
const LUMP_TIME: Micros = 60 * MILLISECOND;
/** Beyond the length of the path, or this, a lump is a queue. */
const LUMP_PATH: Micros = 20 * MILLISECOND;
const RANGE_ROUNDS = 10;
/** Jitter alone takes a dense stream to four fifths of its range, most of the time. */
const FULL_SHARE = 0.9;
/** Where half a per cent of random loss is, a loss-based flow keeps 17 packets in flight (Mathis) and fills no queue. */
const NOISE_FLOOR = 0.005;
/** Where a tenth is lost, a loss-based flow has four packets in flight (Mathis). */
const MUCH_LOSS = 0.1;
const MUCH_PACKETS = 20;
/** Below 1, or flows of our kind would take each other's queue for noise and add to it without end. */
const NOISE_SHARE = 0.75;
const NOISE_LIMIT = 3;
const LOW_RTT_SHARE = 0.3;
const LOW_RTT_MIN: Micros = 100;
