/** npm run bench -- <name> [options]: runs one benchmark. */
import { argv, stderr } from 'node:process';

const BENCHMARKS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  codec: () => import('./codec.js'),
};

const [name = '', ...args] = argv.slice(2);
if (!(name in BENCHMARKS)) {
  stderr.write(`bench: expected one of ${Object.keys(BENCHMARKS).join(', ')}, got '${name}'\n`);
  process.exitCode = 1;
} else {
  const benchmark = await BENCHMARKS[name]();
  await benchmark.run(args);
}
