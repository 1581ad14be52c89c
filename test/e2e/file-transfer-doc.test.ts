/** docs/FILE-TRANSFER.md: its commands are run as they stand there, and print what it says, numbers, hashes and places aside. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { cleanup, freePorts, tempFolder } from './cli.js';

afterEach(cleanup);

/** The blocks of a language, in order. */
const blocksOf = (text: string, language: string) =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, 'gms'))].map(([, block]) => block);

/** Without what differs from run to run. */
const shape = (line: string) =>
  line
    .replace(/^\d{4}-\d\d-\d\dT\S+Z /, '')
    .replace(/[0-9a-f]{64}/g, 'HASH')
    .replace(/\/\S+(?=\/b\/photos)/, '')
    .replace(/[0-9]+(\.[0-9]+)?/g, '0');

test('the commands of FILE-TRANSFER print what it says', async () => {
  const text = await readFile('docs/FILE-TRANSFER.md', 'utf8');
  const folder = await tempFolder();
  await mkdir(join(folder, 'bin'));
  await symlink(resolve('dist/cli/main.js'), join(folder, 'bin/headwater'));
  const ports = await freePorts(3);
  const script = blocksOf(text, 'sh')
    .join('\n')
    .replace(/79(1[123])/g, (_, port: string) => String(ports[Number(port) - 11]));

  const env = { ...process.env, PATH: `${join(folder, 'bin')}:${process.env.PATH}` };
  const options = { cwd: folder, env, timeout: 240_000 };
  const { stdout } = await promisify(execFile)('bash', ['-ec', `exec 2>&1\n${script}`], options);

  const printed = new Set(stdout.split('\n').map(shape));
  const said = blocksOf(text, 'text').flatMap((block) => block.trimEnd().split('\n'));
  expect(said.length).toBeGreaterThan(10);
  expect(said.filter((line) => !printed.has(shape(line)))).toEqual([]);
}, 250_000);
