/** What the default codec carries: values that come out as they went in. Anything else is refused to its sender, who can tell why. */
import { HeadwaterError } from '../errors.js';

/**
 * Throws INVALID_ARGUMENT, and says what is where, unless `msg` is null, undefined, a boolean, a number, a bigint of 64 bits,
 * well-formed text, bytes (Uint8Array), a Date, or a list or plain object of these: at most `maxValues`, each element, key and
 * value counted, in at most 511 levels.
 */
export function checkPlain(msg: unknown, maxValues: number): void {
  const counter = { values: 1, maxValues };
  const fault = faultIn(msg, 1, counter);
  if (fault) throw refused('plain data', fault.path === '' ? fault.what : `${fault.what} at ${fault.path}`);
}

interface Fault {
  what: string;
  path: string;
}

function faultIn(
  value: unknown,
  depth: number,
  counter: { values: number; maxValues: number },
): Fault | undefined {
  if (typeof value !== 'object' || value === null) return here(faultOf(value));
  if (value instanceof Uint8Array || value instanceof Date) return undefined;
  const isList = Array.isArray(value);
  if (!isList && !isPlain(value)) return here(`an object of class ${value.constructor?.name}`);
  if (depth === MAX_DEPTH) throw refused(`at most ${MAX_DEPTH - 1} levels`, 'more, or a circle');
  const keys = isList ? undefined : Object.keys(value);
  counter.values += keys ? 2 * keys.length : (value as unknown[]).length;
  if (counter.values > counter.maxValues)
    throw refused(`at most ${counter.maxValues} values`, `${counter.values} or more`);
  if (!keys) {
    const list = value as unknown[];
    for (let i = 0; i < list.length; i++) {
      const fault = faultIn(list[i], depth + 1, counter);
      if (fault) return { ...fault, path: `[${i}]${fault.path}` };
    }
    return undefined;
  }
  if (Object.getOwnPropertySymbols(value).length > 0) return here('a symbol as key');
  for (const key of keys) {
    // Who decodes it must not take it for the object's prototype.
    if (key === '__proto__') return here('the key __proto__');
    const fault = here(faultOf(key)) ?? faultIn((value as Record<string, unknown>)[key], depth + 1, counter);
    if (fault) return { ...fault, path: `.${key}${fault.path}` };
  }
  return undefined;
}

function here(what: string | undefined): Fault | undefined {
  return what === undefined ? undefined : { what, path: '' };
}

/** What is wrong with a value that has no parts. */
function faultOf(value: unknown): string | undefined {
  switch (typeof value) {
    case 'function':
    case 'symbol':
      return `a ${typeof value}`;
    case 'bigint':
      return value < MIN_BIGINT || value > MAX_BIGINT ? 'a bigint of more than 64 bits' : undefined;
    case 'string':
      return LONE_SURROGATE.test(value) ? 'text with half a surrogate pair' : undefined;
    default:
      return undefined;
  }
}

/** Made by `{}`, also one of another realm, or without a prototype. */
function isPlain(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  if (prototype === null || prototype === Object.prototype) return true;
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf');
}

function refused(expected: string, got: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `message: expected ${expected}, got ${got}`);
}

/** As deep as the decoder goes. */
const MAX_DEPTH = 512;
const MIN_BIGINT = -(2n ** 63n);
const MAX_BIGINT = 2n ** 64n - 1n;
/** With the flag, a pair is one character. */
const LONE_SURROGATE = /\p{Surrogate}/u;
