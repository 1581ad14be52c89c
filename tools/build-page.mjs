// Copies what the live page has besides code beside its code: dist/cli/page/client. Part of `npm run build`.
import { cpSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
for (const name of ['index.html', 'page.css', 'icon.svg'])
  cpSync(join(root, 'src/cli/page/client', name), join(root, 'dist/cli/page/client', name));
