/**
 * bench loopback: what a sender and a receiver of headwater move over 127.0.0.1, each in a process of its own, as a share of
 * what a bare node:dgram pair moves in the same run.
 *   npm run bench -- loopback [--json] [--runs 5] [--seconds 3] [--controller bbr] [--object 16]
 * Ours is the whole node, as users run it: encoder, signatures, frames, session, path, pacing and congestion control; at the
 * other end verification, decoder and the object's hash. Bytes of UDP payload per second as they arrive, and those of the
 * objects in them. Bare and ours take turns, and medians count. CPU for a datagram is that of the whole process, user and system,
 * which other work on the machine changes less than the rate; beside it stands the same with HEADWATER_SOCKET=dgram. What it goes to
 * comes from one more run with a sampling profile: each stage's share of the samples.
 * Objects are of 16 MiB, or as many as --object says: beyond 32 MiB the C library gives each back to the kernel, and every
 * page of the next one is made anew. Objects stand outside of V8's heap, but it collects its heap for their sake, some ten
 * times a second; how much that takes shows a pair whose heap may grow.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CONTROLLERS, type ControllerName } from '../../src/congestion/index.js';
import { DATAGRAM_SIZE, MAX_DATAGRAM } from '../../src/wire/limits.js';
import { freePorts } from '../../tools/lab/ports.js';
import { readOptions } from '../../tools/options.js';
import { type BenchRow, report, row } from '../report.js';
import type { BareOptions } from './bare.js';
import type { MemberOptions } from './member.js';
import { type Role, startRole } from './process.js';
import type { Profile } from './profile.js';
import { type Rates, ratesBetween, type Usage } from './usage.js';

interface Pair {
  sender: Role;
  receiver: Role;
}

type Side = Rates & { profile?: Profile | undefined };

interface Measured {
  sender: Side;
  receiver: Side;
}

interface Round {
  bare: Measured;
  ours: Measured;
  /** Ours by Node's own socket. */
  plain: Measured;
  /** What a path over Ethernet carries, and bare datagrams of the size that was found. */
  ethernet: Measured;
  bareEthernet: Measured;
  ethernetSize: number;
  large: Measured;
  bareLarge: Measured;
  /** As `large`, with V8 told not to collect so often. */
  roomy: Measured;
  mtu: number;
}

interface Options {
  controller: ControllerName;
  seconds: number;
  /** Bytes. */
  objectSize: number;
}

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({
    args,
    options: {
      json: { type: 'boolean', default: false },
      runs: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '3' },
      controller: { type: 'string', default: 'bbr' },
      object: { type: 'string', default: '16' },
    },
  });
  const runs = Number(values.runs);
  const seconds = Number(values.seconds);
  const objectSize = Number(values.object) * 2 ** 20;
  if (!(runs >= 1 && seconds > 0 && objectSize >= 1))
    throw new RangeError(
      `--runs, --seconds, --object: expected more than 0, got ${values.runs}, ${values.seconds}, ${values.object}`,
    );
  if (!(values.controller in CONTROLLERS))
    throw new RangeError(
      `--controller: expected one of ${Object.keys(CONTROLLERS).join(', ')}, got ${values.controller}`,
    );
  const options = { controller: values.controller as ControllerName, seconds, objectSize };
  const rounds: Round[] = [];
  for (let i = 0; i < runs; i++) rounds.push(await round(options));
  const rows = [...ratios(rounds), ...(await stages(options))];
  process.exitCode = report(rows, values.json) ? 0 : 1;
}

/** Each of the five once, one after the other. */
async function round(options: Options): Promise<Round> {
  const { seconds } = options;
  const bare = await withPair(await barePair(DATAGRAM_SIZE), (pair) => measure(pair, seconds));
  const ours = await withPair(await memberPair(options, DATAGRAM_SIZE), (pair) => measure(pair, seconds));
  const plain = await withPair(
    await memberPair(options, DATAGRAM_SIZE, { env: { HEADWATER_SOCKET: 'dgram' } }),
    (pair) => measure(pair, seconds),
  );
  let ethernetSize = 0;
  const ethernet = await withPair(await memberPair(options, ETHERNET_DATAGRAM), async (pair) => {
    const result = await measure(pair, seconds);
    ethernetSize = await pair.sender.ask<number>('mtu');
    return result;
  });
  const bareEthernet = await withPair(await barePair(ethernetSize), (pair) => measure(pair, seconds));
  let mtu = 0;
  const large = await withPair(await memberPair(options, MAX_DATAGRAM), async (pair) => {
    const result = await measure(pair, seconds);
    mtu = await pair.sender.ask<number>('mtu');
    return result;
  });
  const bareLarge = await withPair(await barePair(mtu), (pair) => measure(pair, seconds));
  const roomy = await withPair(await memberPair(options, MAX_DATAGRAM, { flags: [ROOMY] }), (pair) =>
    measure(pair, seconds),
  );
  return { bare, ours, plain, ethernet, bareEthernet, ethernetSize, large, bareLarge, roomy, mtu };
}

