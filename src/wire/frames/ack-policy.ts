/** ACK_POLICY: how often its sender wants to be acknowledged. packets 2 | delay 3 */
import type { Micros } from '../../core/time.js';
import { FRAME_TYPE_SIZE } from '../limits.js';
import type { FrameType } from './frame.js';

export interface AckPolicyFrame {
  kind: 'ack-policy';
  /** An acknowledgement is due after so many. */
  packets: number;
  /** Or when the first of them has waited for so long. */
  delay: Micros;
}

export const ackPolicy: FrameType<AckPolicyFrame> = {
  type: 6,
  name: 'ack-policy',
  eliciting: true,
  parse: (reader) => ({
    kind: 'ack-policy',
    packets: reader.u16('ack packets'),
    delay: reader.u24('ack delay'),
  }),
  size: () => FIELDS,
  write: (writer, { packets, delay }) => writer.u16(packets).u24(delay),
};

const FIELDS = 2 + 3;
/** ACK_POLICY fits beside the largest symbol. */
export const ACK_POLICY_SIZE = FRAME_TYPE_SIZE + FIELDS;
