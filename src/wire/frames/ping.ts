/** PING: asks for an acknowledgement, and says nothing. */
import type { FrameType } from './frame.js';

export interface PingFrame {
  kind: 'ping';
}

export const ping: FrameType<PingFrame> = {
  type: 5,
  name: 'ping',
  eliciting: true,
  parse: () => ({ kind: 'ping' }),
  size: () => 0,
  write: () => {},
};
