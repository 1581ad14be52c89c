/**
 * Gives the application its messages, one at a time. In: messages in their order. Out: calls of `deliver`, again after a while
 * where it throws, and word once it is done.
 */
import type { DeadLetters } from './dead-letters.js';
import type { Delivery } from './delivery.js';

export interface ConsumerOptions {
  /** A dead letter may have the application just now: a message waits for it. */
  letters: DeadLetters;
  /** Undefined where the application wants none: then nothing is copied for it. */
  deliver: ((delivery: Delivery) => void | Promise<void>) | undefined;
  /** `deliver` has thrown. */
  onError(error: unknown, delivery: Delivery, attempt: number): void;
  /** The application has done with a message: the next one may come. */
  onDone(): void;
}

export class Consumer {
  private readonly options: ConsumerOptions;
  private retry: NodeJS.Timeout | undefined;
  private isClosed = false;

  constructor(options: ConsumerOptions) {
    this.options = options;
  }

  /** Gives the application a message until it takes it: order would be lost if the next one came before. */
  give(delivery: Delivery): void {
    this.options.letters.begin(() => this.attempt(delivery, 1));
  }

  /** Nothing is given from now on, and nobody hears of what the application still does. */
  close(): void {
    this.isClosed = true;
    clearTimeout(this.retry);
  }

  private async attempt(delivery: Delivery, attempt: number): Promise<void> {
    const { letters, deliver, onError, onDone } = this.options;
    try {
      // A copy of its own for each attempt: the consumer may change it, and what we hold is served to others.
      const taken = deliver?.({ ...delivery, bytes: new Uint8Array(delivery.bytes) });
      // A consumer that is done at once gets the next one in the same turn.
      if (taken) await taken;
    } catch (error) {
      if (this.isClosed) return;
      onError(error, delivery, attempt);
      const wait = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(attempt - 1, 16));
      this.retry = setTimeout(() => this.attempt(delivery, attempt + 1), wait);
      return;
    }
    if (this.isClosed) return;
    letters.end();
    onDone();
  }
}

const FIRST_RETRY_MS = 10;
const MAX_RETRY_MS = 10_000;
