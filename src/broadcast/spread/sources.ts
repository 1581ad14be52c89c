/** What a part that spreads objects has for the peers: frames and symbols, as they are asked for when a datagram can go. */
import type { Micros } from '../../core/time.js';
import type { SymbolWriter } from '../../wire/datagram.js';
import type { ObjectFrame } from '../../wire/frames.js';

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
