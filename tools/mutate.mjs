// Puts bugs in, one at a time, and runs the tests that should notice: tools/mutations/*.json lists
// { id, file, find, replace, tests, build? }, or `attack`, the name of an attack of the hostile suite, in place of `tests`:
// then the rule that stops it is undone, and it must fail. Where several rules do, `edits` lists { file, find, replace } of each. All of it happens in a copy of the source, not in the work tree.
// `npm run mutate -- --help` lists the options. Fails if fewer than 95 % are noticed.
import { spawn } from 'node:child_process';
import {
  closeSync,
  cpSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, sep } from 'node:path';
import process, { stderr, stdout } from 'node:process';
import { parseArgs } from 'node:util';

const ROOT = join(import.meta.dirname, '..');
const LISTS = join(import.meta.dirname, 'mutations');
const ATTACKS = join(import.meta.dirname, 'search', 'hostile', 'attacks');
/** Not in the copy: the first is linked, the others are not needed. */
const LEFT_OUT = new Set(['node_modules', '.git', 'build', 'coverage']);
const REQUIRED = 0.95;
const HELP = `usage: npm run mutate -- [options]

  --only ID       only this mutation (may be given more than once)
  --folder NAME   only mutations of files in a folder NAME (may be given more than once)
  --attacks       only mutations that an attack of the hostile suite should notice
  --seconds N     time limit of the tests, or the attack, of one mutation (default 600)
  --list          list the mutations and do nothing
  --json          print the results as JSON
  --help          print this
`;

/** Says what is wrong with the command line or the lists, and ends. */
function fail(message) {
  stderr.write(`mutate: ${message}\n`);
  process.exit(2);
}

