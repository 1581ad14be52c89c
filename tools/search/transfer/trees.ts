/** Trees for the soak of transfers: made by a seed, and what a receiver's folder has of them judged file by file. */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Rng } from '../../../src/core/rng.js';

/** By path: SHA-256 of the content, hex. */
export type Tree = ReadonlyMap<string, string>;

/** Writes small files, some empty, a few of several slices, in folders and beside them, in place of those that were there. */
export function makeTree(rng: Rng, folder: string, files: number): { tree: Tree; tops: string[] } {
  rmSync(folder, { recursive: true, force: true });
  const tree = new Map<string, string>();
  for (let i = 0; i < files; i++) {
    const path = i % 4 === 0 ? `file-${i}` : `folder-${i % 3}/${i % 2 === 0 ? 'deep/' : ''}file-${i}`;
    const bytes = rng.bytes(i === 5 ? 5_000_000 : rng.integer(0, rng.chance(0.1) ? 200_000 : 5_000));
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), bytes);
    tree.set(path, hashOf(bytes));
  }
  return { tree, tops: readdirSync(folder).map((name) => join(folder, name)) };
}

/** What stands under its name in a receiver's folder and is none of these versions of it, wholly. */
export function wrongIn(folder: string, versions: readonly Tree[]): string[] {
  return [...contentOf(folder)]
    .filter(([path, hash]) => !versions.some((tree) => tree.get(path) === hash))
    .map(([path]) => path);
}

/** What a receiver's folder lacks of a tree, or has otherwise. */
export function lackingIn(folder: string, tree: Tree): string[] {
  const content = contentOf(folder);
  return [...tree].filter(([path, hash]) => content.get(path) !== hash).map(([path]) => path);
}

function contentOf(folder: string, path = '', content = new Map<string, string>()): Map<string, string> {
  for (const entry of readdirSync(join(folder, path), { withFileTypes: true })) {
    const inner = join(path, entry.name);
    // What is not complete has no name yet.
    if (path === '' && entry.name.endsWith('.part')) continue;
    if (entry.isDirectory()) contentOf(folder, inner, content);
    else readInto(content, folder, inner);
  }
  return content;
}

/** One that goes while it is looked at has another in its place. */
function readInto(content: Map<string, string>, folder: string, path: string): void {
  try {
    content.set(path, hashOf(readFileSync(join(folder, path))));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
