/**
 * Keeps each peer up to date on what we hold: entries that changed go out at once, and again until the peer has heard
 * of them. In: changes, and the peers' VECTOR frames. Out: a VECTOR for a peer, when one is due, and the entries received.
 */
import type { Marks } from '../../core/marks.js';
import { fullNumber, low32 } from '../../core/serial.js';
import { SparseMap, SparseSet } from '../../core/sparse.js';
import { AT_ONCE, MILLISECOND, type Micros, NEVER } from '../../core/time.js';
import {
  VECTOR_FRAME_SIZE,
  type VectorEntry,
  type VectorFrame,
  vectorEntrySize,
} from '../../wire/frames/vector.js';
import { streamKey } from '../../wire/symbol.js';

/** An entry on its way. */
interface Sent {
  /** The versions that it was in. */
  versions: number[];
  sends: number;
  resendAt: Micros;
}

/** A stream, as far as it is spoken of. */
export interface Spoken {
  /** What is to be said of it to this member; nothing, for a start, if there is nothing. */
  tell(member: number): VectorEntry[];
}

interface Peer {
  /** Streams with something to say, and when that is due. */
  dirty: SparseSet<Spoken>;
  dirtyAt: Micros;
  /** Streams whose last entry is not known to have arrived. */
  unheard: SparseMap<Spoken, Sent>;
  /** Of the last that went. Versions are full numbers here, and their low 32 bits on the wire. */
  version: number;
  resendAt: Micros;
  /** The newest version from the peer, and those of the 32 before it that came. */
  heard: number;
  heardBefore: number;
  answerAt: Micros;
  /** By stream: the version of the newest entry from the peer. */
  applied: Map<string, number>;
}

/** How what a peer may not have heard is repeated: so often at once, then when an answer is overdue. */
interface Repeats {
  timeout: Micros;
  copies: number;
}

export class Vectors {
  private readonly peers: Peer[];
  private readonly changed: Marks;

  /** @param changed is told of whom there is something to say to, sooner than `dueAt` said before */
  constructor(members: number, changed: Marks) {
    this.peers = Array.from({ length: members }, fresh);
    this.changed = changed;
  }

  /**
   * What we hold of this stream has changed.
   *
   * @param patient members but this one can do without it for a while
   */
  touch(stream: Spoken, patient?: { now: Micros; but: number }): void {
    this.peers.forEach((peer, member) => {
      const at = patient && member !== patient.but ? patient.now + ANSWER_DELAY : AT_ONCE;
      peer.dirtyAt = peer.dirty.size > 0 ? Math.min(peer.dirtyAt, at) : at;
      peer.dirty.add(stream);
      peer.unheard.delete(stream);
    });
    this.changed.markAll();
  }

  /** There is more to say of it to this member. */
  touchFor(member: number, stream: Spoken): void {
    this.peers[member].dirty.add(stream);
    this.peers[member].dirtyAt = AT_ONCE;
    this.changed.mark(member);
    // What it hears of from before this is not all.
    this.peers[member].unheard.delete(stream);
  }

  /** Of this stream there is nothing more to say. */
  forget(stream: Spoken): void {
    for (const peer of this.peers) {
      peer.dirty.delete(stream);
      peer.unheard.delete(stream);
    }
  }

  /** The peer may not know what it was told; and if it is `fresh`, it counts its versions from 1 again. */
  restart(member: number, streams: Iterable<Spoken>, isFresh: boolean): void {
    const { version, heard, heardBefore, applied } = this.peers[member];
    const known = isFresh ? {} : { heard, heardBefore, applied };
    const dirty = new SparseSet<Spoken>();
    for (const stream of streams) dirty.add(stream);
    this.peers[member] = { ...fresh(), version, ...known, dirty };
    this.changed.mark(member);
  }

  /** When a VECTOR should go to this peer; AT_ONCE if there is news that it may wait for. */
  dueAt(member: number): Micros {
    const { dirty, dirtyAt, answerAt, resendAt } = this.peers[member];
    return Math.min(dirty.size > 0 ? dirtyAt : NEVER, answerAt, resendAt);
  }

  /** A VECTOR of at most `room` bytes, sent now; undefined if there is nothing to say. */
  take(now: Micros, member: number, room: number, { timeout, copies }: Repeats): VectorFrame | undefined {
    const peer = this.peers[member];
    const { dirty, unheard } = peer;
    if (room < VECTOR_FRAME_SIZE || (dirty.size === 0 && unheard.size === 0 && peer.answerAt > now))
      return undefined;
    if (peer.resendAt <= now)
      for (const [stream, { resendAt }] of unheard) if (resendAt <= now) dirty.add(stream);
    const entries: VectorEntry[] = [];
    const next = nextVersion(peer.version);
    let left = room - VECTOR_FRAME_SIZE;
    for (const stream of dirty) {
      const said = stream.tell(member);
      for (const entry of said) left -= vectorEntrySize(entry);
      if (left < 0) break;
      entries.push(...said);
      dirty.delete(stream);
      if (said.length === 0) continue;
      const { versions, sends } = unheard.get(stream) ?? { versions: [], sends: 0 };
      // On a lossy path the first few follow closely: each may be what a delivery waits for.
      const wait = Math.min(
        MAX_RESEND,
        (timeout + ANSWER_DELAY) * RESEND_BASE ** Math.max(0, sends - copies + 1),
      );
      unheard.set(stream, {
        versions: [...versions.slice(1 - MAX_VERSIONS), next],
        sends: sends + 1,
        resendAt: now + (sends < copies - 1 ? SPACING : Math.ceil(wait)),
      });
    }
    if (entries.length > 0) peer.version = next;
    // What there was no room for goes with the next one.
    peer.dirtyAt = AT_ONCE;
    peer.resendAt = earliest(unheard);
    peer.answerAt = NEVER;
    const version = entries.length > 0 ? low32(next) : 0;
    return { kind: 'vector', version, heard: low32(peer.heard), heardBefore: peer.heardBefore, entries };
  }

