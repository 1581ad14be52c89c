/** The reference as `npm run docs` writes it, of this package's own source in a folder of its own. */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const home = fileURLToPath(new URL('../..', import.meta.url));
let root: string;
let page: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'headwater-docs-'));
  for (const name of ['package.json', 'tsconfig.json', 'tsconfig.build.json', 'src'])
    cpSync(join(home, name), join(root, name), { recursive: true });
  symlinkSync(join(home, 'node_modules'), join(root, 'node_modules'));
  const { status, stderr } = spawnSync(process.execPath, [join(home, 'tools/docs.mjs'), root], {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(stderr);
  page = readFileSync(join(root, 'docs/api/headwater.md'), 'utf8');
}, 60_000);
afterAll(() => rmSync(root, { recursive: true, force: true }));

test('a network shows what it inherits, and what `for await` and `await using` call', () => {
  const network = section('HeadwaterNetwork');

  expect(network).toContain('\nextends `Network<Msg>`\n');
  expect(network).toContain('\n- [`close`](#networkclose), of [Network](#network): Stops this member;');
  expect(network).toContain('\n### HeadwaterNetwork[Symbol.asyncIterator]\n');
  expect(network).toContain('\n- `[Symbol.asyncDispose]`, of `AsyncDisposable`: For `await using`.\n');
});

test('a configuration shows its options whatever types they come from, and which may be left out', () => {
  const config = section('NetworkConfig');

  expect(config).toContain(
    '\n- [`group`](#identitygroup), of [Identity](#identity): Of all members the same.\n',
  );
  expect(config).toContain('\n- [`order?`](#settingsorder), of [Settings](#settings): ');
});

test('each link within the page leads to a heading', () => {
  const headings = [...page.matchAll(/^#{2,3} (.*)$/gm)].map(([, title]) => anchorOf(title as string));
  const links = [...page.matchAll(/\]\(#([^)]*)\)/g)].map(([, to]) => to as string);

  expect(links.filter((to) => !headings.includes(to))).toEqual([]);
});

test('only what is there when a program runs is imported as a value', () => {
  expect(section('HeadwaterNetwork')).toContain("`import type { HeadwaterNetwork } from 'headwater'`");
  expect(section('Notice')).toContain("`import type { Notice } from 'headwater'`");
  expect(section('HeadwaterError')).toContain("`import { HeadwaterError } from 'headwater'`");
});

function section(name: string): string {
  const [, after = ''] = page.split(`\n## ${name}\n`);
  return after.split('\n## ', 1)[0] as string;
}

function anchorOf(title: string): string {
  return title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}
