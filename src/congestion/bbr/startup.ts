/**
 * When startup has filled the path (BBR draft -06 section 5.3.1, changed for paths with random loss). In: each round that is
 * over. Out: whether to stop doubling. The loss floor learns from the rounds that turn out to have been harmless.
 */

import { SECOND } from '../../core/time.js';
import { initialWindow } from '../controller.js';
import { type BbrPath, HOST_TIME } from './path.js';
import type { BbrRounds, Round } from './rounds.js';
import { BbrTrain } from './train.js';

interface Situation {
  /** The round had delays that show a queue. */
  delayed: boolean;
  /** Startup had ended before, and was begun again. */
  isResumed: boolean;
  /** Bytes. */
  cwnd: number;
  mtu: number;
}

export class BbrStartup {
  /** Rounds in which the rate has not grown. */
  flatRounds = 0;
  private readonly path: BbrPath;
  private readonly rounds: BbrRounds;
  private fullBandwidth = 0;
  /** What finds the rate of a long path before. */
  readonly train: BbrTrain;

  constructor(path: BbrPath, rounds: BbrRounds) {
    this.path = path;
    this.rounds = rounds;
    this.train = new BbrTrain(path, rounds);
  }

  /** Once more: it is only doubled. */
  begin(): void {
    this.train.end();
    this.fullBandwidth = this.path.bandwidth();
    this.flatRounds = 0;
  }

  /** Bytes: more than doubling needs would only stand in a queue, the link's, a socket's or that of a process that gets no time. */
  limit(mtu: number): number {
    const { path, rounds } = this;
    if (!Number.isFinite(path.minRtt)) return initialWindow(mtu);
    // What each of the last rounds has met is noise, unless it is too much for that.
    const noisy = Math.min(NOISE * path.minRtt, rounds.quietestRtt);
    const rtt = Math.max(path.minRtt, HOST_TIME, noisy);
    const bytes = (BDPS * path.bandwidth() * rtt) / SECOND / (1 - Math.min(0.6, rounds.lastLoss));
    return Math.max(bytes, initialWindow(mtu));
  }

  /** Whether startup ends with this round. */
  endsWith(round: Round, before: Round, { delayed, isResumed, cwnd, mtu }: Situation): boolean {
    const { floor, minRtt } = this.path;
    const total = round.lost + round.acked;
    // A round whose acks brought no sample of the rate, or of the RTT, shows neither that the path is full nor a queue.
    const rated = round.peak > 0;
    const measured = rated && Number.isFinite(round.minRtt);
    const queued = measured && round.minRtt > 1.25 * minRtt;
    // Noise stays as it is while we double, and a busy host delays too; a queue of ours grows.
    const rising = queued && !round.limited && round.minRtt > 1.1 * before.minRtt;
    const lossy = round.losses >= LOSSES && floor.exceededBy(round.lost, total, 3);
    const excess = lossy && floor.isKnownFor(total);
    // A burst of the application's, too short to keep a queue standing, that still filled it.
    const burst = lossy && round.limited && delayed;
    // Startup that is resumed is a guess: it ends at the first sign against it.
    const wrong = isResumed && delayed && floor.exceededBy(round.lost, total, 2);
    // Of a host that is too slow more under way only makes the queue longer.
    const stands = measured && round.limited && round.minRtt > STANDING * Math.max(minRtt, HOST_TIME);
    // A handshake or a heartbeat tells nothing about the path, although it is all there was to send.
    const filled = rated && !round.limited && 4 * round.inFlight >= Math.min(cwnd, 4 * initialWindow(mtu));
    // Where many of few are lost at random, chance hides the growth; so few harm nobody.
    const vague = !delayed && total < VAGUE_PACKETS && round.lost > VAGUE_LOSS * total;
    if (round.peak >= this.fullBandwidth * GROWTH) {
      // The path carried still more, so what the round before lost was random, unless that came out of a queue of others.
      if (!excess && before.minRtt <= this.path.lowRtt()) floor.learn(before.acked, before.lost);
      this.fullBandwidth = round.peak;
      this.flatRounds = 0;
    } else if ((burst || filled || stands) && !vague) this.flatRounds++;
    // A queue and no growth: the path is full, however few the rounds; they get longer as the queue grows.
    const full = this.flatRounds >= FLAT_ROUNDS || (rising && this.flatRounds > 0);
    return full || (excess && (queued || burst)) || wrong;
  }
}

/** BBR draft -06 section 2.4 (BBR.StartupCwndGain) has 2, and counts from the smallest RTT: a little more, or noise ends the doubling. */
const BDPS = 2.2;
const NOISE = 1.5;
const GROWTH = 1.25;
const FLAT_ROUNDS = 3;
/** Twice what the path takes: so much in flight does not come from doubling alone. */
const STANDING = 2;
const LOSSES = 6;
/** Of a half that is lost the spread then is a sixth of what arrives. */
const VAGUE_PACKETS = 40;
const VAGUE_LOSS = 0.1;
