/** How much a running member says on stderr: which level each event has. */
import type { NodeEvent } from '../../node/node.js';

/** From little to much; each says what those before it say, too. */
export const LOG_LEVELS = ['error', 'warning', 'info', 'debug'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Whether what has this level is said at that one. */
export function isSaid(level: LogLevel, at: LogLevel): boolean {
  return LOG_LEVELS.indexOf(level) <= LOG_LEVELS.indexOf(at);
}

/** `error` is what nobody gets any more, or what stands still until somebody does something. */
export function levelOf(event: NodeEvent): LogLevel {
  if (event.type === 'warning') return STANDSTILLS.includes(event.code) ? 'error' : 'warning';
  return LEVELS[event.type] ?? 'info';
}

const LEVELS: Partial<Record<NodeEvent['type'], LogLevel>> = {
  'store-error': 'error',
  'consumer-error': 'error',
  'dead-letter': 'error',
  lost: 'error',
  overflow: 'error',
  'begun-anew': 'warning',
  damaged: 'warning',
  disagreement: 'warning',
  misbehaviour: 'warning',
  'too-large': 'warning',
};
/** Codes of warnings that mean that nothing is delivered, or confirmed. */
export const STANDSTILLS: readonly string[] = ['no-quorum', 'store-full', 'store-error'];
