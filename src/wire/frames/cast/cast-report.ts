/**
 * CAST_REPORT: 'so much of the group reaches me', to the origin of a transfer. stream id 8 | state 1 | length 1, reason |
 * in state 2 alone: an ACK (PROTOCOL 6.1) of the group's datagrams, count 1, count times the name 6 of a manifest
 */
import { HeadwaterError } from '../../../errors.js';
import { isTransfer, type StreamId } from '../../symbol.js';
import { type Ack, ackLength, parseAck, writeAck } from '../ack.js';
import type { FrameType } from '../frame.js';
import { parseStreamId, STREAM_ID_SIZE } from '../ids.js';

/** The place is the number on the wire: it does not listen; it listens, and nothing has come; it hears. */
export const CAST_STATES = ['off', 'listening', 'hearing'] as const;
export type CastState = (typeof CAST_STATES)[number];

export interface CastReportFrame extends StreamId {
  kind: 'cast-report';
  state: CastState;
  /** Why it does not listen, for people: UTF-8. */
  reason: Uint8Array;
  /** Undefined unless it hears. */
  ack: Ack | undefined;
  /** Names of manifests that symbols wait for. */
  lacking: readonly number[];
}

export const MAX_CAST_REASON = 100;
export const MAX_LACKING = 16;

export const castReport: FrameType<CastReportFrame> = {
  type: 67,
  name: 'cast-report',
  feature: 'multicast',
  eliciting: true,
  parse: (reader) => {
    const id = parseStreamId(reader);
    if (!isTransfer(id)) throw malformed('the number of a transfer', id.incarnation);
    const state = CAST_STATES[reader.u8('state')];
    if (!state) throw malformed('a state that is known', 'another');
    const reason = reader.take(reader.u8('reason length'), 'reason');
    if (reason.length > MAX_CAST_REASON)
      throw malformed(`a reason of at most ${MAX_CAST_REASON} bytes`, reason.length);
    const stands = { kind: 'cast-report' as const, ...id, state, reason };
    if (state !== 'hearing') return { ...stands, ack: undefined, lacking: [] };
    const ack = parseAck(reader);
    const count = reader.u8('manifests lacking');
    if (count > MAX_LACKING) throw malformed(`at most ${MAX_LACKING} manifests lacking`, count);
    return { ...stands, ack, lacking: Array.from({ length: count }, () => reader.u48('name')) };
  },
  size: ({ reason, ack, lacking }) =>
    STREAM_ID_SIZE + 1 + 1 + reason.length + (ack ? ackLength(ack) + 1 + NAME * lacking.length : 0),
  write(writer, { origin, incarnation, state, reason, ack, lacking }) {
    writer.u16(origin).u48(incarnation).u8(CAST_STATES.indexOf(state)).u8(reason.length).put(reason);
    if (!ack) return;
    writeAck(writer, ack);
    writer.u8(lacking.length);
    for (const name of lacking) writer.u48(name);
  },
};

const NAME = 6;

function malformed(expected: string, got: number | string): HeadwaterError {
  return new HeadwaterError('MALFORMED', `cast report: expected ${expected}, got ${got}`);
}
