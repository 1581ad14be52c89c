/** PART: half of a text that its path does not carry in one piece. number 2 | half 1 | bytes, to the end of the text */
import { HeadwaterError } from '../../../errors.js';
import { MAX_PART } from '../../limits.js';
import type { FrameType } from '../frame.js';

export interface PartFrame {
  kind: 'part';
  /** Of the text: both halves have the same. */
  number: number;
  /** 0 for what stands first, 1 for the rest. */
  half: number;
  bytes: Uint8Array;
}

export const part: FrameType<PartFrame> = {
  type: 15,
  name: 'part',
  eliciting: true,
  parse: (reader) => {
    const number = reader.u16('part number');
    const half = reader.u8('half');
    if (half > 1) throw new HeadwaterError('MALFORMED', `half: expected 0 or 1, got ${half}`);
    const bytes = reader.take(reader.remaining, 'part');
    if (bytes.length > MAX_PART)
      throw new HeadwaterError('MALFORMED', `part: expected at most ${MAX_PART} bytes, got ${bytes.length}`);
    return { kind: 'part', number, half, bytes };
  },
  size: ({ bytes }) => PART_HEADER + bytes.length,
  write: (writer, { number, half, bytes }) => writer.u16(number).u8(half).put(bytes),
};

/** What stands in a PART before the bytes, its type left out. */
export const PART_HEADER = 2 + 1;
