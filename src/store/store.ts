/**
 * What a member must not forget when it stops: the objects it has promised to hold and how far its consumer has come.
 * The broadcast layer says what to write and to read; the shell carries it out with one of these.
 */
import type { ObjectId, StreamId } from '../wire/symbol.js';

export type { StreamId };

/** How far this member has come in one stream. */
export interface StreamState extends StreamId {
  /** Objects below are no longer kept: every member held them, or there was no room. At most `delivered`. */
  base: number;
  /** Objects below have been consumed whole. */
  delivered: number;
  /** Messages consumed of the object `delivered`. */
  index: number;
  /** 32 bytes: the digest over the hashes of all objects below `delivered`. */
  chain: Uint8Array;
  /** The same of those below `base`. */
  baseChain: Uint8Array;
  /**
   * For so many objects, those with this digest, this member is READY; absent in groups that need no READY. `from`: the first in
   * place of which another one is to come.
   */
  ready?: { count: number; chain: Uint8Array; from?: number | undefined };
}

/** An object with what proves whose it is. */
export interface StoredObject extends ObjectId {
  /** What shows that the origin has signed this object's hash: see `certificate.ts`. */
  certificate: Uint8Array;
  /** Its messages, as they were signed. */
  bytes: Uint8Array;
}

/** Names a message: the `index`-th of its object. */
export interface MessageRef extends ObjectId {
  /** From 0. */
  index: number;
}

/** Messages of one stream, one behind the other: from the one named here up to the one that `endSeq` and `endIndex` name, excluded. */
export interface AttemptRange extends MessageRef {
  /** Object of the first message behind it. */
  endSeq: number;
  /** Its index; 0 where the range ends between two objects. */
  endIndex: number;
}

/** What is about to be handed to the consumer, one after the other. */
export interface Attempt {
  /** At most one of each stream. */
  ranges: AttemptRange[];
  /** From 1: how many times in a row a run will have ended in it, where one message is all that it covers. */
  count: number;
}

/** A message that has been set aside: several starts in a row have ended at it. */
export interface DeadLetter extends MessageRef {
  /** It is to be handed over once more, at the next start. */
  retry: boolean;
  /** The message. */
  bytes: Uint8Array;
}

/** That a message of ours was sent under this key of the application's, 1 to 64 bytes; its place is that of the message. */
export interface SentKey {
  /** Rises by one for each key in the life of a store, which keeps the last MAX_SENT_KEYS. */
  number: number;
  /** The application's. */
  key: Uint8Array;
  /** Of our stream. */
  incarnation: number;
  /** Of the message's object. */
  seq: number;
  /** Of the message in it. */
  index: number;
}

/** One change of a store; those of one commit happen together. */
export type StoreWrite =
  /** `keys`: of its messages. */
  | { type: 'object'; object: StoredObject; keys?: readonly SentKey[] }
  /** `isSaid`: it is told to others once it is written. */
  | { type: 'stream'; state: StreamState; isSaid?: true }
  /** Deletes the objects of a stream below `below`. */
  | { type: 'prune'; stream: StreamId; below: number }
  /** Deletes the objects of a stream from `from` on. */
  | { type: 'drop'; stream: StreamId; from: number }
  /** Deletes a stream, and remembers that it and all earlier ones of its origin are over, and how it ended. */
  | { type: 'retire'; stream: Final }
  /** Deletes a stream of which there are no objects. */
  | { type: 'forget'; stream: StreamId }
  /** Our own stream is another one from now on: also for those who open the store later. */
  | { type: 'begin'; incarnation: number }
  /** In place of the attempt before it. */
  | { type: 'attempt'; attempt: Attempt }
  /** Keeps a dead letter, or another one in its place. */
  | { type: 'bury'; letter: DeadLetter }
  | { type: 'unbury'; id: MessageRef }
  /** Where the member is in a group that changes, in place of what was there; see `epochs/record.ts`. */
  | { type: 'epochs'; record: Uint8Array };

/** How a stream that is over ended: so many objects, with this digest. */
export interface Final extends StreamId {
  /** Objects that it had. */
  count: number;
  /** 32 bytes. */
  chain: Uint8Array;
}

/** What a store held when it was opened. */
export interface Loaded {
  /** Of our own stream: the time at which this store was made, in milliseconds, unlike that of any store before it. */
  incarnation: number;
  /** Of this process: greater than whenever the store was opened before, whatever the clock says. */
  session: number;
  /** Those that are not over. */
  streams: StreamState[];
  /** By origin: the newest stream that is over. */
  retired: Final[];
  /** The objects at and above `delivered` of each stream, in order of origin, incarnation and seq; without their bytes. */
  held: Omit<StoredObject, 'bytes'>[];
  /** Keys of the messages that we sent last, the oldest first. */
  sent: SentKey[];
  /** What all objects kept take (see `storedSize`); dead letters are not among them. */
  bytes: number;
  /** There if the store was not closed the last time: its process was killed or has crashed. With what it attempted last. */
  crash?: { attempt: Attempt | undefined };
  /** Whether it is a copy: the member may have said since, under names that follow, what the copy does not hold. Until another stream begins. */
  isCopy?: boolean;
  /** Where the member is in a group that changes; absent of one that stays the same, and at the first start. */
  epochs?: Uint8Array;
}

/**
 * What an object of `length` bytes takes of the bound of a store: besides its bytes its certificate, its two records and what
 * LMDB leaves free between records. A file with pages of 4 KiB is at most two and a half times as large as its bound, whatever size objects have.
 */
export function storedSize(length: number): number {
  return length + OBJECT_OVERHEAD;
}

/** Where a member keeps what it has promised to hold: `openStore`, `memoryStore`, or one of your own. */
export interface Store extends AsyncDisposable {
  /** As it was when it was opened. */
  readonly loaded: Loaded;
  /**
   * Makes all of `writes` durable, or none.
   *
   * @throws HeadwaterError STORE_FULL if there is no room: what was there is untouched, try again later; STORE if it cannot be
   *   written at all
   * @returns what all objects now kept take: see `storedSize`
   */
  commit(writes: readonly StoreWrite[]): Promise<number>;
  /** Undefined if it is not there, or no longer what was written. */
  read(id: ObjectId): Promise<StoredObject | undefined>;
  /** In order of origin, incarnation, seq and index. */
  deadLetters(): Promise<(MessageRef & { length: number; retry: boolean })[]>;
  /** Undefined if it is not there, or no longer what was written. */
  deadLetter(id: MessageRef): Promise<DeadLetter | undefined>;
  /** Waits for what is being written. Calls after it fail with CLOSED. */
  close(): Promise<void>;
}

/**
 * Measured with 3000 to 40,000 objects of 8 to 8200 bytes, 400 in a commit, their streams one after the other and mixed: one of
 * 8 bytes takes 310 to 365 bytes of the file, and where two fit on no page (1345), or on no two (4080), one takes 4029 or 8640.
 */
const OBJECT_OVERHEAD = 512;

/** Some 10 MB of memory and as much on disk, where an application gives each message a key. */
export const MAX_SENT_KEYS = 1 << 16;
