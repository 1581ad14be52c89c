/**
 * Our flow beside the kernel's CUBIC through one bottleneck, for real: processes in network namespaces, sessions and
 * encryption as always. In: `--rate`, `--rtt`, `--seconds`, `--runs`, `--controller`, `--only N` for N CUBIC flows. Out: who got how much and what waited in the queue,
 * counted by the link itself; plots and a table in build/report/tcp. All of it runs at real-time
 * priority, since the machine may be busy; how busy it was is told, and the median of the runs counts.
 */
import type { ChildProcess } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { stderr } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Lab, labUnavailable, openLab } from '../../tools/lab/lab.js';
import { measureBusy } from '../../tools/lab/machine.js';
import { readOptions } from '../../tools/options.js';
import { renderChart, type Series } from '../../tools/plot/chart.js';
import { parseTrace, traceChart } from '../../tools/plot/trace.js';
import { type BenchRow, report, row } from '../report.js';

interface Scenario {
  cubics: number;
  /** Of the queue, in bandwidth-delay products. */
  bdp: number;
  mbit: number;
  rttMs: number;
  seconds: number;
  /** Ours. */
  controller: string;
}

interface Sample {
  /** Seconds since the start. */
  at: number;
  /** Bytes through the bottleneck so far: ours, then each CUBIC flow's. */
  bytes: number[];
  /** What a packet that comes now would wait, ms. */
  waitMs: number;
}

interface Result {
  scenario: Scenario;
  weFirst: boolean;
  samples: Sample[];
  /** Of what went through the bottleneck after the first quarter: ours, then each CUBIC flow's. */
  shares: number[];
  /** Of the bottleneck's rate. */
  used: number;
  waitMedianMs: number;
  wait95Ms: number;
  /** Of all cores, by anyone. */
  busy: number;
  /** Of the time the links stood still, since the machine was busy elsewhere. */
  paused: number;
  traceFile: string;
  /** The wall clock at time 0, seconds. */
  start: number;
}

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const reason = labUnavailable() ?? (await cubicMissing());
  if (reason !== undefined) {
    stderr.write(`skipped: ${reason}\n`);
    if (values.json) report([], true);
    return;
  }
  mkdirSync(FOLDER, { recursive: true });
  const rows: BenchRow[] = [];
  const results: Result[] = [];
  for (const cubics of values.only === undefined ? [1, 4] : [Number(values.only)])
    for (const bdp of [0.5, 1, 2, 10]) {
      const scenario = {
        cubics,
        bdp,
        mbit: Number(values.rate),
        rttMs: Number(values.rtt),
        seconds: Number(values.seconds),
        controller: values.controller,
      };
      const runs: Result[] = [];
      for (let i = 0; i < Number(values.runs); i++) {
        const result = await measure(scenario, i % 2 === 0);
        stderr.write(`${describe(result)}\n`);
        plot(result, i);
        runs.push(result);
      }
      results.push(...runs);
      rows.push(...judge(runs));
    }
  writeFileSync(join(FOLDER, 'README.md'), table(results));
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

async function cubicMissing(): Promise<string | undefined> {
  await using lab = await openLab({ nodes: 1 });
  return lab.hasCubic ? undefined : 'no comparison: this kernel has no CUBIC';
}

