/** What the transfers ask of the shell, which has the files, and what they tell it. */
import type { TransferState } from '../wire/frames/transfer.js';
import type { ObjectId, StreamId } from '../wire/symbol.js';
import type { Manifest } from './manifest.js';

export type BulkRequest =
  /**
   * A member offers this: to be taken or refused, with `verify`, `accept` or `fail`. `isSaved`: it was in this run, and is offered
   * again; `handleCompleted` if it stands there still.
   */
  | { type: 'open'; id: StreamId; certificate: Uint8Array; bytes: Uint8Array; isSaved: boolean }
  /** A slice has come: `handleWritten` once it is on the disk and `bytes` are of no use any more, or `fail`. */
  | { type: 'write'; id: ObjectId; certificate: Uint8Array; bytes: Uint8Array }
  /** For `handleRead`, with `target` if it could be filled. */
  | { type: 'read'; id: ObjectId; target: Uint8Array }
  /** All slices are written: `handleCompleted` once the files have their names, or `fail`. */
  | { type: 'complete'; id: StreamId }
  /** Its origin has given it up, or it is forgotten. `isUseless`: what is here of it, too, as it no longer has the same files. */
  | { type: 'abandon'; id: StreamId; isUseless: boolean }
  /** Symbols of it come by multicast: `handleJoined` once that is listened to, again if it was before, or cannot be. */
  | { type: 'join'; id: StreamId; group: CastGroup }
  /** It is not listened to any more. */
  | { type: 'leave'; id: StreamId };

/** Where a transfer's symbols go by multicast. */
export interface CastGroup {
  /** Numeric address of the group. */
  address: string;
  /** UDP port. */
  port: number;
  /** Numeric address of the only source that is listened to; default: any. */
  source?: string | undefined;
}

/** multicast: by multicast to all whom it reaches; auto: if it reaches two or more, and not all are on one machine. */
export type CastMode = 'multicast' | 'auto';

/** Why a member gets nothing by multicast that has turned it off. */
export const NO_MULTICAST = 'it takes no multicast';

/** How a member is reached by multicast. asked: it has not answered; slow: left to the others, as it carries too little. */
export interface CastListener {
  /** Its index. */
  member: number;
  /** See above. */
  state: 'asked' | 'off' | 'listening' | 'hearing' | 'silent' | 'slow';
  /** Why, where that is known. */
  reason: string;
  /** The share that is lost on the way to it. */
  loss: number;
  /** Bytes a second that it carries, where that is measured; else 0. */
  rate: number;
}

/** How a transfer of ours goes out by multicast. */
export interface CastStatus {
  /** Where to. */
  group: CastGroup;
  /** Datagrams and bytes that went there. */
  datagrams: number;
  /** Of UDP payloads. */
  bytes: number;
  /** The members that take the transfer. */
  listeners: CastListener[];
  /** Those that took it and were not reached, or no longer, and why. */
  left: { member: number; reason: string }[];
}

/** Why a member takes nothing that takes nothing at all. */
export const TAKES_NOTHING = 'it saves no files (headwater receive is not what it runs)';
/** Why a member takes nothing any more. */
export const TAKES_NO_MORE = 'it takes no more files';

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
  /** Undefined if it does not go out by multicast. */
  cast: CastStatus | undefined;
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
