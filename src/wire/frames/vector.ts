/**
 * VECTOR: what its sender holds, durably.
 *
 *     version 4 | heard 4 | heard before 4 | count 2 | count * entry
 *     entry: origin 2 | incarnation 6 | base 4 | count 4 | chain 32 | flags 1 | ready 4 if flagged | length 1 | bitmap
 *
 * Of one stream there may be up to 32 entries: the last is the claim, those before it are digests of fewer objects.
 */
import type { Reader } from '../../core/bytes.js';
import { HeadwaterError } from '../../errors.js';
import { FRAME_TYPE_SIZE, HASH_SIZE, MAX_AHEAD, MAX_STREAM_ENTRIES } from '../limits.js';
import { isTransfer, type StreamId, streamKey } from '../symbol.js';
import type { FrameType } from './frame.js';
import { parseStreamId, STREAM_ID_SIZE } from './ids.js';

/** What a member holds of one stream, in its own store: its confirm. */
export interface VectorEntry extends StreamId {
  /** Objects below are no longer kept. */
  base: number;
  /** All objects below are held, or were. */
  count: number;
  /** For all below the sender is READY. At most `count`. */
  ready: number;
  /** A later stream of the same origin is known. */
  ended: boolean;
  /** And the sender knows of no earlier one. */
  first: boolean;
  /** The sender has retired the stream, and all earlier ones of its origin: what it says of it is the last that it will. */
  over: boolean;
  /** Digest over the hashes of the first `count` objects: two that agree in it agree in all. */
  chain: Uint8Array;
  /** Bit i: object count + 1 + i is held too. At most MAX_AHEAD bytes. */
  ahead: Uint8Array;
}

export interface VectorFrame {
  kind: 'vector';
  /** Numbers the vectors to this peer that hold entries; 0 if there are none, which is not to be answered. */
  version: number;
  /** The newest version received from the peer, 0 for none; bit i of `heardBefore`: version heard - 1 - i came too. */
  heard: number;
  heardBefore: number;
  entries: VectorEntry[];
}

export const vector: FrameType<VectorFrame> = {
  type: 3,
  name: 'vector',
  eliciting: true,
  parse: parseVector,
  size: ({ entries }) => HEAD + entries.reduce((sum, entry) => sum + vectorEntrySize(entry), 0),
  write(writer, frame) {
    writer.u32(frame.version).u32(frame.heard).u32(frame.heardBefore).u16(frame.entries.length);
    for (const entry of frame.entries) {
      writer.u16(entry.origin).u48(entry.incarnation).u32(entry.base).u32(entry.count).put(entry.chain);
      writer.u8(
        (entry.ready > 0 ? HAS_READY : 0) |
          (entry.ended ? ENDED : 0) |
          (entry.first ? FIRST : 0) |
          (entry.over ? OVER : 0),
      );
      if (entry.ready > 0) writer.u32(entry.ready);
      writer.u8(entry.ahead.length).put(entry.ahead);
    }
  },
};

/** Bytes of one entry of a VECTOR. */
export function vectorEntrySize({ ready, ahead }: Pick<VectorEntry, 'ready' | 'ahead'>): number {
  return STREAM_ID_SIZE + 8 + HASH_SIZE + 2 + (ready > 0 ? 4 : 0) + ahead.length;
}

function parseVector(reader: Reader): VectorFrame {
  const version = reader.u32('vector version');
  const heard = reader.u32('version heard');
  const heardBefore = reader.u32('versions heard before');
  const count = reader.u16('vector entries');
  const entries: VectorEntry[] = [];
  for (let i = 0; i < count; i++) {
    const { origin, incarnation } = parseStreamId(reader);
    if (isTransfer({ incarnation }))
      throw new HeadwaterError('MALFORMED', 'vector: expected streams of messages, got a transfer');
    const base = reader.u32('base');
    const held = reader.u32('count');
    if (base > held) throw new HeadwaterError('MALFORMED', `base: expected at most ${held}, got ${base}`);
    const chain = reader.take(HASH_SIZE, 'chain');
    const flags = reader.u8('entry flags');
    if (!VALID_FLAGS.includes(flags & ~HAS_READY) || (flags & (OVER | HAS_READY)) === (OVER | HAS_READY))
      throw new HeadwaterError(
        'MALFORMED',
        `entry flags: expected READY, and none or ENDED, or ENDED with FIRST or, without READY, with OVER; got ${flags}`,
      );
    const hasReady = (flags & HAS_READY) !== 0;
    const ready = hasReady ? reader.u32('ready') : 0;
    if (hasReady && (ready === 0 || ready > held))
      throw new HeadwaterError('MALFORMED', `ready: expected 1 to ${held}, got ${ready}`);
    const length = reader.u8('bitmap length');
    if (length > MAX_AHEAD)
      throw new HeadwaterError('MALFORMED', `bitmap: expected at most ${MAX_AHEAD} bytes, got ${length}`);
    const ahead = reader.take(length, 'bitmap');
    const over = (flags & OVER) !== 0;
    if (over && (base !== held || length > 0))
      throw new HeadwaterError(
        'MALFORMED',
        `a stream that is over: expected base ${held} and no bitmap, got ${base}`,
      );
    // Each field by name: to spread the stream's would take ten times as long as all else.
    entries.push({
      origin,
      incarnation,
      base,
      count: held,
      ready,
      ended: (flags & ENDED) !== 0,
      first: (flags & FIRST) !== 0,
      over,
      chain,
      ahead,
    });
  }
  // Few VECTORs have so many that they need to be counted.
  if (count > MAX_STREAM_ENTRIES) checkStreams(entries);
  return { kind: 'vector', version, heard, heardBefore, entries };
}

function checkStreams(entries: readonly VectorEntry[]): void {
  const counts = new Map<string, number>();
  for (const entry of entries) {
    const key = streamKey(entry);
    const count = (counts.get(key) ?? 0) + 1;
    if (count > MAX_STREAM_ENTRIES)
      throw new HeadwaterError(
        'MALFORMED',
        `vector: expected at most ${MAX_STREAM_ENTRIES} entries of one stream, got more`,
      );
    counts.set(key, count);
  }
}

/** Flags of an entry. */
const HAS_READY = 1;
const ENDED = 2;
const OVER = 4;
const FIRST = 8;
const VALID_FLAGS = [0, ENDED, ENDED | FIRST, ENDED | OVER];
const HEAD = 3 * 4 + 2;
/** A VECTOR without entries, its type included. */
export const VECTOR_FRAME_SIZE = FRAME_TYPE_SIZE + HEAD;
