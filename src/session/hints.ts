/** What may be told again of one member: each kind of thing at once when it is new, and then once a minute while it goes on. */
import type { Micros } from '../core/time.js';
import type { SessionEvent } from './events.js';
import { HINT_INTERVAL } from './limits.js';

export class Hints {
  /** Of most members there is never anything to tell. */
  private nextAt: Map<SessionEvent['type'], Micros> | undefined;

  /** Whether `what` may be told now; if so it counts as told. */
  take(now: Micros, what: SessionEvent['type']): boolean {
    if (now < (this.nextAt?.get(what) ?? 0)) return false;
    this.nextAt ??= new Map();
    this.nextAt.set(what, now + HINT_INTERVAL);
    return true;
  }
}
