/** PULL: 'send me symbols of this object'. object id 12 | count 1 | count * (SBN 1, missing 2) */
import { MAX_SOURCE_BLOCKS } from '../limits.js';
import type { ObjectId } from '../symbol.js';
import type { FrameType } from './frame.js';
import {
  type Deficit,
  missingSize,
  OBJECT_ID_SIZE,
  parseId,
  parseMissing,
  writeId,
  writeMissing,
} from './ids.js';

export interface PullFrame {
  kind: 'pull';
  id: ObjectId;
  /** So many of the blocks named; none: enough for all of it. */
  missing: Deficit[];
}

export const pull: FrameType<PullFrame> = {
  type: 9,
  name: 'pull',
  eliciting: true,
  parse: (reader) => ({
    kind: 'pull',
    id: parseId(reader),
    missing: parseMissing(reader, MAX_SOURCE_BLOCKS),
  }),
  size: ({ missing }) => OBJECT_ID_SIZE + missingSize(missing),
  write(writer, { id, missing }) {
    writeId(writer, id);
    writeMissing(writer, missing);
  },
};
