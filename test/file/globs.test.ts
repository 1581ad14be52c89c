/** What is left out of a folder that is sent: names by their last part, paths by all of it. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { leavesOut } from '../../src/file/globs.js';
import { openSource } from '../../src/file/source.js';
import { newFolder, write } from './tree.js';

test.each([
  ['*.tmp', 't/deep/a.tmp', true],
  ['*.tmp', 't/a.tmp.txt', false],
  ['node_modules', 't/node_modules', true],
  ['node_modules/', 't/node_modules', true],
  ['.git', 't/.git', true],
  ['t/raw/**', 't/raw/a/b', true],
  ['t/raw/**', 't/other/raw/b', false],
  ['t/*.bin', 't/deep/a.bin', false],
  ['t/**/*.bin', 't/deep/a.bin', true],
])('%s, %s: %s', (glob, path, isOut) => {
  expect(leavesOut([glob])(path)).toBe(isOut);
});

test.each(['', '/abs', './here'])('%j is refused', (glob) => {
  expect(() => leavesOut([glob])).toThrow(expect.objectContaining({ code: 'INVALID_ARGUMENT' }));
});

test('what is in a folder that is left out is left out, too', async () => {
  const folder = await newFolder();
  await write(folder, { 't/a': 'a', 't/out/b': 'b', 't/c.tmp': 'c' });

  const source = await openSource([join(folder, 't')], { symlinks: 'skip', exclude: ['out', '*.tmp'] });

  expect(source.manifest.entries.map(({ path }) => path)).toEqual(['t', 't/a']);
  await source.close();
});
