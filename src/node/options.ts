/** The checks of what a caller passes to a node or network: each names the option, what was expected, and what came. */
import { CONTROLLERS } from '../congestion/index.js';
import { assertBytes, assertInteger, invalid } from '../errors.js';
import { DATAGRAM_SIZE, MAX_DATAGRAM } from '../wire/limits.js';

/** Throws INVALID_ARGUMENT if one of the options is none of `checks`, or not what its check expects. */
export function checkOptions(what: string, options: unknown, checks: Record<string, Check>): void {
  if (typeof options !== 'object' || options === null) throw invalid(what, 'an object', options);
  for (const [name, value] of Object.entries(options))
    if (!(name in checks)) throw invalid(what, `options among ${Object.keys(checks).join(', ')}`, name);
    else if (value !== undefined) checks[name](name, value);
}

type Check = (name: string, value: unknown) => void;

/** What must be there, and as its check expects. */
export function checkRequired(options: object, checks: Record<string, Check>): void {
  for (const [name, check] of Object.entries(checks)) check(name, (options as Record<string, unknown>)[name]);
}

export function isOneOf(...choices: string[]): Check {
  return (name, value) => {
    if (typeof value !== 'string' || !choices.includes(value))
      throw invalid(name, choices.join(' or '), value);
  };
}

export function isInteger(min: number, max: number): Check {
  return (name, value) => assertInteger(name, value, min, max);
}

export const isFunction: Check = (name, value) => {
  if (typeof value !== 'function') throw invalid(name, 'a function', value);
};

export const isText: Check = (name, value) => {
  if (typeof value !== 'string' || value === '') throw invalid(name, 'a text', value);
};

/** An object with these methods. */
export function isObjectWith(...methods: string[]): Check {
  return (name, value) => {
    const object = Object(value) as Record<string, unknown>;
    if (object !== value || methods.some((method) => typeof object[method] !== 'function'))
      throw invalid(name, `an object with ${methods.join(', ')}`, value);
  };
}

const isBoolean: Check = (name, value) => {
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
};

const isRate: Check = (name, value) => {
  if (typeof value !== 'number' || !(value > 0)) throw invalid(name, 'more than 0 bytes/s', value);
};

const isGroup: Check = (name, value) => {
  const group = Object(value) as Record<string, unknown>;
  if (!(group.id instanceof Uint8Array) || !Array.isArray(group.members))
    throw invalid(name, 'what createGroup or parseGroup gives', value);
};

/** Both facades take these, and need them. */
export const IDENTITY: Record<string, Check> = {
  group: isGroup,
  secretKey: (name, value) => assertBytes(name, value, 32),
};

/** Both facades take these, and do without. */
export const COMMON: Record<string, Check> = {
  bind: isText,
  controller: isOneOf(...Object.keys(CONTROLLERS)),
  maxRate: isRate,
  version: isInteger(0, 0xffff),
  maxStoredBytes: isInteger(1, Number.MAX_SAFE_INTEGER),
  order: isOneOf('fifo', 'causal'),
};

/** Bytes of a message: larger ones would not fit into one buffer with what goes around them. */
export const isMessageSize = isInteger(1, 2 ** 31);

export const NODE_OPTIONS: Record<string, Check> = {
  ...IDENTITY,
  ...COMMON,
  maxDatagram: isInteger(DATAGRAM_SIZE, MAX_DATAGRAM),
  maxObjectSize: isMessageSize,
  store: isObjectWith('commit', 'read', 'deadLetters', 'deadLetter', 'close'),
  relay: isBoolean,
  trace: isText,
  deliver: isFunction,
  onEvent: isFunction,
};

/** Of a call that may be taken back. */
export const CALL_OPTIONS: Record<string, Check> = {
  signal: isObjectWith('addEventListener', 'removeEventListener'),
};

/** Of a message that has a name for its sender. */
export const isKey: Check = (name, value) => {
  const size =
    typeof value === 'string' ? Buffer.byteLength(value) : value instanceof Uint8Array ? value.length : -1;
  if (size < 1 || size > MAX_KEY) throw invalid(name, `a text or bytes, 1 to ${MAX_KEY} of them`, value);
};

export const KEYED_OPTIONS: Record<string, Check> = { ...CALL_OPTIONS, key: isKey };

/** A text is its UTF-8. The bytes are a copy, which the caller cannot change. */
export function keyBytes(key: string | Uint8Array): Uint8Array {
  return typeof key === 'string' ? new TextEncoder().encode(key) : new Uint8Array(key);
}

const MAX_KEY = 64;
