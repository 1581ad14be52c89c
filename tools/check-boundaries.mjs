// Architecture check: which folder may import which, and who may touch the clock, timers, randomness, sockets and disk.
// Data flows one way (docs/ARCHITECTURE.md); everything but the shell is a pure state machine.
// Usage: node tools/check-boundaries.mjs [root]; prints one line for each violation, exit code 1 if there is any.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, resolve } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

/** All that a member is made of, from the top down. */
const MEMBER = [
  'store',
  'broadcast',
  'path',
  'session',
  'congestion',
  'wire',
  'crypto',
  'codec',
  'core',
  'errors.ts',
];

/** Folder (or root file) of src/ -> the folders and files it may import besides itself. */
const MAY_IMPORT = {
  'errors.ts': [],
  core: ['errors.ts'],
  codec: ['core', 'errors.ts'],
  crypto: ['core', 'errors.ts'],
  wire: ['core', 'crypto', 'errors.ts'],
  congestion: ['core', 'errors.ts'],
  session: ['wire', 'crypto', 'core', 'errors.ts'],
  path: ['session', 'congestion', 'wire', 'crypto', 'core', 'errors.ts'],
  store: ['wire', 'crypto', 'core', 'errors.ts'],
  broadcast: MEMBER.filter((folder) => folder !== 'broadcast'),
  sim: ['node/endpoint.ts', 'node/tamper.ts', ...MEMBER],
  node: MEMBER,
  file: ['node', 'broadcast', 'core', 'errors.ts'],
  network: ['node', 'store', 'broadcast', 'congestion', 'crypto', 'core', 'errors.ts'],
  'index.ts': [
    'network',
    'store',
    'node',
    'file',
    'broadcast',
    'crypto',
    'wire',
    'congestion',
    'core',
    'errors.ts',
  ],
  cli: ['index.ts', 'network', 'node', 'file', 'sim', ...MEMBER],
};

/** The shell: the only places where the outside world may be touched. */
const SHELL = ['node', 'file', 'network', 'cli'];
/** Single files of the shell in other folders. */
const SHELL_FILES = ['store/lmdb.ts', 'store/database.ts', 'store/files.ts', 'store/owner.ts'];
/** Sans-IO although it stands in a folder of the shell, so that the simulator can run it. */
const PURE = ['node/endpoint.ts', 'node/agenda.ts', 'node/failover.ts', 'node/peers.ts', 'node/tamper.ts'];
const FORBIDDEN_IMPORTS =
  /^(node:)?(dgram|fs|fs\/promises|net|http|https|http2|dns|dns\/promises|timers|timers\/promises|os|child_process|process|perf_hooks|worker_threads)$/;
const FORBIDDEN_GLOBALS = [
  [/\bDate\s*\.\s*now\b|\bnew\s+Date\b|\bDate\s*\(/, 'the clock (pass `now`)'],
  [/\bperformance\s*\.\s*now\b|\bperformance\s*\.\s*timeOrigin\b/, 'the clock (pass `now`)'],
  [/\bprocess\s*\.\s*(hrtime|env|argv|exit|on|stdout|stderr|uptime|nextTick)\b/, 'the process'],
  [/\b(setTimeout|setInterval|setImmediate|queueMicrotask)\b/, 'timers (return a deadline)'],
  [
    /\bMath\s*\.\s*random\b|\brandomBytes\b|\brandomUUID\b|\bgetRandomValues\b|\brandomInt\b|\brandombytes_/,
    'randomness (pass an Rng)',
  ],
];
const DGRAM_USERS = ['node/udp.ts', 'cli/emulator.ts'];

const root = resolve(argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));
const src = join(root, 'src');
const problems = [];
for (const file of typescriptFiles(src)) checkFile(file);
for (const problem of problems) stdout.write(`${problem}\n`);
stdout.write(`boundaries: ${problems.length === 0 ? 'ok' : `${problems.length} violation(s)`}\n`);
exit(problems.length === 0 ? 0 : 1);

function checkFile(file) {
  const path = relative(src, file).replaceAll('\\', '/');
  if (path.startsWith('codec/generated/')) return;
  const unit = path.includes('/') ? path.slice(0, path.indexOf('/')) : path;
  const allowed = MAY_IMPORT[unit];
  if (!allowed) {
    problems.push(
      `src/${path}: '${unit}' has no place in the layering; add it to tools/check-boundaries.mjs`,
    );
    return;
  }
  const code = withoutComments(readFileSync(file, 'utf8'));
  const shell = (SHELL.includes(unit) && !PURE.includes(path)) || SHELL_FILES.includes(path);
  const at = (index) => `src/${path}:${code.slice(0, index).split('\n').length}`;

  for (const match of code.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
    const target = match[1];
    if (target.startsWith('.')) {
      const to = relative(src, normalize(join(dirname(file), target)))
        .replaceAll('\\', '/')
        .replace(/\.js$/, '.ts');
      const toUnit = to.includes('/') ? to.slice(0, to.indexOf('/')) : to;
      if (toUnit !== unit && !allowed.includes(toUnit) && !allowed.includes(to))
        problems.push(
          `${at(match.index)}: ${unit} may not import ${toUnit} (allowed: ${allowed.join(', ') || 'nothing'})`,
        );
    } else if (!shell && FORBIDDEN_IMPORTS.test(target)) {
      problems.push(`${at(match.index)}: only the shell (${SHELL.join(', ')}) may import ${target}`);
    }
    if (/^(node:)?dgram$/.test(target) && !DGRAM_USERS.includes(path))
      problems.push(`${at(match.index)}: only ${DGRAM_USERS.join(' and ')} may open sockets`);
  }
  if (shell) return;
  for (const [pattern, what] of FORBIDDEN_GLOBALS) {
    for (const match of code.matchAll(new RegExp(pattern, 'g')))
      problems.push(`${at(match.index)}: '${match[0]}': only the shell may use ${what}`);
  }
}

/** Blanks comments, so that prose may name what code may not; strings stay (import paths are strings). */
function withoutComments(text) {
  const blank = (part) => part.replace(/[^\n]/g, ' ');
  return text.replace(/\/\*[\s\S]*?\*\/|(^|[^:'"`])\/\/.*$/gm, (part) => blank(part));
}

function typescriptFiles(folder) {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .sort();
}