function ratios(rounds: Round[]): BenchRow[] {
  const of = (value: (round: Round) => number) => median(rounds.map(value));
  const megabytes = (value: (round: Round) => Rates) => of((round) => value(round).bytes / 1e6);
  const mtu = of((round) => round.mtu);
  const same = DATAGRAM_SIZE;
  const cpu = (value: (round: Round) => Rates) => of((round) => value(round).cpuPerDatagram);
  const unit = `CPU a datagram of ${same}`;
  const sizes = rounds.map(({ ethernetSize }) => ethernetSize);
  return [
    ...ENDS.map((end) =>
      row(
        `us of ${unit}, ${end}`,
        cpu(({ ours }) => ours[end]),
        'max',
        CPU_MUST,
        CPU_AIM,
      ),
    ),
    ...ENDS.map((end) =>
      row(
        `by dgram: us of ${unit}, ${end}`,
        cpu(({ plain }) => plain[end]),
        'info',
      ),
    ),
    ...ENDS.map((end) =>
      row(
        `bare: us of ${unit}, ${end}`,
        cpu(({ bare }) => bare[end]),
        'info',
      ),
    ),
    row(
      `ours / bare, ${Math.min(...sizes)} to ${Math.max(...sizes)}`,
      of(({ ethernet, bareEthernet }) => ethernet.receiver.bytes / bareEthernet.receiver.bytes),
      'min',
      SAME_SIZE_MUST,
      1,
    ),
    row(
      `ours / bare, ${Math.min(...sizes)} to ${Math.max(...sizes)}: bytes per second of CPU`,
      of(({ ethernet, bareEthernet }) => perCpu(ethernet) / perCpu(bareEthernet)),
      'info',
    ),
    row(
      `bare, ${same}, MB/s received`,
      megabytes((round) => round.bare.receiver),
      'info',
    ),
    row(
      `ours, ${same}, MB/s received`,
      megabytes((round) => round.ours.receiver),
      'info',
    ),
    row(
      `ours, ${mtu}, MB/s received`,
      megabytes((round) => round.large.receiver),
      'info',
    ),
    row(
      `bare, ${mtu}, MB/s received`,
      megabytes((round) => round.bareLarge.receiver),
      'info',
    ),
    row(
      `ours / bare, ${same}`,
      of(({ ours, bare }) => ours.receiver.bytes / bare.receiver.bytes),
      'info',
    ),
    row(
      `ours / bare, ${same}: object bytes`,
      of(({ ours, bare }) => ours.receiver.useful / bare.receiver.bytes),
      'info',
    ),
    row(
      `ours / bare, ${same}: bytes per second of CPU`,
      of(({ ours, bare }) => perCpu(ours) / perCpu(bare)),
      'info',
    ),
    row(
      `ours as it runs by default, ${mtu} / bare, ${same}`,
      of(({ large, bare }) => large.receiver.bytes / bare.receiver.bytes),
      'min',
      MUST,
    ),
    row(
      `ours, ${mtu} / bare, ${same}: object bytes`,
      of(({ large, bare }) => large.receiver.useful / bare.receiver.bytes),
      'info',
    ),
    row(
      `ours, ${mtu} / bare, ${same}: bytes per second of CPU`,
      of(({ large, bare }) => perCpu(large) / perCpu(bare)),
      'info',
    ),
    row(
      `ours, ${mtu}, ${ROOMY}: MB/s received`,
      megabytes((round) => round.roomy.receiver),
      'info',
    ),
    row(
      `ours / bare, ${mtu}`,
      of(({ large, bareLarge }) => large.receiver.bytes / bareLarge.receiver.bytes),
      'info',
    ),
  ];
}

