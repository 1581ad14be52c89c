/**
 * Codes: `7-crossover-clockwork`, a number that tells senders apart and is no secret, and two words that are; with `@host:port`
 * behind them where the sender is not to be looked for.
 */
import { nearest, printable } from '../core/text.js';
import { HeadwaterError } from '../errors.js';
import { parseLocator } from '../group/locator.js';
import { WORDS } from './words.js';

/** A code, taken apart. */
export interface Code {
  /** 1 to 999. */
  number: number;
  /** As both sides put it into the exchange: `7-crossover-clockwork`. */
  text: string;
  /** Where its sender is, `host:port`, if the code says so. */
  at?: string;
}

/** @param random 4 secret random bytes, used for nothing else */
export function makeCode(number: number, random: Uint8Array): Code {
  const word = (at: number) => WORDS[((random[at] << 8) | random[at + 1]) % WORDS.length];
  return { number, text: `${number}-${word(0)}-${word(2)}` };
}

/**
 * Takes a code as people type it: in any case, with spaces for dashes. Words that no code has are told, and the one that is meant:
 * a slip is not to cost a guess.
 *
 * @throws HeadwaterError INVALID_ARGUMENT
 */
export function parseCode(typed: string): Code {
  const at = typed.indexOf('@');
  const [number, ...words] = (at < 0 ? typed : typed.slice(0, at))
    .trim()
    .toLowerCase()
    .split(/[\s-]+/);
  if (!/^[1-9]\d{0,2}$/.test(number) || words.length !== WORDS_A_CODE)
    throw wrong(
      `a number from 1 to ${MAX_NUMBER} and ${WORDS_A_CODE} words, as 7-crossover-clockwork`,
      typed,
    );
  for (const word of words)
    if (!WORDS.includes(word)) {
      const meant = nearest(word, WORDS, MAX_SLIPS);
      throw wrong(`words of codes${meant === undefined ? '' : ` (is ${meant} meant?)`}`, word);
    }
  const text = [number, ...words].join('-');
  const code: Code = { number: Number(number), text };
  if (at < 0) return code;
  return { ...code, at: parseAt(typed.slice(at + 1).trim(), 'code') };
}

/** An address to reach a sender at. @throws HeadwaterError INVALID_ARGUMENT */
export function parseAt(at: string, what: string): string {
  try {
    if (parseLocator(at).port > 0) return at;
  } catch {
    // Told below.
  }
  throw new HeadwaterError(
    'INVALID_ARGUMENT',
    `${what}: expected an address, host:port or [host]:port, got ${shown(at)}`,
  );
}

function wrong(expected: string, got: string): HeadwaterError {
  return new HeadwaterError('INVALID_ARGUMENT', `code: expected ${expected}, got ${shown(got)}`);
}

function shown(text: string): string {
  return printable(JSON.stringify(text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}…` : text));
}

export const MAX_NUMBER = 999;
const WORDS_A_CODE = 2;
const MAX_SLIPS = 3;
const MAX_SHOWN = 60;
