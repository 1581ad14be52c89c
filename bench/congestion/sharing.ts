/** Several flows on one line: fairness among equals and across RTTs, against CUBIC, and whether the floor stays honest. */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { cubic } from '../../src/congestion/cubic.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type BenchRow, row } from '../report.js';
import { describe, jain, type Line, network, overSeeds, rtt, worst } from './scenario.js';

const PATHS: [number, number][] = [
  [20, 20],
  [50, 40],
  [100, 80],
];

export function sharing(controller: ControllerFactory): BenchRow[] {
  return [
    ...[2, 4, 16].map((count) => fairness(controller, count, 0.95, 0.98, 20 * MILLISECOND)),
    ...[2, 4, 16].map((count) => fairness(controller, count, 0.95, 0.98, 2 * SECOND)),
    rttFairness(controller),
    ...[0.5, 1, 2, 5, 10].map((bdp) => againstCubic(controller, bdp)),
    ...[0.25, 1, 5].map((bdp) => againstFourCubic(controller, bdp)),
    floorHonesty(controller),
  ];
}

function fairness(
  controller: ControllerFactory,
  count: number,
  must: number,
  aim: number,
  stagger: Micros,
): BenchRow {
  const lines: Line[] = [0.5, 1, 5].flatMap((bdp) => [
    { mbit: 50, ms: 40, bdp },
    { mbit: 100, ms: 100, bdp },
  ]);
  const results = lines.map((line) => {
    const index = overSeeds('min', (seed) => {
      const net = network(line, `jain ${seed}`);
      const flows = Array.from({ length: count }, (_, i) =>
        net.add({ controller, rtt: rtt(line), start: i * stagger }),
      );
      const end = 120 * SECOND + count * stagger;
      net.run(end);
      return jain(flows.map((flow) => flow.rate(end - 30 * SECOND, end)));
    });
    return { line, ...index };
  });
  const least = worst(results, ({ median }) => median);
  const apart = stagger < SECOND ? 'at once' : `${stagger / SECOND} s apart`;
  const at = `${describe(least.line)} ${least.line.bdp} BDP`;
  const lowest = Math.min(...results.map((result) => result.worst)).toFixed(2);
  return row(
    `Jain index of ${count} flows started ${apart}, last 30 s, lowest ${lowest}, median at ${at}`,
    least.median,
    'min',
    must,
    aim,
  );
}

function rttFairness(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 50, bdp: 1 };
  const ratio = overSeeds('max', (seed) => {
    const net = network(line, `rtt ${seed}`);
    const short = net.add({ controller, rtt: 10 * MILLISECOND });
    const long = net.add({ controller, rtt: 100 * MILLISECOND });
    net.run(60 * SECOND);
    const rates = [short, long].map((flow) => flow.rate(30 * SECOND, 60 * SECOND));
    return Math.max(...rates) / Math.min(...rates);
  });
  const name = `rate ratio of RTT 10 and 100 ms, highest ${ratio.worst.toFixed(2)}, median`;
  return row(name, ratio.median, 'max', 4, 2);
}

function againstCubic(controller: ControllerFactory, bdp: number): BenchRow {
  const results = PATHS.flatMap(([mbit, ms]) =>
    [true, false].map((first) => {
      const line: Line = { mbit, ms, bdp };
      const shares: number[] = [];
      const distance = overSeeds('max', (seed) => {
        const net = network(line, `cubic ${seed}`);
        const ours = net.add({ controller, rtt: rtt(line), start: first ? 0 : 2 * SECOND });
        const theirs = net.add({
          controller: cubic,
          rtt: rtt(line),
          start: first ? 2 * SECOND : 0,
        });
        net.run(90 * SECOND);
        const [a, b] = [ours, theirs].map((flow) => flow.rate(20 * SECOND, 90 * SECOND));
        shares.push(a / (a + b));
        return Math.abs(a / (a + b) - 0.5);
      });
      return { line, first, shares, ...distance };
    }),
  );
  const most = worst(results, ({ median }) => -median);
  const shares = results.flatMap((result) => result.shares);
  const spread = `ours ${Math.min(...shares).toFixed(2)}-${Math.max(...shares).toFixed(2)}`;
  const at = `${describe(most.line)}, ${most.first ? 'we' : 'they'} first`;
  const name = `share against one CUBIC, ${bdp} BDP: ${spread}, median distance from one half at ${at}`;
  return row(name, most.median, 'max', 0.25, 0.1);
}

function againstFourCubic(controller: ControllerFactory, bdp: number): BenchRow {
  const line: Line = { mbit: 50, ms: 40, bdp };
  const ours: number[] = [];
  const smallest = overSeeds('min', (seed) => {
    const net = network(line, `four ${seed}`);
    const us = net.add({ controller, rtt: rtt(line) });
    const theirs = [1, 2, 3, 4].map((i) =>
      net.add({ controller: cubic, rtt: rtt(line), start: i * 500 * MILLISECOND }),
    );
    net.run(90 * SECOND);
    const rates = [us, ...theirs].map((flow) => flow.rate(20 * SECOND, 90 * SECOND));
    const sum = rates.reduce((total, rate) => total + rate, 0);
    ours.push(rates[0] / sum);
    return Math.min(...rates) / sum;
  });
  const spread = `ours ${Math.min(...ours).toFixed(2)}-${Math.max(...ours).toFixed(2)}`;
  // Nobody below a tenth of what is there: half of a fair share of one in five.
  return row(
    `smallest share of us and four CUBIC, ${bdp} BDP: ${spread}, lowest ${smallest.worst.toFixed(2)}, median`,
    smallest.median,
    'min',
    bdp < 0.5 ? 0.05 : 0.1,
    0.15,
  );
}

/** No random loss at all: what the flows lose is of their own making, and must not pass for random. */
function floorHonesty(controller: ControllerFactory): BenchRow {
  let most = 0;
  for (const bdp of [0.1, 0.25, 0.5, 1])
    for (const count of [1, 2, 4]) {
      const line: Line = { mbit: 50, ms: 40, bdp };
      const net = network(line, 'honest');
      const flows = Array.from({ length: count }, (_, i) =>
        net.add({ controller, rtt: rtt(line), start: i * 50 * MILLISECOND }),
      );
      for (let second = 10; second <= 40; second++) {
        net.run(second * SECOND);
        for (const { controller: made } of flows) most = Math.max(most, made.metrics().lossFloor ?? 0);
      }
    }
  return row('loss floor without random loss, 1-4 flows, 0.1-1 BDP', most, 'max', 0.01, 0.005);
}
