/** Codes as they are made and typed, and the list of their words. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { makeCode, parseAt, parseCode } from '../../src/rendezvous/code.js';
import { WORDS } from '../../src/rendezvous/words.js';

test('there are 1024 words of four to nine letters, so a code has 20 bits, and no slip of one letter makes another', () => {
  expect(new Set(WORDS).size).toBe(1024);
  expect(WORDS.filter((word) => !/^[a-z]{4,9}$/.test(word))).toEqual([]);
  const near = WORDS.flatMap((a, i) =>
    WORDS.slice(i + 1)
      .filter((b) => isOneLetterOff(a, b))
      .map((b) => [a, b]),
  );
  expect(near).toEqual([]);
});

test('each value of the random bytes is as likely: words are a power of two', () => {
  const counts = new Map<string, number>();
  for (let i = 0; i < 65536; i++) {
    const { text } = makeCode(1, Uint8Array.of(i >> 8, i & 255, 0, 0));
    const word = text.split('-')[1];
    counts.set(word, (counts.get(word) ?? 0) + 1);
  }
  expect([counts.size, ...new Set(counts.values())]).toEqual([1024, 64]);
});

test('what is made can be typed, in any case, with spaces, and with an address behind it', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 999 }),
      fc.uint8Array({ minLength: 4, maxLength: 4 }),
      (number, random) => {
        const code = makeCode(number, random);
        expect(parseCode(code.text)).toEqual(code);
        expect(parseCode(` ${code.text.toUpperCase().replaceAll('-', ' ')} `)).toEqual(code);
        expect(parseCode(`${code.text}@[::1]:7800`)).toEqual({ ...code, at: '[::1]:7800' });
      },
    ),
  );
});

test.each([
  ['', 'a number from 1 to 999 and 2 words'],
  ['7', '2 words'],
  ['7-clockwork', '2 words'],
  ['0-clockwork-crossover', 'a number from 1 to 999'],
  ['1000-clockwork-crossover', 'a number from 1 to 999'],
  ['7-clockwork-crossover-acorn', '2 words'],
  ['7-clokwork-crossover', 'is clockwork meant?'],
  ['7-clockwork-xyzzyxyzzy', 'expected words of codes, got "xyzzyxyzzy"'],
  ['7-clockwork-crossover@nowhere', 'host:port'],
  ['7-clockwork-crossover@host:0', 'host:port'],
  ['7-\u001b[31m-crossover', '\\u001b'],
])('%j is no code: it says %s', (typed, why) => {
  expect(() => parseCode(typed)).toThrow(
    expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining(why) }),
  );
});

test('an address is told with the option that it stands in', () => {
  expect(parseAt('host:1', '--at')).toBe('host:1');
  expect(() => parseAt('host', '--at')).toThrow(
    '--at: expected an address, host:port or [host]:port, got "host"',
  );
});

/** Whether one letter put in, left out or changed makes one the other. */
function isOneLetterOff(a: string, b: string): boolean {
  if (Math.abs(a.length - b.length) > 1) return false;
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  let i = 0;
  while (i < short.length && short[i] === long[i]) i++;
  return short.length === long.length
    ? short.slice(i + 1) === long.slice(i + 1)
    : short.slice(i) === long.slice(i + 1);
}
