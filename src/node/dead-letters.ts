/**
 * Messages that were set aside, since several runs in a row had ended at them: to look at, and to hand to the consumer once more,
 * between two others. One is gone once the consumer is done with it.
 */

import { HeadwaterError } from '../errors.js';
import type { Group, Member } from '../group/group.js';
import { DEFAULT_MAX_STORED_BYTES } from '../options.js';
import { type MessageRef, type Store, type StoreWrite, storedSize } from '../store/store.js';
import type { Delivery } from './delivery.js';

/** A message that is kept aside. */
export interface DeadLetter {
  /** Who sent it. */
  from: Member;
  /** What it is read and retried by. */
  id: MessageRef;
  /** Of its bytes. */
  length: number;
}

export class DeadLetters {
  private readonly store: Store;
  private readonly group: Group;
  private readonly give: (delivery: Delivery) => void | Promise<void>;
  private isDelivering = false;
  private onIdle: (() => void) | undefined;
  /** One is being handed over, or waits until the consumer is free. */
  private retrying: Promise<void> | undefined;
  private held: (() => void) | undefined;
  private closed: HeadwaterError | undefined;

  constructor(store: Store, group: Group, give: (delivery: Delivery) => void | Promise<void>) {
    this.store = store;
    this.group = group;
    this.give = give;
  }

  async list(): Promise<DeadLetter[]> {
    const all = await this.store.deadLetters();
    return all.map(({ origin, incarnation, seq, index, length }) => ({
      from: this.group.members[origin],
      id: { origin, incarnation, seq, index },
      length,
    }));
  }

  async read(id: MessageRef): Promise<Delivery> {
    const letter = await this.store.deadLetter(id);
    if (!letter) throw unknown(id);
    return { from: this.group.members[id.origin], id: refOf(id), bytes: letter.bytes };
  }

  /** Hands one over once more. Throws what the consumer throws: it is kept then. */
  async retry(id: MessageRef): Promise<void> {
    while (this.retrying) await this.retrying;
    const work = this.retryNow(id);
    this.retrying = work.catch(() => {}).then(() => this.resume());
    await work;
  }

  /** What there is to do at a start; see `trim` and `retryNoted`. */
  async start(
    maxStoredBytes: number | undefined,
    onError: (error: unknown, id: MessageRef) => void,
  ): Promise<void> {
    // On a full disk the next start will do.
    await this.trim(maxStoredBytes ?? DEFAULT_MAX_STORED_BYTES).catch(() => {});
    await this.retryNoted(onError);
  }

  /**
   * Those that are to be handed over at this start: once, whatever comes of it, so the note of that goes first.
   *
   * @param onError what the consumer, or the store, throws
   */
  async retryNoted(onError: (error: unknown, id: MessageRef) => void): Promise<void> {
    const noted = (await this.store.deadLetters().catch(() => [])).filter(({ retry }) => retry);
    for (const one of noted)
      try {
        const letter = await this.store.deadLetter(one);
        if (!letter) continue;
        await this.store.commit([{ type: 'bury', letter: { ...letter, retry: false } }]);
        await this.retry(one);
      } catch (error) {
        if (this.closed) return;
        onError(error, refOf(one));
      }
  }

  /**
   * Takes out the oldest of an origin that have more than its share of the store, but for the newest one. At each start: there
   * is one more only where one has been made of several that ended badly.
   */
  async trim(maxStoredBytes: number): Promise<void> {
    const share = maxStoredBytes / this.group.members.length;
    const taken = new Map<number, number>();
    const gone: StoreWrite[] = [];
    for (const { origin, incarnation, seq, index, length } of (await this.store.deadLetters()).reverse()) {
      const before = taken.get(origin) ?? 0;
      const bytes = before + storedSize(length);
      if (before > 0 && bytes > share) gone.push({ type: 'unbury', id: { origin, incarnation, seq, index } });
      else taken.set(origin, bytes);
    }
    if (gone.length > 0) await this.store.commit(gone);
  }

  /** A message is to be delivered: now, or once the dead letter that has the consumer is done with. */
  begin(deliver: () => void): void {
    if (this.retrying) {
      this.held = deliver;
      return;
    }
    this.isDelivering = true;
    deliver();
  }

  /** The consumer is done with it. */
  end(): void {
    this.isDelivering = false;
    this.onIdle?.();
  }

  close(error: HeadwaterError): void {
    this.closed = error;
    this.held = undefined;
    this.onIdle?.();
  }

  private async retryNow(id: MessageRef): Promise<void> {
    const delivery = await this.read(id);
    if (this.isDelivering && !this.closed)
      await new Promise<void>((idle) => {
        this.onIdle = idle;
      });
    this.onIdle = undefined;
    if (this.closed) throw this.closed;
    await this.give(delivery);
    await this.store.commit([{ type: 'unbury', id: delivery.id }]);
  }

  private resume(): void {
    this.retrying = undefined;
    const deliver = this.held;
    this.held = undefined;
    if (deliver) this.begin(deliver);
  }
}

function refOf({ origin, incarnation, seq, index }: MessageRef): MessageRef {
  return { origin, incarnation, seq, index };
}

function unknown({ origin, incarnation, seq, index }: MessageRef): HeadwaterError {
  return new HeadwaterError(
    'INVALID_ARGUMENT',
    `dead letter: expected one that is kept, got ${origin}.${incarnation}.${seq}.${index}`,
  );
}
