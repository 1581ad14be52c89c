/**
 * Deadlines of items that come and go, as objects under way do: a binary heap that knows where each item stands, so that one
 * that goes leaves nothing behind. In: a time for an item. Out: the earliest time, and the items that are due.
 */
import { type Micros, NEVER } from './time.js';

/**
 * One time per item; a change takes O(log n), the earliest time O(1).
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
