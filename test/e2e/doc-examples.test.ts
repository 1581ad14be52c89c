/** The `@example`s of doc comments, run against the package as it is built; those that need a network are compiled only. */
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, test } from 'vitest';

const tool = fileURLToPath(new URL('../../tools/check-exports.mjs', import.meta.url));
const examples: { of: string; file: string }[] = JSON.parse(
  execFileSync(process.execPath, [tool, '--examples'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  }),
);
const folder = mkdtempSync(join(tmpdir(), 'headwater-examples-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each(examples)('$of', async ({ file }) => {
  await promisify(execFile)(process.execPath, [file], { cwd: folder });
});
