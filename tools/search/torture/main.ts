/**
 * soak torture: five members in processes of their own, a network that loses a fifth of all datagrams, delays, reorders and
 * doubles others; about every second one process is killed (SIGKILL) and started again, while all of them send. In the end
 * everything must have arrived everywhere, and the members' own logs are judged: see check.ts.
 *   npm run soak -- torture [--seconds 300] [--loss 20] [--order causal] [--seed text] [--json]
 * Fails (exit code 1) on any violation, and then keeps stores and logs. The seed decides loads, losses and kills; when they
 * fall is up to the machine.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execPath, stderr } from 'node:process';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { Rng } from '../../../src/core/rng.js';
import { MILLISECOND } from '../../../src/core/time.js';
import { type Emulator, startEmulator } from '../../../src/emulator/emulator.js';
import { iid } from '../../../src/sim/net/loss.js';
import { readOptions } from '../../options.js';
import { isSettled, judge } from './check.js';
import { parseLog } from './history.js';
import type { WorkerConfig } from './worker.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const { seed, order, json } = { ...values, seed: values.seed ?? randomBytes(6).toString('hex') };
  if (order !== 'causal' && order !== 'fifo')
    throw new RangeError(`--order: expected causal or fifo, got ${order}`);
  const seconds = Number(values.seconds);
  const rng = new Rng(`${seed} kills`);
  const directory = mkdtempSync(join(tmpdir(), 'headwater-torture-'));
  stderr.write(`soak torture: seed '${seed}', ${seconds} s, ${values.loss} % loss, order ${order}\n`);
  const emulator = await startEmulator({
    ports: Array.from({ length: MEMBERS }, () => ({ listen: { host: HOST, port: 0 } })),
    link: {
      delay: 5 * MILLISECOND,
      jitter: 5 * MILLISECOND,
      loss: iid(Number(values.loss) / 100),
      reorder: 0.05,
      duplicate: 0.05,
    },
    seed,
  });
  const locators = emulator.addresses.map(({ port }) => `${HOST}:${port}`);
  const logPath = (member: number) => join(directory, `${member}.log`);
  const violations: string[] = [];
  const members = locators.map((_, self) => {
    const config = { locators, self, order, seed, storePath: join(directory, `${self}.store`) } as const;
    return startMember({ ...config, run: 0, logPath: logPath(self) }, emulator, violations);
  });

  const started = performance.now();
  const left = () => seconds - (performance.now() - started) / 1000;
  const restarts: Promise<void>[] = [];
  let kills = 0;
  while (left() > 0 && violations.length === 0) {
    await setTimeout(rng.integer(200, 1800));
    const member = rng.pick(members);
    if (!member.isRunning) continue;
    member.kill();
    kills++;
    restarts.push(setTimeout(rng.integer(0, 1500)).then(() => member.start()));
  }
  await Promise.all(restarts);
  for (const member of members) member.quiet();

  const drained = performance.now();
  const logs = () => members.map((_, self) => parseLog(readFileSync(logPath(self), 'utf8')));
  for (let settled = false; !settled && violations.length === 0; ) {
    await setTimeout(500);
    settled = isSettled(logs());
    if (!settled && performance.now() - drained > DRAIN_SECONDS * 1000)
      violations.push(`not everything has arrived everywhere ${DRAIN_SECONDS} s after the load ended`);
  }
  const drainSeconds = Math.round((performance.now() - drained) / 100) / 10;
  // Whatever comes now would be a message too many.
  await setTimeout(1000);
  for (const member of members) member.kill();
  await emulator.close();

  const judgement = judge(logs(), order);
  violations.push(...judgement.violations);
  const { submitted, durable, deliveries, repeats } = judgement;
  const result = { seed, seconds, kills, submitted, durable, deliveries, repeats, drainSeconds };
  if (json)
    console.log(
      JSON.stringify({
        ...result,
        violations: violations.slice(0, MAX_SHOWN),
        pass: violations.length === 0,
      }),
    );
  else {
    console.log(
      `${kills} kills; ${submitted} messages submitted, ${durable} known to be durable; ${deliveries} deliveries at ` +
        `${MEMBERS} members, ${repeats} of them repeats after a restart; all there ${drainSeconds} s after the load ended`,
    );
    for (const violation of violations.slice(0, MAX_SHOWN)) console.log(`VIOLATION ${violation}`);
    console.log(
      violations.length === 0 ? 'nothing lost, doubled, created or out of order' : `see ${directory}`,
    );
  }
  if (violations.length === 0) rmSync(directory, { recursive: true });
  else process.exitCode = 1;
}

interface Member {
  readonly isRunning: boolean;
  start(): void;
  kill(): void;
  /** Ends its load, in whatever run it is. */
  quiet(): void;
}

function startMember(config: WorkerConfig, emulator: Emulator, violations: string[]): Member {
  let child: ChildProcess | undefined;
  let { run } = config;
  const member: Member = {
    get isRunning() {
      return child !== undefined;
    },
    start() {
      const script = join(import.meta.dirname, 'worker.js');
      const started = spawn(execPath, [script, JSON.stringify({ ...config, run: run++ })], {
        stdio: ['pipe', 'pipe', 'inherit'],
      });
      child = started;
      started.stdin!.on('error', () => {}); // It was killed.
      createInterface({ input: started.stdout! }).once('line', (address) => {
        if (child === started)
          void emulator.setTarget(config.self, { host: HOST, port: Number(address.split(':')[1]) });
      });
      started.once('close', (code, signal) => {
        if (signal !== 'SIGKILL') violations.push(`member ${config.self} ended by itself: ${code ?? signal}`);
      });
    },
    kill() {
      child?.kill('SIGKILL');
      child = undefined;
    },
    quiet: () => void child?.stdin?.write('quiet\n'),
  };
  member.start();
  return member;
}

const MEMBERS = 5;
const HOST = '127.0.0.1';
const DRAIN_SECONDS = 120;
const MAX_SHOWN = 20;
const OPTIONS = {
  seconds: { type: 'string', default: '300' },
  loss: { type: 'string', default: '20' },
  order: { type: 'string', default: 'causal' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;
