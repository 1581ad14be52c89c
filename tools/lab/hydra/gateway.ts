/** Where our gateway is found under the name `etcd`, as it is built. Out: a folder for the PATH. */
import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';

/** Made if it is not there; the same for all who ask. */
export function gatewayPath(): string {
  let root = import.meta.dirname;
  while (!existsSync(join(root, 'package.json'))) root = dirname(root);
  const folder = join(root, 'build/gateway-path');
  mkdirSync(folder, { recursive: true });
  try {
    symlinkSync(join(root, 'dist/cli/etcd.js'), join(folder, 'etcd'));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  }
  return folder;
}
