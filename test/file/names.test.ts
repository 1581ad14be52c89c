/** Names that files may travel under: what hides, drives a terminal or means something else to a system is refused. */
import { expect, test } from 'vitest';
import { requireFileName, requireInnerName } from '../../src/file/names.js';

const ANYWHERE = [
  '',
  '.',
  '..',
  '../up',
  '/etc/passwd',
  'a/b',
  'a\\b',
  'a\0b',
  'a\nb',
  '\u001b[2J',
  '\u009b2J',
  'invoice\u202efdp.exe',
  '\u2066a\u2069',
  'a\u200bb',
  'a\u2028b',
  'a\u3164b',
  '\ufeffa',
  'a\ud800',
  '...',
  'CON',
  'nul.txt',
  'com1 .log',
  'dot.',
  'space ',
  ' space',
  'x'.repeat(256),
  '報'.repeat(86),
];
const OUTERMOST = ['.bashrc', '-rf', 'film.part'];
const PLAIN = [
  'two words.txt',
  '報告.pdf',
  'a..b',
  'console.log',
  'x.parts',
  '❤️.png',
  '報'.repeat(85),
  'a-b.c',
];

test.each([...ANYWHERE, ...OUTERMOST])('%j is refused where it would stand among others', (name) => {
  expect(() => requireFileName(name)).toThrow(expect.objectContaining({ code: 'FILE' }));
});

test.each(ANYWHERE)('%j is refused in a folder, too', (name) => {
  expect(() => requireInnerName(name, 'photos')).toThrow(expect.objectContaining({ code: 'FILE' }));
});

test.each(OUTERMOST)('%j is taken in a folder that is sent', (name) => {
  expect(() => requireInnerName(name, 'photos')).not.toThrow();
});

test.each(PLAIN)('%j is taken', (name) => {
  expect(() => requireFileName(name)).not.toThrow();
  expect(() => requireInnerName(name, 'photos')).not.toThrow();
});

test('one that is refused is told with its folder', () => {
  const message = expect.stringContaining('got "CON" in "photos/2026"');
  expect(() => requireInnerName('CON', 'photos/2026')).toThrow(expect.objectContaining({ message }));
});
