/**
 * How long objects and streams are kept: until every member has them, and at the bound of the store the oldest go before. In:
 * what members hold, and how much our store does. Out: writes that free room, and who goes without.
 */
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import type { Stream } from './agreement/stream.js';
import type { Wings } from './wings.js';

export class Retention {
  private readonly wings: Wings;
  private readonly forget: (stream: Stream) => void;
  private pruneAt: Micros = NEVER;

  /** @param forget ends all that is done for a stream */
  constructor(wings: Wings, forget: (stream: Stream) => void) {
    this.wings = wings;
    this.forget = forget;
  }

  /** There may be something to let go of soon. */
  schedule(now: Micros): void {
    this.pruneAt = Math.min(this.pruneAt, now + PRUNE_DELAY);
  }

  nextTimeout(): Micros {
    return this.pruneAt;
  }

  handleTimeout(now: Micros): void {
    if (this.pruneAt <= now) this.prune(now);
  }

  /** Lets go of what every member holds; and at the store's bound, of the oldest that a quorum does. */
  prune(now: Micros): void {
    this.pruneAt = NEVER;
    // What is handed over to the next epoch is kept for it.
    if (this.wings.options.epochs?.change.isSealed) return;
    const stable = new Map([...this.wings.streams].map((stream) => [stream, stream.stable()]));
    const settled = this.wings.sequence?.settle(stable);
    for (const [stream, below] of stable)
      this.pruneTo(now, stream, settled ? Math.min(below, settled.get(stream) ?? stream.base) : below);
    for (const stream of this.wings.streams.takeRetired(this.wings.own.stream)) {
      // Of whom nothing has been heard since we started, those who say that it is over have heard.
      const { claims, count } = stream;
      this.tellOverflow(
        stream,
        count,
        claims.lacking(count).filter((member) => claims.of(member)),
      );
      this.retire(stream);
    }
    for (const final of this.wings.streams.retired.takeReplaced()) this.wings.vectors.forget(final);
    for (const stream of this.wings.streams.takeEmpty(this.wings.own.stream)) {
      this.forget(stream);
      const { origin, incarnation } = stream;
      this.wings.log.write({ type: 'forget', stream: { origin, incarnation } });
    }
    if (!this.isOverfull) return;
    const stream = this.wings.kept.first();
    if (!stream) return;
    const { base } = stream;
    this.pruneTo(now, stream, base + Math.max(MIN_OVERFLOW, Math.ceil((stream.delivered - base) / 8)));
    if (stream.base === base) return;
    this.tellOverflow(stream, stream.base, stream.claims.lacking(stream.base));
    this.wings.metrics.overflowed += stream.base - base;
    this.wings.vectors.touch(stream);
  }

  /** What is on its way into the store counts, too. */
  get isOverfull(): boolean {
    return this.wings.log.storedBytes + this.wings.log.pendingBytes > this.wings.options.maxStoredBytes;
  }

  /** Says who goes without, if anyone does, now that objects below `to` are let go of. */
  private tellOverflow({ origin, incarnation }: Stream, to: number, lacking: number[]): void {
    if (lacking.length > 0)
      this.wings.events.push({ type: 'overflow', member: origin, incarnation, to, lacking });
  }

  private pruneTo(now: Micros, stream: Stream, below: number): void {
    const { origin, incarnation, base } = stream;
    stream.prune(below);
    if (stream.base === base) return;
    this.wings.log.write({ type: 'prune', stream: { origin, incarnation }, below: stream.base });
    this.wings.log.moveCursor(now, stream);
  }

  private retire(stream: Stream): void {
    const { origin, incarnation, count } = stream;
    this.forget(stream);
    this.wings.log.write({
      type: 'retire',
      stream: { origin, incarnation, count, chain: stream.ledger.chainAt(count)! },
    });
  }
}

const PRUNE_DELAY: Micros = 200 * MILLISECOND;
/** More than what lies between two digests that are kept of objects long past. */
const MIN_OVERFLOW = 128;
