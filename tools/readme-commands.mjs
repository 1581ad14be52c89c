// Prints the shell commands of README.md (its ```sh blocks, in order) as one script, so that CI runs what readers paste.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stdout } from 'node:process';

const readme = readFileSync(join(import.meta.dirname, '..', 'README.md'), 'utf8');
const blocks = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)].map((match) => match[1]);
if (blocks.length === 0) throw new Error('README.md: expected ```sh blocks, got none');
stdout.write(blocks.join('\n'));
