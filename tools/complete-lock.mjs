// Adds to package-lock.json the optional packages of other platforms that npm left out because the registry in use did
// not have them: `npm ci` refuses a lock file without them, though it would never install them here. And to each entry that
// lacks it the integrity that the registry tells now.
// Run it after each `npm install`. Usage: node tools/complete-lock.mjs
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stdout } from 'node:process';

const file = join(import.meta.dirname, '..', 'package-lock.json');
const lock = JSON.parse(readFileSync(file, 'utf8'));
const { '': rootPackage, ...packages } = lock.packages;
let added = 0;
for (const [path, info] of Object.entries(packages)) {
  for (const [name, range] of Object.entries(info.optionalDependencies ?? {})) {
    const platform = platformOf(name);
    if (isLocked(path, name) || !platform) continue;
    packages[`node_modules/${name}`] = {
      version: range.replace(/^[\^~]/, ''),
      ...(info.dev ? { dev: true } : {}),
      optional: true,
      ...platform,
    };
    added++;
  }
}
let completed = 0;
for (const [path, info] of Object.entries(packages)) {
  if (info.integrity || info.link) continue;
  const name = path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length);
  const { version, ...rest } = info;
  const asked = execFileSync('npm', ['view', `${name}@${version}`, 'dist.integrity'], { encoding: 'utf8' });
  packages[path] = { version, integrity: asked.trim(), ...rest };
  completed++;
}
const sorted = Object.fromEntries(Object.entries(packages).sort(([a], [b]) => (a < b ? -1 : 1)));
writeFileSync(file, `${JSON.stringify({ ...lock, packages: { '': rootPackage, ...sorted } }, null, 2)}\n`);
stdout.write(
  `package-lock.json: ${added} packages of other platforms added, ${completed} given their integrity\n`,
);

/** Whether `name`, as the package at `path` would find it, is in the lock file. */
function isLocked(path, name) {
  for (let base = path; ; base = base.slice(0, base.lastIndexOf('/node_modules/'))) {
    if (packages[`${base}/node_modules/${name}`]) return true;
    if (!base.includes('/node_modules/')) return packages[`node_modules/${name}`] !== undefined;
  }
}

/** Operating system, processor and C library by the words of a package's name; undefined if it names none. */
function platformOf(name) {
  const find = (words) => words.find((word) => name.includes(word));
  const os = find([
    'android',
    'darwin',
    'freebsd',
    'openbsd',
    'netbsd',
    'openharmony',
    'aix',
    'sunos',
    'win32',
    'linux',
  ]);
  const cpu = find(['arm64', 'x64', 'ia32', 'ppc64', 'riscv64', 's390x', 'loong64', 'mips64el', 'arm']);
  if (!os || !cpu) return undefined;
  const libc = name.includes('musl') ? ['musl'] : name.includes('gnu') ? ['glibc'] : undefined;
  return { os: [os], cpu: [cpu], ...(libc ? { libc } : {}) };
}
