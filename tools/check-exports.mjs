/**
 * What a program gets from the package must be nameable and explained: every type that an export mentions is exported; every
 * export and every public member has a doc comment; functions, classes and constants have an `@example`, which compiles; what
 * throws says so with `@throws` and a code of ErrorCode. The programs in examples use what is declared.
 * Usage: node tools/check-exports.mjs [--examples] [ROOT]
 * Prints what breaks the rules, a line each. `--examples` prints the compiled ones that can be run, as JSON, and the rest on stderr.
 */
import { join, resolve } from 'node:path';
import process, { argv } from 'node:process';
import { checkPrograms, compileExamples, writeExamples } from './api/examples.mjs';
import { readSurface } from './api/surface.mjs';

const NEEDS_EXAMPLE = new Set(['function', 'class', 'constant']);
const args = argv.slice(2).filter((arg) => arg !== '--examples');
const root = resolve(args[0] ?? join(import.meta.dirname, '..'));
const surface = readSurface(root);
const problems = surface.flatMap((entry) => [...hidden(entry), ...entry.exports.flatMap(unexplained)]);
const examples = writeExamples(root, surface);
problems.push(...[...compileExamples(root), ...checkPrograms(root)].map((line) => `example: ${line}`));
// Apart from stderr: TypeScript's server, when it is shut, sometimes writes there that its input has ended.
const tell = argv.includes('--examples') ? console.error : console.log;
for (const problem of problems) tell(problem);
tell(problems.length === 0 ? 'exports: ok' : `exports: ${problems.length} problems`);
if (argv.includes('--examples')) console.log(JSON.stringify(examples.filter(({ runs }) => runs)));
process.exitCode = problems.length === 0 ? 0 : 1;

function hidden(entry) {
  return entry.hidden.map(
    ({ name, file, by }) => `${entry.name}: ${by} mentions ${name} (${file}), which is not exported`,
  );
}

function unexplained({ name, kind, doc, members }) {
  const found = [];
  if (doc.text === '') found.push(`${name}: no doc comment`);
  if (NEEDS_EXAMPLE.has(kind) && !doc.tags.some((tag) => tag.name === 'example'))
    found.push(`${name}: no @example`);
  found.push(...errors(name, doc));
  for (const member of members) {
    const where = `${name}.${member.name}`;
    // What these do is said by what they are.
    if (/^\[Symbol\.(asyncD|d)ispose\]$/.test(member.name)) continue;
    if (member.doc.text === '' && member.doc.tags.length === 0) found.push(`${where}: no doc comment`);
    found.push(...errors(where, member.doc));
  }
  return found;
}

function errors(where, { text, tags }) {
  const thrown = tags.filter(({ name }) => name === 'throws');
  const found = thrown
    .filter(({ text }) => !codes().some((code) => text.includes(code)))
    .map(({ text }) => `${where}: '@throws ${text.split('\n', 1)[0]}' names no code of ErrorCode`);
  if (thrown.length === 0 && /(^|[.;]\s)[Tt]hrows\b.*\b[A-Z]{2,}(_[A-Z]+)*\b/.test(text))
    found.push(`${where}: says in its text what it throws, not with @throws`);
  return found;
}

function codes() {
  const [declared] = surface.flatMap(({ exports }) => exports.filter(({ name }) => name === 'ErrorCode'));
  return [...(declared?.declaration ?? '').matchAll(/'([A-Z_]+)'/g)].map(([, code]) => code);
}
