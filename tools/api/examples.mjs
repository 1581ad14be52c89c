/**
 * The `@example`s of doc comments as modules. In: the surface, the folder of package.json. Out: files in build/api/examples, each
 * with the imports of what it names, from the package and from prelude.ts, and what TypeScript has against them.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath } from 'node:process';
import { entryPoints, tsc } from './surface.mjs';

/** Examples that open sockets, use a network that is open or read files are not run. */
const OUTSIDE = /\b(createNetwork|Node\.start|network|node|readFile)\b/;
const BUILT_IN = [
  { from: 'node:crypto', names: ['randomBytes'] },
  { from: 'node:fs', names: ['writeFileSync'] },
  { from: 'node:fs/promises', names: ['readFile'] },
];

/**
 * @param {import('./surface.mjs').Entry[]} surface
 * @returns {{ of: string, file: string, runs: boolean }[]} `file` is the module to be run
 */
export function writeExamples(root, surface) {
  const folder = join(root, 'build/api/examples');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const prelude = join(root, 'tools/api/prelude.ts');
  const text = existsSync(prelude) ? readFileSync(prelude, 'utf8') : 'export {};\n';
  writeFileSync(join(folder, 'prelude.ts'), text.replace('../../src/index.js', 'headwater'));
  const given = [...text.matchAll(/^export (?:declare )?(?:const|function) (\w+)/gm)];
  const sources = [
    ...surface.map(({ name, exports }) => ({ from: name, names: exports.map((each) => each.name) })),
    { from: './prelude.js', names: given.map(([, name]) => name) },
    ...BUILT_IN,
  ];
  const written = [];
  for (const { name: entry, exports } of surface)
    for (const { of, code } of exports.flatMap(examplesOf)) {
      const file = `${entry}.${of}`.replace(/\W+/g, '-');
      const twice = written.filter((other) => other.base === file).length;
      const name = twice === 0 ? file : `${file}-${twice + 1}`;
      writeFileSync(join(folder, `${name}.ts`), `${imports(code, entry, sources)}${code}\nexport {};\n`);
      written.push({
        of: `${entry}: ${of}`,
        base: file,
        file: join(folder, 'js', `${name}.js`),
        runs: !OUTSIDE.test(code),
      });
    }
  return written;
}

/** Compiles what `writeExamples` has written. Out: TypeScript's complaints, a line each. */
export function compileExamples(root) {
  return compile(root, 'build/api/examples', ['*.ts'], {
    noEmit: false,
    rootDir: '.',
    outDir: 'js',
    noUnusedLocals: false,
    verbatimModuleSyntax: false,
    sourceMap: false,
  });
}

/** Checks the programs in examples against the declarations, as far as JavaScript has types. Out: as of `compileExamples`. */
export function checkPrograms(root) {
  const folder = join(root, 'examples');
  if (!existsSync(folder) || !readdirSync(folder).some((name) => name.endsWith('.mjs'))) return [];
  return compile(root, 'build/api/programs', ['../../../examples/*.mjs'], {
    allowJs: true,
    checkJs: true,
    rootDir: '../../..',
    noImplicitAny: false,
    useUnknownInCatchVariables: false,
  });
}

function compile(root, place, include, options) {
  const folder = join(root, place);
  mkdirSync(folder, { recursive: true });
  const paths = Object.fromEntries(entryPoints(root).map(([name, file]) => [name, [`../types/${file}`]]));
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = { paths, ...options };
  writeFileSync(config, JSON.stringify({ extends: '../../../tsconfig.json', compilerOptions, include }));
  try {
    execFileSync(execPath, [tsc(), '-p', config, '--pretty', 'false'], { cwd: root, stdio: 'pipe' });
    return [];
  } catch (error) {
    return String(error.stdout).trim().split('\n');
  }
}

/** Of an export and of its members. */
function examplesOf({ name, doc, members }) {
  const of = (where, { tags }) =>
    tags.filter((tag) => tag.name === 'example').map(({ text }) => ({ of: where, code: bare(text) }));
  return [...of(name, doc), ...members.flatMap((member) => of(`${name}.${member.name}`, member.doc))];
}

/** Without a fence around it. */
function bare(code) {
  return code
    .replace(/^\s*```\w*\n/, '')
    .replace(/\n```\s*$/, '')
    .trim();
}

function imports(code, entry, sources) {
  // Names of the example's own entry point go first: `headwater/sim` has a Delivery as well.
  const ordered = [...sources].sort((a, b) => Number(b.from === entry) - Number(a.from === entry));
  const taken = new Set(declaredIn(code));
  const lines = ordered.map(({ from, names }) => {
    // Neither a property nor in a text; behind a spread it is a name.
    const isUsed = (name) => new RegExp(`(?<![\\w'])(?<!(?<!\\.\\.)\\.)${name}\\b`).test(code);
    const used = names.filter((name) => !taken.has(name) && isUsed(name));
    for (const name of used) taken.add(name);
    return used.length === 0 ? '' : `import { ${used.join(', ')} } from '${from}';\n`;
  });
  return lines.join('');
}

function declaredIn(code) {
  const declarations = code.matchAll(/\b(?:const|let|using|class|function)\s+(?:(\w+)|\{([^}]*)\})/g);
  return [...declarations].flatMap(
    ([, name, several]) => name ?? several.split(',').map((each) => each.trim()),
  );
}
