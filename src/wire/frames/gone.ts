/** GONE: the answer to a PULL for what is no longer kept. origin 2 | incarnation 6 | base 4 | chain 32 */
import { HASH_SIZE } from '../limits.js';
import type { StreamId } from '../symbol.js';
import type { FrameType } from './frame.js';
import { parseStreamId, STREAM_ID_SIZE } from './ids.js';

export interface GoneFrame extends StreamId {
  kind: 'gone';
  /** Of this stream the sender has nothing below any more. */
  base: number;
  /** The whole digest of the first `base` objects. */
  chain: Uint8Array;
}

export const gone: FrameType<GoneFrame> = {
  type: 10,
  name: 'gone',
  eliciting: true,
  parse: (reader) => ({
    kind: 'gone',
    ...parseStreamId(reader),
    base: reader.u32('base'),
    chain: reader.take(HASH_SIZE, 'chain'),
  }),
  size: () => STREAM_ID_SIZE + 4 + HASH_SIZE,
  write: (writer, { origin, incarnation, base, chain }) =>
    writer.u16(origin).u48(incarnation).u32(base).put(chain),
};
