/**
 * CAST: 'symbols of this transfer come by multicast', from its origin. stream id 8 | open 1 | key 32 | port 2 |
 * length 1, group address | length 1, source address | sent 6 | packets 2 | delay 3, in microseconds
 */
import { HeadwaterError } from '../../../errors.js';
import { isTransfer, type StreamId } from '../../symbol.js';
import type { FrameType } from '../frame.js';
import { parseStreamId, STREAM_ID_SIZE } from '../ids.js';

export interface CastFrame extends StreamId {
  kind: 'cast';
  /** Whether who gets this is to listen; if not, it is to leave the group. */
  open: boolean;
  /** Seals the datagrams of the group. */
  key: Uint8Array;
  port: number;
  /** 4 or 16 bytes. */
  address: Uint8Array;
  /** The only source that is heard: 4 or 16 bytes, or none for any. */
  source: Uint8Array;
  /** Datagrams with numbers below have been sent. */
  sent: number;
  /** A report is due after so many datagrams, */
  packets: number;
  /** or so long after the first of them, in microseconds. */
  delay: number;
}

export const CAST_KEY_SIZE = 32;

export const cast: FrameType<CastFrame> = {
  type: 66,
  name: 'cast',
  feature: 'multicast',
  eliciting: true,
  parse: (reader) => {
    const id = parseStreamId(reader);
    if (!isTransfer(id)) throw malformed('the number of a transfer', id.incarnation);
    const open = reader.u8('open') !== 0;
    const key = reader.take(CAST_KEY_SIZE, 'key');
    const port = reader.u16('port');
    const address = reader.take(reader.u8('address length'), 'address');
    if (address.length !== 4 && address.length !== 16)
      throw malformed('an address of 4 or 16 bytes', address.length);
    const source = reader.take(reader.u8('source length'), 'source');
    if (source.length !== 0 && source.length !== address.length)
      throw malformed(`a source of no or ${address.length} bytes`, source.length);
    const sent = reader.u48('sent');
    return {
      kind: 'cast',
      ...id,
      ...{ open, key, port, address, source, sent },
      packets: reader.u16('packets'),
      delay: reader.u24('delay'),
    };
  },
  size: ({ address, source }) =>
    STREAM_ID_SIZE + 1 + CAST_KEY_SIZE + 2 + 1 + address.length + 1 + source.length + 6 + 2 + 3,
  write(writer, { origin, incarnation, open, key, port, address, source, sent, packets, delay }) {
    writer
      .u16(origin)
      .u48(incarnation)
      .u8(open ? 1 : 0)
      .put(key)
      .u16(port);
    writer.u8(address.length).put(address).u8(source.length).put(source);
    writer.u48(sent).u16(packets).u24(delay);
  },
};

function malformed(expected: string, got: number): HeadwaterError {
  return new HeadwaterError('MALFORMED', `cast: expected ${expected}, got ${got}`);
}
