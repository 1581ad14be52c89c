/** The mutations of tools/mutations/*.json, as far as they can be checked without running any. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Edit {
  file: string;
  find: string;
  replace: string;
}

/** Of one place, or of several at once. */
type Mutation = { id: string; attack?: string; tests?: string[] } & (Edit | { edits: Edit[] });

const root = new URL('../../', import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), 'utf8');
const mutations: Mutation[] = readdirSync(new URL('tools/mutations/', root)).flatMap((name) =>
  JSON.parse(read(`tools/mutations/${name}`)),
);
const attacks = readdirSync(new URL('tools/search/hostile/attacks/', root));

const edits = mutations.flatMap((mutation) =>
  ('edits' in mutation ? mutation.edits : [mutation]).map((edit) => ({ ...edit, id: mutation.id })),
);

test.each(edits)('$id finds its text exactly once in $file', ({ file, find }) => {
  expect(read(file).split(find)).toHaveLength(2);
});

test('the tests that should notice are there', () => {
  const missing = mutations.flatMap(({ id, tests = [] }) =>
    tests.filter((path) => !existsSync(new URL(path, root))).map((path) => `${id}: ${path}`),
  );
  expect(missing).toEqual([]);
});

test('each has an id of its own', () => {
  const ids = mutations.map(({ id }) => id);
  expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
});

test.each(attacks)('a rule that stops an attack of %s is undone', (name) => {
  const text = read(`tools/search/hostile/attacks/${name}`);
  expect(mutations.some(({ attack }) => attack && text.includes(`name: '${attack}'`))).toBe(true);
});
