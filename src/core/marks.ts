/**
 * Which of a fixed number of slots have changed since they were last looked at. In: marks, any number of times. Out: each
 * marked slot once, in the order of the first marks.
 */

/**
 * @example
 * marks.mark(3);
 * for (let slot = marks.take(); slot >= 0; slot = marks.take()) lookAt(slot);
 */
export class Marks {
  private readonly isMarked: Uint8Array;
  private readonly list: number[] = [];
  private taken = 0;

  /** No slot is marked at first. */
  constructor(slots: number) {
    this.isMarked = new Uint8Array(slots);
  }

  mark(slot: number): void {
    if (this.isMarked[slot] === 1) return;
    this.isMarked[slot] = 1;
    this.list.push(slot);
  }

  has(slot: number): boolean {
    return this.isMarked[slot] === 1;
  }

  markAll(): void {
    for (let slot = 0; slot < this.isMarked.length; slot++) this.mark(slot);
  }

  /** The next marked slot, which is not marked any more; -1 if there is none. */
  take(): number {
    if (this.taken === this.list.length) {
      this.list.length = 0;
      this.taken = 0;
      return -1;
    }
    const slot = this.list[this.taken++];
    this.isMarked[slot] = 0;
    return slot;
  }
}
