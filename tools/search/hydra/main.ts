/**
 * soak hydra: three fake hydra-nodes with their etcds; about every second a node, its etcd or both are killed (SIGKILL) and
 * started again, while all of them send. In the end everything must have arrived everywhere: see check.ts.
 *   npm run soak -- hydra [--system headwater] [--release 2.3.0] [--loss 10] [--seconds 60] [--seed text] [--json]
 * Fails (exit code 1) on any violation, and then keeps folders and logs. An etcd that lives on for long after its node was
 * killed is one, but for real etcd (`--system etcd`), which does; and whose datagrams, which are none, no `--loss` is for. The seed decides loads and kills; when they fall is up to
 * the machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stderr } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND } from '../../../src/core/time.js';
import { startEmulator } from '../../../src/emulator/emulator.js';
import { iid } from '../../../src/sim/net/loss.js';
import { gatewayPath } from '../../lab/hydra/gateway.js';
import { RELEASES, type ReleaseName } from '../../lab/hydra/releases.js';
import { readOptions } from '../../options.js';
import { isSettled, judge, lastSaid, parseLog } from './check.js';
import type { WorkerConfig } from './worker.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const { system, json } = values;
  const seed = values.seed ?? randomBytes(6).toString('hex');
  if (system !== 'headwater' && system !== 'etcd')
    throw new RangeError(`--system: expected headwater or etcd, got ${system}`);
  if (!(values.release in RELEASES))
    throw new RangeError(`--release: expected ${Object.keys(RELEASES).join(', ')}, got ${values.release}`);
  const release = values.release as ReleaseName;
  const seconds = Number(values.seconds);
  const loss = system === 'headwater' ? Number(values.loss) : 0;
  const rng = new Rng(`${seed} kills`);
  const directory = mkdtempSync(join(tmpdir(), 'headwater-soak-hydra-'));
  stderr.write(
    `soak hydra: seed '${seed}', ${system}, hydra-node ${release}, ${loss} % loss, ${seconds} s\n`,
  );
  const listens = (await freePorts(NODES)).map((port) => `${HOST}:${port}`);
  await using emulator = system === 'headwater' ? await openLinks(listens, loss, seed) : undefined;
  const addresses = emulator?.addresses.map(({ port }) => `${HOST}:${port}`) ?? listens;
  const logPath = (self: number) => join(directory, `${self}.log`);
  const violations: string[] = [];
  const nodes = addresses.map((_, self) =>
    startNode(
      {
        release,
        path: system === 'headwater' ? gatewayPath() : undefined,
        listen: listens[self],
        addresses,
        self,
        run: 0,
        seed,
        directory: join(directory, String(self)),
        logPath: logPath(self),
      },
      system === 'headwater' ? ORPHAN_SECONDS : 0,
      (pid) => {
        if (system === 'headwater') violations.push(`orphan: etcd ${pid} outlives its node ${self}`);
      },
    ),
  );

  const started = performance.now();
  let kills = 0;
  while (performance.now() - started < seconds * 1000 && violations.length === 0) {
    await sleep(rng.integer(200, 2500));
    // A group goes on as long as most of it is there; now and then it is not.
    await rng.pick(nodes).kill(rng.pick(['node', 'etcd', 'both'] as const), rng.integer(0, 1500));
    kills++;
  }
  for (const node of nodes) node.quiet();

  const drained = performance.now();
  const logs = () => nodes.map((_, self) => parseLog(readFileSync(logPath(self), 'utf8')));
  for (let settled = false; !settled && performance.now() - drained < DRAIN_SECONDS * 1000; ) {
    await sleep(500);
    settled = isSettled(logs());
  }
  const drainSeconds = Math.round((performance.now() - drained) / 100) / 10;
  // Whatever comes now would be a message too many.
  await sleep(1000);
  await Promise.all(nodes.map((node) => node.end()));

  const judgement = judge(logs(), RELEASES[release].batches ? MESSAGES_OF_A_BATCH : 1);
  violations.push(...judgement.violations);
  const { queued, arrivals, putAgain, toldAgain } = judgement;
  const result = {
    seed,
    system,
    release,
    seconds,
    kills,
    queued,
    arrivals,
    putAgain,
    toldAgain,
    drainSeconds,
  };
  const shown = violations.slice(0, MAX_SHOWN);
  if (json) console.log(JSON.stringify({ ...result, violations: shown, pass: violations.length === 0 }));
  else {
    console.log(
      `${kills} kills; ${queued} messages queued; ${arrivals} arrived at ${NODES} nodes, of which ${putAgain} had been put ` +
        `again and ${toldAgain} were told again; all there ${drainSeconds} s after the load ended`,
    );
    for (const violation of shown) console.log(`VIOLATION ${violation}`);
    if (violations.length > 0)
      logs().forEach((log, node) => {
        for (const line of lastSaid(log, MAX_SHOWN)) console.log(`node ${node}: ${line}`);
      });
    console.log(
      violations.length === 0
        ? 'nothing lost, created or out of order'
        : `${violations.length}: see ${directory}`,
    );
  }
  if (violations.length === 0) rmSync(directory, { recursive: true });
  else process.exitCode = 1;
}

/** What lies between the members: each is reached where the emulator listens. */
async function openLinks(listens: readonly string[], lossPercent: number, seed: string) {
  const emulator = await startEmulator({
    ports: listens.map((listen) => ({
      listen: { host: HOST, port: 0 },
      to: { host: HOST, port: Number(listen.split(':')[1]) },
    })),
    link: {
      delay: MILLISECOND,
      jitter: MILLISECOND,
      loss: iid(lossPercent / 100),
      reorder: 0.02,
      duplicate: 0.02,
    },
    seed,
  });
  return { addresses: emulator.addresses, [Symbol.asyncDispose]: () => emulator.close() };
}