/** Node 0 is our sender, the last one everybody's receiver, those between send by TCP. */
async function measure(scenario: Scenario, weFirst: boolean): Promise<Result> {
  const { cubics, bdp, mbit, rttMs, seconds, controller } = scenario;
  await using lab = await openLab({ nodes: cubics + 2, delayMs: rttMs / 2 });
  const receiver = cubics + 1;
  const queueBytes = Math.round((mbit * 1e6 * rttMs * bdp) / 8000);
  const bottleneck = { delayMs: rttMs / 2, rateMbit: mbit, queueBytes };
  await lab.shape(bottleneck, { node: receiver, direction: 'down' });

  const traceFile = join(FOLDER, `${nameOf(scenario)}.qlog`);
  const members = [lab.address(0), lab.address(receiver)].join(',');
  traffic(lab, receiver, 'member', '1', members, controller);
  const sender = traffic(lab, 0, 'member', '0', members, controller, traceFile);
  await Promise.all([
    said(sender, 'ready'),
    said(traffic(lab, receiver, 'sink', lab.address(receiver)), 'ready'),
  ]);

  const start = Date.now() / 1000;
  const busy = measureBusy();
  const samples: Sample[] = [];
  let ours = false;
  let theirs = false;
  for (;;) {
    const at = Date.now() / 1000 - start;
    if (!ours && (weFirst || at >= HEAD_START)) {
      ours = true;
      sender.stdin!.write('go\n');
    }
    if (!theirs && (!weFirst || at >= HEAD_START)) {
      theirs = true;
      for (let i = 1; i <= cubics; i++) traffic(lab, i, 'source', lab.address(receiver));
    }
    const { deliveredFrom, down } = (await lab.counters())[receiver];
    samples.push({
      at,
      bytes: deliveredFrom.slice(0, receiver),
      waitMs: (down.queuedBytes * 8) / (mbit * 1000),
    });
    if (at >= seconds) break;
    await sleep(SAMPLE_MS);
  }
  const machineBusy = busy();
  const settled = samples.filter(({ at }) => at >= seconds / 4);
  const [first, last] = [settled[0], settled.at(-1)!];
  const moved = last.bytes.map((bytes, i) => bytes - first.bytes[i]);
  const total = moved.reduce((sum, bytes) => sum + bytes, 0);
  const waits = settled.map(({ waitMs }) => waitMs).sort((a, b) => a - b);
  return {
    scenario,
    weFirst,
    samples,
    shares: moved.map((bytes) => bytes / total),
    used: (total * 8e-6) / (last.at - first.at) / mbit,
    waitMedianMs: waits[Math.floor(waits.length / 2)],
    wait95Ms: waits[Math.floor(waits.length * 0.95)],
    busy: machineBusy,
    paused: (await lab.pausedMs()) / (seconds * 1000),
    traceFile,
    start,
  };
}

function traffic(lab: Lab, node: number, ...args: string[]): ChildProcess {
  const script = join(import.meta.dirname, 'traffic.js');
  // Others on this machine must not decide who gets the line.
  const child = lab.spawn(node, process.execPath, [script, ...args], {
    stdio: ['pipe', 'pipe', 'inherit'],
    realTime: true,
  });
  child.stdin!.on('error', () => {}); // It has ended, and said why on standard error.
  return child;
}

function said(child: ChildProcess, word: string): Promise<void> {
  return new Promise((resolve, reject) => {
    child.stdout!.on('data', (text) => {
      if (String(text).includes(word)) resolve();
    });
    child.once('close', (code) => reject(new Error(`tcp: expected '${word}', got exit code ${code}`)));
  });
}

/** Beside one, a quarter to three quarters is ours. Beside four, nobody is below half of a fair fifth. */
function judge(runs: Result[]): BenchRow[] {
  const { cubics, bdp } = runs[0].scenario;
  const shares = runs.map((result) => result.shares);
  const ours = shares.map(([share]) => share);
  const beside = `${cubics} CUBIC, ${bdp} BDP`;
  const spread = `(${percent(Math.min(...ours))} to ${percent(Math.max(...ours))} in ${runs.length} runs)`;
  const wait = row(
    `95 % of waits in the queue beside ${beside}, ms`,
    median(runs.map((run) => run.wait95Ms)),
    'info',
  );
  if (cubics === 1) {
    const share = median(ours);
    const name = `our share ${percent(share)} ${spread} beside ${beside}: distance from one half`;
    return [row(name, Math.abs(share - 0.5), 'max', 0.25, 0.1), wait];
  }
  const least = median(shares.map((all) => Math.min(...all)));
  return [
    row(
      `smallest share among us, ${percent(median(ours))} ${spread}, and ${beside}`,
      least,
      'min',
      0.1,
      0.15,
    ),
    wait,
  ];
}

