/** npm run soak -- <name> [options]: runs one long random test. */
import process, { argv, stderr, stdout } from 'node:process';

const SOAKS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  codec: () => import('./codec.js'),
  hostile: () => import('./hostile/main.js'),
  hydra: () => import('./hydra/main.js'),
  torture: () => import('./torture/main.js'),
  transfer: () => import('./transfer/main.js'),
};

const [name = '', ...args] = argv.slice(2);
if (name === '--help' || name === '-h')
  stdout.write(`soak NAME [--help], of ${Object.keys(SOAKS).join(', ')}\n`);
else if (!(name in SOAKS)) {
  stderr.write(`soak: expected one of ${Object.keys(SOAKS).join(', ')}, got '${name}'\n`);
  process.exitCode = 2;
} else {
  const soak = await SOAKS[name]();
  try {
    await soak.run(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // A value that is none.
    stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
