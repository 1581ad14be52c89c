/** MTU_PROBE: 'say so if this arrives', in a datagram padded to that size. size 2 */
import type { FrameType } from './frame.js';

export interface MtuProbeFrame {
  kind: 'mtu-probe';
  /** Bytes of a datagram. */
  size: number;
}

export const mtuProbe: FrameType<MtuProbeFrame> = {
  type: 7,
  name: 'mtu-probe',
  eliciting: true,
  parse: (reader) => ({ kind: 'mtu-probe', size: reader.u16('probe size') }),
  size: () => 2,
  write: (writer, { size }) => writer.u16(size),
};