function plot({ scenario, samples, traceFile, start, weFirst, shares }: Result, index: number): void {
  const [path] = parseTrace(readFileSync(traceFile, 'utf8'));
  const shift = path.start - start;
  const ours = traceChart('', [path]).panels.find(({ axis }) => axis.startsWith('window'))!;
  const offset = path.events[0].at + shift;
  const moved = (series: Series): Series => ({
    ...series,
    points: series.points.map(([x, y]): [number, number] => [x + offset, y]).filter(([x]) => x >= 0),
  });
  const names = ['headwater', ...Array.from({ length: scenario.cubics }, (_, i) => `CUBIC ${i + 1}`)];
  const svg = renderChart({
    title: `headwater beside ${scenario.cubics} CUBIC: ${scenario.mbit} Mbit/s, RTT ${scenario.rttMs} ms, queue of ${scenario.bdp} BDP`,
    subtitle: `${weFirst ? 'headwater' : 'CUBIC'} begins ${HEAD_START} s earlier; headwater's share after ${scenario.seconds / 4} s: ${percent(shares[0])}`,
    end: scenario.seconds,
    panels: [
      {
        axis: 'rate (Mbit/s)',
        weight: 1.5,
        series: names.map((name, flow) => ({ name, points: rates(samples, flow), color: flow })),
      },
      {
        axis: 'wait in queue (ms)',
        series: [
          {
            name: 'queue',
            points: samples.map(({ at, waitMs }): [number, number] => [at, waitMs]),
            color: 6,
          },
        ],
      },
      { axis: "headwater's window (kB)", series: ours.series.map(moved) },
    ],
  });
  writeFileSync(join(FOLDER, `${nameOf(scenario)}-run-${index + 1}.svg`), svg);
}

/** Mbit/s in steps of half a second. */
function rates(samples: Sample[], flow: number): [number, number][] {
  const points: [number, number][] = [];
  let from = samples[0];
  for (const sample of samples) {
    if (sample.at - from.at < 0.5) continue;
    const mbit = ((sample.bytes[flow] - from.bytes[flow]) * 8e-6) / (sample.at - from.at);
    points.push([(from.at + sample.at) / 2, mbit]);
    from = sample;
  }
  return points;
}

function table(results: Result[]): string {
  const { mbit, rttMs, seconds, controller } = results[0].scenario;
  const lines = results.map((result, i) => {
    const { scenario, weFirst, shares, used, waitMedianMs, wait95Ms, busy, paused } = result;
    const run = results.slice(0, i).filter((other) => other.scenario === scenario).length + 1;
    const theirs = shares.slice(1).map(percent).join(', ');
    return `| ${scenario.cubics} | ${scenario.bdp} | ${weFirst ? 'headwater' : 'CUBIC'} | ${percent(shares[0])} | ${theirs} | ${percent(used)} | ${waitMedianMs.toFixed(0)} / ${wait95Ms.toFixed(0)} | ${percent(busy)} | ${(100 * paused).toFixed(1)} % | [plot](${nameOf(scenario)}-run-${run}.svg) |`;
  });
  return `# headwater beside the kernel's CUBIC

Our controller: ${controller}. One bottleneck of ${mbit} Mbit/s with tail drop, RTT ${rttMs} ms without a queue, ${seconds} s each, shares of the bytes through the
bottleneck after the first quarter. Whoever begins does so ${HEAD_START} s before the others.

| CUBIC flows | queue (BDP) | begins | headwater | each CUBIC | line used | wait, median / 95 % (ms) | machine busy | links paused | |
|---|---|---|---|---|---|---|---|---|---|
${lines.join('\n')}
`;
}

function describe({ scenario, weFirst, shares, used, wait95Ms, busy, paused }: Result): string {
  const order = weFirst ? 'we first' : 'they first';
  return `tcp: ${scenario.cubics} CUBIC, ${scenario.bdp} BDP, ${order}: shares ${shares.map(percent).join(', ')}; line used ${percent(used)}, wait 95 % ${wait95Ms.toFixed(0)} ms; machine busy ${percent(busy)}, links paused ${(100 * paused).toFixed(1)} %`;
}

function nameOf({ cubics, bdp }: Scenario): string {
  return `${cubics}-cubic-${bdp}-bdp`;
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

function percent(share: number): string {
  return `${Math.round(100 * share)} %`;
}

const OPTIONS = {
  /** Mbit/s of the bottleneck. */
  rate: { type: 'string', default: '20' },
  /** Milliseconds without a queue. */
  rtt: { type: 'string', default: '40' },
  /** Of each run. */
  seconds: { type: 'string', default: '60' },
  /** Of each scenario; we begin in the first, they in the second, and so on. */
  runs: { type: 'string', default: '2' },
  controller: { type: 'string', default: 'bbr' },
  /** CUBIC flows beside ours; default: one, then four. */
  only: { type: 'string' },
  json: { type: 'boolean', default: false },
} as const;

const FOLDER = 'build/report/tcp';
const SAMPLE_MS = 50;
/** Seconds. */
const HEAD_START = 2;
