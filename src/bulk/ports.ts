/** What the transfers ask of the shell, which has the files, and what they tell it. */
import type { TransferState } from '../wire/frames/transfer.js';
import type { ObjectId, StreamId } from '../wire/symbol.js';
import type { Manifest } from './manifest.js';

export type BulkRequest =
  /** A member offers this: to be taken or refused, with `verify`, `accept` or `fail`. */
  | { type: 'open'; id: StreamId; certificate: Uint8Array; bytes: Uint8Array }
  /** A slice has come: `handleWritten` once it is on the disk and `bytes` are of no use any more, or `fail`. */
  | { type: 'write'; id: ObjectId; certificate: Uint8Array; bytes: Uint8Array }
  /** For `handleRead`, with `target` if it could be filled. */
  | { type: 'read'; id: ObjectId; target: Uint8Array }
  /** All slices are written: `handleCompleted` once the files have their names, or `fail`. */
  | { type: 'complete'; id: StreamId }
  /** Its origin has given it up. */
  | { type: 'abandon'; id: StreamId };

/** Why a member takes nothing that takes nothing at all. */
export const TAKES_NOTHING = 'it saves no files';

/** Why a member takes nothing in place of what it has while only others than its sender speak of it: it may be older. */
export const UNOFFERED = 'it has something else of that name, and its sender is not there to offer it';

/** A transfer whose status has changed. */
export type BulkEvent = StreamId;

/** A transfer as it stands. */
export interface TransferStatus {
  /** Undefined while it has not come. */
  manifest: Manifest | undefined;
  state: TransferState;
  reason: string;
  /** Slices that are held here. */
  slices: number;
  /** The other members that have said something of it. */
  members: MemberStanding[];
}

/** How another member stands with a transfer. */
export interface MemberStanding {
  /** Its index. */
  member: number;
  state: TransferState;
  /** Slices that it holds. */
  slices: number;
  /** Why it has failed. */
  reason: string;
  /** Whether it has heard how we stand. */
  hasHeard: boolean;
}
