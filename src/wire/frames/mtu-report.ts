/** MTU_REPORT: an MTU_PROBE of that size has arrived. size 2 */
import type { FrameType } from './frame.js';

export interface MtuReportFrame {
  kind: 'mtu-report';
  /** Bytes of a datagram. */
  size: number;
}

export const mtuReport: FrameType<MtuReportFrame> = {
  type: 8,
  name: 'mtu-report',
  eliciting: true,
  parse: (reader) => ({ kind: 'mtu-report', size: reader.u16('report size') }),
  size: () => 2,
  write: (writer, { size }) => writer.u16(size),
};
