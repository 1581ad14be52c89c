/** Small trees for the tools that check this one. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect } from 'vitest';

/** Writes files, by their paths below `root`. */
export function writeTree(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
}

/** Runs a tool that says on stdout what it finds, on a tree with these files in src. */
export function checkTree(
  tool: string,
  root: string,
  files: Record<string, string>,
): { status: number | null; lines: string[] } {
  writeTree(join(root, 'src'), files);
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, root], { encoding: 'utf8' });
  expect(stderr).toBe('');
  return { status, lines: stdout.trimEnd().split('\n') };
}
