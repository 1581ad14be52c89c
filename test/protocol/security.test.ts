/** docs/SECURITY.md: each promise names attacks and tests that are there. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { loadAttacks } from '../../tools/search/hostile/catalogue.js';

const root = new URL('../../', import.meta.url);
const attacks = new Set((await loadAttacks()).map(({ name }) => name));
const promises = promisesOf(readFileSync(new URL('docs/SECURITY.md', root), 'utf8'));

test('there are some, of each adversary', () => {
  expect(promises.length).toBeGreaterThan(15);
  expect(new Set(promises.map(({ against }) => against.replace(/s$/, '')))).toEqual(
    new Set(['stranger', 'liar', 'failing member', 'operator', 'user of the machine', 'disk', 'all at once']),
  );
});

test.each(promises)('$against: $promise', ({ named }) => {
  expect(named.length).toBeGreaterThan(0);
  expect(named.filter((name) => !isThere(name))).toEqual([]);
});

function isThere(name: string): boolean {
  return /^(tools|test)\//.test(name) ? existsSync(new URL(name, root)) : attacks.has(name);
}

/** The rows: | against | promise | `attack or file`, ... |. */
function promisesOf(text: string): { against: string; promise: string; named: string[] }[] {
  const section = text.slice(text.indexOf('## What is promised'), text.indexOf('## What is not promised'));
  return section
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| against '))
    .map((line) => {
      const [, against, promise, tried] = line.split('|').map((cell) => cell.trim());
      return { against, promise, named: [...tried.matchAll(/`([^`]+)`/g)].map(([, name]) => name) };
    });
}
