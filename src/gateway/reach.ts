/**
 * Who is within reach, over starts of the member below: each tells anew who is there, and nothing of who is not. Until it has had time
 * for that, whoever was there before counts as there, so that a start alone takes no quorum away. In: starts, what the member tells, time.
 * Out: changes.
 */
import { type Micros, NEVER, SECOND } from '../core/time.js';

export class Reach {
  private readonly others: readonly number[];
  private readonly tell: (member: number, isReachable: boolean) => void;
  /** By what the member has told since its last start. */
  private readonly present = new Set<number>();
  private settleAt: Micros = NEVER;

  /** @param others members but ourselves */
  constructor(others: readonly number[], tell: (member: number, isReachable: boolean) => void) {
    this.others = others;
    this.tell = tell;
  }

  onStart(now: Micros): void {
    this.present.clear();
    this.settleAt = now + PATIENCE;
  }

  onPeer(member: number, isReachable: boolean): void {
    if (isReachable) this.present.add(member);
    else this.present.delete(member);
    this.tell(member, isReachable);
  }

  handleTimeout(now: Micros): void {
    if (now < this.settleAt) return;
    this.settleAt = NEVER;
    for (const member of this.others) if (!this.present.has(member)) this.tell(member, false);
  }

  nextTimeout(): Micros {
    return this.settleAt;
  }
}

/** Longer than a session takes to begin, and no longer than a silent peer counts as there. */
const PATIENCE: Micros = 3 * SECOND;
