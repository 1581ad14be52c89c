/** PROGRESS: 'of this object I still need so much'. object id 12 | Z 1 | bitmap ceil(Z/8) | count 1 | count * (SBN 1, missing 2) */
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

export interface ProgressFrame {
  kind: 'progress';
  id: ObjectId;
  sourceBlocks: number;
  /** Bit s: source block s is complete. */
  complete: Uint8Array;
  /** Blocks of which symbols are held, with the number still missing; at most MAX_PROGRESS_ENTRIES. */
  missing: Deficit[];
}

export const progress: FrameType<ProgressFrame> = {
  type: 4,
  name: 'progress',
  eliciting: true,
  parse(reader) {
    const id = parseId(reader);
    const sourceBlocks = reader.u8('Z');
    const complete = reader.take(Math.ceil(sourceBlocks / 8), 'complete bitmap');
    return { kind: 'progress', id, sourceBlocks, complete, missing: parseMissing(reader, sourceBlocks) };
  },
  size: ({ complete, missing }) => OBJECT_ID_SIZE + 1 + complete.length + missingSize(missing),
  write(writer, { id, sourceBlocks, complete, missing }) {
    writeId(writer, id);
    writer.u8(sourceBlocks).put(complete);
    writeMissing(writer, missing);
  },
};
