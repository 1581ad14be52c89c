/** What becomes of messages, members and the store, as the broadcast layer tells it. */
import type { MemberEvent } from '../events.js';
import type { MessageId, ObjectId } from '../wire/symbol.js';
import type { Outcome } from './spread/outgoing/outgoing.js';

/** What becomes of our own messages, and what is next for the consumer: for the shell alone. */
export type MessageEvent =
  /** Our messages with these tickets, in order, are the messages of this object, and in our store. */
  | { type: 'durable'; id: ObjectId; tickets: number[] }
  /** Our messages with these tickets are given back: the consumer or the store has to go on first, and did not for long. */
  | { type: 'refused'; tickets: number[] }
  /** Every member holds this object of ours, or a quorum does and the rest has been out of reach for a while. */
  | { type: 'outcome'; id: ObjectId; outcome: Outcome }
  /** The next message for the consumer: nothing more is delivered before `consumed`. */
  | { type: 'deliver'; id: MessageId; bytes: Uint8Array };

/** Told by the broadcast layer of one member. */
export type BroadcastEvent = MessageEvent | MemberEvent<number>;