function readOptions() {
  try {
    const { values } = parseArgs({
      options: {
        only: { type: 'string', multiple: true },
        folder: { type: 'string', multiple: true },
        attacks: { type: 'boolean', default: false },
        seconds: { type: 'string', default: '600' },
        list: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
    if (!(Number(values.seconds) > 0)) fail(`--seconds: expected a number above 0, got '${values.seconds}'`);
    return values;
  } catch (error) {
    return fail(error.message);
  }
}

/** All mutations of the lists, each as its text demands; ids are unique. */
function readMutations() {
  const lists = readdirSync(LISTS).filter((name) => name.endsWith('.json'));
  const all = lists.flatMap((name) => JSON.parse(readFileSync(join(LISTS, name), 'utf8')));
  const ids = new Set();
  const attacks = readdirSync(ATTACKS).map((name) => readFileSync(join(ATTACKS, name), 'utf8'));
  for (const mutation of all) {
    const { id, file, find, replace, attack, tests = [] } = mutation;
    mutation.edits ??= [{ file, find, replace }];
    const changes = mutation.edits.flatMap((edit) => [edit.file, edit.find, edit.replace]);
    const texts = [id, ...changes, ...(attack === undefined ? tests : [attack])];
    if (texts.length < changes.length + 2 || texts.some((text) => typeof text !== 'string'))
      fail(
        `mutation '${id}': expected id, file, find, replace (or edits) and tests or attack, got something else`,
      );
    if (attack !== undefined && !attacks.some((text) => text.includes(`name: '${attack}'`)))
      fail(`mutation '${id}': expected the name of an attack, got '${attack}'`);
    if (ids.has(id)) fail(`mutation '${id}': expected each id once, got it twice`);
    ids.add(id);
    for (const path of [...mutation.edits.map((edit) => edit.file), ...tests])
      if (!existsSync(join(ROOT, path)))
        fail(`mutation '${id}': expected ${path} to exist, got nothing there`);
  }
  return all;
}

function selected(all, { only, folder, attacks }) {
  for (const id of only ?? [])
    if (!all.some((mutation) => mutation.id === id))
      fail(`--only: expected the id of a mutation, got '${id}'`);
  const isIn = ({ edits }) =>
    edits.some(({ file }) => folder.some((name) => `/${file}`.includes(`/${name}/`)));
  const some = all.filter(
    (mutation) =>
      (!only || only.includes(mutation.id)) && (!folder || isIn(mutation)) && (!attacks || mutation.attack),
  );
  if (some.length === 0) fail('expected options that leave a mutation, got none');
  return some;
}

function filesOf(edits) {
  return [...new Set(edits.map(({ file }) => file))].join(' ');
}

function copySource() {
  const copy = mkdtempSync(join(tmpdir(), 'headwater-mutate-'));
  cpSync(ROOT, copy, {
    recursive: true,
    filter: (path) => !LEFT_OUT.has(relative(ROOT, path).split(sep)[0]),
  });
  symlinkSync(join(ROOT, 'node_modules'), join(copy, 'node_modules'));
  return copy;
}

/** What runs now, with all that it has started. */
let running;

/** Runs a program in the copy; its exit code, or undefined if it took too long. What it prints goes into the file `output`. */
function run(copy, program, args, seconds, output) {
  return new Promise((resolve) => {
    const out = output ? openSync(output, 'w') : 'ignore';
    const child = spawn(program, args, { cwd: copy, detached: true, stdio: ['ignore', out, 'ignore'] });
    if (output) closeSync(out);
    running = child;
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      stop();
    }, seconds * 1000);
    child.on('error', ({ message }) => fail(`${program}: ${message}`));
    child.on('exit', (code) => {
      clearTimeout(timer);
      running = undefined;
      resolve(isLate ? undefined : (code ?? 1));
    });
  });
}

function stop() {
  try {
    if (running) process.kill(-running.pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

/** The first test that failed. Without one, the mutant did not even load, which shows nothing. */
function firstFailure(report) {
  if (!existsSync(report)) return undefined;
  const results = JSON.parse(readFileSync(report, 'utf8')).testResults;
  return results.flatMap(({ assertionResults }) => assertionResults).find(({ status }) => status === 'failed')
    ?.fullName;
}

async function judgeByTests(copy, tests, seconds) {
  const report = join(copy, 'mutate-report.json');
  rmSync(report, { force: true });
  const vitest = join('node_modules', 'vitest', 'vitest.mjs');
  const args = [vitest, 'run', '--maxWorkers=1', '--bail=1', '--reporter=json', `--outputFile=${report}`];
  const code = await run(copy, process.execPath, [...args, ...tests], seconds);
  if (code === undefined) return { outcome: 'TIMED OUT', why: `after ${seconds} s` };
  if (code === 0) return { outcome: 'SURVIVED', why: tests.join(' ') };
  const by = firstFailure(report);
  return by ? { outcome: 'killed', why: by } : { outcome: 'BROKEN', why: 'no test of it could run' };
}

/** By the rows of `soak hostile`: one that fails is what the rule kept from happening. */
async function judgeByAttack(copy, attack, seconds) {
  const output = join(copy, 'mutate-rows.json');
  // It writes what it can even where an import is left over; what cannot run prints no rows.
  const tsc = [join('node_modules', 'typescript', 'bin', 'tsc'), '-p', 'tsconfig.bench.json'];
  await run(copy, process.execPath, [...tsc, '--incremental', '--tsBuildInfoFile', 'build/info'], seconds);
  const main = join('build', 'bench', 'tools', 'search', 'main.js');
  const args = [main, 'hostile', '--only', attack, '--json'];
  const code = await run(copy, process.execPath, args, seconds, output);
  if (code === undefined) return { outcome: 'TIMED OUT', why: `after ${seconds} s` };
  if (code === 0) return { outcome: 'SURVIVED', why: attack };
  const text = readFileSync(output, 'utf8');
  if (!text) return { outcome: 'BROKEN', why: 'the attack could not run' };
  const { name, measured, must } = JSON.parse(text).rows.find(({ pass }) => !pass);
  return { outcome: 'killed', why: `${name} ${measured} (at most ${must})` };
}

/** What becomes of one mutation: 'killed', 'SURVIVED', 'TIMED OUT', or 'BROKEN' if it shows nothing about the tests. */
async function judge(copy, { edits, tests, attack, build }, seconds) {
  const sources = new Map();
  try {
    for (const { file, find, replace } of edits) {
      const path = join(copy, file);
      const source = readFileSync(path, 'utf8');
      const places = source.split(find).length - 1;
      if (places !== 1)
        return { outcome: 'BROKEN', why: `expected its text once in ${file}, got it ${places} times` };
      if (!sources.has(path)) sources.set(path, source);
      writeFileSync(
        path,
        source.replace(find, () => replace),
      );
    }
    if (build && (await run(copy, 'npm', ['run', '--silent', 'build'], seconds)) !== 0)
      return { outcome: 'BROKEN', why: 'it does not build' };
    return await (attack ? judgeByAttack(copy, attack, seconds) : judgeByTests(copy, tests, seconds));
  } finally {
    for (const [path, source] of sources) writeFileSync(path, source);
    if (build)
      for (const made of ['dist', 'src/codec/generated']) {
        rmSync(join(copy, made), { recursive: true, force: true });
        cpSync(join(ROOT, made), join(copy, made), { recursive: true });
      }
  }
}

const options = readOptions();
if (options.help) {
  stdout.write(HELP);
  process.exit(0);
}
const mutations = selected(readMutations(), options);
if (options.list) {
  for (const { id, edits, tests, attack } of mutations)
    stdout.write(`${id}  ${filesOf(edits)}  ${attack ?? tests.join(' ')}\n`);
  process.exit(0);
}
if (!existsSync(join(ROOT, 'dist'))) fail('expected a build in dist, got none: npm run build');

const copy = copySource();
process.on('exit', () => {
  stop();
  rmSync(copy, { recursive: true, force: true });
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(130));

const results = [];
for (const mutation of mutations) {
  const { outcome, why } = await judge(copy, mutation, Number(options.seconds));
  results.push({ id: mutation.id, file: filesOf(mutation.edits), outcome, why });
  (options.json ? stderr : stdout).write(`${outcome} ${mutation.id}: ${why}\n`);
}
const killed = results.filter(({ outcome }) => outcome === 'killed').length;
if (options.json) stdout.write(`${JSON.stringify(results, null, 2)}\n`);
else stdout.write(`${killed} of ${results.length} killed\n`);
process.exit(killed >= REQUIRED * results.length ? 0 : 1);
