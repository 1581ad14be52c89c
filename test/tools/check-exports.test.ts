/** The check of exports, run as CI runs it, on small packages that keep or break one rule each. */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { writeTree } from './tree.js';

const tool = fileURLToPath(new URL('../../tools/check-exports.mjs', import.meta.url));
const modules = fileURLToPath(new URL('../../node_modules', import.meta.url));
const setting = {
  'package.json': JSON.stringify({
    name: 'small',
    type: 'module',
    exports: { '.': { types: './dist/index.d.ts' }, './package.json': './package.json' },
  }),
  'tsconfig.json': JSON.stringify({
    compilerOptions: { target: 'ES2023', module: 'NodeNext', types: ['node'], strict: true, noEmit: true },
  }),
  'tsconfig.build.json': JSON.stringify({
    extends: './tsconfig.json',
    compilerOptions: {
      noEmit: false,
      declaration: true,
      stripInternal: true,
      rootDir: 'src',
      outDir: 'dist',
    },
    include: ['src'],
  }),
  'src/index.ts': `
    /** A code. */
    export type ErrorCode = 'CLOSED';
    export * from './door.js';`,
};
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'headwater-exports-'));
  symlinkSync(modules, join(root, 'node_modules'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a package that keeps the rules passes; what is internal is no business of the check', () => {
  const door = `
    /** What is opened. */
    export interface Door {
      /** m. */
      width: number;
      /** @internal */
      hinge?: Hinge;
    }
    interface Hinge { screws: number }
    /**
     * Opens one.
     *
     * @throws Error CLOSED
     * @example
     * open({ width: 1 }).width;
     */
    export function open(door: Door): Door { return door; }`;

  expect(check(door)).toEqual({ status: 0, lines: ['exports: ok'] });
});

test('each rule that is broken is told', () => {
  const door = `
    export interface Door {
      width: number;
      /** What it turns on. */
      hinge?: Hinge;
    }
    interface Hinge { screws: Screw[] }
    type Screw = number;
    /** Opens one. Throws CLOSED. */
    export function open(door: Door): Door { return door; }
    /**
     * Shuts one.
     *
     * @throws Error if it is shut
     * @example
     * shut({ width: 'wide' });
     */
    export function shut(door: Door): void {}`;

  const { status, lines } = check(door);

  expect(status).toBe(1);
  expect(lines).toEqual([
    'small: Door mentions Hinge (door.ts), which is not exported',
    'small: Hinge mentions Screw (door.ts), which is not exported',
    'Door: no doc comment',
    'Door.width: no doc comment',
    'open: no @example',
    'open: says in its text what it throws, not with @throws',
    "shut: '@throws Error if it is shut' names no code of ErrorCode",
    expect.stringMatching(/^example: .*small-shut\.ts\(2,8\): error TS2322: Type 'string'/),
    'exports: 8 problems',
  ]);
});

test('a program in examples that reads what is not declared is told, and one without types of its own passes', () => {
  const door = `
    /** What is opened. */
    export interface Door {
      /** m. */
      width: number;
    }
    /**
     * Opens one.
     *
     * @example
     * open((door) => door.width);
     */
    export function open(onOpen: (door: Door) => void): void {}`;
  const program = (read: string) =>
    `import { open } from 'small';\nconst twice = (n) => 2 * n;\nopen((door) => twice(door.${read}));\n`;

  const { status, lines } = check(door, {
    'examples/good.mjs': program('width'),
    'examples/slip.mjs': program('wide'),
  });

  expect(status).toBe(1);
  expect(lines).toEqual([
    expect.stringMatching(
      /^example: examples\/slip\.mjs\(3,27\): error TS2339: Property 'wide' does not exist/,
    ),
    'exports: 1 problems',
  ]);
});

function check(
  door: string,
  programs: Record<string, string> = {},
): { status: number | null; lines: string[] } {
  writeTree(root, { ...setting, ...programs, 'src/door.ts': door });
  const { status, stdout } = spawnSync(process.execPath, [tool, root], { encoding: 'utf8' });
  return { status, lines: stdout.trim().split('\n') };
}
