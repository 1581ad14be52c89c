/**
 * The window of a flow that has met congestive loss: it is cut as CUBIC's and grows along CUBIC's curve, so that a flow
 * whose model gives way, or that competes for a full queue, gets what CUBIC would. In: acks, cuts, claims. Out: bytes.
 */
import type { Micros } from '../../core/time.js';
import type { RateSample } from '../controller.js';
import { CubicCurve } from '../cubic-curve.js';

export class LossCeiling {
  /** Infinity while there were no congestive losses, or when they no longer matter. */
  bytes = Number.POSITIVE_INFINITY;
  /** Packets sent until then belong to the losses answered last. */
  cutAt: Micros = -1;
  private readonly curve = new CubicCurve();
  /** Between the start of competing and the first loss: as a newcomer, it looks for the end of the buffer. */
  private claiming = false;

  isFinite(): boolean {
    return Number.isFinite(this.bytes);
  }

  onAck(now: Micros, sample: RateSample, mtu: number, competing: boolean): void {
    if (this.claiming && competing) this.bytes += CLAIM_GROWTH * sample.acked;
    else if (this.isFinite() && sample.windowUsed)
      this.bytes = this.curve.grow(now, this.bytes, sample.acked, sample.smoothedRtt, mtu);
  }

  /** Answers congestive loss with `used` bytes in flight; `least` bytes stay. */
  cut(
    now: Micros,
    { used, least, mtu, isCompeting }: { used: number; least: number; mtu: number; isCompeting: boolean },
  ): void {
    this.cutAt = now;
    this.claiming = false;
    const cut = this.curve.cut(Math.min(this.bytes, used), mtu);
    // Tuned in the suite, not derived: with 1.0 our share against CUBIC was lower in most of its deep-buffer cases.
    this.bytes = Math.max(isCompeting ? LATE_CUT * cut : cut, least);
  }

  /** Takes back what was ours before others filled the queue, since our own model gave way while they came. */
  claim(bytes: number): void {
    this.curve.reset();
    this.claiming = true;
    this.bytes = bytes;
  }

  /** Loss no longer limits the flow. */
  lift(): void {
    this.bytes = Number.POSITIVE_INFINITY;
  }
}

const CLAIM_GROWTH = 0.05;
const LATE_CUT = 1.1;
