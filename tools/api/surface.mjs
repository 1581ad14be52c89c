/**
 * What the package exports, as TypeScript's checker sees it in the declarations. In: the folder of package.json. Out: each entry
 * point's exports with their doc comments, members and the project's own names that they mention. Emits the declarations into
 * build/api/types. The checker's API is TypeScript 7's, which is not yet promised to stay; package-lock.json fixes it.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import { execPath } from 'node:process';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API, SymbolFlags } from 'typescript/unstable/sync';

/**
 * @typedef {{ text: string, tags: { name: string, text: string }[] }} Doc
 * @typedef {{ name: string, declaration: string, doc: Doc }} Member
 * @typedef {{ name: string, of: string, isOptional: boolean, doc: Doc }} Inherited
 * @typedef {{ name: string, kind: string, declaration: string, heritage: string[], doc: Doc, members: Member[],
 *   inherited: Inherited[], file: string, mentions: string[] }} Export
 * @typedef {{ name: string, exports: Export[], hidden: { name: string, file: string, by: string }[] }} Entry
 */

/** @returns {Entry[]} */
export function readSurface(root) {
  const types = join(root, 'build/api/types');
  rmSync(types, { recursive: true, force: true });
  const emit = ['-p', join(root, 'tsconfig.build.json'), '--emitDeclarationOnly', '--outDir', types];
  execFileSync(execPath, [tsc(), ...emit], { stdio: ['ignore', 'inherit', 'inherit'] });
  const entries = entryPoints(root).map(([name, file]) => ({ name, file: join(types, file) }));
  const config = join(root, 'build/api/tsconfig.json');
  writeFileSync(
    config,
    JSON.stringify({
      extends: '../../tsconfig.json',
      compilerOptions: { rootDir: '../..' },
      include: [],
      files: entries.map(({ file }) => file),
    }),
  );
  const api = new API({ cwd: root });
  try {
    const project = api.updateSnapshot({ openProjects: [config] }).getProjects()[0];
    return new Reader(project, types).read(entries);
  } finally {
    api.close();
  }
}

/** The compiler's program. */
export function tsc() {
  return join(dirname(createRequire(import.meta.url).resolve('typescript/package.json')), 'bin/tsc');
}

/** Name and declaration file, relative to dist, of each entry point in package.json. */
export function entryPoints(root) {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  return Object.entries(exports)
    .filter(([, target]) => typeof target === 'object')
    .map(([path, { types }]) => [name + path.slice(1), types.replace('./dist/', '')]);
}

class Reader {
  #project;
  #checker;
  #types;

  constructor(project, types) {
    this.#project = project;
    this.#checker = project.checker;
    this.#types = types;
  }

