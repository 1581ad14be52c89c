/** What becomes of messages, members and the store, as the broadcast layer tells it. */
import type { ObjectId } from '../wire/symbol.js';
import type { MessageId } from './delivery/delivery.js';
import type { Outcome } from './spread/outgoing.js';

/** What a member is caught at: two objects under one name, symbols that are none of the object's, an object that is no list of messages. */
export type Misbehaviour = 'equivocation' | 'wrong-symbols' | 'malformed-object';

/** Told by the broadcast layer of one member. */
export type BroadcastEvent =
  /** Our messages with these tickets, in order, are the messages of this object, and in our store. */
  | { type: 'durable'; id: ObjectId; tickets: number[] }
  /** Our messages with these tickets are given back: the consumer or the store has to go on first, and did not for long. */
  | { type: 'refused'; tickets: number[] }
  /** Every member holds this object of ours, or a quorum does and the rest has been out of reach for a while. */
  | { type: 'outcome'; id: ObjectId; outcome: Outcome }
  /** The next message for the consumer: nothing more is delivered before `consumed`. */
  | { type: 'deliver'; id: MessageId; bytes: Uint8Array }
  /** Several runs in a row have ended at this message: it is kept aside, and the ones after it are delivered. */
  | { type: 'dead-letter'; id: MessageId }
  | { type: 'peer'; member: number; reachable: boolean }
  /** `evidence`: two certificates, each signed by the member, for one object. */
  | {
      type: 'misbehaviour';
      member: number;
      id: ObjectId;
      what: Misbehaviour;
      evidence?: [Uint8Array, Uint8Array];
    }
  /**
   * Members hold other objects of a stream than we do: its origin has signed two under one name, or somebody lies of what it
   * holds. Nobody can tell from this who it is.
   */
  | { type: 'disagreement'; origin: number; incarnation: number; seq: number; members: number[] }
  /**
   * Others know a later stream of ours than our store does, or other objects under the names of ours, as after a run with
   * another store or with an old copy: another stream has begun, and what was not delivered anywhere is said there again.
   */
  | { type: 'begun-anew'; incarnation: number; former: number }
  /**
   * Objects of a stream that will not be delivered here: nobody keeps them any more, we were away for too long; or they are
   * ours, were to be said again in another stream, and are damaged.
   */
  | { type: 'lost'; origin: number; incarnation: number; from: number; to: number }
  /** An object that we held cannot be read any more: the others are asked for it, and none of its bytes are served. */
  | { type: 'damaged'; id: ObjectId }
  /** An object above our limit, signed by its origin: told at most once a second of each. */
  | { type: 'too-large'; id: ObjectId; length: number }
  /** The bound of our store made us drop objects that these members do not hold. */
  | { type: 'overflow'; origin: number; incarnation: number; to: number; members: number[] }
  | { type: 'store-full'; full: boolean };
