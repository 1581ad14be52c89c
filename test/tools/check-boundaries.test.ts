/** The architecture check, run as CI runs it, on small source trees that keep or break one rule each. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { checkTree } from './tree.js';

const tool = fileURLToPath(new URL('../../tools/check-boundaries.mjs', import.meta.url));
const goodTree = {
  'errors.ts': 'export class Oops extends Error {}\n',
  'core/time.ts': 'export const SECOND = 1_000_000;\n',
  'wire/frame.ts': "import { Oops } from '../errors.js';\nexport const fail = () => new Oops();\n",
  'broadcast/relay.ts':
    "import { fail } from '../wire/frame.js';\nexport const relay = (now: number) => [now, fail];\n",
  'member/endpoint.ts': "import { relay } from '../broadcast/relay.js';\nexport const step = relay;\n",
  'node/socket/plain.ts':
    "import { createSocket } from 'node:dgram';\nexport const at = () => [Date.now(), createSocket];\n",
};
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'headwater-boundaries-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('a tree that keeps the rules passes; its shell may use clock and sockets', () => {
  expect(check({})).toEqual({ status: 0, lines: ['boundaries: ok'] });
});

describe('a state machine may not touch the outside world', () => {
  test.each([
    ['Date.now()', "'Date.now': only the shell may use the clock (pass `now`)"],
    ['new Date()', "'new Date': only the shell may use the clock (pass `now`)"],
    ['performance.now()', "'performance.now': only the shell may use the clock (pass `now`)"],
    ['setTimeout(relay, 1)', "'setTimeout': only the shell may use timers (return a deadline)"],
    ['setImmediate(relay)', "'setImmediate': only the shell may use timers (return a deadline)"],
    ['Math.random()', "'Math.random': only the shell may use randomness (pass an Rng)"],
    ['process.env.HOME', "'process.env': only the shell may use the process"],
  ])('%s in broadcast', (code, problem) => {
    const { status, lines } = check({
      'broadcast/relay.ts': `const relay = 1;\n\nexport const x = [relay, ${code}];\n`,
    });
    expect(lines).toEqual([`src/broadcast/relay.ts:3: ${problem}`, 'boundaries: 1 violation(s)']);
    expect(status).toBe(1);
  });

  test('nor may the endpoint', () => {
    const { status, lines } = check({ 'member/endpoint.ts': 'export const step = () => Date.now();\n' });
    expect(lines[0]).toBe(
      "src/member/endpoint.ts:1: 'Date.now': only the shell may use the clock (pass `now`)",
    );
    expect(status).toBe(1);
  });

  test.each(['node:fs', 'fs/promises', 'node:timers', 'node:net'])('nor import %s', (module) => {
    const { status, lines } = check({
      'core/time.ts': `import * as it from '${module}';\nexport const x = it;\n`,
    });
    expect(lines[0]).toBe(
      `src/core/time.ts:1: only the shell (node, disk, emulator, file, network, rendezvous/lan, gateway/server, cli) may import ${module}`,
    );
    expect(status).toBe(1);
  });

  test('comments may speak of it', () => {
    const prose = [
      '/** Never calls Date.now(), nor Math.random(). */',
      '// import { relay } from "../broadcast/relay.js"; setTimeout(...)',
      'export const SECOND = 1_000_000; // not Date.now()',
      '/*',
      ' * performance.now() */',
      '',
    ].join('\n');
    expect(check({ 'core/time.ts': prose })).toEqual({ status: 0, lines: ['boundaries: ok'] });
  });

  test('lines are counted across comments', () => {
    const { lines } = check({
      'core/time.ts': '/*\n * Time.\n */\n// More.\nexport const now = Date.now;\n',
    });
    expect(lines[0]).toMatch(/^src\/core\/time\.ts:5: 'Date\.now'/);
  });

  test('an address in a string is no comment', () => {
    const { status } = check({ 'core/time.ts': "export const x = ['https://example.org', Date.now()];\n" });
    expect(status).toBe(1);
  });
});

describe('data flows one way', () => {
  test.each([
    ["import { relay } from '../broadcast/relay.js';\nexport const x = relay;\n", 'a value'],
    ["import type { relay } from '../broadcast/relay.js';\nexport type X = typeof relay;\n", 'a type'],
    ["export { relay } from '../broadcast/relay.js';\n", 'what is passed on'],
    ["export const x = import('../broadcast/relay.js');\n", 'later'],
    ["import '../broadcast/relay.js';\n", 'for its effects'],
  ])('wire may not import broadcast: %j (%s)', (code) => {
    const { status, lines } = check({ 'wire/frame.ts': code });
    expect(lines).toEqual([
      'src/wire/frame.ts:1: wire may not import broadcast (allowed: core, crypto, errors.ts)',
      'boundaries: 1 violation(s)',
    ]);
    expect(status).toBe(1);
  });

  test('sockets are opened in one place of the node only', () => {
    const { status, lines } = check({ 'node/driver.ts': "export { createSocket } from 'node:dgram';\n" });
    expect(lines[0]).toBe(
      'src/node/driver.ts:1: only node/socket/plain.ts and emulator/emulator.ts may open sockets',
    );
    expect(status).toBe(1);
  });

  test('a wing of broadcast may use those below it only', () => {
    const { lines } = check({
      'broadcast/agreement/stream.ts': "export { push } from '../delivery/push.js';\n",
      'broadcast/delivery/push.ts': "import '../agreement/claims.js';\nexport const push = 1;\n",
      'broadcast/agreement/claims.ts': 'export {};\n',
    });
    expect(lines[0]).toMatch(
      /^src\/broadcast\/agreement\/stream\.ts:1: broadcast\/agreement may not import broadcast\/delivery/,
    );
    expect(lines).toHaveLength(2);
  });

  test('a wing may not use one that is above it, for types alone either', () => {
    const { lines } = check({
      'broadcast/agreement/stream.ts': "import type { X } from '../spread/objects.js';\nexport type Y = X;\n",
      'broadcast/spread/objects.ts': 'export type X = 1;\n',
    });
    expect(lines[0]).toMatch(/broadcast\/agreement may not import broadcast\/spread/);
  });

  test('files of one folder may not import each other in a circle, for types alone either', () => {
    const { status, lines } = check({
      'core/a.ts': "import type { B } from './b.js';\nexport type A = B;\n",
      'core/b.ts': "import { c } from './c.js';\nexport type B = typeof c;\n",
      'core/c.ts': "import type { A } from './a.js';\nexport const c = (a: A) => a;\n",
    });
    expect(lines).toEqual([
      'src/core/a.ts: imports itself: core/a.ts > core/b.ts > core/c.ts > core/a.ts',
      'boundaries: 1 violation(s)',
    ]);
    expect(status).toBe(1);
  });

  test('a new folder needs a place in the order', () => {
    const { status, lines } = check({ 'gossip/heard.ts': 'export const x = 1;\n' });
    expect(lines[0]).toMatch(/^src\/gossip\/heard\.ts: 'gossip' has no place in the layering/);
    expect(status).toBe(1);
  });

  test('each violation is named', () => {
    const { lines } = check({
      'core/time.ts': 'export const now = Date.now();\n',
      'wire/frame.ts': "import '../broadcast/relay.js';\nexport const x = Math.random();\n",
    });
    expect(lines).toHaveLength(4);
    expect(lines[3]).toBe('boundaries: 3 violation(s)');
  });
});

/** Runs the tool on the good tree with `changes` laid over it. */
function check(changes: Record<string, string>) {
  return checkTree(tool, root, { ...goodTree, ...changes });
}
