/**
 * TRANSFER: 'so I stand with this transfer'. stream id 8 | version 4 | heard 4 | state 1 | count 4 | sent 4 | length 1, reason |
 * length 2, bitmap
 */
import { HeadwaterError } from '../../errors.js';
import { MAX_TRANSFER_AHEAD, MAX_TRANSFER_REASON } from '../limits.js';
import { isTransfer, type StreamId } from '../symbol.js';
import type { FrameType } from './frame.js';
import { parseStreamId, STREAM_ID_SIZE } from './ids.js';

/** How a member stands with a transfer; its origin has `offered` it. The place is the number on the wire. */
export const TRANSFER_STATES = ['offered', 'joining', 'verifying', 'receiving', 'saved', 'failed'] as const;
export type TransferState = (typeof TRANSFER_STATES)[number];

export interface TransferFrame extends StreamId {
  kind: 'transfer';
  /** Counts what its sender says of this transfer, from 1 in each run; 0: nothing that has not been heard. */
  version: number;
  /** The newest version that its sender has heard from who receives this; 0: none. */
  heard: number;
  state: TransferState;
  /** Objects below are held. */
  count: number;
  /** Of its origin: objects below go to nobody any more who does not ask. */
  sent: number;
  /** Why it failed, for people: UTF-8. */
  reason: Uint8Array;
  /** Bit i: object count + 1 + i is held. */
  ahead: Uint8Array;
}

export const transfer: FrameType<TransferFrame> = {
  type: 65,
  name: 'transfer',
  feature: 'transfer',
  eliciting: true,
  parse: (reader) => {
    const id = parseStreamId(reader);
    if (!isTransfer(id)) throw malformed('the number of a transfer', id.incarnation);
    const version = reader.u32('version');
    const heard = reader.u32('heard');
    const state = reader.u8('state');
    if (state >= TRANSFER_STATES.length) throw malformed('a state that is known', state);
    const count = reader.u32('count');
    const sent = reader.u32('sent');
    const reason = reader.take(reader.u8('reason length'), 'reason');
    if (reason.length > MAX_TRANSFER_REASON)
      throw malformed(`a reason of at most ${MAX_TRANSFER_REASON} bytes`, reason.length);
    const ahead = reader.take(reader.u16('bitmap length'), 'bitmap');
    if (ahead.length > MAX_TRANSFER_AHEAD)
      throw malformed(`a bitmap of at most ${MAX_TRANSFER_AHEAD} bytes`, ahead.length);
    const stands = { state: TRANSFER_STATES[state], count, sent, reason, ahead };
    return { kind: 'transfer', ...id, version, heard, ...stands };
  },
  size: ({ reason, ahead }) => STREAM_ID_SIZE + 4 + 4 + 1 + 4 + 4 + 1 + reason.length + 2 + ahead.length,
  write(writer, { origin, incarnation, version, heard, state, count, sent, reason, ahead }) {
    writer.u16(origin).u48(incarnation).u32(version).u32(heard);
    writer.u8(TRANSFER_STATES.indexOf(state)).u32(count).u32(sent);
    writer.u8(reason.length).put(reason).u16(ahead.length).put(ahead);
  },
};

function malformed(expected: string, got: number): HeadwaterError {
  return new HeadwaterError('MALFORMED', `transfer: expected ${expected}, got ${got}`);
}
