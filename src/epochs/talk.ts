/**
 * Who is told what of the epochs: where we are, until each has heard it; and to who is behind, what it needs to follow: our seal of the epoch
 * in which it is active, or the starts of ours. In: EPOCH frames, changes of ours. Out: EPOCH frames, and the lists of others once whole.
 */
import { MILLISECOND, type Micros, NEVER, NEVER_YET, SECOND } from '../core/time.js';
import {
  EPOCH_FRAME_SIZE,
  EPOCH_ID_SIZE,
  type EpochFrame,
  type EpochMark,
  LISTED_SIZE,
  type ListedStream,
} from '../wire/frames/epochs/epoch.js';
import type { Mark } from './change.js';

/** What goes to one member: a list in as many frames as it takes. */
export interface Telling {
  list: EpochFrame['list'];
  of: number;
  next: Uint8Array;
  streams: readonly ListedStream[];
}

/** A list that comes in. */
interface Coming {
  key: string;
  streams: Map<number, ListedStream>;
}

interface Peer {
  sendAt: Micros;
  wait: Micros;
  /** What it has said that it heard of us. */
  heard: number;
  /** The place in the list of what goes next. */
  first: number;
  coming: Coming | undefined;
}

export class Talk {
  private readonly peers: Peer[];

  constructor(members: number) {
    this.peers = Array.from({ length: members }, () => ({
      ...{ sendAt: NEVER_YET, wait: FIRST_WAIT, heard: 0, first: 0 },
      coming: undefined,
    }));
  }

  /** There is something new to say to this member, or it may have lost what it heard. */
  restart(member: number, isForgotten = false): void {
    const peer = this.peers[member];
    peer.sendAt = NEVER_YET;
    peer.wait = FIRST_WAIT;
    peer.first = 0;
    if (isForgotten) peer.heard = 0;
  }

  restartAll(): void {
    this.peers.forEach((_, member) => void this.restart(member));
  }

  /** When an EPOCH should go to this member: as long as it has not heard where we are, or is behind. */
  dueAt(member: number, own: Mark, theirs: Mark | undefined): Micros {
    const peer = this.peers[member];
    const isBehind = theirs !== undefined && theirs.active < own.has;
    return peer.heard < stampOf(own) || isBehind ? peer.sendAt : NEVER;
  }

  /** An EPOCH of at most `room` bytes, sent now; undefined if there is no room for one. */
  take(
    now: Micros,
    member: number,
    room: number,
    said: { own: EpochMark; theirs: Mark | undefined; telling: Telling },
  ): EpochFrame | undefined {
    const { own, theirs, telling } = said;
    const peer = this.peers[member];
    const fits = Math.floor((room - EPOCH_FRAME_SIZE) / LISTED_SIZE);
    if (fits < Math.min(1, telling.streams.length) || room < EPOCH_FRAME_SIZE) return undefined;
    const first = Math.min(peer.first, telling.streams.length);
    const streams = telling.streams.slice(first, first + fits);
    peer.first = first + streams.length;
    if (peer.first >= telling.streams.length) {
      peer.first = 0;
      peer.sendAt = now + peer.wait;
      peer.wait = Math.min(MAX_WAIT, peer.wait * 2);
    }
    const { list, of, next } = telling;
    const heard = theirs ? stampOf(theirs) : 0;
    return { kind: 'epoch', ...own, heard, list, of, next, total: telling.streams.length, first, streams };
  }

  /** `member` has heard so much of us. */
  onHeard(member: number, heard: number): void {
    this.peers[member].heard = heard;
  }

  /** Takes in what of a list is in a frame; gives all of it once that is here. */
  onList(member: number, frame: EpochFrame): readonly ListedStream[] | undefined {
    const { list, of, next, has, active, total, first, streams } = frame;
    if (list === 'none') return undefined;
    const peer = this.peers[member];
    const key = [list, of, next.join(), has, active, total].join(' ');
    if (peer.coming?.key !== key) peer.coming = { key, streams: new Map() };
    streams.forEach((stream, i) => void peer.coming!.streams.set(first + i, stream));
    return peer.coming.streams.size === total ? [...peer.coming.streams.values()] : undefined;
  }
}

/** Rises by one with each step of a member: it takes a descriptor, and then is active in it. */
export function stampOf({ has, active }: Mark): number {
  return has + active + 1;
}

export const NO_NEXT = new Uint8Array(EPOCH_ID_SIZE);
const FIRST_WAIT: Micros = 50 * MILLISECOND;
const MAX_WAIT: Micros = SECOND;
