/**
 * How much of each object a peer may still be served: it asks again for what is lost, but not without end. In: what it asks for
 * and gets. Out: whether it may get more.
 */
import { SparseMap } from '../../../core/sparse.js';
import { type Micros, SECOND } from '../../../core/time.js';

export class Allowances {
  /** By object: symbols that it may still get of it, and since when they are counted. The latest is the last. */
  private readonly byObject = new SparseMap<string, { symbols: number; since: Micros }>();

  /**
   * The peer asks for an object of so many symbols: it gets all of it some times in a while.
   *
   * @returns whether any of that is left
   */
  onAsked(now: Micros, key: string, symbols: number): boolean {
    const all = this.byObject;
    let allowance = all.get(key);
    if (!allowance || now - allowance.since >= ALLOWANCE_PERIOD)
      allowance = { symbols: ALLOWED_TIMES * symbols + ALLOWED_BESIDES, since: now };
    all.delete(key);
    all.set(key, allowance);
    if (all.size > MAX_ALLOWANCES) all.delete(all.keys().next().value!);
    return allowance.symbols > 0;
  }

  /** So many symbols of it have probably arrived. */
  onServed(key: string, symbols: number): void {
    const allowance = this.byObject.get(key);
    if (allowance) allowance.symbols -= symbols;
  }
}

/** In so long, so many times an object's symbols to one peer, and some besides: it asks again for what is lost. */
export const ALLOWANCE_PERIOD: Micros = 10 * SECOND;
export const ALLOWED_TIMES = 4;
export const ALLOWED_BESIDES = 16;
/** Objects of which it is remembered what a peer was promised. */
export const MAX_ALLOWANCES = 1024;
