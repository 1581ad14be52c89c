/**
 * npm run docs: writes the reference of each entry point to docs/api, as Markdown, from the declarations and their doc comments.
 * What is missing there is told by tools/check-exports.mjs. TypeDoc does not know TypeScript 7, whose checker this asks.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readSurface } from './api/surface.mjs';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'docs/api');
const surface = readSurface(root);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const TAGS = { throws: 'Throws', returns: 'Returns', param: 'Parameter' };
const places = new Map(
  surface.flatMap((entry) =>
    entry.exports.map(({ name }) => [`${entry.name} ${name}`, `#${name.toLowerCase()}`]),
  ),
);
for (const entry of surface) writeFileSync(join(folder, fileOf(entry)), page(entry));
writeFileSync(join(folder, 'README.md'), index());
console.log(`${surface.reduce((sum, { exports }) => sum + exports.length, 0)} exports in ${folder}`);

function fileOf({ name }) {
  return `${name.replace('/', '-')}.md`;
}

function index() {
  const lists = surface.map((entry) => {
    const links = inOrder(entry).map(({ name }) => `[${name}](${fileOf(entry)}#${name.toLowerCase()})`);
    return `## [${entry.name}](${fileOf(entry)})\n\n${links.join(', ')}`;
  });
  return `# Reference\n\nMade by \`npm run docs\` from the doc comments in the source.\n\n${lists.join('\n\n')}\n`;
}

function page(entry) {
  return `# ${entry.name}\n\n${inOrder(entry)
    .map((each) => section(entry, each))
    .join('\n\n')}\n`;
}

/** What is called before what is only mentioned. */
function inOrder({ exports }) {
  const rank = ({ kind }) => ['function', 'class', 'constant', 'interface', 'type'].indexOf(kind);
  return [...exports].sort((a, b) => rank(a) - rank(b) || a.name.localeCompare(b.name));
}

function section(entry, { name, kind, declaration, doc, members, mentions }) {
  const hasMembers = kind === 'class' || kind === 'interface';
  const parts = [`## ${name}`, `${kind} · \`import { ${name} } from '${entry.name}'\``];
  if (!hasMembers) parts.push(code(declaration.replace(/^export declare /, '')));
  parts.push(explained(doc));
  for (const member of hasMembers ? members : [])
    if (!member.name.startsWith('[Symbol.'))
      parts.push(`### ${name}.${member.name}\n\n${code(member.declaration)}`, explained(member.doc));
  const links = mentions.map((other) => linkTo(entry, other)).filter((link) => link !== undefined);
  if (links.length > 0) parts.push(`See also: ${links.join(', ')}.`);
  return parts.filter((part) => part !== '').join('\n\n');
}

function explained({ text, tags }) {
  const parts = [text];
  for (const { name, text: said } of tags)
    if (name === 'example') parts.push(code(said));
    else parts.push(`*${TAGS[name] ?? name}* ${said.replace(/\s*\n\s*/g, ' ')}`);
  return parts.filter((part) => part !== '').join('\n\n');
}

function code(text) {
  return `\`\`\`ts\n${text}\n\`\`\``;
}

function linkTo(entry, name) {
  const home = [entry, ...surface].find((each) => places.has(`${each.name} ${name}`));
  return home && `[${name}](${home === entry ? '' : fileOf(home)}${places.get(`${home.name} ${name}`)})`;
}
