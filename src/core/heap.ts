/**
 * Two binary min-heaps of items keyed by time. `TimeHeap` is a queue: items of one time come out in the order they went in, so
 * that a simulation does not depend on how the heap happens to be laid out. `Alarms` has one time for each item, which may
 * change. In: (time, item) pairs. Out: the earliest time, then its item.
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

/**
 * Deadlines of items that come and go, as objects under way do: a heap that knows where each item stands, so that one that
 * goes leaves nothing behind. One time per item; a change takes O(log n), the earliest time O(1).
 *
 * @example
 * alarms.bringForward(object, now + SECOND);
 * for (const object of alarms.takeDue(now)) handle(object);
 */
export class Alarms<T> {
  // A heap in two arrays side by side; `places` has the index of each item in them.
  private readonly times: Micros[] = [];
  private readonly items: T[] = [];
  private readonly places = new Map<T, number>();

  get size(): number {
    return this.items.length;
  }

  /** The earliest time of all; NEVER if there is none. */
  get earliest(): Micros {
    return this.items.length > 0 ? this.times[0] : NEVER;
  }

  /** When the item is due; NEVER if it has no time. */
  get(item: T): Micros {
    const place = this.places.get(item);
    return place === undefined ? NEVER : this.times[place];
  }

  /** The item is due at `at`, or sooner if it was so before. NEVER changes nothing. */
  bringForward(item: T, at: Micros): void {
    const place = this.places.get(item);
    if (at >= (place === undefined ? NEVER : this.times[place])) return;
    this.rise(place ?? this.items.length, at, item);
  }

  delete(item: T): void {
    const place = this.places.get(item);
    if (place === undefined) return;
    this.places.delete(item);
    const at = this.times.pop()!;
    const last = this.items.pop()!;
    if (last === item) return;
    if (place > 0 && at < this.times[(place - 1) >> 1]) this.rise(place, at, last);
    else this.sink(place, at, last);
  }

  /** The items whose time is `now` or earlier, the earliest first. They have no time any more. */
  takeDue(now: Micros): T[] {
    const due: T[] = [];
    while (this.earliest <= now) {
      due.push(this.items[0]);
      this.delete(this.items[0]);
    }
    return due;
  }

  private rise(from: number, at: Micros, item: T): void {
    let hole = from;
    while (hole > 0) {
      const parent = (hole - 1) >> 1;
      if (this.times[parent] <= at) break;
      this.put(hole, this.times[parent], this.items[parent]);
      hole = parent;
    }
    this.put(hole, at, item);
  }

  private sink(from: number, at: Micros, item: T): void {
    const { times, items } = this;
    let hole = from;
    for (;;) {
      let child = 2 * hole + 1;
      if (child >= items.length) break;
      if (child + 1 < items.length && times[child + 1] < times[child]) child++;
      if (at <= times[child]) break;
      this.put(hole, times[child], items[child]);
      hole = child;
    }
    this.put(hole, at, item);
  }

  private put(place: number, at: Micros, item: T): void {
    this.times[place] = at;
    this.items[place] = item;
    this.places.set(item, place);
  }
}
