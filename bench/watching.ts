/**
 * npm run bench -- watching [--objects 16] [--object 1] [--json]: what it costs a member that it is watched. What is done for it is done a thousand times and
 * timed, CPU of the process, in the two members of bench loopback while data moves between them: a tick of the live page with one viewer, the text of the
 * metrics; and how much HTTP adds to that, before any data moves. From that follow the shares of a core that five ticks a second take and one
 * text: a comparison of whole runs would need a machine that does nothing else, as this is less than they differ by.
 */
import { get } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { MAX_DATAGRAM } from '../src/wire/limits.js';
import { freePorts } from '../tools/lab/ports.js';
import { readOptions } from '../tools/options.js';
import type { MemberOptions, Watching } from './loopback/member.js';
import { type Role, startRole } from './loopback/process.js';
import type { Usage } from './loopback/usage.js';
import { type BenchRow, report, row } from './report.js';

const ENDS = ['sender', 'receiver'] as const;
type Pair = Record<(typeof ENDS)[number], Role>;

export async function run(args: string[]): Promise<void> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = readOptions({
    args,
    options: { objects: text('16'), object: text('1'), json: { type: 'boolean', default: false } },
  });
  const pair = await startPair(Number(values.objects), Math.round(Number(values.object) * 2 ** 20));
  const rows: BenchRow[] = [];
  try {
    const urls = await Promise.all(ENDS.map((end) => pair[end].ask<string>('open')));
    const http: number[] = [];
    for (const [i, end] of ENDS.entries()) http.push(await costOfScrape(pair[end], `${urls[i]}/metrics`));
    const viewers = urls.map((url) => get(`${url}/events`, (answer) => answer.resume()));
    await pair.sender.ask('start');
    await sleep(WARM_UP_MS);
    for (const [i, end] of ENDS.entries()) {
      const { tickMicros, tickBytes, textMicros, objects } = await pair[end].ask<Watching>('watching');
      const scrape = textMicros + http[i];
      rows.push(
        row(`${end}: objects on their way`, objects, 'info'),
        row(`${end}: us of CPU for the metrics, with HTTP`, scrape, 'info'),
        row(`${end}: % of a core, read each second`, scrape / 1e4, 'max', 3, 1),
        row(`${end}: us of CPU for a tick of the page`, tickMicros, 'info'),
        row(`${end}: bytes of a tick`, tickBytes, 'info'),
        row(`${end}: % of a core, five a second to a viewer`, (TICKS * tickMicros) / 1e4, 'max', 3, 1),
      );
    }
    for (const viewer of viewers) viewer.destroy();
  } finally {
    await Promise.all(ENDS.map((end) => pair[end].stop()));
  }
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

async function startPair(underWay: number, objectSize: number): Promise<Pair> {
  const [first, second] = await freePorts(2);
  const ports: [number, number] = [first, second];
  const options = { ports, objectSize, underWay, maxDatagram: MAX_DATAGRAM, controller: 'bbr' as const };
  return {
    receiver: startRole('member', { ...options, role: 'receive' } satisfies MemberOptions),
    sender: startRole('member', { ...options, role: 'send' } satisfies MemberOptions),
  };
}

/** Microseconds of CPU that HTTP takes for one answer, the text left out. */
async function costOfScrape(role: Role, url: string): Promise<number> {
  const scrape = () =>
    new Promise<void>((done, fail) => {
      get(url, (answer) => answer.resume().once('end', done)).once('error', fail);
    });
  // Until its code is compiled.
  for (let i = 0; i < SCRAPES; i++) await scrape();
  const text = await role.ask<number>('text');
  const before = await role.ask<Usage>('usage');
  for (let i = 0; i < SCRAPES; i++) await scrape();
  const after = await role.ask<Usage>('usage');
  return Math.max(0, (after.cpu - before.cpu) / SCRAPES - text);
}

const SCRAPES = 500;
const WARM_UP_MS = 6000;
/** A second: src/cli/page/live.ts. */
const TICKS = 5;
