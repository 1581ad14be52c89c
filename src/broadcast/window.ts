/**
 * The objects of one origin: those open now and which ones are finished, in bounded memory. Sequence numbers below
 * the window count as finished, so that nothing is ever taken up twice.
 */

export class SeqWindow<Entry> {
  private readonly open = new Map<number, Entry>();
  private readonly finished = new Set<number>();
  /** All below are finished or given up. */
  private base = 0;
  private readonly span: number;

  constructor(span: number) {
    this.span = span;
  }

  get size(): number {
    return this.open.size;
  }

  get(seq: number): Entry | undefined {
    return this.open.get(seq);
  }

  values(): IterableIterator<Entry> {
    return this.open.values();
  }

  isFinished(seq: number): boolean {
    return seq < this.base || this.finished.has(seq);
  }

  /** Takes up `seq`, which is neither open nor finished. Returns the entries that fell out of the window for it. */
  add(seq: number, entry: Entry): Entry[] {
    this.open.set(seq, entry);
    const dropped: Entry[] = [];
    const floor = seq - this.span + 1;
    if (floor > this.base) {
      for (const [old, value] of this.open) {
        if (old >= floor) continue;
        this.open.delete(old);
        dropped.push(value);
      }
      for (const old of this.finished) if (old < floor) this.finished.delete(old);
      this.base = floor;
    }
    return dropped;
  }

  finish(seq: number): void {
    this.open.delete(seq);
    if (seq < this.base) return;
    this.finished.add(seq);
    while (this.finished.delete(this.base)) this.base++;
  }
}
