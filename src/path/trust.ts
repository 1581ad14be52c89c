/**
 * Whether what one peer acknowledges is believed. RFC 9000 closes a connection on an acknowledgement of what was never sent
 * (sections 13.1 and 21.4). A member cannot be shut out by one other member, so its path is held to a trickle instead,
 * twice as long each time. In: lies, time. Out: whether it is held. Counted for each peer; it outlives paths and sessions.
 */
import { type Micros, SECOND } from '../core/time.js';

export class Trust {
  /** How often it was lost. */
  losses = 0;
  /** While true, the path is held to a trickle. */
  isLost = false;
  private until: Micros = 0;
  private hold: Micros = MIN_HOLD / 2;

  /** The peer has acknowledged what it cannot have received. Returns true if it was trusted until now. */
  onLie(now: Micros): boolean {
    const isNew = !this.isLost;
    if (isNew) {
      this.isLost = true;
      this.losses++;
      this.hold = Math.min(MAX_HOLD, 2 * this.hold);
    }
    this.until = now + this.hold;
    return isNew;
  }

  onTime(now: Micros): void {
    if (now >= this.until) this.isLost = false;
  }
}

/** As the breaker holds a path that loses nearly everything. */
const MIN_HOLD: Micros = 10 * SECOND;
/** As long as large datagrams rest after a black hole (RFC 8899, PMTU_RAISE_TIMER). */
const MAX_HOLD: Micros = 600 * SECOND;
