/**
 * bench busy: how fast one object fills its links, on a machine that has nothing else to do and on one that has.
 *   npm run bench -- busy [--json] [--runs 5] [--size 64] [--loops 4] [--only lab,receivers,loops,demo,relays]
 * In the network lab (needs root): one receiver over 100 Mbit/s and 40 ms at 0, 1, 5, 10 % loss of each link, beside the kernel's
 * CUBIC in the same run; four receivers over 50 Mbit/s; one receiver beside processes that only compute, against the same without.
 * On loopback: the demo. Medians of the runs; how busy the machine was, and how long the links stood still, goes to standard error.
 */
import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { execPath, stderr } from 'node:process';
import { promisify } from 'node:util';
import { labUnavailable } from '../../tools/lab/lab.js';
import { readOptions } from '../../tools/options.js';
import { parseTrace } from '../../tools/plot/trace.js';
import { type BenchRow, report, row } from '../report.js';
import { type Outcome, type Transfer, transfer } from './transfer.js';

interface Scale {
  runs: number;
  /** Bytes of the object. */
  bytes: number;
  loops: number;
}

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '5' },
      size: { type: 'string', default: '64' },
      loops: { type: 'string', default: '4' },
      only: { type: 'string', default: 'lab,receivers,loops,demo,relays' },
    },
  });
  const scale = {
    runs: Number(values.runs),
    bytes: Number(values.size) * 2 ** 20,
    loops: Number(values.loops),
  };
  const inLab = { lab: links, receivers, loops };
  const onLoopback = { demo, relays };
  const chosen = values.only.split(',');
  const reason = labUnavailable();
  if (reason !== undefined && chosen.some((name) => name in inLab)) stderr.write(`skipped: ${reason}\n`);
  const groups = { ...(reason === undefined ? inLab : {}), ...onLoopback };
  const rows: BenchRow[] = [];
  for (const [name, measure] of Object.entries(groups))
    if (chosen.includes(name)) rows.push(...(await measure(scale)));
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

async function links(scale: Scale): Promise<BenchRow[]> {
  const rows: BenchRow[] = [];
  for (const loss of [0, 1, 5, 10]) {
    const { ours, tcp } = await both(scale, { loss }, loss === 0);
    rows.push(
      row(`one receiver, 100 Mbit/s, 40 ms, ${loss} % a link: payload in C(1 - p)`, ours, 'min', 0.8, 0.88),
    );
    if (tcp !== undefined) rows.push(row('... against CUBIC in the same run', ours / tcp, 'min', 0.92, 1));
  }
  return rows;
}

async function receivers(scale: Scale): Promise<BenchRow[]> {
  const { ours } = await both(scale, { receivers: 4, mbit: 50, loss: 10 }, false);
  return [row('4 receivers, 50 Mbit/s, 40 ms, 10 % a link: payload in C(1 - p)', ours, 'min', 0.65, 0.8)];
}

async function loops(scale: Scale): Promise<BenchRow[]> {
  const quiet = await both(scale, {}, true);
  const busy = await both(scale, { loops: scale.loops }, true);
  const name = `${scale.loops} processes that compute beside it, against the same without`;
  return [
    row(name, busy.ours / quiet.ours, 'min', 0.9, 0.97),
    row('... CUBIC', busy.tcp! / quiet.tcp!, 'info'),
  ];
}

/** The medians of what both reach, in turn. */
async function both(
  { runs, bytes }: Scale,
  change: Partial<Transfer>,
  withTcp: boolean,
): Promise<{ ours: number; tcp: number | undefined }> {
  const ours: number[] = [];
  const tcp: number[] = [];
  const common = { receivers: 1, bytes, mbit: 100, rttMs: 40, loss: 0, loops: 0, ...change };
  for (let i = 0; i < runs; i++) {
    const result = await transfer({ kind: 'ours', ...common });
    ours.push(result.share);
    note('ours', common, result);
    if (!withTcp) continue;
    const theirs = await transfer({ kind: 'tcp', ...common });
    tcp.push(theirs.share);
    note('tcp', common, theirs);
  }
  return { ours: median(ours), tcp: withTcp ? median(tcp) : undefined };
}

/** The demo as it runs by default. */
async function demo({ runs }: Scale): Promise<BenchRow[]> {
  const shares: number[] = [];
  const rtts: number[] = [];
  mkdirSync(FOLDER, { recursive: true });
  for (let i = 0; i < runs; i++) {
    const trace = join(FOLDER, 'demo.qlog');
    shares.push((await runDemo('--trace', trace)).sender.linkShareOfMost);
    rtts.push(largestRtt(trace));
  }
  return [
    row("demo: share of the origin's links, without the last 5 %", median(shares), 'min', 0.5, 0.75),
    row('demo: largest smoothed RTT, ms, of 40 without a queue', median(rtts), 'max', 120, 80),
  ];
}

/** The demo on links without a rate: the relays are what limits it. */
async function relays({ runs, bytes }: Scale): Promise<BenchRow[]> {
  const ratios: number[] = [];
  const dropped: number[] = [];
  for (let i = 0; i < runs; i++) {
    const { sender, members } = await runDemo('--size', String(bytes / 2 ** 20), '--link-rate', '0');
    ratios.push(sender.ratio);
    dropped.push(members.reduce((sum, { drops }) => sum + (drops['relay-overflow'] ?? 0), 0));
  }
  return [
    row("demo without a link rate: origin's bytes / file", median(ratios), 'max', 1.6, 1.5),
    row('... relay-overflow', median(dropped), 'max', 0),
  ];
}

interface DemoResult {
  sender: { ratio: number; linkShareOfMost: number };
  members: { drops: Record<string, number> }[];
}

async function runDemo(...options: string[]): Promise<DemoResult> {
  const { stdout } = await promisify(execFile)(execPath, [CLI, 'demo', '--json', ...options], {
    maxBuffer: 1 << 26,
  });
  const last = JSON.parse(stdout.trim().split('\n').at(-1)!) as DemoResult;
  stderr.write(`demo ${options.join(' ')}: ${JSON.stringify(last.sender)}\n`);
  return last;
}

/** Of any path, once data flow. */
function largestRtt(trace: string): number {
  let largest = 0;
  for (const { events } of parseTrace(readFileSync(trace, 'utf8')))
    for (const { data } of events)
      if (Number(data.delivered_bytes) > HANDSHAKES)
        largest = Math.max(largest, Number(data.smoothed_rtt ?? 0));
  return largest;
}

function note(
  kind: string,
  { receivers: count, mbit, loss, loops: beside }: Omit<Transfer, 'kind'>,
  result: Outcome,
): void {
  const { seconds, share, sentRatio, linkUsed, busy, pausedMs } = result;
  stderr.write(
    `${kind}, ${count} at ${mbit} Mbit/s, ${loss} %, ${beside} beside: ${seconds.toFixed(2)} s, ${share.toFixed(3)} of C(1 - p), ` +
      `sent ${sentRatio.toFixed(3)} times, link used ${linkUsed.toFixed(3)}; busy ${busy.toFixed(2)}, paused ${pausedMs.toFixed(0)} ms\n`,
  );
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

/** From build/bench/bench/busy. */
const CLI = join(import.meta.dirname, '../../../../dist/cli/main.js');
const FOLDER = 'build/report/busy';
/** Bytes: what passes before the object begins. */
const HANDSHAKES = 5000;
