/**
 * A binary min-heap of items keyed by time; items of one time come out in the order they went in, so that a simulation
 * does not depend on how the heap happens to be laid out. In: (time, item) pairs. Out: the earliest time, then its item.
 */
import { type Micros, NEVER } from './time.js';

/**
 * Stable queue of items by time. Push and pop take O(log n) and allocate nothing but the growth of three arrays.
 *
 * @example
 * const queue = new TimeHeap<string>();
 * queue.push(20, 'late');
 * queue.push(10, 'early');
 * while (queue.nextTime() <= now) handle(queue.pop()!);
 */
export class TimeHeap<T> {
  // Three arrays side by side and not one of entries: a push then allocates no object.
  private readonly times: Micros[] = [];
  private readonly orders: number[] = [];
  private readonly items: T[] = [];
  private pushed = 0;

  get size(): number {
    return this.items.length;
  }

  /** The time of the item that `pop` would return, NEVER if there is none. Changes with every `push` and `pop`. */
  nextTime(): Micros {
    return this.items.length > 0 ? this.times[0] : NEVER;
  }

  /** Adds `item` at `time` (µs), behind all items that already have this time. */
  push(time: Micros, item: T): void {
    const { times, orders, items } = this;
    const order = this.pushed++;
    let hole = items.length;
    times.push(time);
    orders.push(order);
    items.push(item);
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      // The new item has the highest order of all, so a parent of the same time stays above it.
      if (times[parent] <= time) break;
      this.move(parent, hole);
      hole = parent;
    }
    this.put(hole, time, order, item);
  }

  /** Removes and returns the earliest item, undefined if there is none. */
  pop(): T | undefined {
    const { times, orders, items } = this;
    if (items.length === 0) return undefined;
    const first = items[0];
    const time = times.pop()!;
    const order = orders.pop()!;
    const item = items.pop()!;
    const length = items.length;
    if (length === 0) return first;
    let hole = 0;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= length) break;
      if (child + 1 < length && this.before(times[child + 1], orders[child + 1], child)) child++;
      if (this.before(time, order, child)) break;
      this.move(child, hole);
      hole = child;
    }
    this.put(hole, time, order, item);
    return first;
  }

  clear(): void {
    this.times.length = 0;
    this.orders.length = 0;
    this.items.length = 0;
  }

  private before(time: Micros, order: number, index: number): boolean {
    return time < this.times[index] || (time === this.times[index] && order < this.orders[index]);
  }

  private move(from: number, to: number): void {
    this.put(to, this.times[from], this.orders[from], this.items[from]);
  }

  private put(index: number, time: Micros, order: number, item: T): void {
    this.times[index] = time;
    this.orders[index] = order;
    this.items[index] = item;
  }
}
