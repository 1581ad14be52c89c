/**
 * A fake hydra-node of the soak, a process: sends at random moments and writes into its log what it does, each entry before it
 * counts. In: a WorkerConfig as the argument; the line 'quiet' on standard input ends its load. Out: the log, and the process
 * of its etcd as the one line on standard output. Ends with code 3 where a hydra-node would end by itself.
 */
import { appendFileSync } from 'node:fs';
import { argv, stdin, stdout } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from '../../../src/core/rng.js';
import { startHydraNode } from '../../lab/hydra/node.js';
import type { ReleaseName } from '../../lab/hydra/releases.js';
import type { Entry } from './check.js';

export interface WorkerConfig {
  release: ReleaseName;
  path?: string | undefined;
  /** Where each is reached, and where this one listens. */
  addresses: string[];
  listen: string;
  self: number;
  /** Which start of this node it is. */
  run: number;
  seed: string;
  directory: string;
  logPath: string;
}

const { release, path, addresses, listen, self, run, seed, directory, logPath } = JSON.parse(
  argv[2],
) as WorkerConfig;
/** The exit code of a node that has ended by itself. */
const ENDED = 3;
const rng = new Rng(`${seed} load ${self} ${run}`);
const log = (entry: Entry) => appendFileSync(logPath, `${JSON.stringify(entry)}\n`);
let isQuiet = false;
log({ type: 'start', run });
const node = await startHydraNode({
  release,
  directory,
  listen,
  advertise: addresses[self],
  peers: addresses.filter((_, i) => i !== self),
  path,
  env: { ETCD_LOGGER: 'zap' },
  onArrival(message, revision) {
    log({ type: 'arrive', id: message.toString().trimEnd(), revision });
  },
  deliver() {},
  onLine({ level, raw }) {
    if (level === 'warn' || level === 'error' || level === 'fatal') log({ type: 'said', line: raw });
  },
  onFailure(reason) {
    log({ type: 'end', reason });
    process.exit(ENDED);
  },
});
stdout.write(`${node.etcdPid}\n`);
createInterface({ input: stdin }).on('line', () => {
  isQuiet = true;
});
for (let number = 0; !isQuiet; number++) {
  const id = `${self}/${run}/${number}`;
  log({ type: 'submit', id });
  await node.broadcast(Buffer.from(id.padEnd(rng.integer(20, 2000))));
  log({ type: 'queued', id });
  if (rng.chance(0.2)) await sleep(rng.integer(0, 100));
}
