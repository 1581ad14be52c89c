/** The mutations of tools/mutations/*.json, as far as they can be checked without running any. */
import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Mutation {
  id: string;
  file: string;
  find: string;
  replace: string;
  attack?: string;
}

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const mutations: Mutation[] = readdirSync(new URL('tools/mutations/', root)).flatMap((name) =>
  JSON.parse(read(`tools/mutations/${name}`)),
);
const attacks = readdirSync(new URL('tools/search/hostile/attacks/', root));

test.each(mutations)('$id finds its text exactly once in $file', ({ file, find }) => {
  expect(read(file).split(find)).toHaveLength(2);
});

test('each has an id of its own', () => {
  const ids = mutations.map(({ id }) => id);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

/** Files of attacks for which no single edit of the source is known that lets one of them through. */
const UNSHOWN = new Set([
  'floods.ts',
  'gone.ts',
  'newcomers.ts',
  'poison-parcels.ts',
  'pollution.ts',
  'storm.ts',
  'strangers.ts',
]);

test.each(attacks)('a rule that stops an attack of %s is undone, or none is known', (name) => {
  const text = read(`tools/search/hostile/attacks/${name}`);
  const isUndone = mutations.some(({ attack }) => attack && text.includes(`name: '${attack}'`));
  expect(isUndone).toBe(!UNSHOWN.has(name));
});
