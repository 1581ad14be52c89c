/**
 * npm run sim -- [--seeds N] [--start S] [--seed X] [--workers W] [--json]: runs simulations of whole groups with random
 * faults, a seed each. A seed that fails is made smaller and printed with what led to it; then the exit code is 1.
 * npm run sim -- --members N [--loss 0.02] [--delay 20] [--messages 3] [--size 1000] [--seed X] [--json]: one group of N
 * members with random loss only, and what it takes. The exit code is 1 if not everything is delivered.
 * npm run sim -- --seed X --trace FILE: one seed, recorded for `headwater view FILE`.
 * Progress goes to stderr, the summary to stdout. `hash` in it is over the event logs of all seeds: it stays the same as long as
 * nothing that the members do has changed.
 */
import { createHash } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import process, { argv, cpuUsage, stderr, stdout } from 'node:process';
import { Worker } from 'node:worker_threads';
import { type RunReport, runScenario } from '../../../src/sim/run.js';
import { randomScenario, type Scenario } from '../../../src/sim/scenario.js';
import { shrink } from '../../../src/sim/shrink.js';
import { readOptions } from '../../options.js';
import { runGroup } from './group.js';
import type { GroupRun } from './members.js';
import { recordScenario } from './recording.js';
import type { SwarmResult } from './worker.js';

const { values } = readOptions({
  args: argv.slice(2),
  options: {
    seeds: { type: 'string', default: '1000' },
    start: { type: 'string', default: '0' },
    seed: { type: 'string' },
    trace: { type: 'string' },
    workers: { type: 'string', default: '2' },
    members: { type: 'string' },
    loss: { type: 'string', default: '0.02' },
    delay: { type: 'string', default: '20' },
    messages: { type: 'string', default: '3' },
    size: { type: 'string', default: '1000' },
    json: { type: 'boolean', default: false },
  },
});

/** One seed, with its story; smaller if it fails. */
function replay(seed: string): void {
  const scenario = randomScenario(seed);
  const { report, lines } =
    values.trace === undefined
      ? { report: runScenario(scenario, { keepLines: LINES }), lines: [] }
      : recordScenario(scenario, LINES);
  if (values.trace !== undefined) writeFileSync(values.trace, lines.join(''));
  if (report.violation) explain(seed, scenario, report);
  else if (values.json) stdout.write(`${JSON.stringify({ seed, scenario, ...report, lines: undefined })}\n`);
  else
    stdout.write(
      `${story(report)}\nseed ${seed}: ok, ${report.messages} messages, ${report.datagrams} datagrams\n`,
    );
}

async function swarm(): Promise<void> {
  const started = performance.now();
  const usage = cpuUsage();
  const count = Number(values.seeds);
  const start = Number(values.start);
  const failed: string[] = [];
  const total = { messages: 0, datagrams: 0, crashes: 0, virtualSeconds: 0 };
  const reports: Record<string, number> = {};
  const hashes: [seed: number, hash: string][] = [];
  let next = start;
  let done = 0;
  let said = started;
  const take = () => {
    const from = next;
    next = Math.min(start + count, next + CHUNK);
    return from < next ? { from, to: next } : undefined;
  };
  const work = () =>
    new Promise<void>((resolve, reject) => {
      const worker = new Worker(new URL('./worker.js', import.meta.url));
      const give = () => {
        const chunk = failed.length >= MAX_FAILED ? undefined : take();
        if (chunk) worker.postMessage(chunk);
        else void worker.terminate().then(() => resolve());
      };
      worker.on('error', reject);
      worker.on('message', (results: SwarmResult[]) => {
        for (const { seed, violation, report } of results) {
          done++;
          hashes.push([Number(seed), report.hash]);
          total.messages += report.messages;
          total.datagrams += report.datagrams;
          total.crashes += report.crashes;
          total.virtualSeconds += report.time / 1e6;
          for (const [what, times] of Object.entries(report.reports))
            reports[what] = (reports[what] ?? 0) + (times ?? 0);
          if (violation === undefined) continue;
          failed.push(seed);
          stderr.write(`seed ${seed}: ${violation}\n`);
        }
        if (performance.now() - said > 10_000) {
          said = performance.now();
          stderr.write(
            `${done} of ${count} seeds, ${failed.length} failed, ${((said - started) / 1000).toFixed(0)} s\n`,
          );
        }
        give();
      });
      give();
    });
  await Promise.all(Array.from({ length: Number(values.workers) }, work));
  const { user, system } = cpuUsage(usage);
  const all = createHash('sha256');
  for (const [, hash] of hashes.sort(([a], [b]) => a - b)) all.update(hash);
  const hash = all.digest('hex').slice(0, 16);
  const summary = {
    seeds: done,
    from: start,
    failed,
    hash,
    seconds: Math.round((performance.now() - started) / 1000),
    cpuSeconds: Math.round((user + system) / 1e6),
    ...total,
    virtualSeconds: Math.round(total.virtualSeconds),
    misbehaviourReported: reports,
  };
  if (failed.length > 0) {
    const scenario = randomScenario(failed[0]);
    explain(failed[0], scenario, runScenario(scenario));
  }
  if (values.json) stdout.write(`${JSON.stringify(summary)}\n`);
  else
    stdout.write(
      `${done} seeds from ${start}: ${failed.length} failed${failed.length > 0 ? ` (${failed.join(', ')})` : ''}; ` +
        `${total.messages} messages, ${total.crashes} crashes, ${summary.virtualSeconds} virtual s in ${summary.seconds} s ` +
        `(${summary.cpuSeconds} s of CPU), event logs ${hash}\n`,
    );
}

function explain(seed: string, scenario: Scenario, report: RunReport): void {
  stderr.write(`seed ${seed}: ${report.violation}\nmaking it smaller ...\n`);
  const small = shrink(scenario, (candidate) => runScenario(candidate).violation !== undefined);
  const again = runScenario(small, { keepLines: LINES });
  stderr.write(`${story(again)}\n${JSON.stringify(small, undefined, 1)}\n${again.violation}\n`);
  stderr.write(`replay: npm run sim -- --seed ${seed}\n`);
  process.exitCode = 1;
}

/** One large group. */
async function group(members: number): Promise<void> {
  const run: GroupRun = {
    seed: values.seed ?? 'group',
    members,
    loss: Number(values.loss),
    delay: Number(values.delay),
    messages: Number(values.messages),
    size: Number(values.size),
  };
  const result = await runGroup(run);
  const { finished, deliveries, virtualSeconds, datagrams, events, cpuSeconds, megabytes } = result;
  if (!finished) process.exitCode = 1;
  if (values.json) stdout.write(`${JSON.stringify({ ...run, ...result })}\n`);
  else
    stdout.write(
      `${members} members: ${deliveries} of ${members * run.messages} deliveries, ${virtualSeconds.toFixed(2)} virtual s, ` +
        `${datagrams} datagrams; ${cpuSeconds} s of CPU, ${Math.round(events / cpuSeconds)} events/s, ${megabytes} MB\n`,
    );
}

/** What members did, without the datagrams. */
function story({ lines }: RunReport): string {
  return lines
    .filter((line) => /^\d+ (log|start|stop|partition|heal)/.test(line))
    .slice(-STORY)
    .join('\n');
}

const CHUNK = 8;
const LINES = 1_000_000;
const STORY = 200;
const MAX_FAILED = 10;

if (values.members !== undefined) await group(Number(values.members));
else if (values.seed !== undefined) replay(values.seed);
else await swarm();
