/**
 * What a peer may make us work to serve it: who asks for one symbol of each block has the whole object read and all its blocks
 * solved. In: bytes that were read or solved for it, and those that it took. Out: whether more may be begun.
 */
import { Budget } from '../../../core/budget.js';
import type { Micros } from '../../../core/time.js';

export class Work {
  private readonly budget = new Budget(WORK_RATE, MAX_WORK);

  /** Whether something may be begun: of any size, so that this may leave a debt. */
  mayBegin(now: Micros): boolean {
    return this.budget.available(now) > 0;
  }

  /** So many bytes are read, or solved. */
  spend(bytes: number): void {
    this.budget.spend(bytes);
  }

  /** It has taken so many: what they cost is little beside that. */
  earn(bytes: number): void {
    this.budget.spend(-WORK_EARNED * bytes);
  }
}

/** Bytes: the largest object of the default size, lost in part, in four tries. */
export const MAX_WORK = 1024 * 1024 * 1024;
/** Bytes a second: some hundredths of a core. */
export const WORK_RATE = 16 * 1024 * 1024;
/** Times what it takes: an object is read and solved with twice its bytes. */
const WORK_EARNED = 4;
