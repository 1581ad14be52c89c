// Size check: what outgrows a reader is cut. A file of src has at most 600 lines, a class 300, a folder 14 files of its own.
// Usage: node tools/check-sizes.mjs [root]; prints one line for each violation, exit code 1 if there is any.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

const MAX_FILE_LINES = 600;
const MAX_CLASS_LINES = 300;
const MAX_FOLDER_FILES = 14;
/** Written by tools/build-wasm.mjs. */
const GENERATED = 'src/codec/generated';
const CLASS =
  /^(\s*)(?:export |default |abstract |return |const \w+ = )*class\b(?: (?!extends\b|implements\b)(\w+))?/;

const root = resolve(argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));
const problems = [];
checkFolder(join(root, 'src'));
for (const problem of problems) stdout.write(`${problem}\n`);
stdout.write(`sizes: ${problems.length === 0 ? 'ok' : `${problems.length} violation(s)`}\n`);
exit(problems.length === 0 ? 0 : 1);

function checkFolder(folder) {
  const path = pathOf(folder);
  if (path === GENERATED) return;
  const entries = readdirSync(folder, { withFileTypes: true }).sort((a, b) => (a.name < b.name ? -1 : 1));
  const files = entries.filter((entry) => entry.isFile()).map(({ name }) => join(folder, name));
  if (files.length > MAX_FOLDER_FILES)
    problems.push(`${path}: ${files.length} files (at most ${MAX_FOLDER_FILES}); give it folders`);
  for (const file of files) checkFile(file);
  for (const entry of entries) if (entry.isDirectory()) checkFolder(join(folder, entry.name));
}

function checkFile(file) {
  const path = pathOf(file);
  const lines = readFileSync(file, 'utf8').trimEnd().split('\n');
  if (lines.length > MAX_FILE_LINES)
    problems.push(`${path}: ${lines.length} lines (at most ${MAX_FILE_LINES})`);
  for (const { name, line, length } of classesOf(lines))
    if (length > MAX_CLASS_LINES)
      problems.push(`${path}:${line}: class ${name} has ${length} lines (at most ${MAX_CLASS_LINES})`);
}

/** Biome sets a class and its closing brace at the same depth, so what is between them need not be understood. */
function* classesOf(lines) {
  for (const [start, line] of lines.entries()) {
    const found = CLASS.exec(line);
    if (!found || line.endsWith('}')) continue;
    const [, indent, name = 'without a name'] = found;
    const length = lines.slice(start).findIndex((each) => each.startsWith(`${indent}}`)) + 1;
    yield { name, line: start + 1, length };
  }
}

function pathOf(entry) {
  return relative(root, entry).replaceAll('\\', '/');
}
