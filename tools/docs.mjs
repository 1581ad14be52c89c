/**
 * npm run docs: writes the reference of each entry point to docs/api, as Markdown, from the declarations and their doc comments.
 * What is missing there is told by tools/check-exports.mjs. TypeDoc does not know TypeScript 7, whose checker this asks.
 * Usage: node tools/docs.mjs [ROOT]
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { argv } from 'node:process';
import { readSurface } from './api/surface.mjs';

const root = resolve(argv[2] ?? join(import.meta.dirname, '..'));
const folder = join(root, 'docs/api');
const surface = readSurface(root);
rmSync(folder, { recursive: true, force: true });
mkdirSync(folder, { recursive: true });
const TAGS = { throws: 'Throws', returns: 'Returns', param: 'Parameter' };
/** What calls them says what they do. */
const CALLED_BY = { '[Symbol.asyncDispose]': 'For `await using`.', '[Symbol.dispose]': 'For `using`.' };
const places = new Map(surface.flatMap((entry) => entry.exports.flatMap((each) => placesOf(entry, each))));
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

function section(entry, each) {
  const { name, kind, declaration, heritage, doc, members, inherited, mentions } = each;
  const isType = kind === 'interface' || kind === 'type';
  const parts = [
    `## ${name}`,
    `${kind} · \`import ${isType ? 'type ' : ''}{ ${name} } from '${entry.name}'\``,
  ];
  for (const clause of heritage) parts.push(clause.replace(/^(\w+)\s+(.*)$/s, '$1 `$2`'));
  if (!hasMembers(each)) parts.push(code(declaration.replace(/^export declare /, '')));
  parts.push(explained(doc));
  for (const member of hasMembers(each) ? members : [])
    parts.push(`### ${memberOf(name, member)}`, code(member.declaration), explainedMember(member));
  if (inherited.length > 0) {
    const lines = inherited.map((member) => inheritedLine(entry, member));
    parts.push(`### ${name}: inherited\n\n${lines.join('\n')}`);
  }
  const links = mentions.map((other) => linkTo(entry, other)).filter((link) => link !== undefined);
  if (links.length > 0) parts.push(`See also: ${links.join(', ')}.`);
  return parts.filter((part) => part !== '').join('\n\n');
}

/** With a heading of their own; those of a type are in its declaration. */
function hasMembers({ kind }) {
  return kind === 'class' || kind === 'interface';
}

/** A member of an export that is left to the page of what declares it. */
function inheritedLine(entry, { name, of, isOptional, doc }) {
  const title = `\`${name}${isOptional ? '?' : ''}\``;
  const said = firstSentence(doc.text) || CALLED_BY[name] || '';
  const link = linkTo(entry, memberOf(of, { name }), title);
  return `- ${link ?? title}, of ${linkTo(entry, of) ?? `\`${of}\``}${said && `: ${said}`}`;
}

function firstSentence(text) {
  const line = text.split(/\n\s*\n/, 1)[0].replace(/\s+/g, ' ');
  return /^.*?[.!?](?=\s+['`A-Z0-9]|$)/.exec(line)?.[0] ?? line;
}

function memberOf(name, member) {
  return member.name.startsWith('[') ? `${name}${member.name}` : `${name}.${member.name}`;
}

function explainedMember({ name, doc }) {
  return explained(doc) || CALLED_BY[name] || '';
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

function placesOf(entry, each) {
  const { name, members } = each;
  const titles = [name, ...(hasMembers(each) ? members : []).map((member) => memberOf(name, member))];
  return titles.map((title) => [`${entry.name} ${title}`, `#${anchor(title)}`]);
}

/** As GitHub makes it of a heading. */
function anchor(title) {
  return title
    .toLowerCase()
    .replace(/[^\w -]/g, '')
    .replaceAll(' ', '-');
}

function linkTo(entry, name, shown = name) {
  const home = [entry, ...surface].find((each) => places.has(`${each.name} ${name}`));
  return home && `[${shown}](${home === entry ? '' : fileOf(home)}${places.get(`${home.name} ${name}`)})`;
}
