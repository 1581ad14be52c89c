/** PATH_SIZE: datagrams up to this size go through to all members that its sender hears. size 2 */
import { HeadwaterError } from '../../../errors.js';
import { DATAGRAM_SIZE } from '../../limits.js';
import type { FrameType } from '../frame.js';

export interface PathSizeFrame {
  kind: 'path-size';
  /** Bytes of a datagram, at least DATAGRAM_SIZE. */
  size: number;
}

export const pathSize: FrameType<PathSizeFrame> = {
  type: 64,
  name: 'path-size',
  feature: 'path-size',
  eliciting: true,
  parse: (reader) => {
    const size = reader.u16('path size');
    if (size < DATAGRAM_SIZE)
      throw new HeadwaterError('MALFORMED', `path size: expected ${DATAGRAM_SIZE} or more, got ${size}`);
    return { kind: 'path-size', size };
  },
  size: () => 2,
  write: (writer, { size }) => writer.u16(size),
};
