/**
 * EPOCH: where its sender is in a group that changes, and what who is behind needs of that. has 4 | active 4 | id 16 | heard 4 | list 1 |
 * of 4 | next 16 | total 2 | first 2 | count 2 | count times: origin 2, incarnation 6, count 4, base 4
 */
import type { Reader, Writer } from '../../../core/bytes.js';
import { HeadwaterError } from '../../../errors.js';
import type { StreamId } from '../../symbol.js';
import type { FrameType } from '../frame.js';
import { parseStreamId, STREAM_ID_SIZE } from '../ids.js';

/** When something is said: which descriptors its sender has taken, and where it is active. */
export interface EpochMark {
  /** The newest epoch that it has taken. */
  has: number;
  /** The newest in which it is active: `has`, or the one before. */
  active: number;
  /** 16 bytes: the beginning of the hash of the descriptor of `has`. */
  id: Uint8Array;
}

/** How its sender stands, or stood, in a stream. */
export interface ListedStream extends StreamId {
  count: number;
  base: number;
}

/** 'seal': how it stood when it sealed an epoch. 'starts': what who joins the epoch where it is active must hold; base is 0. */
export type EpochList = 'none' | 'seal' | 'starts';

export interface EpochFrame extends EpochMark {
  kind: 'epoch';
  /** The sum of `has` and `active` that its sender has last heard of the receiver; 0 if it has heard nothing. */
  heard: number;
  list: EpochList;
  /** Of a seal: the epoch that was sealed; of others 0. */
  of: number;
  /** 16 bytes. Of a seal: the beginning of the hash of the descriptor that it was sealed for; of others zeros. */
  next: Uint8Array;
  /** Streams in the list, and the place in it of the first that is in this frame. */
  total: number;
  first: number;
  streams: readonly ListedStream[];
}

export const epoch: FrameType<EpochFrame> = {
  type: 75,
  name: 'epoch',
  eliciting: true,
  parse(reader) {
    const mark = readMark(reader);
    const heard = reader.u32('heard');
    const list = LISTS[reader.u8('list')];
    if (list === undefined) throw new HeadwaterError('MALFORMED', 'epoch: expected a list of 0 to 2');
    const of = reader.u32('of');
    const next = reader.take(EPOCH_ID_SIZE, 'next').slice();
    const total = reader.u16('total');
    const first = reader.u16('first');
    const streams = Array.from({ length: reader.u16('count') }, () => {
      const id = parseStreamId(reader);
      const count = reader.u32('count');
      const base = reader.u32('base');
      if (base > count) throw new HeadwaterError('MALFORMED', `base: expected at most ${count}, got ${base}`);
      return { origin: id.origin, incarnation: id.incarnation, count, base };
    });
    if (first + streams.length > total || total > MAX_LISTED)
      throw new HeadwaterError(
        'MALFORMED',
        `epoch: expected at most ${Math.min(total, MAX_LISTED)} streams, got more`,
      );
    return { kind: 'epoch', ...mark, heard, list, of, next, total, first, streams };
  },
  size: ({ streams }) => HEAD + LISTED_SIZE * streams.length,
  write(writer, frame) {
    writeMark(writer, frame).u32(frame.heard).u8(LISTS.indexOf(frame.list)).u32(frame.of).put(frame.next);
    writer.u16(frame.total).u16(frame.first).u16(frame.streams.length);
    for (const { origin, incarnation, count, base } of frame.streams)
      writer.u16(origin).u48(incarnation).u32(count).u32(base);
  },
};

/** Of frames that say when they were said. */
export function readMark(reader: Reader): EpochMark {
  const has = reader.u32('has');
  const active = reader.u32('active');
  if (active > has || active + 1 < has)
    throw new HeadwaterError('MALFORMED', `active: expected ${has}, or one less, got ${active}`);
  return { has, active, id: reader.take(EPOCH_ID_SIZE, 'id').slice() };
}

export function writeMark(writer: Writer, { has, active, id }: EpochMark): Writer {
  return writer.u32(has).u32(active).put(id);
}

export const EPOCH_ID_SIZE = 16;
export const MARK_SIZE = 4 + 4 + EPOCH_ID_SIZE;
export const LISTED_SIZE = STREAM_ID_SIZE + 4 + 4;
/** Of the streams in a list: more than all members of the largest group have. */
export const MAX_LISTED = 4096;
const HEAD = MARK_SIZE + 4 + 1 + 4 + EPOCH_ID_SIZE + 2 + 2 + 2;
/** Its type and length included. */
export const EPOCH_FRAME_SIZE = 1 + 2 + HEAD;
const LISTS: readonly EpochList[] = ['none', 'seal', 'starts'];
