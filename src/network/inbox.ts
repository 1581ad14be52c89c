/**
 * Messages as `for await` takes them. In: one message at a time, from the node, which waits until it is taken. Out: iterators,
 * one in use at a time. A message counts as taken when the next one is asked for, be it by the loop that got it or by the one
 * after that.
 */
import { HeadwaterError } from '../errors.js';

interface Offer<T> {
  value: T;
  taken(): void;
}

export class Inbox<T> {
  /** The message that the node waits for, and whether it has been given. */
  private offer: Offer<T> | undefined;
  private isGiven = false;
  /** Calls of `next` that wait, oldest first. */
  private asking: ((result: IteratorResult<T, undefined>) => void)[] = [];
  private user: AsyncIterableIterator<T, undefined> | undefined;
  private closed = false;

  /** Resolves when it is taken; never if the network is closed before. */
  put(value: T): Promise<void> {
    return new Promise((taken) => {
      this.offer = { value, taken };
      this.isGiven = false;
      this.give();
    });
  }

  /** An iterator. It is in use from its first `next` until its `return`; meanwhile `next` of any other one throws BUSY. */
  iterate(): AsyncIterableIterator<T, undefined> {
    let isOver = false;
    const iterator: AsyncIterableIterator<T, undefined> = {
      next: async () => {
        if (isOver || this.closed) return END;
        this.user ??= iterator;
        if (this.user !== iterator)
          throw new HeadwaterError(
            'BUSY',
            'network: expected one loop over its messages at a time, got a second one before the first was left',
          );
        return this.next();
      },
      return: async () => {
        isOver = true;
        if (this.user === iterator) this.leave();
        return END;
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** All iterators are at their end, those that wait too. */
  close(): void {
    this.closed = true;
    this.end();
  }

  private next(): Promise<IteratorResult<T, undefined>> {
    if (this.isGiven) this.take();
    return new Promise((resolve) => {
      this.asking.push(resolve);
      this.give();
    });
  }

  /** Whether the body was done with the message in hand cannot be told: the next loop says so by asking for another. */
  private leave(): void {
    this.user = undefined;
    this.end();
  }

  private end(): void {
    for (const resolve of this.asking.splice(0)) resolve(END);
  }

  private take(): void {
    const { offer } = this;
    this.offer = undefined;
    this.isGiven = false;
    offer?.taken();
  }

  private give(): void {
    if (!this.offer || this.isGiven) return;
    const resolve = this.asking.shift();
    if (!resolve) return;
    this.isGiven = true;
    resolve({ done: false, value: this.offer.value });
    // Who has asked for the next one already does not wait to see this one.
    if (this.asking.length > 0) this.take();
  }
}

const END: IteratorReturnResult<undefined> = { done: true, value: undefined };
