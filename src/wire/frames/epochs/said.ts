/** SAID: a VECTOR of a group that changes, and when it was said. mark 24 | what a VECTOR has */

import type { FrameType } from '../frame.js';
import { VECTOR_FRAME_SIZE, type VectorFrame, vector } from '../vector.js';
import { type EpochMark, MARK_SIZE, readMark, writeMark } from './epoch.js';

export interface SaidFrame extends EpochMark {
  kind: 'said';
  vector: VectorFrame;
}

export const said: FrameType<SaidFrame> = {
  type: 76,
  name: 'said',
  eliciting: true,
  parse: (reader) => ({ kind: 'said', ...readMark(reader), vector: vector.parse(reader) }),
  size: (frame) => MARK_SIZE + vector.size(frame.vector),
  write: (writer, frame) => vector.write(writeMark(writer, frame), frame.vector),
};

/** What it takes beside its entries, its type and length included. */
export const SAID_OVERHEAD = 2 + MARK_SIZE + VECTOR_FRAME_SIZE;
