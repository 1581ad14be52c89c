/**
 * In which order objects were delivered here, and how far they may be let go of in it. All that an object comes after was delivered
 * before it: while some member lacks any of that, the object is kept, or one that begins with nothing would be given the next one of
 * its stream, which does not say again what it comes after. In: deliveries, and what every member holds. Out: how much of each
 * stream may go.
 */
import type { Stream } from '../agreement/stream.js';

/** Objects that were delivered one after the other: of each stream those below. */
type Run = Map<Stream, number>;

export class Sequence {
  private runs: Run[] = [];
  /** Of each stream objects below have nothing before them that is not held by all. */
  private settled = new Map<Stream, number>();

  /** @param loaded what was delivered in former runs, in an order that is not known any more */
  constructor(loaded: Iterable<Stream>) {
    const run: Run = new Map();
    for (const stream of loaded) if (stream.delivered > stream.base) run.set(stream, stream.delivered);
    if (run.size > 0) this.runs.push(run);
  }

  /** All of this stream below `count` has been delivered. */
  onDelivered(stream: Stream, count: number): void {
    const last = this.runs.at(-1);
    if (last?.size === 1 && last.has(stream)) last.set(stream, count);
    else if (this.runs.push(new Map([[stream, count]])) > MAX_RUNS) this.merge();
  }

  /** Nothing of it is kept. */
  forget(stream: Stream): void {
    this.settled.delete(stream);
    for (const run of this.runs) run.delete(stream);
    this.runs = this.runs.filter(({ size }) => size > 0);
  }

  /**
   * Of each stream, how many objects may go.
   *
   * @param stable of each stream, how many every member holds
   */
  settle(stable: ReadonlyMap<Stream, number>): ReadonlyMap<Stream, number> {
    // At the bound of the store some go before their turn.
    const isStable = ([stream, count]: [Stream, number]) =>
      Math.max(stream.base, stable.get(stream) ?? count) >= count;
    let settled = 0;
    for (const run of this.runs) {
      const isWhole = [...run].every(isStable);
      // Of one stream alone what is stable may go as it is.
      if (isWhole || run.size === 1)
        for (const [stream, count] of run)
          this.settled.set(stream, Math.min(count, stable.get(stream) ?? count));
      if (!isWhole) break;
      settled++;
    }
    this.runs.splice(0, settled);
    return this.settled;
  }

  /** The older half become half as many: each goes as a whole then. */
  private merge(): void {
    const older = this.runs.splice(0, MAX_RUNS / 2);
    const merged: Run[] = [];
    for (let i = 0; i < older.length; i += 2) merged.push(new Map([...older[i], ...(older[i + 1] ?? [])]));
    this.runs.unshift(...merged);
  }
}

/** Some hundred kilobytes. */
const MAX_RUNS = 4096;
