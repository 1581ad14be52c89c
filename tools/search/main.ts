/** npm run soak -- <name> [options]: runs one long random test. */
import { argv, stderr } from 'node:process';

const SOAKS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  codec: () => import('./codec.js'),
  hostile: () => import('./hostile/main.js'),
  hydra: () => import('./hydra/main.js'),
  torture: () => import('./torture/main.js'),
  transfer: () => import('./transfer/main.js'),
};

const [name = '', ...args] = argv.slice(2);
if (!(name in SOAKS)) {
  stderr.write(`soak: expected one of ${Object.keys(SOAKS).join(', ')}, got '${name}'\n`);
  process.exitCode = 1;
} else {
  const soak = await SOAKS[name]();
  await soak.run(args);
}