  /** The numbers of a VECTOR with entries that is written elsewhere: see `Voice.say`. */
  number(member: number): Pick<VectorFrame, 'version' | 'heard' | 'heardBefore'> {
    const peer = this.peers[member];
    peer.version = nextVersion(peer.version);
    return { version: low32(peer.version), heard: low32(peer.heard), heardBefore: peer.heardBefore };
  }

  /** Whether only of these streams there is something to say. */
  check(streams: Iterable<Spoken>): string | undefined {
    const all = new Set(streams);
    for (const { dirty, unheard } of this.peers)
      for (const stream of [...dirty, ...unheard.keys()])
        if (!all.has(stream)) return `something to say to a peer of a stream that is forgotten`;
    return undefined;
  }

  /**
   * Takes in a VECTOR.
   *
   * @param isTaken whether there is room for an entry: if not, the version counts as not heard, so that it is said again
   * @returns what is news in it: by stream the claim, and entries of fewer objects
   */
  onFrame(
    now: Micros,
    member: number,
    frame: VectorFrame,
    isTaken: (entry: VectorEntry) => boolean = () => true,
  ): { claim: VectorEntry; lower: VectorEntry[] }[] {
    const peer = this.peers[member];
    if (frame.heard !== 0) {
      const heard = fullNumber(frame.heard, peer.version);
      for (const [stream, { versions }] of peer.unheard)
        if (versions.some((version) => isHeard(heard, frame.heardBefore, version)))
          peer.unheard.delete(stream);
    }
    peer.resendAt = earliest(peer.unheard);
    if (frame.version === 0) return [];
    const version = fullNumber(frame.version, peer.heard);
    peer.answerAt = Math.min(peer.answerAt, now + ANSWER_DELAY);
    this.changed.mark(member);
    const entries = frame.entries.filter(isTaken);
    const isWhole = entries.length === frame.entries.length;
    if (isWhole && version > peer.heard) {
      const steps = version - peer.heard;
      peer.heardBefore = steps >= 32 ? 0 : (peer.heardBefore << steps) >>> 0;
      if (peer.heard > 0 && steps <= 32) peer.heardBefore = (peer.heardBefore | (1 << (steps - 1))) >>> 0;
      peer.heard = version;
    } else if (isWhole && version < peer.heard && peer.heard - version <= 32)
      peer.heardBefore = (peer.heardBefore | (1 << (peer.heard - version - 1))) >>> 0;
    const news = new Map<string, { claim: VectorEntry; lower: VectorEntry[] }>();
    for (const entry of entries) {
      const key = streamKey(entry);
      const earlier = news.get(key);
      if (earlier) {
        earlier.lower.push(earlier.claim);
        earlier.claim = entry;
        continue;
      }
      if ((peer.applied.get(key) ?? 0) >= version) continue;
      news.set(key, { claim: entry, lower: [] });
      peer.applied.set(key, version);
      // Streams come and go; what went long ago is not spoken of any more.
      if (peer.applied.size > MAX_APPLIED) peer.applied.delete(peer.applied.keys().next().value!);
    }
    return [...news.values()];
  }
}

function earliest(unheard: Peer['unheard']): Micros {
  let at = NEVER;
  for (const { resendAt } of unheard.values()) at = Math.min(at, resendAt);
  return at;
}

/** 0 on the wire stands for none. */
function nextVersion(version: number): number {
  return version + (low32(version + 1) === 0 ? 2 : 1);
}

function isHeard(heard: number, heardBefore: number, version: number): boolean {
  if (version === heard) return true;
  const back = heard - version;
  return back > 0 && back <= 32 && (heardBefore & (1 << (back - 1))) !== 0;
}

function fresh(): Peer {
  return {
    dirty: new SparseSet(),
    dirtyAt: AT_ONCE,
    unheard: new SparseMap(),
    version: 0,
    resendAt: NEVER,
    heard: 0,
    heardBefore: 0,
    answerAt: NEVER,
    applied: new Map(),
  };
}

/** How long an answer waits for something to travel with. */
const ANSWER_DELAY: Micros = 10 * MILLISECOND;
/** Between the copies of something that matters. */
const SPACING: Micros = 8 * MILLISECOND;
const MAX_RESEND: Micros = 300 * MILLISECOND;
const RESEND_BASE = 1.5;
/** Versions with one entry whose arrival is waited for. */
const MAX_VERSIONS = 16;
export const MAX_APPLIED = 4096;
