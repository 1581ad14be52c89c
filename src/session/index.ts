/** Encrypted sessions between members: what the other folders use of this one. */
export type { SessionDropReason, SessionEvent } from './events.js';
export type { Entropy, SessionLimits } from './limits.js';
export type { Sealed } from './session.js';
export {
  type Received,
  type SessionMetrics,
  type SessionPeer,
  SessionTable,
  type SessionTableOptions,
  type SessionTransmit,
} from './table.js';
export { PROTECTED_HEADER, PROTECTED_OVERHEAD } from './wire.js';
