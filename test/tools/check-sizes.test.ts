/** The size check, run as CI runs it, on small source trees that keep or break one limit each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkTree } from './tree.js';

const tool = fileURLToPath(new URL('../../tools/check-sizes.mjs', import.meta.url));
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'headwater-sizes-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a tree within the limits passes', () => {
  const tree = {
    ...folderOf('core', 14),
    ...folderOf('core/deep', 14),
    'file.ts': 'x;\n'.repeat(600),
    'class.ts': classOf('export class Large', 300),
  };

  expect(check(tree)).toEqual({ status: 0, lines: ['sizes: ok'] });
});

test('a folder with a file too many', () => {
  expect(check(folderOf('core', 15))).toEqual({
    status: 1,
    lines: ['src/core: 15 files (at most 14); give it folders', 'sizes: 1 violation(s)'],
  });
});

test('a file with a line too many', () => {
  expect(check({ 'core/file.ts': 'x;\n'.repeat(601) })).toEqual({
    status: 1,
    lines: ['src/core/file.ts: 601 lines (at most 600)', 'sizes: 1 violation(s)'],
  });
});

describe('a class with a line too many', () => {
  test.each([
    ['class Large', 'Large'],
    ['export class Large', 'Large'],
    ['export default abstract class Large extends Small', 'Large'],
    ['export class Large<T>', 'Large'],
    ['export const Large = class', 'without a name'],
    ['  return class extends Small', 'without a name'],
  ])('%s', (head, name) => {
    const { status, lines } = check({ 'core/class.ts': `class Small {}\n${classOf(head, 301)}` });

    expect(lines).toEqual([
      `src/core/class.ts:2: class ${name} has 301 lines (at most 300)`,
      'sizes: 1 violation(s)',
    ]);
    expect(status).toBe(1);
  });

  test('two of which each is small enough', () => {
    const { lines } = check({ 'core/classes.ts': classOf('class A', 250) + classOf('class B', 250) });

    expect(lines).toEqual(['sizes: ok']);
  });
});

test('what is generated is not read by anybody', () => {
  expect(check({ 'codec/generated/module.ts': 'x;\n'.repeat(5000) }).lines).toEqual(['sizes: ok']);
});

function folderOf(path: string, files: number): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: files }, (_, i) => [`${path}/file-${i}.ts`, 'export {};\n']),
  );
}

function classOf(head: string, lines: number): string {
  const indent = /^ */.exec(head)![0];
  return `${head} {\n${`${indent}  x = {\n${indent}  };\n`.repeat((lines - 2) >> 1)}${lines % 2 ? `${indent}  y;\n` : ''}${indent}}\n`;
}

/** Runs the tool on a tree of these files in src. */
function check(tree: Record<string, string>) {
  return checkTree(tool, root, tree);
}
