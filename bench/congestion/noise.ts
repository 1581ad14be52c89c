/**
 * Round-trip times that are noisy by themselves: hosts that stall, links that jitter, a receiver that is slow at first. The
 * delivered share of C(1 - p) over 40 ms at 16 and 50 Mbit/s, worst of both, and the time for the first 4 MiB.
 */
import { type ControllerFactory, fixedRate } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import type { FlowOptions } from '../../src/sim/net/flow.js';
import type { Stall } from '../../src/sim/net/host.js';
import { iid } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';
import { alone, capacity, type Line, network, rtt, worst } from './scenario.js';

type Noise = Pick<FlowOptions, 'jitter' | 'stalls' | 'receiverStalls'>;

const LINES = [16, 50].map((mbit): Line => ({ mbit, ms: 40, bdp: 2 }));
const END = 20 * SECOND;

const NOISES: Record<string, Noise> = {
  'sender stalls': { stalls: stalls('sender') },
  'receiver stalls': { receiverStalls: stalls('receiver') },
  'both stall': { stalls: stalls('both sender'), receiverStalls: stalls('both receiver') },
  'jitter RTT/4': { jitter: 10 * MILLISECOND },
  'jitter RTT/2': { jitter: 20 * MILLISECOND },
  'jitter RTT': { jitter: 40 * MILLISECOND },
  'receiver slow for 1 s': { receiverStalls: slowStart() },
};

export function noise(controller: ControllerFactory): BenchRow[] {
  const rows = Object.entries(NOISES).flatMap(([name, options]) => [
    ...[0, 1, 10, 30].map((percent) => steady(controller, name, options, percent)),
    first(controller, name, options),
  ]);
  return [...rows, earlyExit(controller), shortPath(controller)];
}

/** A path so short that both ends' scheduling is most of its round trip, as between processes of one busy machine. */
function shortPath(controller: ControllerFactory): BenchRow {
  const lines = [100, 500, 1000].map((mbit): Line => ({ mbit, ms: 0.2, bdp: 50 }));
  const results = SHORT_STALLS.flatMap(({ gap, length }) =>
    lines.map((line) => {
      const noisy = {
        stalls: stalls('short sender', gap, length, 2 * SECOND),
        receiverStalls: stalls('short receiver', gap, length, 2 * SECOND),
      };
      const { share } = alone(line, { controller, ...noisy }, { warm: SECOND / 2, measure: SECOND });
      return { line, length, share };
    }),
  );
  const { line, length, share } = worst(results, (result) => result.share);
  const name = `0.2 ms and stalls of ${length[0]} to ${length[1]} us at both ends: share of C, worst at ${line.mbit} Mbit/s`;
  return row(name, share, 'min', 0.7, 0.85);
}

/** Startup ends at a twentieth of the line, since others fill it for the first second: how fast is the rest found? */
function earlyExit(controller: ControllerFactory): BenchRow {
  const leave = SECOND;
  const results = LINES.map((line) => {
    const net = network(line, 'early exit');
    net.add({ controller: () => fixedRate(0.95 * capacity(line)), rtt: rtt(line), stop: leave });
    const flow = net.add({ controller, rtt: rtt(line) });
    const window = 2 * rtt(line);
    do net.run(net.now + MILLISECOND);
    while (net.now < END && flow.rate(net.now - window, net.now) < 0.9 * capacity(line));
    return { line, rounds: (net.now - leave) / rtt(line) };
  });
  const { line, rounds } = worst(results, (result) => -result.rounds);
  const name = `startup ended at a twentieth of the line: RTTs to 90 % of it, worst at ${line.mbit} Mbit/s`;
  return row(name, rounds, 'max', 40, 20);
}

function steady(controller: ControllerFactory, name: string, options: Noise, percent: number): BenchRow {
  const p = percent / 100;
  const times = { warm: 2 * SECOND, measure: END - 2 * SECOND };
  const results = LINES.map((line) => {
    const { share } = alone(line, { controller, loss: iid(p), ...options }, times);
    return { line, share: share / (1 - p) };
  });
  const { line, share } = worst(results, (result) => result.share);
  return row(
    `${name}, loss ${percent} %: share of C(1-p), worst at ${line.mbit} Mbit/s`,
    share,
    'min',
    0.7,
    0.85,
  );
}

/** Against the same without noise. */
function first(controller: ControllerFactory, name: string, options: Noise): BenchRow {
  const results = LINES.map((line) => {
    const noisy = timeFor(4 << 20, controller, line, options);
    return { line, ratio: noisy / timeFor(4 << 20, controller, line, {}) };
  });
  const { line, ratio } = worst(results, (result) => -result.ratio);
  return row(
    `${name}, loss 10 %: time for the first 4 MiB against no noise, worst at ${line.mbit} Mbit/s`,
    ratio,
    'max',
    2,
    1.3,
  );
}

function timeFor(bytes: number, controller: ControllerFactory, line: Line, options: Noise): Micros {
  const net = network(line, 'noise');
  const flow = net.add({ controller, rtt: rtt(line), loss: iid(0.1), ...options });
  while (flow.deliveredBytes < bytes && net.now < END) net.run(net.now + MILLISECOND);
  return net.now;
}

type Range = [from: Micros, to: Micros];

/** Where not told else as on a busy host: what scheduling, garbage collection and compilation do to a process. */
function stalls(
  seed: string,
  gap: Range = [50 * MILLISECOND, 300 * MILLISECOND],
  length: Range = [5 * MILLISECOND, 60 * MILLISECOND],
  end = END,
): Stall[] {
  const rng = new Rng(seed);
  const list: Stall[] = [];
  let at = 0;
  while (at < end) {
    at += Math.max(list.at(-1)?.length ?? 0, rng.integer(...gap));
    list.push({ at, length: rng.integer(...length) });
  }
  return list;
}

/** From the start of one stall to that of the next, and how long it lasts. */
const SHORT_STALLS: { gap: Range; length: Range }[] = [
  { gap: [500, 4000], length: [200, 2000] },
  { gap: [2000, 10_000], length: [1000, 5000] },
  { gap: [1000, 4000], length: [1000, 4000] },
];

/** Asleep for half of the first second. */
function slowStart(): Stall[] {
  return Array.from({ length: 17 }, (_, i) => ({ at: 60 * i * MILLISECOND, length: 30 * MILLISECOND }));
}
