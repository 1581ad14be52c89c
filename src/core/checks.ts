/** Checks of what a caller passes: each names the argument, what was expected, and what came. */
import { assertBytes, assertInteger, invalid } from '../errors.js';

/** Throws INVALID_ARGUMENT unless the value is what is expected of the argument `name`. */
export type Check = (name: string, value: unknown) => void;
export type Checks = Readonly<Record<string, Check>>;

/** Throws INVALID_ARGUMENT if one of the options is none of `checks`, or not what its check expects. */
export function checkOptions(what: string, options: unknown, checks: Checks): void {
  if (typeof options !== 'object' || options === null) throw invalid(what, 'an object', options);
  for (const [name, value] of Object.entries(options))
    if (!Object.hasOwn(checks, name))
      throw invalid(what, `options among ${Object.keys(checks).join(', ')}`, name);
    else if (value !== undefined) checks[name](name, value);
}

/** What must be there, and as its check expects. */
export function checkRequired(options: object, checks: Checks): void {
  for (const [name, check] of Object.entries(checks)) check(name, (options as Record<string, unknown>)[name]);
}

export function isOneOf(...choices: readonly string[]): Check {
  return (name, value) => {
    if (typeof value !== 'string' || !choices.includes(value))
      throw invalid(name, choices.join(' or '), value);
  };
}

export function isInteger(min: number, max: number): Check {
  return (name, value) => assertInteger(name, value, min, max);
}

export function isBytes(length: number): Check {
  return (name, value) => assertBytes(name, value, length);
}

/** A number, which may be infinite. */
export function isAtLeast(min: number): Check {
  return (name, value) => {
    if (typeof value !== 'number' || !(value >= min))
      throw invalid(name, `a number of at least ${min}`, value);
  };
}

export const isTexts: Check = (name, value) => {
  if (!Array.isArray(value) || !value.every((one) => typeof one === 'string' && one !== ''))
    throw invalid(name, 'a list of texts', value);
};

export const isFunction: Check = (name, value) => {
  if (typeof value !== 'function') throw invalid(name, 'a function', value);
};

export const isText: Check = (name, value) => {
  if (typeof value !== 'string' || value === '') throw invalid(name, 'a text', value);
};

export const isBoolean: Check = (name, value) => {
  if (typeof value !== 'boolean') throw invalid(name, 'true or false', value);
};

/** An object with these methods. */
export function isObjectWith(...methods: string[]): Check {
  return (name, value) => {
    const object = Object(value) as Record<string, unknown>;
    if (object !== value || methods.some((method) => typeof object[method] !== 'function'))
      throw invalid(name, `an object with ${methods.join(', ')}`, value);
  };
}
