/**
 * soak transfer: a sender and two receivers, processes of the command line on loopback; one tree after the other goes over those that
 * were sent before it, and at random moments one of the three is killed (SIGKILL), looked at, and started again.
 *   npm run soak -- transfer [--kills 200] [--files 60] [--seed text] [--json]
 * Fails (exit code 1) if a file under its name is none of its versions, wholly, if a tree does not arrive in the end, or a process
 * ends by itself; then keeps the folders. The seed decides trees, victims and waits; what a process does just then is up to the machine.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { execPath, stderr } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { Rng } from '../../../src/core/rng.js';
import { freePorts } from '../../lab/ports.js';
import { readOptions } from '../../options.js';
import { lackingIn, makeTree, type Tree, wrongIn } from './trees.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const { json, seed = randomBytes(6).toString('hex') } = values;
  const [kills, files] = [Number(values.kills), Number(values.files)];
  stderr.write(`soak transfer: seed '${seed}', ${kills} kills, ${files} files a tree\n`);
  const result = await soak({ seed, kills, files });
  const { trees, seconds, violations, directory, pass } = result;
  if (json) console.log(JSON.stringify(result));
  else {
    console.log(`${result.kills} kills in ${seconds} s; ${trees} trees of ${files} files to 2 receivers`);
    for (const violation of violations.slice(0, MAX_SHOWN)) console.log(`VIOLATION ${violation}`);
    console.log(pass ? 'no file wrong or half, all trees arrived' : `see ${directory}`);
  }
  if (!pass) process.exitCode = 1;
}

/** Kills so often, and says what was found. */
export async function soak({ seed, kills, files }: { seed: string; kills: number; files: number }) {
  const rng = new Rng(seed);
  const directory = mkdtempSync(join(tmpdir(), 'headwater-transfer-'));
  const violations: string[] = [];
  const started = performance.now();
  const scene = await setUp(directory, violations);
  const versions: Tree[] = [];
  let killed = 0;
  let trees = 0;
  while (killed < kills && violations.length === 0) {
    const { tree, tops } = makeTree(rng.fork(`tree ${trees++}`), scene.source, files);
    versions.push(tree);
    const sender = scene.send(tops);
    const most = Math.min(kills - killed, rng.integer(2, 8));
    for (let i = 0; i < most && !sender.isDone && violations.length === 0; i++) {
      await setTimeout(rng.integer(50, 2500));
      const victim = rng.pick([sender, ...scene.receivers]);
      if (!victim.isRunning) continue;
      victim.kill();
      killed++;
      for (const folder of scene.outs)
        for (const path of wrongIn(folder, versions))
          violations.push(`${path} in ${folder} is no version of it`);
      await setTimeout(rng.integer(0, 500));
      victim.start();
    }
    for (let waited = 0; !sender.isDone && violations.length === 0; waited += 100) {
      await setTimeout(100);
      if (waited > PATIENCE_MS)
        violations.push(`tree ${trees} has not arrived after ${PATIENCE_MS / 1000} s`);
    }
    sender.kill();
    if (violations.length > 0) break;
    for (const folder of scene.outs) {
      for (const path of lackingIn(folder, tree))
        violations.push(`${path} is not in ${folder}, though all is saved`);
      for (const name of readdirSync(folder))
        if (name.endsWith('.part')) violations.push(`${name} is left in ${folder}, though all is saved`);
    }
  }
  for (const receiver of scene.receivers) receiver.kill();
  const seconds = Math.round((performance.now() - started) / 100) / 10;
  const pass = violations.length === 0;
  if (pass) rmSync(directory, { recursive: true });
  return { seed, kills: killed, trees, files, seconds, violations, directory, pass };
}

/** Keys, a group, folders, and two receivers that run. */
async function setUp(directory: string, violations: string[]) {
  const names = ['anna', 'ben', 'cleo'];
  const ports = await freePorts(names.length);
  const file = (name: string) => join(directory, name);
  const cli = (...args: string[]) => execFileSync(execPath, [CLI, ...args], { encoding: 'utf8' }).trim();
  const members = names.map(
    (name, i) => `${name}=${cli('keygen', file(`${name}.key`))}@127.0.0.1:${ports[i]}`,
  );
  writeFileSync(file('group.json'), cli('group', '--name', 'soak', ...members));
  const as = (name: string) => ['--group', file('group.json'), '--key', file(`${name}.key`)];
  const outs = names.slice(1).map(file);
  const receivers = names.slice(1).map((name, i) => {
    mkdirSync(outs[i]);
    return startProcess(['receive', ...as(name), '--out', outs[i], '--overwrite'], name, violations);
  });
  const send = (tops: string[]) =>
    startProcess(
      ['send', ...tops, ...as(names[0]), '--wait', '60', '--max-rate', '40'],
      names[0],
      violations,
    );
  return { source: file('source'), outs, receivers, send };
}

/** Starts it now, and again after each kill. */
function startProcess(args: readonly string[], name: string, violations: string[]) {
  let child: ChildProcess | undefined;
  const process = {
    /** It has ended with 0. */
    isDone: false,
    get isRunning() {
      return child !== undefined;
    },
    start() {
      const started = spawn(execPath, [CLI, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      started.stderr.setEncoding('utf8').on('data', (text: string) => {
        said = (said + text).slice(-MAX_SAID);
      });
      child = started;
      started.once('close', (code, signal) => {
        if (child === started) child = undefined;
        if (code === 0) process.isDone = true;
        else if (signal !== 'SIGKILL') violations.push(`${name} ended by itself: ${code ?? signal}: ${said}`);
      });
    },
    kill() {
      child?.kill('SIGKILL');
      child = undefined;
    },
  };
  process.start();
  return process;
}

const CLI = resolve('dist/cli/main.js');
const PATIENCE_MS = 180_000;
const MAX_SHOWN = 20;
const MAX_SAID = 500;
const OPTIONS = {
  kills: { type: 'string', default: '200' },
  files: { type: 'string', default: '60' },
  seed: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;
