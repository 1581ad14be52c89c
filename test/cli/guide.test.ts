/** docs/GUIDE.md lists what programs read: every event of a member, and every error code. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { TEXTS } from '../../src/cli/events.js';

const read = (file: string) => readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8');
const guide = read('docs/GUIDE.md');
const events = guide.slice(guide.indexOf('### Events'), guide.indexOf('### Status'));

test('events: those that a person is told in words', () => {
  const ofMembers = [...events.matchAll(/^\| `([\w-]+)` \| members \|/gm)].map(([, type]) => type);

  expect(ofMembers.toSorted()).toEqual(Object.keys(TEXTS).toSorted());
});

test('events: those that commands print besides', () => {
  const files = [
    'io',
    'identity',
    'member',
    'logging/running',
    'commands/link',
    'commands/node',
    'code/receive',
    'code/receiving',
    'code/send',
    'commands/send',
  ].map((name) => read(`src/cli/${name}.ts`));
  const printed = files.flatMap((text) => [...text.matchAll(/\bevent: '([\w-]+)'/g)].map(([, type]) => type));
  const listed = [...events.matchAll(/^\| `([a-z-]+)` \| (?!members \|)/gm)].map(([, type]) => type);

  expect(listed.toSorted()).toEqual([...new Set(printed)].toSorted());
});

test('error codes, and the one of what headwater does not know', () => {
  const declared = [...read('src/errors.ts').matchAll(/^ {2}\| '([A-Z_]+)'/gm)].map(([, code]) => code);
  const listed = [...guide.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code);

  expect(listed.toSorted()).toEqual([...declared, 'INTERNAL'].toSorted());
});

test('reasons of drops, of all layers', () => {
  const files = [
    'broadcast/agreement/streams',
    'broadcast/metrics',
    'broadcast/spread/drops',
    'locators/book',
    'member/carrier',
    'member/endpoint',
  ];
  const unions = [...files, 'session/events'].flatMap((name) => [
    ...read(`src/${name}.ts`).matchAll(/^export type \w*Drop(?:Reason)? =\n([\s\S]*?);$/gm),
  ]);
  const declared = unions.flatMap(([, union]) =>
    [...union.matchAll(/^ {2}\| '([\w-]+)'/gm)].map(([, reason]) => reason),
  );
  const section = guide.slice(guide.indexOf('### Drops'), guide.indexOf('### Error codes'));
  const listed = [...section.matchAll(/^\| `([\w-]+)` \|/gm)].map(([, reason]) => reason);

  expect(listed).toEqual([...new Set(declared)].toSorted());
});

test('OPERATING has a paragraph for each warning', () => {
  const union = /^export type WarningCode =\n([\s\S]*?);$/m.exec(read('src/node/status/warnings.ts'))![1];
  const declared = [...union.matchAll(/^ {2}\| '([\w-]+)'/gm)].map(([, code]) => code);
  const described = [...read('docs/OPERATING.md').matchAll(/^### `([\w-]+)`$/gm)].map(([, code]) => code);

  expect(described.toSorted()).toEqual(declared.toSorted());
});
