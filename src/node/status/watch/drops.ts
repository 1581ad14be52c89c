/**
 * From whom comes what is thrown away: asked only while somebody looks closely, as it costs a copy of the counters for each datagram.
 * In: the counters, each datagram. Out: counts by sender and reason since the last look.
 */

/** By reason. */
export type DropCounts = Readonly<Record<string, number>>;

export class DropWatch {
  private readonly now: () => DropCounts;
  private before: DropCounts = {};
  /** By address; undefined: nobody looks. */
  private seen: Map<string, Record<string, number>> | undefined;

  /** @param now what has been dropped so far */
  constructor(now: () => DropCounts) {
    this.now = now;
  }

  /** A datagram is about to be taken in. */
  begin(): void {
    if (this.seen) this.before = this.now();
  }

  /** It has been. */
  end(from: string): void {
    if (!this.seen) return;
    const more = newDrops(this.before, this.now());
    if (Object.keys(more).length === 0) return;
    // Addresses can be forged, and there are many.
    const who = this.seen.size < MAX_SENDERS || this.seen.has(from) ? from : OTHERS;
    const counts = this.seen.get(who) ?? {};
    for (const [reason, count] of Object.entries(more)) counts[reason] = (counts[reason] ?? 0) + count;
    this.seen.set(who, counts);
  }

  /** By address, or `others` for those beyond the first: what was dropped since the last call. The first one begins it. */
  take(): ReadonlyMap<string, DropCounts> {
    const taken = this.seen ?? new Map();
    this.seen = new Map();
    return taken;
  }

  /** Nobody looks any more. */
  stop(): void {
    this.seen = undefined;
  }
}

/** By reason: what came between two looks at the counters, without those that stand still. */
export function newDrops(before: DropCounts, after: DropCounts): Record<string, number> {
  const more = Object.entries(after).map(
    ([reason, count]) => [reason, count - (before[reason] ?? 0)] as const,
  );
  return Object.fromEntries(more.filter(([, count]) => count > 0));
}

const MAX_SENDERS = 64;
const OTHERS = 'others';
