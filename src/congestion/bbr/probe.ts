/**
 * Probing for more: how hard to push, and what came of it. In: rounds of probing. Out: how many bytes in flight the path has
 * been seen to carry, whether the rate has grown, and whether by so much that startup must have ended too early.
 */
import { MILLISECOND, type Micros, SECOND } from '../../core/time.js';
import type { LossCeiling } from './loss-ceiling.js';
import type { BbrPath } from './path.js';
import type { Round } from './rounds.js';

export class BbrProbe {
  /** Bytes in flight beyond which probing has met congestion; infinite before. */
  inflightHigh = Number.POSITIVE_INFINITY;
  /** The ceiling held the latest round of probing back, and there was no sign of a queue. */
  isHeldBack = false;
  /** In some round since the latest probe the path, not the application, set the rate. */
  isUnlimited = false;
  private readonly path: BbrPath;
  private readonly ceiling: LossCeiling;
  /** Bandwidth when probing began, and when it last grew. */
  private first = 0;
  private latest = 0;

  constructor(path: BbrPath, ceiling: LossCeiling) {
    this.path = path;
    this.ceiling = ceiling;
  }

  begin(): void {
    this.latest = this.first = this.path.bandwidth();
    this.isHeldBack = false;
    // What the application leaves unused says nothing against the rate that was measured.
    if (this.isUnlimited) this.path.turnPeaks();
    this.isUnlimited = false;
  }

  /** Bytes beyond the BDP, for the `inState`-th round: a quarter of it, but beginning with a queue that is short for every path. */
  push(bdp: number, inState: number): number {
    const quarter = 0.25 * bdp;
    // Where the path loses by itself the rate is not easily seen to grow; where others made us give way, they push harder.
    if (this.path.isLossy() || this.ceiling.isFinite()) return quarter;
    const time = PUSH_TIME * 2 ** Math.max(0, inState - 1);
    return Math.min(quarter, (this.path.bandwidth() * time) / SECOND);
  }

  /** Takes in a round of probing with `inFlight` bytes; false if it met congestion. */
  onRound(round: Round, inFlight: number, bdp: number): boolean {
    const { path, ceiling } = this;
    if (path.floor.exceededBy(round.lost, round.lost + round.acked, 2)) {
      this.inflightHigh = Math.max(bdp, 0.85 * inFlight);
      this.isHeldBack = false;
      return false;
    }
    this.inflightHigh = Math.max(this.inflightHigh, inFlight);
    this.isHeldBack = round.maxRtt <= path.lowRtt() && ceiling.bytes < 1.2 * bdp;
    if (this.isHeldBack) ceiling.bytes = Math.max(ceiling.bytes, inFlight);
    return true;
  }

  /** Whether the rate has grown since this was last asked. */
  takeGrowth(): boolean {
    const peak = this.path.peak();
    const grew = peak > 1.1 * this.latest;
    this.latest = Math.max(this.latest, peak);
    return grew;
  }

  /** Probing has found so much more, without a queue and without loss, that startup must have ended too early. */
  isWide(before: Round): boolean {
    const { path } = this;
    return (
      path.isSteady() &&
      path.peak() > WIDE * this.first &&
      before.maxRtt <= path.lowRtt() &&
      !before.limited &&
      !path.floor.exceededBy(before.lost, before.lost + before.acked, 2)
    );
  }
}

/** The first round of a probe adds a queue this long; each further round twice as much. */
const PUSH_TIME: Micros = 5 * MILLISECOND;
/** More than one round of probing with the gain of 1.25 can find by chance. */
const WIDE = 1.4;
