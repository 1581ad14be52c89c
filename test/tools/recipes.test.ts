/**
 * The recipes of docs/ARCHITECTURE.md, followed to the letter in a copy of the tree: a frame, a congestion controller, an
 * option and an event are added, the copy is compiled, and what was added works. No recipe may come to need more files than it does.
 */
import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const recipes = readFileSync(join(root, 'docs/ARCHITECTURE.md'), 'utf8');

const FRAME = {
  'src/wire/frames/dummy.ts': () => `
    import type { FrameType } from './frame.js';
    export interface DummyFrame { kind: 'dummy'; value: number }
    export const dummy: FrameType<DummyFrame> = {
      type: 16,
      name: 'dummy',
      eliciting: true,
      parse: (reader) => ({ kind: 'dummy', value: reader.u16('value') }),
      size: () => 2,
      write: (writer, { value }) => writer.u16(value),
    };\n`,
  'src/wire/frames.ts': (text: string) =>
    `import { dummy } from './frames/dummy.js';\n${put(text, 'export const FRAMES = [', 'dummy,')}`,
};
const HANDLER = {
  'src/member/handlers.ts': (text: string) => put(text, "'ack-policy':", 'dummy: () => {},'),
};
const CONTROLLER = {
  'src/congestion/dummy.ts': () => `
    import { type ControllerFactory, fixedRate } from './controller.js';
    export const dummy: ControllerFactory = () => fixedRate(1e6);\n`,
  'src/congestion/index.ts': (text: string) => {
    const named = put(text, 'type ControllerName =', "'dummy' |");
    return `import { dummy } from './dummy.js';\n${put(named, 'ControllerFactory>> = {', 'dummy,')}`;
  },
};
const OPTION = {
  'src/options.ts': (text: string) => {
    const typed = put(text, 'export interface Settings {', 'dummy: number;');
    return put(typed, 'Setting<Settings[K]> } = {', 'dummy: setting(5, isInteger(1, 9)),');
  },
};

const EVENT = {
  'src/events.ts': (text: string) => put(text, 'MemberEvent<Who> =', "| { type: 'dummy'; member: Who }"),
};
const RENDERING = {
  'src/cli/events.ts': (text: string) => put(text, '=> string } = {', "dummy: () => 'dummy',"),
};

let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'headwater-recipes-'));
  for (const name of ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'])
    cpSync(join(root, name), join(copy, name), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(copy, 'node_modules'));
});
afterAll(() => rmSync(copy, { recursive: true, force: true }));

test('a frame without a handler does not compile, nor an event without words: TypeScript names them', () => {
  follow(FRAME, EVENT);
  const { status, stdout } = compile('--noEmit', 'true');
  expect(status).not.toBe(0);
  expect(stdout).toMatch(/^src\/member\/handlers\.ts.*'dummy' is missing/m);
  expect(stdout).toMatch(/^src\/cli\/events\.ts.*'dummy' is missing/m);
});

test('what the recipes say is all that it takes, and it works', () => {
  follow(FRAME, HANDLER, CONTROLLER, OPTION, EVENT, RENDERING);
  expect(compile()).toMatchObject({ status: 0, stdout: '' });
  const answers = run(`
    import { parseContents, writeDatagram } from './dist/wire/datagram.js';
    import { SETTINGS, withDefaults } from './dist/options.js';
    import { CONTROLLERS } from './dist/congestion/index.js';
    const datagram = writeDatagram([{ kind: 'dummy', value: 770 }]);
    let refused;
    try { SETTINGS.controller.check('controller', 'reno'); } catch (error) { refused = error.message; }
    SETTINGS.controller.check('controller', 'dummy');
    console.log(JSON.stringify({
      frames: parseContents(datagram.subarray(9, -16)).frames,
      rate: CONTROLLERS.dummy(1232).pacingRate(),
      refused,
      option: withDefaults().dummy,
    }));`);
  expect(JSON.parse(answers)).toEqual({
    frames: [{ kind: 'dummy', value: 770 }],
    rate: 1e6,
    refused: expect.stringContaining('dummy'),
    option: 5,
  });
  const help = spawnSync(process.execPath, ['dist/cli/main.js', 'node', '--help'], { cwd: copy });
  expect(String(help.stdout)).toContain('"dummy"');
});

test.each([
  ['A frame', { ...FRAME, ...HANDLER }, 3],
  ['A congestion controller', CONTROLLER, 2],
  ['An option', OPTION, 1],
  ['An event', { ...EVENT, ...RENDERING }, 2],
])('%s: the recipe names each of its files, and there are few', (title, files, most) => {
  const recipe = recipes.slice(recipes.indexOf(`**${title}.**`)).split('\n\n')[0];
  const places = Object.keys(files).map((file) => file.replace('dummy.ts', ''));
  expect(places.filter((place) => !recipe.includes(place) && place !== 'src/congestion/')).toEqual([]);
  expect(places.length).toBeLessThanOrEqual(most);
});

type Edit = (text: string) => string;

/** Makes these changes in the copy, of files as they are in the tree. */
function follow(...steps: Record<string, Edit>[]): void {
  for (const [file, edit] of steps.flatMap((step) => Object.entries(step)))
    writeFileSync(
      join(copy, file),
      edit(file.endsWith('dummy.ts') ? '' : readFileSync(join(root, file), 'utf8')),
    );
}

/** A line in the first place behind, or before an entry that has, this text. */
function put(text: string, where: string, line: string): string {
  const at = text.indexOf(where);
  if (at < 0) throw new Error(`expected "${where}" to put "${line}" at`);
  const end = where.endsWith(':') ? at : at + where.length;
  return `${text.slice(0, end)} ${line} ${text.slice(end)}`;
}

function compile(...options: string[]) {
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  const { status, stdout } = spawnSync(process.execPath, [tsc, '-p', 'tsconfig.build.json', ...options], {
    cwd: copy,
    encoding: 'utf8',
  });
  return { status, stdout };
}

function run(script: string): string {
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
    cwd: copy,
    encoding: 'utf8',
  });
  if (stderr) throw new Error(stderr);
  return stdout;
}
