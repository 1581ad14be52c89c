/** npm run bench -- <name> [--json] [options]: runs one benchmark; `--json` prints one JSON object, `keep <name>` keeps that in history/. */
import process, { argv, stderr, stdout } from 'node:process';

const BENCHMARKS: Record<string, () => Promise<{ run(args: string[]): Promise<void> }>> = {
  broadcast: () => import('./broadcast/main.js'),
  busy: () => import('./busy/main.js'),
  codec: () => import('./codec/main.js'),
  congestion: () => import('./congestion/main.js'),
  etcd: () => import('./etcd/main.js'),
  failover: () => import('./failover.js'),
  flow: () => import('./flow.js'),
  messages: () => import('./messages/main.js'),
  overlay: () => import('./overlay.js'),
  reach: () => import('./reach.js'),
  resilience: () => import('./resilience/main.js'),
  scale: () => import('./scale.js'),
  tcp: () => import('./tcp/main.js'),
  links: () => import('./links/main.js'),
  loopback: () => import('./loopback/main.js'),
  watching: () => import('./watching.js'),
  wire: () => import('./wire.js'),
  keep: () => import('./keep.js'),
};

const [name = '', ...args] = argv.slice(2);
if (name === '--help' || name === '-h')
  stdout.write(`bench NAME [--help], of ${Object.keys(BENCHMARKS).join(', ')}\n`);
else if (!(name in BENCHMARKS)) {
  stderr.write(`bench: expected one of ${Object.keys(BENCHMARKS).join(', ')}, got '${name}'\n`);
  process.exitCode = 2;
} else {
  const benchmark = await BENCHMARKS[name]();
  try {
    await benchmark.run(args);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    // A value that is none.
    stderr.write(`${error.message}\n`);
    process.exit(2);
  }
}
