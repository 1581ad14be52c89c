// Builds `build/etcd`, one executable file for this platform: Node itself, as it runs this, with the package and what it depends on
// as an asset (https://nodejs.org/api/single-executable-applications.html). Usage: node tools/etcd-file/build.mjs [FILE]
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative, resolve } from 'node:path';
import { argv, execPath, platform } from 'node:process';
import { gzipSync } from 'node:zlib';

const root = resolve(import.meta.dirname, '../..');
const target = resolve(argv[2] ?? join(root, 'build/etcd'));
if (platform !== 'linux') throw new Error(`build:etcd: expected Linux, got ${platform}`);
const require = createRequire(import.meta.url);

const paths = [...filesOf(join(root, 'dist')), join(root, 'package.json'), join(root, 'LICENSE')];
for (const folder of dependencies(root)) paths.push(...filesOf(folder));
const files = paths.map((path) => [relative(root, path), readFileSync(path)]);
// What the executable's own script loads: from there on modules are found as usual.
files.push(['start.cjs', Buffer.from("import('./dist/cli/etcd.js');\n")]);
const list = Buffer.from(JSON.stringify(files.map(([path, bytes]) => [path, bytes.length])));
const length = Buffer.alloc(4);
length.writeUInt32BE(list.length);
const packed = gzipSync(Buffer.concat([length, list, ...files.map(([, bytes]) => bytes)]), { level: 9 });

const work = `${target}.parts`;
mkdirSync(work, { recursive: true });
try {
  const [asset, blob, config] = ['files', 'blob', 'config.json'].map((name) => join(work, name));
  writeFileSync(asset, packed);
  const main = join(import.meta.dirname, 'start.cjs');
  writeFileSync(
    config,
    JSON.stringify({ main, output: blob, disableExperimentalSEAWarning: true, assets: { files: asset } }),
  );
  execFileSync(execPath, ['--experimental-sea-config', config], { stdio: ['ignore', 'ignore', 'inherit'] });
  const part = join(work, 'etcd');
  copyFileSync(execPath, part);
  chmodSync(part, 0o755);
  // Also the name that Node looks for.
  const { inject } = require('postject');
  await inject(part, 'NODE_SEA_BLOB', readFileSync(blob), {
    sentinelFuse: 'NODE_SEA_FUSE_fce680ab2cc467b6e072b8b5df1996b2',
  });
  rmSync(target, { force: true });
  copyFileSync(part, target);
  chmodSync(target, 0o755);
} finally {
  rmSync(work, { recursive: true, force: true });
}
console.log(
  `${relative(process.cwd(), target)}: ${files.length} files, ${Math.round(packed.length / 1e5) / 10} MB, and Node ${process.version}`,
);

/** Folders of the packages that are needed to run, as far as this platform has them. */
function dependencies(from, found = new Set()) {
  const { dependencies: needed = {}, optionalDependencies: optional = {} } = JSON.parse(
    readFileSync(join(from, 'package.json'), 'utf8'),
  );
  for (const name of Object.keys({ ...needed, ...optional })) {
    const folder = folderOf(name, from);
    if (folder === undefined) {
      if (name in optional) continue;
      throw new Error(`build:etcd: expected ${name} in node_modules, got none: npm ci`);
    }
    if (found.has(folder)) continue;
    found.add(folder);
    dependencies(folder, found);
  }
  return found;
}

function folderOf(name, from) {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, 'node_modules', name);
    if (existsSync(join(folder, 'package.json'))) return folder;
    if (at === root || at === dirname(at)) return undefined;
  }
}

/** What runs, with its licence. */
function filesOf(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((path) => {
      const inside = relative(folder, path);
      if (inside.startsWith('node_modules')) return false;
      const prebuilt = /^prebuilds\/([^/]+)\//.exec(inside);
      if (prebuilt) return prebuilt[1] === `${platform}-${process.arch}`;
      return /\.(c?js|mjs|json|node|wasm)$/.test(path) || /^licen[cs]e/i.test(inside);
    });
}
