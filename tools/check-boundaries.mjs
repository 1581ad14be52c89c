// Architecture check: which folder may import which, no circles between files, and who may touch the clock, timers,
// randomness, sockets and disk. Data flows one way (docs/ARCHITECTURE.md); everything but the shell is a pure state machine.
// Usage: node tools/check-boundaries.mjs [root]; prints one line for each violation, exit code 1 if there is any.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative, resolve } from 'node:path';
import { argv, exit, stdout } from 'node:process';
import { fileURLToPath } from 'node:url';

/** All that the pure member is made of, from the top down. */
const MEMBER = [
  'bulk',
  'broadcast',
  'epochs',
  'store',
  'locators',
  'forwarding',
  'path',
  'session',
  'options.ts',
  'events.ts',
  'congestion',
  'group',
  'wire',
  'crypto',
  'codec',
  'core',
  'errors.ts',
];
const BELOW_BROADCAST = MEMBER.filter(
  (folder) => !['bulk', 'broadcast', 'session', 'locators', 'forwarding'].includes(folder),
);
/** What each wing of broadcast may use. */
const GROUND = [...BELOW_BROADCAST, 'broadcast/metrics.ts', 'broadcast/observer.ts'];

/** Folder (or root file) of src/ -> the folders and files it may import besides itself. The longest name that fits counts. */
const MAY_IMPORT = {
  'errors.ts': [],
  core: ['errors.ts'],
  codec: ['core', 'errors.ts'],
  crypto: ['core', 'errors.ts'],
  wire: ['core', 'crypto', 'errors.ts'],
  group: ['wire', 'crypto', 'core', 'errors.ts'],
  congestion: ['core', 'errors.ts'],
  session: ['events.ts', 'wire', 'crypto', 'core', 'errors.ts'],
  path: ['session', 'congestion', 'wire', 'crypto', 'core', 'errors.ts'],
  epochs: ['group', 'events.ts', 'wire', 'crypto', 'core', 'errors.ts'],
  locators: ['group', 'wire', 'crypto', 'core', 'errors.ts'],
  forwarding: ['wire', 'core', 'errors.ts'],
  'events.ts': ['wire'],
  'options.ts': ['congestion', 'group', 'wire', 'core', 'errors.ts'],
  store: ['wire', 'crypto', 'core', 'errors.ts'],
  disk: ['store', 'wire', 'core', 'errors.ts'],
  'broadcast/proof': GROUND,
  'broadcast/agreement': ['broadcast/proof', ...GROUND],
  'broadcast/spread': ['broadcast/proof', ...GROUND],
  'broadcast/delivery': [
    'broadcast/spread',
    'broadcast/agreement',
    'broadcast/proof',
    'broadcast/events.ts',
    ...GROUND,
  ],
  broadcast: BELOW_BROADCAST,
  bulk: ['broadcast/spread', 'broadcast/proof', ...GROUND],
  member: MEMBER,
  sim: ['member', ...MEMBER],
  emulator: ['sim', 'core', 'errors.ts'],
  node: ['member', ...MEMBER],
  file: ['node', 'disk', 'bulk', 'broadcast', 'wire', 'group', 'crypto', 'core', 'errors.ts'],
  rendezvous: ['group', 'wire', 'crypto', 'core', 'errors.ts'],
  'rendezvous/lan': ['rendezvous', 'node', 'group', 'wire', 'crypto', 'core', 'errors.ts'],
  network: [
    'node',
    'disk',
    'store',
    'broadcast',
    'wire',
    'group',
    'options.ts',
    'crypto',
    'core',
    'errors.ts',
  ],
  gateway: ['group', 'wire', 'crypto', 'core', 'errors.ts'],
  'gateway/server': [
    'gateway',
    'node',
    'file',
    'disk',
    'store',
    'group',
    'wire',
    'crypto',
    'core',
    'errors.ts',
  ],
  'index.ts': ['network', 'node', 'file', 'disk', 'member', ...MEMBER],
  cli: [
    'index.ts',
    'rendezvous/lan',
    'rendezvous',
    'gateway/server',
    'network',
    'node',
    'file',
    'disk',
    'emulator',
    'sim',
    'member',
    ...MEMBER,
  ],
};

/** The shell: the only folders where the outside world may be touched. */
const SHELL = ['node', 'disk', 'emulator', 'file', 'network', 'rendezvous/lan', 'gateway/server', 'cli'];
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
const DGRAM_USERS = ['node/socket/plain.ts', 'emulator/emulator.ts'];

const root = resolve(argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));
const src = join(root, 'src');
const problems = [];
/** File of src/ -> the files of src/ that it imports and may. */
const imports = new Map();
for (const file of typescriptFiles(src)) checkFile(file);
checkCircles();
for (const problem of problems) stdout.write(`${problem}\n`);
stdout.write(`boundaries: ${problems.length === 0 ? 'ok' : `${problems.length} violation(s)`}\n`);
exit(problems.length === 0 ? 0 : 1);

function checkFile(file) {
  const path = relative(src, file).replaceAll('\\', '/');
  if (path.startsWith('codec/generated/')) return;
  const unit = unitOf(path);
  const allowed = MAY_IMPORT[unit];
  if (!allowed) {
    const folder = path.split('/')[0];
    problems.push(
      `src/${path}: '${folder}' has no place in the layering; add it to tools/check-boundaries.mjs`,
    );
    return;
  }
  const code = withoutComments(readFileSync(file, 'utf8'));
  const shell = SHELL.includes(unit);
  const at = (index) => `src/${path}:${code.slice(0, index).split('\n').length}`;

  for (const match of code.matchAll(/\b(?:from|import)\s*\(?\s*['"]([^'"]+)['"]/g)) {
    const target = match[1];
    if (target.startsWith('.')) {
      const to = relative(src, normalize(join(dirname(file), target)))
        .replaceAll('\\', '/')
        .replace(/\.js$/, '.ts');
      const toUnit = unitOf(to) ?? to;
      const within = [unit, ...allowed].some((name) => to === name || to.startsWith(`${name}/`));
      if (within) imports.set(path, [...(imports.get(path) ?? []), to]);
      else
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

/** No file may need itself by way of others, be it for types alone: neither could be read, tested or moved without the other. */
function checkCircles() {
  const done = new Set();
  const way = [];
  const visit = (file) => {
    const start = way.indexOf(file);
    if (start >= 0) {
      problems.push(`src/${way[start]}: imports itself: ${[...way.slice(start), file].join(' > ')}`);
      return;
    }
    if (done.has(file)) return;
    done.add(file);
    way.push(file);
    for (const to of imports.get(file) ?? []) visit(to);
    way.pop();
  };
  for (const file of imports.keys()) visit(file);
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

/** The folder or file of the layering that `path` belongs to: the longest of its names. */
function unitOf(path) {
  const parts = path.split('/');
  for (let length = parts.length; length > 0; length--) {
    const name = parts.slice(0, length).join('/');
    if (MAY_IMPORT[name]) return name;
  }
}