interface SoakNode {
  /** Starts it again so many milliseconds later. Resolves once it is dead, with its etcd. */
  kill(what: 'node' | 'etcd' | 'both', restartMs: number): Promise<void>;
  /** Ends its load, in whatever run it is. */
  quiet(): void;
  end(): Promise<void>;
}

function startNode(config: WorkerConfig, orphanSeconds: number, onOrphan: (pid: number) => void): SoakNode {
  let child: ChildProcess | undefined;
  let etcd = 0;
  let { run } = config;
  let isQuiet = false;
  let isOver = false;
  const start = () => {
    if (isOver) return;
    const script = join(import.meta.dirname, 'worker.js');
    const started = spawn(execPath, [script, JSON.stringify({ ...config, run: run++ })], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    child = started;
    started.stdin!.on('error', () => {}); // It was killed.
    if (isQuiet) started.stdin!.write('quiet\n');
    createInterface({ input: started.stdout! }).once('line', (pid) => {
      if (child === started) etcd = Number(pid);
    });
    // It has ended by itself, as its etcd has.
    started.once('exit', () => {
      if (child === started) setTimeout(start, RESTART_MS);
    });
  };
  const signal = (pid: number) => {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has ended.
    }
  };
  const dead = async (pid: number) => {
    for (let waited = 0; isRunning(pid); waited += 50) {
      if (waited > orphanSeconds * 1000) {
        onOrphan(pid);
        signal(pid);
      }
      await sleep(50);
    }
  };
  const node: SoakNode = {
    async kill(what, restartMs) {
      const [killed, pid] = [child, etcd];
      // It is not up yet, or just gone.
      if (killed === undefined || pid === 0) return;
      child = undefined;
      etcd = 0;
      if (what !== 'node') signal(pid);
      if (what !== 'etcd') killed.kill('SIGKILL');
      else await new Promise((done) => (killed.exitCode === null ? killed.once('exit', done) : done(0)));
      await dead(pid);
      setTimeout(start, restartMs);
    },
    quiet() {
      isQuiet = true;
      child?.stdin?.write('quiet\n');
    },
    async end() {
      isOver = true;
      for (let waited = 0; child !== undefined && etcd === 0 && waited < 5000; waited += 50) await sleep(50);
      await node.kill('both', 0);
    },
  };
  start();
  return node;
}

/** A zombie is as good as gone. */
function isRunning(pid: number): boolean {
  try {
    return !/\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
  } catch {
    return false;
  }
}

/** Of 127.0.0.1, below those that the system gives to connections, and far from those that belong to them for clients. */
async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = 22_000 + Math.floor(Math.random() * 2500);
    const server = createServer();
    const free = await new Promise<boolean>((done) => {
      server.once('error', () => done(false)).listen(port, HOST, () => done(true));
    });
    await new Promise((done) => server.close(done));
    if (free && !ports.includes(port)) ports.push(port);
  }
  return ports;
}

const NODES = 3;
const HOST = '127.0.0.1';
const RESTART_MS = 1000;
const ORPHAN_SECONDS = 10;
const DRAIN_SECONDS = 120;
const MESSAGES_OF_A_BATCH = 50;
const MAX_SHOWN = 20;
const OPTIONS = {
  system: { type: 'string', default: 'headwater' },
  release: { type: 'string', default: '2.3.0' },
  loss: { type: 'string', default: '10' },
  seconds: { type: 'string', default: '60' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;
