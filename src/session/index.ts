/** Encrypted sessions between members: what the other folders use of this one. */
export type { SessionDropReason, SessionEvent } from './events.js';
export type { Entropy } from './limits.js';
export { SessionTable } from './table.js';
