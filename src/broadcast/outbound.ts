/**
 * What goes to one peer, and when: frames and symbols of the broadcast's parts, in the order of the two tables below. In: what
 * these have for the peer, and the state of its path. Out: frames, and symbols with what they refer to.
 */
import { AT_ONCE, MILLISECOND, type Micros, NEVER, NEVER_YET } from '../core/time.js';
import { HEARTBEAT, type Path } from '../path/path.js';
import type { SymbolWriter } from '../wire/datagram.js';
import { SAID_OVERHEAD } from '../wire/frames/epochs/said.js';
import { VECTOR_FRAME_SIZE, type VectorFrame } from '../wire/frames/vector.js';
import { frameSize, type ObjectFrame } from '../wire/frames.js';
import type { Repair } from './repair.js';
import { ToldManifests } from './spread/manifests/told.js';
import { vectorCopiesFor } from './spread/plan.js';
import { type FrameSource, type Sources, type SymbolSource, spreadSources } from './spread/sources.js';
import type { Wings } from './wings.js';

/** All of them, in the order in which they are served: frames in this order, symbols in turns. */
export function sourcesOf({ vectors, mail, transfer, serving, options }: Wings): Sources {
  const { paths, group, lodger, epochs } = options;
  const claims: FrameSource = {
    dueAt: (peer) => (epochs?.isSilent ? NEVER : vectors.dueAt(peer)),
    waiting: () => 0,
    take(now, peer, room) {
      if (epochs?.isSilent) return [];
      const { rtt, loss } = paths[peer]!;
      const copies = vectorCopiesFor(loss, group.members.length);
      const left = epochs ? room - SAID_OVERHEAD + VECTOR_FRAME_SIZE : room;
      const vector = vectors.take(now, peer, left, { timeout: rtt.probeTimeout(0), copies });
      if (!vector) return [];
      return [epochs ? { kind: 'said', ...epochs.mark, vector } : vector];
    },
  };
  const places: FrameSource = {
    dueAt: (peer) => epochs!.dueAt(peer),
    waiting: () => 0,
    take(now, peer, room) {
      const frame = epochs!.take(now, peer, room);
      return frame ? [frame] : [];
    },
  };
  const questions: FrameSource = {
    dueAt: (peer) => (mail.has(peer) ? AT_ONCE : NEVER),
    waiting: (peer, enough) => mail.size(peer, enough),
    take: (_now, peer, room) => mail.take(peer, room),
  };
  const { progress, owed, relayed, own } = spreadSources(transfer);
  const served: SymbolSource = {
    has: (_now, peer) => serving.has(peer),
    next: (now, peer, writer, beside) => serving.next(now, peer, writer, beside),
  };
  return {
    frames: [...(epochs ? [places] : []), claims, questions, progress, owed, ...lodger.sources.frames],
    symbols: [relayed, own, served, ...lodger.sources.symbols],
  };
}

export class Outbound {
  readonly manifests: ToldManifests;
  private readonly peer: number;
  private readonly path: Path;
  private readonly wings: Wings;
  private readonly repair: Repair;
  private readonly sources: Sources;
  private controlSentAt: Micros = NEVER_YET;
  /** The source whose symbol was looked for first, last time. */
  private turn = 0;

  constructor(peer: number, path: Path, parts: { wings: Wings; repair: Repair; sources: Sources }) {
    this.peer = peer;
    this.path = path;
    this.manifests = new ToldManifests(path);
    this.wings = parts.wings;
    this.repair = parts.repair;
    this.sources = parts.sources;
  }

  /** A session with this peer has begun: it is told all that we hold. `fresh`: it has lost what it had in memory. */
  onSession(fresh: boolean): void {
    const { vectors, streams, mail } = this.wings;
    vectors.restart(this.peer, streams.said(), fresh);
    mail.clear(this.peer);
    // It is asked for a session at once.
    if (!fresh) return;
    this.controlSentAt = NEVER_YET;
    this.manifests.clear();
  }

  /** When a control datagram is due: soon if there is news and a session to tell it in, else at the next heartbeat. */
  nextControl(): Micros {
    const sent = this.controlSentAt;
    if (!this.path.isOpen) return sent + HEARTBEAT;
    let due = NEVER;
    for (const source of this.sources.frames) due = Math.min(due, source.dueAt(this.peer));
    return Math.min(
      sent + HEARTBEAT,
      Math.max(due, sent + (this.path.isForwarded ? FORWARDED_GAP : CONTROL_GAP)),
    );
  }

  /** The frames of a control datagram, sent now; what does not fit in `room` bytes stays for the next. */
  takeControl(now: Micros, room: number): ObjectFrame[] {
    this.controlSentAt = now;
    const all: ObjectFrame[] = [];
    const { frames } = this.sources;
    let left = room;
    for (let i = 0; i < frames.length; i++) {
      // Of some there is always more to say; the others are not to wait for an end of it.
      let waiting = 0;
      for (let other = i + 1; other < frames.length; other++)
        waiting += frames[other].waiting(this.peer, left / 2);
      for (const frame of frames[i].take(now, this.peer, left - Math.min(waiting, left >> 1))) {
        left -= frameSize(frame);
        all.push(frame);
      }
    }
    return all;
  }

  /** See `Vectors.number`. */
  numberVector(): Pick<VectorFrame, 'version' | 'heard' | 'heardBefore'> {
    return this.wings.vectors.number(this.peer);
  }

  hasSymbol(now: Micros): boolean {
    if (this.manifests.hasOwed) return true;
    for (const source of this.sources.symbols) if (source.has(now, this.peer)) return true;
    return false;
  }

  /**
   * Adds the next symbols to a datagram, as many as fit, and the manifests that they refer to: one that there is no room for takes
   * the datagram from them.
   *
   * @param beside objects of a single symbol that are in the datagram already: another copy would be lost with the first
   */
  addSymbols(now: Micros, writer: SymbolWriter, beside: Set<object> = new Set()): void {
    const { symbols } = this.sources;
    if (this.manifests.hasOwed) this.manifests.writeOwed(writer, false);
    for (let isAdded = true; isAdded && writer.hasRoom; ) {
      this.turn = (this.turn + 1) % symbols.length;
      isAdded = false;
      for (let i = 0; i < symbols.length && !isAdded; i++)
        isAdded = symbols[(this.turn + i) % symbols.length].next(now, this.peer, writer, beside);
    }
    if (this.manifests.hasOwed && writer.isEmpty) this.manifests.writeOwed(writer, true);
    this.repair.readServed(now);
  }
}

/** Control datagrams to one peer are at least this far apart, so that news travel together. */
const CONTROL_GAP: Micros = 2 * MILLISECOND;
/** Those that others have to carry: so one peer takes at most 50 a second of what is carried. */
const FORWARDED_GAP: Micros = 20 * MILLISECOND;