  read(entries) {
    const modules = entries.map((entry) => ({ ...entry, symbols: this.#exportsOf(entry.file) }));
    // What another entry point exports can be named, too.
    const known = new Set(modules.flatMap(({ symbols }) => symbols.map(({ target }) => target.id)));
    return modules.map(({ name, symbols }) => ({
      name,
      exports: symbols.map(({ name, target }) => this.#describe(name, target)),
      hidden: this.#hidden(symbols, known),
    }));
  }

  #exportsOf(file) {
    const module = this.#checker.getSymbolAtLocation(this.#project.program.getSourceFile(file));
    return this.#checker.getExportsOfModule(module).map((symbol) => ({
      name: symbol.name,
      target: resolve(this.#checker, symbol),
    }));
  }

  /** All that is reached from the exports and not exported itself. */
  #hidden(symbols, known) {
    const found = [];
    const seen = new Set();
    const queue = symbols.map(({ name, target }) => ({ target, by: name }));
    for (const { target, by } of queue) {
      if (seen.has(target.id)) continue;
      seen.add(target.id);
      if (!known.has(target.id)) found.push({ name: target.name, file: this.#fileOf(target), by });
      for (const mentioned of this.#mentions(target))
        queue.push({ target: mentioned, by: target.name === 'default' ? by : target.name });
    }
    return found;
  }

  /** Symbols of this project that the declarations of one mention. */
  #mentions(symbol) {
    const names = this.#declarations(symbol).flatMap((node) => namesIn(node));
    const symbols = this.#checker.getSymbolAtLocation(names).filter((found) => found !== undefined);
    const targets = new Map();
    for (const found of symbols) {
      const target = resolve(this.#checker, found);
      if (target.id !== symbol.id && this.#isOurs(target)) targets.set(target.id, target);
    }
    return [...targets.values()];
  }

  /** Declared at the top level of a file of the project: neither a library's, nor a parameter or member. */
  #isOurs(symbol) {
    return this.#declarations(symbol).some(
      (node) =>
        this.#isInProject(node) &&
        TOP_LEVEL.has(node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent.kind : node.kind),
    );
  }

  #declarations(symbol) {
    return symbol.declarations
      .map((handle) => handle.resolve(this.#project))
      .filter((node) => node !== undefined);
  }

  #fileOf(symbol) {
    const [node] = this.#declarations(symbol);
    return relative(this.#types, node.getSourceFile().fileName).replace(/\.d\.ts$/, '.ts');
  }

  #describe(name, symbol) {
    const [node] = this.#declarations(symbol);
    const shown = node.kind === SyntaxKind.VariableDeclaration ? node.parent.parent : node;
    const members = [...(node.members ?? literalMembers(node))].filter(isPublic).map((member) => ({
      name: memberName(member),
      declaration: member.getText(),
      doc: this.#docOfNode(member),
    }));
    const heritage = [...(node.heritageClauses ?? [])].map((clause) => clause.getText());
    return {
      name,
      kind: KINDS.get(node.kind) ?? 'type',
      declaration: shown.getText(),
      heritage,
      doc: this.#docOf(symbol),
      members,
      inherited: heritage.length === 0 ? [] : this.#inherited(symbol, members),
      file: this.#fileOf(symbol),
      mentions: this.#mentions(symbol).map(({ name }) => name),
    };
  }

  /** Of a library's members only those that a statement of the language calls: the others are told of there. */
  #inherited(symbol, members) {
    const own = new Set(members.map(({ name }) => name));
    return this.#checker
      .getPropertiesOfType(this.#checker.getDeclaredTypeOfSymbol(symbol))
      .map((property) => ({ property, node: this.#declarations(property)[0] }))
      .filter(({ node }) => node !== undefined && isPublic(node) && !own.has(memberName(node)))
      .filter(({ node }) => this.#isInProject(node) || memberName(node).startsWith('[Symbol.'))
      .map(({ property, node }) => ({
        name: memberName(node),
        of: ownerOf(node).name.text,
        isOptional: (property.flags & SymbolFlags.Optional) !== 0,
        doc: this.#docOf(property),
      }));
  }

  #isInProject(node) {
    return node.getSourceFile().fileName.startsWith(this.#types);
  }

  #docOf(symbol) {
    return {
      text: symbol.getDocumentationComment(this.#checker),
      tags: symbol.getJsDocTags(this.#checker).map(({ name, text }) => ({ name, text: tagText(text) })),
    };
  }

  #docOfNode(node) {
    const symbol = node.name && this.#checker.getSymbolAtLocation(node.name);
    if (symbol) return this.#docOf(symbol);
    return parseComment(node.jsDoc?.at(-1)?.getText() ?? '');
  }
}

const KINDS = new Map([
  [SyntaxKind.ClassDeclaration, 'class'],
  [SyntaxKind.FunctionDeclaration, 'function'],
  [SyntaxKind.InterfaceDeclaration, 'interface'],
  [SyntaxKind.TypeAliasDeclaration, 'type'],
  [SyntaxKind.VariableDeclaration, 'constant'],
]);
const TOP_LEVEL = new Set([...KINDS.keys(), SyntaxKind.VariableStatement, SyntaxKind.EnumDeclaration]);

/** What an import or export stands for. */
function resolve(checker, symbol) {
  return symbol.flags & SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
}

/** Names in places of types, and of values behind `typeof`. Private members of classes have no types in declarations. */
function namesIn(node) {
  const names = [];
  const visit = (child) => {
    if (child.kind === SyntaxKind.TypeReference) names.push(child.typeName);
    else if (child.kind === SyntaxKind.ExpressionWithTypeArguments) names.push(child.expression);
    else if (child.kind === SyntaxKind.TypeQuery) names.push(child.exprName);
    else if (child.kind === SyntaxKind.ImportType && child.qualifier) names.push(child.qualifier);
    child.forEachChild(visit);
  };
  node.forEachChild(visit);
  return names;
}

function literalMembers(node) {
  return node.type?.kind === SyntaxKind.TypeLiteral ? node.type.members : [];
}

/** The interface, class or type that a member is declared in. */
function ownerOf(member) {
  let node = member.parent;
  while (!TOP_LEVEL.has(node.kind)) node = node.parent;
  return node;
}

function isPublic(member) {
  if (member.name?.kind === SyntaxKind.PrivateIdentifier) return false;
  return !member.modifiers?.some(({ kind }) => kind === SyntaxKind.PrivateKeyword);
}

function memberName(member) {
  if (member.kind === SyntaxKind.Constructor) return 'constructor';
  return member.name?.getText() ?? member.getText().split('\n')[0];
}

function tagText(text) {
  return typeof text === 'string' ? text : (text ?? []).map((part) => part.text ?? part).join('');
}

/** Of what has no name to ask the checker for: constructors and index signatures. */
function parseComment(comment) {
  const lines = comment
    .replace(/^\/\*\*|\*\/$/g, '')
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, ''));
  const [text, ...tags] = lines
    .join('\n')
    .trim()
    .split(/(?:^|\s)@(?=\w)/);
  return {
    text: text.trim(),
    tags: tags.map((tag) => ({ name: /^\w+/.exec(tag)[0], text: tag.replace(/^\w+\s*/, '').trim() })),
  };
}
