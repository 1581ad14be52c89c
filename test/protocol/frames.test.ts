/** The table of frames in docs/PROTOCOL.md, section 5, against the one that the code goes by. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { FRAMES } from '../../src/wire/frames.js';

const text = readFileSync(new URL('../../docs/PROTOCOL.md', import.meta.url), 'utf8');

test('PROTOCOL and the code have the same frames under the same types', () => {
  const frames = FRAMES.map(({ type, name }) => [type, name.toUpperCase().replace('-', '_')]);
  const rest = [
    [0, 'PADDING'],
    [1, 'SYMBOL'],
  ];
  expect(framesOf(text)).toEqual([...rest, ...frames].sort(([a], [b]) => Number(a) - Number(b)));
});

/** The rows: | type | frame | fields |. */
function framesOf(document: string): [number, string][] {
  const section = document.slice(document.indexOf('## 5. Frames'), document.indexOf('## 6.'));
  return [...section.matchAll(/^\| (\d+) \| ([A-Z_]+) \|/gm)].map(([, type, name]) => [Number(type), name]);
}
