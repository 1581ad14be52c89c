/**
 * Whether the peer still answers under our keys: data that brings no sign of life back for long is followed by challenges. In:
 * sends, signs of life, time. Out: when to send a challenge, and when to call it unanswered.
 */
import { type Micros, NEVER } from '../../core/time.js';
import { PROBE_SENDS, RETRY_MIN, UNANSWERED_AFTER } from '../limits.js';

export class Probe {
  private underWay: { sends: number; nextAt: Micros } | undefined;
  private unansweredSince: Micros = NEVER;

  /** Data was sent; says whether it is the first since the peer was last heard. */
  onSent(now: Micros): boolean {
    if (this.unansweredSince !== NEVER) return false;
    this.unansweredSince = now;
    return true;
  }

  /** A datagram has come, under whatever keys. */
  onHeard(): void {
    this.unansweredSince = NEVER;
  }

  /** Challenges at once, until there is an answer. */
  begin(now: Micros): void {
    this.underWay = { sends: 0, nextAt: now };
  }

  /** Ends the challenges. */
  end(): void {
    this.underWay = undefined;
  }

  /** What was sent until now asks for no answer any more. */
  reset(): void {
    this.underWay = undefined;
    this.unansweredSince = NEVER;
  }

  /** Whether a challenge is to be sent now, or the latest of them was in vain: then it is over. */
  poll(now: Micros): 'challenge' | 'unanswered' | undefined {
    if (!this.underWay && now >= this.unansweredSince + UNANSWERED_AFTER) this.begin(now);
    const { underWay } = this;
    if (!underWay || now < underWay.nextAt) return undefined;
    if (underWay.sends >= PROBE_SENDS) {
      this.reset();
      return 'unanswered';
    }
    underWay.nextAt = now + RETRY_MIN * 2 ** underWay.sends;
    underWay.sends++;
    return 'challenge';
  }

  /** When `poll` has something. */
  nextTimeout(): Micros {
    return this.underWay ? this.underWay.nextAt : this.unansweredSince + UNANSWERED_AFTER;
  }
}
