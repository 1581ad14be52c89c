/** The checks of what a caller passes to a node, and to its calls. */
import {
  type Check,
  type Checks,
  isBoolean,
  isFunction,
  isObjectWith,
  isOneOf,
  isText,
} from '../core/checks.js';
import { invalid } from '../errors.js';
import { checksOf, IDENTITY_CHECKS, SETTING_NAMES } from '../options.js';
import { DEBUG_TOPICS, type DebugOptions } from './debug.js';

export const isDebug: Check = (name, value) => {
  isObjectWith('write')(name, value);
  const { topics = [] } = value as DebugOptions;
  for (const topic of topics) isOneOf(...DEBUG_TOPICS)(`${name}.topics`, topic);
};

export const NODE_OPTIONS: Checks = {
  ...IDENTITY_CHECKS,
  ...checksOf(SETTING_NAMES),
  store: isObjectWith('commit', 'read', 'deadLetters', 'deadLetter', 'close'),
  trace: isText,
  debug: isDebug,
  deliver: isFunction,
  onEvent: isFunction,
};

/** Of a call that may be taken back. */
export const CALL_OPTIONS: Checks = {
  signal: isObjectWith('addEventListener', 'removeEventListener'),
};

/** Of `status`. */
export const STATUS_OPTIONS: Checks = { detail: isBoolean };

/** Of a message that has a name for its sender. */
export const isKey: Check = (name, value) => {
  const size =
    typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.length : -1;
  if (size < 1 || size > MAX_KEY) throw invalid(name, `a text or bytes, 1 to ${MAX_KEY} of them`, value);
};

export const KEYED_OPTIONS: Checks = { ...CALL_OPTIONS, key: isKey };

/** A text is its UTF-8. The bytes are a copy, which the caller cannot change. */
export function keyBytes(key: string | Uint8Array): Uint8Array {
  return typeof key === 'string' ? new TextEncoder().encode(key) : new Uint8Array(key);
}

const MAX_KEY = 64;
