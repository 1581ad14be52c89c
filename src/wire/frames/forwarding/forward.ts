/** FORWARD: a datagram of a session of `from` and `to`, for whoever is between them. from 2 | to 2 | hops 1 | datagram, to the end */
import { HeadwaterError } from '../../../errors.js';
import { DATAGRAM_SIZE } from '../../limits.js';
import type { FrameType } from '../frame.js';
import { hopsOf } from './routes.js';

export interface ForwardFrame {
  kind: 'forward';
  from: number;
  to: number;
  /** Sessions that it may still take, this one included. */
  hops: number;
  /** As it would go over a socket, up to 1232 bytes. */
  datagram: Uint8Array;
}

export const forward: FrameType<ForwardFrame> = {
  type: 73,
  name: 'forward',
  feature: 'forwarding',
  eliciting: true,
  parse(reader) {
    const [from, to] = [reader.u16('from'), reader.u16('to')];
    const hops = hopsOf(reader);
    const size = reader.remaining;
    if (size === 0 || size > DATAGRAM_SIZE)
      throw new HeadwaterError('MALFORMED', `forward: expected 1 to ${DATAGRAM_SIZE} bytes, got ${size}`);
    return { kind: 'forward', from, to, hops, datagram: reader.take(size, 'datagram') };
  },
  size: ({ datagram }) => 2 + 2 + 1 + datagram.length,
  write(writer, { from, to, hops, datagram }) {
    writer.u16(from).u16(to).u8(hops).put(datagram);
  },
};
