/** Lines of an input of any length, cut anywhere: what is one, and what is too long to be kept. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitLines } from '../../src/cli/lines.js';

async function linesOf(chunks: Iterable<Uint8Array>, limit = 1000): Promise<(string | undefined)[]> {
  async function* input() {
    yield* chunks;
  }
  const lines: (string | undefined)[] = [];
  for await (const line of splitLines(input(), limit)) lines.push(line && Buffer.from(line).toString());
  return lines;
}
const text = (...parts: string[]) => parts.map((part) => Buffer.from(part));

test.each<[string, string[], (string | undefined)[]]>([
  ['nothing', [], []],
  ['an empty line', ['\n'], ['']],
  ['the last one without its end', ['a\nb'], ['a', 'b']],
  ['ends of Windows', ['a\r\nb\r\n'], ['a', 'b']],
  ['an end of Windows that is cut in two', ['a\r', '\nb'], ['a', 'b']],
  ['a line in many pieces', ['a', 'b', 'c\nd'], ['abc', 'd']],
  ['a line as long as may be', [`${'x'.repeat(10)}\ny`], ['x'.repeat(10), 'y']],
  ['the same with an end of Windows', [`${'x'.repeat(10)}\r\ny`], ['x'.repeat(10), 'y']],
  ['a line that is longer, and the next', [`${'x'.repeat(11)}\ny\n`], [undefined, 'y']],
  ['one that is longer at the end', ['y\n', 'x'.repeat(6), 'x'.repeat(6)], ['y', undefined]],
])('%s', async (_, chunks, lines) => {
  expect(await linesOf(text(...chunks), 10)).toEqual(lines);
});

test('a line of 2 GB without an end keeps no more than its limit', async () => {
  const chunk = new Uint8Array(1 << 20).fill(0x78);
  let most = 0;
  function* input() {
    for (let i = 0; i < 2048; i++) {
      most = Math.max(most, process.memoryUsage().arrayBuffers);
      // A new one each time, as a pipe gives them: those that are kept would be seen.
      yield new Uint8Array(chunk);
    }
    yield Buffer.from('\nnext\n');
  }
  const before = process.memoryUsage().arrayBuffers;
  expect(await linesOf(input(), 4 << 20)).toEqual([undefined, 'next']);
  expect(most - before).toBeLessThan(1 << 30);
}, 120_000);

test('however it is cut, the lines are the same', async () => {
  const anything = fc.array(fc.stringMatching(/^[a\r\n]*$/), { maxLength: 8 });
  await fc.assert(
    fc.asyncProperty(anything, async (parts) => {
      expect(await linesOf(text(...parts))).toEqual(await linesOf(text(parts.join(''))));
    }),
  );
});
