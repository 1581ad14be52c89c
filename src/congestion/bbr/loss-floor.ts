/**
 * How much loss a path has that is not congestion. In: the fate of packets, with whether they were sent while the flow kept
 * below what the path carries (`quiet`) and whether the round-trip time was then low. Out: the floor of random loss, and
 * whether the losses of a round exceed it by more than chance allows.
 *
 * Random loss does not care how fast we send; congestive loss ends when we slow down. So the floor is learned only from
 * quiet packets with little delay, and everything above it, while we push or while the queue stands, is congestion.
 */

export class LossFloor {
  private acked = 0;
  private lost = 0;
  private value = 0;
  /** Variance of losses over what independent losses would have: 1 for random loss, about twice the burst for bursts. */
  private dispersion = 1;
  private blockAcked = 0;
  private blockLost = 0;
  private fresh = false;
  private staleRounds = 0;

  /** The estimate, 0 to `CAP`. */
  get floor(): number {
    return this.value;
  }

  /** Whether enough packets stand behind the estimate to call what exceeds it congestion. */
  get isKnown(): boolean {
    return this.isKnownFor(0);
  }

  /** The same of so many packets, which are not to be judged by far fewer. */
  isKnownFor(packets: number): boolean {
    return this.acked + this.lost >= Math.max(KNOWN_PACKETS, Math.min(KNOWN_SHARE * packets, SURE_PACKETS));
  }

  /** Fates of packets that were sent quietly and met no queue. */
  learn(acked: number, lost: number): void {
    this.fresh = true;
    this.acked += acked;
    this.lost += lost;
    this.blockAcked += acked;
    this.blockLost += lost;
    const total = this.acked + this.lost;
    if (total > 0) this.value = Math.min(CAP, this.lost / Math.max(total, MIN_PACKETS));
    const n = this.blockAcked + this.blockLost;
    if (n >= BLOCK) {
      const variance = n * this.value * (1 - this.value);
      if (variance > 0.5) {
        const ratio = (this.blockLost - n * this.value) ** 2 / variance;
        this.dispersion += (Math.min(MAX_DISPERSION, ratio) - this.dispersion) / 16;
      }
      this.blockAcked = 0;
      this.blockLost = 0;
    }
  }

  /** The path is not what it seemed: what comes next outweighs what was learned. */
  doubt(): void {
    const keep = Math.min(1, KNOWN_PACKETS / Math.max(1, this.acked + this.lost));
    this.acked *= keep;
    this.lost *= keep;
    this.blockAcked = this.blockLost = 0;
    this.dispersion = 1;
  }

  /** To be called once a round: old evidence fades, and an estimate that nothing has confirmed for long goes. */
  onRound(): void {
    if (this.fresh) this.staleRounds = 0;
    else if (++this.staleRounds > STALE_ROUNDS) {
      this.lost *= STALE_FADE;
      this.value *= STALE_FADE;
    }
    this.fresh = false;
    if (this.acked + this.lost <= MEMORY) return;
    this.acked *= FADE;
    this.lost *= FADE;
  }

  /** Whether `lost` of `total` packets are more than the floor explains: by 2 %, and so many
   *  spreads of what chance gives. A flow that competes with others for a queue takes no margin: they take none. */
  exceededBy(lost: number, total: number, spreads: number, margin = THRESHOLD): boolean {
    // The floor itself is an estimate, from so many packets.
    const doubt = 1 + total / Math.max(this.acked + this.lost, MIN_PACKETS);
    const spread = Math.sqrt(total * this.value * (1 - this.value) * Math.max(1, this.dispersion) * doubt);
    return (
      lost > total * (this.value + margin) + spreads * spread && (lost >= MIN_LOSSES || margin < THRESHOLD)
    );
  }
}

/** Above half there is more loss than traffic; the breaker takes over. */
const CAP = 0.6;
/** BBR draft section 2.7 (BBR.LossThresh). */
const THRESHOLD = 0.02;
const MIN_PACKETS = 4;
const KNOWN_PACKETS = 20;
/** Doubling has always learned from more. */
const KNOWN_SHARE = 1 / 8;
const SURE_PACKETS = 100;
const MIN_LOSSES = 2;
const MEMORY = 500;
const FADE = 0.8;
const STALE_ROUNDS = 20;
const STALE_FADE = 0.95;
const BLOCK = 32;
const MAX_DISPERSION = 100;
