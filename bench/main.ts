/** npm run bench -- <name> [--json] [options]: runs one benchmark; `--json` prints one JSON object instead of a table. */
import { argv, stderr } from 'node:process';

const BENCHMARKS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  broadcast: () => import('./broadcast.js'),
  codec: () => import('./codec.js'),
  congestion: () => import('./congestion.js'),
  failover: () => import('./failover.js'),
  flow: () => import('./flow.js'),
  messages: () => import('./messages.js'),
  resilience: () => import('./resilience.js'),
  tcp: () => import('./tcp.js'),
  loopback: () => import('./loopback.js'),
};

const [name = '', ...args] = argv.slice(2);
if (!(name in BENCHMARKS)) {
  stderr.write(`bench: expected one of ${Object.keys(BENCHMARKS).join(', ')}, got '${name}'\n`);
  process.exitCode = 2;
} else {
  const benchmark = await BENCHMARKS[name]();
  await benchmark.run(args);
}