/** What would limit both if nothing but the processor did, and they had it to themselves. */
function perCpu({ sender, receiver }: Measured): number {
  return Math.min(sender.bytesPerCpu, receiver.bytesPerCpu);
}

/** CPU per datagram of each process, by stage. */
async function stages(options: Options): Promise<BenchRow[]> {
  const { seconds } = options;
  const rows: BenchRow[] = [];
  const add = async (who: string, start: Promise<Pair>) => {
    const pair = await start;
    await withPair(pair, async () => {
      const measured = await measure(pair, seconds, true);
      for (const side of ['sender', 'receiver'] as const) {
        const { cpuPerDatagram, profile } = measured[side];
        rows.push(row(`${who} ${side}, us of CPU a datagram`, cpuPerDatagram, 'info'));
        const total = Object.values(profile!).reduce((sum, time) => sum + time, 0);
        for (const [stage, time] of Object.entries(profile!).sort(([, a], [, b]) => b - a))
          rows.push(row(`${who} ${side}: ${stage}`, (time / total) * cpuPerDatagram, 'info'));
      }
    });
  };
  await add(`bare ${DATAGRAM_SIZE}`, barePair(DATAGRAM_SIZE));
  await add(`ours ${DATAGRAM_SIZE}`, memberPair(options, DATAGRAM_SIZE));
  await add('ours at the MTU', memberPair(options, MAX_DATAGRAM));
  return rows;
}

async function measure({ sender, receiver }: Pair, seconds: number, profiled = false): Promise<Measured> {
  const both = <Answer>(word: string) => Promise.all([sender.ask<Answer>(word), receiver.ask<Answer>(word)]);
  await sender.ask('start');
  await warmUp(receiver);
  if (profiled) await both('profile');
  const before = await both<Usage>('usage');
  await sleep(seconds * 1000);
  const after = await both<Usage>('usage');
  const profiles = profiled ? await both<Profile>('profiled') : [];
  const [ofSender, ofReceiver] = before.map((usage, i) => ({
    ...ratesBetween(usage, after[i]),
    profile: profiles[i],
  }));
  return { sender: ofSender, receiver: ofReceiver };
}

/** On a busy machine it takes long until the code is compiled and the controller has found the rate. */
async function warmUp(receiver: Role): Promise<void> {
  for (let waited = 0; waited < MAX_WARM_UP; waited += WARM_UP_STEP) {
    await sleep(WARM_UP_STEP);
    if (waited >= MIN_WARM_UP && (await receiver.ask<Usage>('usage')).bytes >= WARM_BYTES) return;
  }
}

async function barePair(size: number): Promise<Pair> {
  const receiver = startRole('bare', { size } satisfies BareOptions);
  const port = await receiver.ask<number>('port');
  return { receiver, sender: startRole('bare', { size, port } satisfies BareOptions) };
}

async function memberPair(
  { controller, objectSize }: Options,
  maxDatagram: number,
  given: Parameters<typeof startRole>[2] = {},
): Promise<Pair> {
  const [first, second] = await freePorts(2);
  const ports: [number, number] = [first, second];
  const options = { ports, objectSize, maxDatagram, controller };
  return {
    receiver: startRole('member', { ...options, role: 'receive' } satisfies MemberOptions, given),
    sender: startRole('member', { ...options, role: 'send' } satisfies MemberOptions, given),
  };
}

async function withPair<Result>(pair: Pair, use: (pair: Pair) => Promise<Result>): Promise<Result> {
  try {
    return await use(pair);
  } finally {
    await Promise.all([pair.sender.stop(), pair.receiver.stop()]);
  }
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[values.length >> 1];
}

const MUST = 0.5;
const ENDS = ['sender', 'receiver'] as const;
const CPU_MUST = 9;
const CPU_AIM = 6;
const SAME_SIZE_MUST = 0.55;
/** UDP payload of an Ethernet frame, with the IPv6 header. */
const ETHERNET_DATAGRAM = 1452;
/** MB; a few objects fit besides what V8 starts with. */
const ROOMY = '--initial-old-space-size=256';
/** Milliseconds. */
const WARM_UP_STEP = 250;
const MIN_WARM_UP = 2000;
const MAX_WARM_UP = 10_000;
/** Bytes: 3000 of the largest datagrams, so that what handles them is compiled. */
const WARM_BYTES = 200e6;
