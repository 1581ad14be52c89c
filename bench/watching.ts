/**
 * npm run bench -- watching [--rounds 12] [--seconds 2] [--object 16] [--json]: what it costs a member that it is watched. The sender and the receiver
 * of bench loopback, and of each its CPU for each datagram while it has: nothing open; metrics that are read each second; a live page with
 * one viewer; both open, and nobody who asks. A process is switched from one to the next while it runs, and compared with itself just before and
 * after with nothing open, so that neither what the machine does besides nor how its code was compiled says anything; medians of the rounds, with half
 * of what the middle half of them spans.
 */
import { get } from 'node:http';
import { stderr, stdout } from 'node:process';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { MAX_DATAGRAM } from '../src/wire/limits.js';
import { freePorts } from '../tools/lab/ports.js';
import type { MemberOptions, Watched } from './loopback/member.js';
import { type Role, startRole } from './loopback/process.js';
import { ratesBetween, type Usage } from './loopback/usage.js';

const KINDS = ['metrics', 'page', 'open'] as const;
type Kind = (typeof KINDS)[number];
const ENDS = ['sender', 'receiver'] as const;
type End = (typeof ENDS)[number];
/** Shares by which it was dearer, a round each. */
type More = Record<Kind, Record<End, number[]>>;

const WORDS: Record<Kind, string> = {
  metrics: 'metrics, read each second',
  page: 'a page with one viewer',
  open: 'both open, nobody asks',
};

export async function run(args: string[]): Promise<void> {
  const text = (value: string) => ({ type: 'string', default: value }) as const;
  const { values } = parseArgs({
    args,
    options: {
      rounds: text('12'),
      seconds: text('2'),
      object: text('16'),
      json: { type: 'boolean', default: false },
    },
  });
  const [rounds, seconds, megabytes] = [values.rounds, values.seconds, values.object].map(Number);
  const more = Object.fromEntries(
    KINDS.map((kind) => [kind, { sender: [], receiver: [] }]),
  ) as unknown as More;
  const pair = await startPair(Math.round(megabytes * 2 ** 20));
  let looks: number[];
  try {
    await pair.sender.ask('start');
    await sleep(WARM_UP_MS);
    let before = await measure(pair, 'off', seconds);
    for (let round = 0; round < rounds; round++) {
      for (const kind of KINDS) {
        const during = await measure(pair, kind, seconds);
        const after = await measure(pair, 'off', seconds);
        for (const end of ENDS) more[kind][end].push((2 * during[end]) / (before[end] + after[end]) - 1);
        before = after;
      }
      const { sender, receiver } = before;
      stderr.write(
        `round ${round + 1}: ${sender.toFixed(2)} and ${receiver.toFixed(2)} us a datagram with nothing open\n`,
      );
    }
    looks = await Promise.all(ENDS.map((end) => pair[end].ask<number>('look')));
  } finally {
    await Promise.all(ENDS.map((end) => pair[end].stop()));
  }
  if (values.json) stdout.write(`${JSON.stringify({ more, microsecondsPerStatus: looks })}\n`);
  else {
    stdout.write(
      `${'more CPU for each datagram'.padEnd(30)}${ENDS.map((end) => end.padStart(20)).join('')}\n`,
    );
    for (const kind of KINDS)
      stdout.write(
        `${WORDS[kind].padEnd(30)}${ENDS.map((end) => spread(more[kind][end]).padStart(20)).join('')}\n`,
      );
    stdout.write(
      `${'a status, us of CPU'.padEnd(30)}${looks.map((look) => look.toFixed(0).padStart(20)).join('')}\n`,
    );
  }
}

type Pair = Record<End, Role>;

async function startPair(objectSize: number): Promise<Pair> {
  const [first, second] = await freePorts(2);
  const options = {
    ports: [first, second] as [number, number],
    objectSize,
    maxDatagram: MAX_DATAGRAM,
    controller: 'bbr' as const,
  };
  return {
    receiver: startRole('member', { ...options, role: 'receive' } satisfies MemberOptions),
    sender: startRole('member', { ...options, role: 'send' } satisfies MemberOptions),
  };
}

/** Microseconds of CPU for each datagram of each end, with this open and asked for. */
async function measure(pair: Pair, kind: Kind | 'off', seconds: number): Promise<Record<End, number>> {
  const stops = await Promise.all(ENDS.map(async (end) => watch(kind, await pair[end].ask<Watched>(kind))));
  await sleep(SETTLE_MS);
  const usages = () => Promise.all(ENDS.map((end) => pair[end].ask<Usage>('usage')));
  const before = await usages();
  await sleep(seconds * 1000);
  const after = await usages();
  for (const stop of stops) stop();
  const [sender, receiver] = before.map((usage, i) => ratesBetween(usage, after[i]).cpuPerDatagram);
  return { sender, receiver };
}

/** Asks as a browser or Prometheus would, until the returned function is called. */
function watch(kind: Kind | 'off', { page, metrics }: Watched): () => void {
  if (kind === 'page' && page !== undefined) {
    const request = get(new URL('/events', page), (response) => response.on('error', () => {}).resume());
    request.on('error', () => {});
    return () => request.destroy();
  }
  if (kind !== 'metrics' || metrics === undefined) return () => {};
  const scrape = () =>
    get(new URL('/metrics', metrics), (response) => response.resume()).on('error', () => {});
  scrape();
  const timer = setInterval(scrape, 1000);
  return () => clearInterval(timer);
}

function spread(shares: number[]): string {
  const sorted = shares.toSorted((a, b) => a - b);
  const at = (share: number) => 100 * sorted[Math.round(share * (sorted.length - 1))];
  return `${at(0.5).toFixed(1)} ± ${((at(0.75) - at(0.25)) / 2).toFixed(1)} %`;
}

const WARM_UP_MS = 6000;
const SETTLE_MS = 300;
