// Packs the project, installs the tarball into an empty project, and uses it as a stranger would: follows the links of its
// documents, imports each entry, type-checks a small program against it, and runs the command. Exits 1 at the first thing
// that does not work.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, posix } from 'node:path';
import { stdout } from 'node:process';

const PROGRAM = `
import { Decoder, Encoder } from 'headwater/codec';
import { createGroup, HeadwaterError, keyPair, Node, type NodeOptions } from 'headwater';
import { createCluster, iid } from 'headwater/sim';

using encoder = new Encoder(new TextEncoder().encode('hello'), { symbolSize: 16 });
using decoder = new Decoder(encoder.oti);
for (let esi = 7; !decoder.add(0, esi, encoder.symbol(0, esi)); esi++);
const text: string = new TextDecoder().decode(decoder.object());

const seed = new Uint8Array(32).fill(1);
const group = createGroup({ name: 'one', members: [{ publicKey: keyPair(seed).publicKey, locator: '127.0.0.1:9' }] });
const options: NodeOptions = { group, secretKey: seed, bind: '127.0.0.1:0' };
const node = await Node.start(options);
await node.broadcast(new Uint8Array([1]));
await node.close();
await node.broadcast(new Uint8Array([1])).catch((error: unknown) => {
  if (!(error instanceof HeadwaterError) || error.code !== 'CLOSED') throw error;
});

const cluster = createCluster({ seed: 1, members: 3, links: { loss: iid(0.2) } });
cluster.broadcast(0, new Uint8Array(1000));
if (!cluster.world.runUntil(() => cluster.members.every((member) => member.delivered.length === 1))) throw new Error('sim');
console.log('rebuilt ' + text);
`;

const root = join(import.meta.dirname, '..');
const folder = mkdtempSync(join(tmpdir(), 'headwater-package-'));
const run = (command, args, cwd) =>
  execFileSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

try {
  run('npm', ['run', '--silent', 'docs'], root);
  const [{ filename, files, size }] = JSON.parse(
    run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  );
  const paths = files.map((file) => file.path);
  const stray = paths.filter(
    (path) =>
      !/^((dist|docs|examples|ops)\/|README\.md$|LICENSE$|CHANGELOG\.md$|CONTRIBUTING\.md$|package\.json$)/.test(
        path,
      ),
  );
  if (stray.length > 0) throw new Error(`package: expected only dist and documents, got ${stray.join(', ')}`);
  for (const path of paths.filter((path) => path.endsWith('.md')))
    for (const target of linksOf(path))
      if (!paths.includes(target))
        throw new Error(`${path}: expected ${target} to be packed, too, got a dead link`);

  writeFileSync(
    join(folder, 'package.json'),
    JSON.stringify({ name: 'stranger', private: true, type: 'module' }),
  );
  run('npm', ['install', '--silent', '--no-audit', '--no-fund', join(folder, filename)], folder);
  writeFileSync(join(folder, 'use.ts'), PROGRAM);
  run(
    'node',
    [
      join(root, 'node_modules/typescript/bin/tsc'),
      '--target',
      'ES2023',
      '--lib',
      'ES2023,ESNext.Disposable',
      '--module',
      'NodeNext',
      '--strict',
      '--skipLibCheck',
      'false',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
      'use.ts',
    ],
    folder,
  );
  const output = run('node', ['use.js'], folder).trim();
  if (output !== 'rebuilt hello') throw new Error(`program: expected 'rebuilt hello', got '${output}'`);
  const help = run('npx', ['--no-install', 'headwater', '--help'], folder);
  if (!help.includes('demo')) throw new Error(`headwater --help: expected the commands, got ${help}`);
  const demo = JSON.parse(
    run('npx', ['--no-install', 'headwater', 'demo', '--size', '0.2', '--nodes', '3', '--json'], folder),
  );
  if (!demo.ok) throw new Error('headwater demo: expected ok, got a failure');
  const examples = join(folder, 'node_modules/headwater/examples');
  const simulated = run('node', [join(examples, 'simulation.mjs'), '3'], folder);
  if (!simulated.startsWith('0 % loss: with all 3'))
    throw new Error(`simulation.mjs: expected its lines, got ${simulated}`);
  for (const name of ['chat', 'counter', 'file-drop']) {
    const { status, stderr } = spawnSync('node', [join(examples, `${name}.mjs`)], { encoding: 'utf8' });
    if (status !== 2 || !stderr.startsWith('usage: '))
      throw new Error(`${name}.mjs: expected its usage, got ${stderr}`);
  }
  stdout.write(
    `package: ${filename}, ${files.length} files, ${Math.round(size / 1024)} kB: installs, imports, type-checks, runs\n`,
  );
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The files of the package that a document of it refers to: by links, and, of documents and examples, by their names. */
function linksOf(path) {
  const text = readFileSync(join(root, path), 'utf8');
  const links = [...text.matchAll(/\]\((?![a-z]+:|#)([^)#\s]+)/g)].map(([, to]) =>
    posix.join(posix.dirname(path), to),
  );
  const names = [...text.matchAll(/`((?:docs|examples)\/[^`\s]+)`/g)].map(([, to]) => to);
  return [...links, ...names];
}
