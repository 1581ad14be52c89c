/** Text of others on our terminal: nothing in it drives it, hides or reorders what stands beside it. */
import { describe, expect, test } from 'vitest';
import { hasHazards, printable } from '../../src/core/text.js';

describe('what is shown as an escape', () => {
  test.each([
    ['a line break', 'a\nb', 'a\\nb'],
    ['ESC', '\u001b[2J', '\\u001b[2J'],
    ['OSC of 8 bits', '\u009d0;title\u009c', '\\u009d0;title\\u009c'],
    ['DEL', '\u007f', '\\u007f'],
    ['right-to-left override', 'cod\u202efdp.exe', 'cod\\u202efdp.exe'],
    ['isolates', '\u2066a\u2069', '\\u2066a\\u2069'],
    ['marks of direction', '\u200e\u200f\u061c', '\\u200e\\u200f\\u061c'],
    ['zero width', 'a\u200b\u200c\u200d\u2060\ufeffb', 'a\\u200b\\u200c\\u200d\\u2060\\ufeffb'],
    ['separators of lines and paragraphs', '\u2028\u2029', '\\u2028\\u2029'],
    ['a letter that is shown as nothing', '\u3164', '\\u3164'],
    ['tags, beyond 16 bits', '\u{e0041}', '\\udb40\\udc41'],
    ['signs of format that are no ignorables', '\u0600\ufff9', '\\u0600\\ufff9'],
    ['half a surrogate', '\ud800', '\\ud800'],
  ])('%s', (_what, text, shown) => {
    expect(printable(text)).toBe(shown);
    expect(hasHazards(text)).toBe(true);
  });
});

test.each(['plain', 'wörld', '報告', 'שלום', '❤️', 'a\\u001b', 'e\u0301'])('%j is shown as it is', (text) => {
  expect(printable(text)).toBe(text);
  expect(hasHazards(text)).toBe(false);
});

test('JSON in one line stays the same value', () => {
  const value = { name: 'a\u202e\u009b\u{e0041}"\\', list: ['\n', '\u2028'] };
  const line = printable(JSON.stringify(value));
  expect(hasHazards(line)).toBe(false);
  expect(JSON.parse(line)).toEqual(value);
});
