// Fails where an entry of package-lock.json lacks `integrity`: npm would install whatever the registry gives under that name.
// `node tools/complete-lock.mjs` puts it right. Part of `npm run check`.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { exit, stdout } from 'node:process';

const { packages } = JSON.parse(readFileSync(join(import.meta.dirname, '..', 'package-lock.json'), 'utf8'));
const all = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link);
const lacking = all.filter(([, { integrity }]) => !/^sha512-[A-Za-z0-9+/]{86}==$/.test(integrity ?? ''));
for (const [path, { version }] of lacking)
  stdout.write(`package-lock.json: ${path} ${version}: expected integrity of sha512, got none\n`);
if (lacking.length > 0) exit(1);
stdout.write(`lock: ${all.length} packages, each with integrity\n`);
