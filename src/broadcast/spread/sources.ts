/** What a part that spreads objects has for the peers: frames and symbols, as they are asked for when a datagram can go. */
import { AT_ONCE, type Micros, NEVER } from '../../core/time.js';
import type { SymbolWriter } from '../../wire/datagram.js';
import type { ObjectFrame } from '../../wire/frames.js';
import type { Transfer } from './transfer.js';
import type { StreamView } from './view.js';

/** A part that has frames for peers. */
export interface FrameSource {
  /** When it has something to say to a peer: AT_ONCE, a time, or NEVER. */
  dueAt(peer: number): Micros;
  /** Bytes that wait, counted up to about `enough`: the sources before it leave it so much room. */
  waiting(peer: number, enough: number): number;
  /** Frames of at most `room` bytes, sent now. */
  take(now: Micros, peer: number, room: number): readonly ObjectFrame[];
}

/** A part that has symbols for peers. */
export interface SymbolSource {
  has(now: Micros, peer: number): boolean;
  /** Adds one or several to a datagram; false if there is none that fits. See `Outbound.addSymbols`. */
  next(now: Micros, peer: number, writer: SymbolWriter, beside: Set<object>): boolean;
}

export interface Sources {
  frames: readonly FrameSource[];
  symbols: readonly SymbolSource[];
}

/** What any spreading has: frames on what has come and what waits to be relayed; symbols of others, and our own. */
export function spreadSources<S extends StreamView>(
  transfer: Transfer<S>,
): Record<'progress' | 'owed', FrameSource> & Record<'relayed' | 'own', SymbolSource> {
  const { relaying } = transfer;
  return {
    progress: {
      dueAt: (peer) => (transfer.hasNews(peer) ? AT_ONCE : NEVER),
      waiting: () => 0,
      take: (_now, peer, room) => transfer.takeNews(peer, room),
    },
    owed: {
      dueAt: (peer) => relaying.owing.dueAt(peer),
      waiting: () => 0,
      take: (now, peer, room) => relaying.owing.take(now, peer, room),
    },
    relayed: {
      has: (_now, peer) => relaying.has(peer),
      next: (_now, peer, writer) => relaying.next(peer, writer),
    },
    own: {
      has: (now, peer) => transfer.hasOwn(now, peer),
      next: (now, peer, writer, beside) => transfer.nextOwn(now, peer, writer, beside),
    },
  };
}
