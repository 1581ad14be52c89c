/**
 * docs/CLI.md: what each command says with --help, asked of the command as it is built. Part of npm run docs.
 * Usage: node tools/cli-docs.mjs [--check]; with --check nothing is written, and exit code 1 says that it is not as it should be.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process, { argv, execPath, exit, stderr, stdout } from 'node:process';
import { pathToFileURL } from 'node:url';

const root = join(import.meta.dirname, '..');
const main = join(root, 'dist/cli/main.js');
const page = join(root, 'docs/CLI.md');
const isCheck = argv.includes('--check');
if (!existsSync(main)) fail('cli docs: expected a build, got none: npm run build');
// Help is as wide as its terminal, and each run of the command listens for the end of its output.
Object.defineProperty(stdout, 'isTTY', { value: false });
for (const stream of [stdout, stderr]) stream.setMaxListeners(0);

/** By the words of a command: what it has said. A module runs only once. */
const told = new Map();
const sections = [await sectionOf([])];
for (const path of await commandsIn([])) sections.push(await sectionOf(path));
const text = `# Commands

What each command says with \`--help\`, written by \`npm run docs\`. [GUIDE.md](GUIDE.md) has exit codes, events and errors, [OPERATING.md](OPERATING.md) what to do with a
running member.

${sections.join('\n\n')}
`;
if (isCheck) {
  if (!existsSync(page) || readFileSync(page, 'utf8') !== text)
    fail('docs/CLI.md is not what the commands say: npm run build && npm run docs');
  stdout.write('cli docs: ok\n');
} else {
  writeFileSync(page, text);
  stdout.write(`${sections.length} commands in ${page}\n`);
}

/** All commands below this one, each as its words, in the order of the help. */
async function commandsIn(path) {
  const listed = /\nCommands:\n([\s\S]*?)(?:\n\n|$)/.exec(await helpOf(path))?.[1] ?? '';
  const names = [...listed.matchAll(/^ {2}([a-z][\w-]*)/gm)].map(([, name]) => name);
  const all = [];
  for (const name of names)
    if (name !== 'help') all.push([...path, name], ...(await commandsIn([...path, name])));
  return all;
}

async function sectionOf(path) {
  return `## ${['headwater', ...path].join(' ')}\n\n\`\`\`text\n${(await helpOf(path)).trimEnd()}\n\`\`\``;
}

async function helpOf(path) {
  const name = path.join(' ');
  if (!told.has(name)) told.set(name, await askHelp(path));
  return told.get(name);
}

async function askHelp(path) {
  // Its help is etcd's, and it ends the process.
  if (path[0] === 'etcd') return execFileSync(execPath, [main, 'etcd', '--help'], { encoding: 'utf8' });
  const { write } = stdout;
  let said = '';
  stdout.write = (part) => {
    said += part;
    return true;
  };
  process.argv = [execPath, main, ...path, '--help'];
  try {
    // Another query is another module, of which the imports are there already.
    await import(`${pathToFileURL(main)}?${path.join('-')}`);
  } finally {
    stdout.write = write;
  }
  return said;
}

function fail(message) {
  stderr.write(`${message}\n`);
  exit(1);
}
