/** The doors of the broadcast for the shell that drives a member: its messages, its store, its consumer. */
import type { Micros } from '../core/time.js';
import type { StoredObject, StoreWrite } from '../store/store.js';
import type { ObjectId } from '../wire/symbol.js';
import type { StoreRequest } from './delivery/journal.js';
import type { Own } from './delivery/own.js';

/** Where messages of ours are given in, taken back, and found by their keys. */
export type Messages = Pick<Own, 'submit' | 'cancel' | 'find' | 'hasRoom'>;

/** What is wanted of the store, and where its answers go. */
export interface StorePort {
  /** What is to be done with the store now. At most one commit is under way; ask again after every other call. */
  pollRequest(now: Micros): StoreRequest | undefined;
  /** The commit is durable; `bytes` is what all objects in the store take. */
  handleCommitted(now: Micros, bytes: number): void;
  /** There was no room for the commit: it is tried again after a while, and until then nothing is confirmed. */
  handleCommitFailed(now: Micros): void;
  /** The answer to a read: undefined if the object is not there, or damaged. */
  handleRead(now: Micros, id: ObjectId, object: StoredObject | undefined): void;
  /** What should still be stored when this member stops in order. */
  flush(): readonly StoreWrite[];
}

/** Where it is said that the consumer is done with the last message delivered. */
export interface ConsumerPort {
  handleConsumed(now: Micros): void;
}
