/** docs/GUIDE.md lists what programs read: every event of a member, and every error code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const guide = read('docs/GUIDE.md');

test('events: those that a person is told in words', () => {
  const inWords = [...read('src/cli/events.ts').matchAll(/^ {4}case '([\w-]+)':/gm)].map(([, type]) => type);
  const ofMembers = [...guide.matchAll(/^\| `([\w-]+)` \| members \|/gm)].map(([, type]) => type);

  expect(ofMembers.toSorted()).toEqual(inWords.toSorted());
});

test('events: those that commands print besides', () => {
  const files = ['io', 'link', 'member', 'node', 'receive', 'send'].map((name) => read(`src/cli/${name}.ts`));
  const printed = files.flatMap((text) => [...text.matchAll(/\bevent: '([\w-]+)'/g)].map(([, type]) => type));
  const listed = [...guide.matchAll(/^\| `([a-z-]+)` \| (?!members \|)/gm)].map(([, type]) => type);

  expect(listed.toSorted()).toEqual([...new Set(printed)].toSorted());
});

test('error codes, and the one of what headwater does not know', () => {
  const declared = [...read('src/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code);
  const listed = [...guide.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);

  expect(listed.toSorted()).toEqual([...declared, 'INTERNAL'].toSorted());
});
