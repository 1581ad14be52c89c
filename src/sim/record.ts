/**
 * What one member did in a run, as the checker notes it: what it submitted, and with each of its stores what it delivered,
 * consumed and held. It judges nothing.
 */

import { type MessageId, type ObjectId, objectKey, type StreamId, streamKey } from '../wire/symbol.js';

/** A message as its origin submitted it. */
export interface Submission {
  bytes: Uint8Array;
  ticket: number;
  /** 'doubt': its origin stopped before it knew whether the message was in its store, or has not that store any more. */
  state: 'pending' | 'doubt' | 'durable';
  /** The name under which it is durable, or was. */
  id: MessageId | undefined;
  /** The name under which it was first delivered. */
  name: string | undefined;
  /** By stream: the last message that the origin had delivered. */
  before: Map<string, MessageId>;
}

/** What a member has delivered of one stream. */
export interface History {
  ids: MessageId[];
  /** So many of them are consumed; and so many are, as a disk has confirmed. */
  consumed: number;
  safe: number;
  /** Place of the last one in the origin's submissions. */
  places: number[];
}

/** What a member did with one store: another one begins as if nothing had happened. */
interface StoreState {
  histories: Map<string, History>;
  /** Names of the messages in them. */
  delivered: Set<string>;
  /** Names of objects that have been in it. */
  stored: Set<string>;
  /** Names of objects that cannot be delivered from it: what came after them its member has had in another store. */
  lost: Set<string>;
  /** Names of objects that their origin, a liar, says are gone. */
  takenBack: Set<string>;
}

export class MemberRecord {
  readonly submissions: Submission[] = [];
  /** Those that are neither durable nor lost. */
  pending = 0;
  /** The stream of the message being consumed. */
  consuming: History | undefined;
  private readonly stores: StoreState[] = [emptyStore()];
  /** Which of them it has now. */
  private current = 0;
  /** The commit under way: its objects, and what had been consumed when it began. */
  private committing: { objects: string[]; consumed: Map<History, number> } | undefined;

  /** What it did with the store that it has now. */
  get store(): StoreState {
    return this.stores[this.current];
  }

  historyOf(id: StreamId): History {
    const stream = streamKey(id);
    const { histories } = this.store;
    let history = histories.get(stream);
    if (!history) {
      history = { ids: [], consumed: 0, safe: 0, places: [] };
      histories.set(stream, history);
    }
    return history;
  }

  submitted(ticket: number, bytes: Uint8Array): void {
    const before = new Map<string, MessageId>();
    for (const [stream, { ids }] of this.store.histories) if (ids.length > 0) before.set(stream, ids.at(-1)!);
    this.submissions.push({ bytes, ticket, state: 'pending', id: undefined, name: undefined, before });
    this.pending++;
  }

  consumed(): void {
    if (this.consuming) this.consuming.consumed = this.consuming.ids.length;
    this.consuming = undefined;
  }

  /** It hands its disk a commit with these objects. */
  commitBegun(objects: readonly ObjectId[]): void {
    const consumed = new Map<History, number>();
    for (const history of this.store.histories.values()) consumed.set(history, history.consumed);
    this.committing = { objects: objects.map(objectKey), consumed };
  }

  /** @returns whether it put an object there that had not been there before */
  commitEnded(ok: boolean): boolean {
    const { objects = [], consumed = [] } = ok ? (this.committing ?? {}) : {};
    const { stored } = this.store;
    const before = stored.size;
    for (const name of objects) stored.add(name);
    for (const [history, count] of consumed) history.safe = count;
    this.committing = undefined;
    return stored.size > before;
  }

  crashed(): void {
    this.consuming = undefined;
    this.committing = undefined;
    for (const submission of this.submissions) if (submission.state === 'pending') submission.state = 'doubt';
    this.pending = 0;
  }

  /** Its `store`-th is a copy of the one that it has now. */
  copied(store: number): void {
    const { histories, delivered, stored, lost, takenBack } = this.store;
    this.stores[store] = {
      histories: new Map(
        [...histories].map(([stream, { ids, consumed, safe, places }]) => [
          stream,
          { ids: [...ids], consumed, safe, places: [...places] },
        ]),
      ),
      delivered: new Set(delivered),
      stored: new Set(stored),
      lost: new Set(lost),
      takenBack: new Set(takenBack),
    };
  }

  /** It will start with its `store`-th store: an empty one if it had none of that number. */
  changedStore(store: number): void {
    this.current = store;
    this.stores[store] ??= emptyStore();
  }

  /** Whether this object has ever been in one of its stores. */
  hasStored(object: string): boolean {
    return this.stores.some(({ stored }) => stored.has(object));
  }

  /** Whether it has had this object in another of its stores: on that word the others may have let go of it. */
  hadElsewhere(object: string): boolean {
    if (this.store.lost.has(object)) return true;
    return this.stores.some(({ stored }, each) => each !== this.current && stored.has(object));
  }
}

function emptyStore(): StoreState {
  return {
    histories: new Map(),
    delivered: new Set(),
    stored: new Set(),
    lost: new Set(),
    takenBack: new Set(),
  };
}
