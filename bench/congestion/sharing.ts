/** Several flows on one line: fairness among equals and across RTTs, against CUBIC, and whether the floor stays honest. */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { cubic } from '../../src/congestion/cubic.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type BenchRow, row } from '../report.js';
import { describe, jain, type Line, network, rtt, worst } from './scenario.js';

const PATHS: [number, number][] = [
  [20, 20],
  [50, 40],
  [100, 80],
];

export function sharing(controller: ControllerFactory): BenchRow[] {
  return [
    ...[2, 4, 16].map((count) => fairness(controller, count, 0.95, 0.98, 20 * MILLISECOND)),
    ...[2, 4, 16].map((count) => fairness(controller, count, 0.9, 0.95, 2 * SECOND)),
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
    const net = network(line, 'jain');
    const flows = Array.from({ length: count }, (_, i) =>
      net.add({ controller, rtt: rtt(line), start: i * stagger }),
    );
    const end = 120 * SECOND + count * stagger;
    net.run(end);
    return { line, index: jain(flows.map((flow) => flow.rate(end - 30 * SECOND, end))) };
  });
  const least = worst(results, ({ index }) => index);
  const apart = stagger < SECOND ? 'at once' : `${stagger / SECOND} s apart`;
  const at = `${describe(least.line)} ${least.line.bdp} BDP`;
  return row(
    `Jain index of ${count} flows started ${apart}, last 30 s, worst at ${at}`,
    least.index,
    'min',
    must,
    aim,
  );
}

function rttFairness(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 50, bdp: 1 };
  const net = network(line, 'rtt');
  const short = net.add({ controller, rtt: 10 * MILLISECOND });
  const long = net.add({ controller, rtt: 100 * MILLISECOND });
  net.run(60 * SECOND);
  const rates = [short, long].map((flow) => flow.rate(30 * SECOND, 60 * SECOND));
  return row('rate ratio of RTT 10 and 100 ms', Math.max(...rates) / Math.min(...rates), 'max', 4, 2);
}

function againstCubic(controller: ControllerFactory, bdp: number): BenchRow {
  const results = PATHS.flatMap(([mbit, ms]) =>
    [true, false].map((first) => {
      const line: Line = { mbit, ms, bdp };
      const net = network(line, 'cubic');
      const ours = net.add({ controller, rtt: rtt(line), start: first ? 0 : 2 * SECOND });
      const theirs = net.add({
        controller: cubic,
        rtt: rtt(line),
        start: first ? 2 * SECOND : 0,
      });
      net.run(90 * SECOND);
      const [a, b] = [ours, theirs].map((flow) => flow.rate(20 * SECOND, 90 * SECOND));
      return { line, first, share: a / (a + b) };
    }),
  );
  const most = worst(results, ({ share }) => -Math.abs(share - 0.5));
  const at = `${describe(most.line)}, ${most.first ? 'we' : 'they'} first, share ${most.share.toFixed(2)}`;
  const name = `share against one CUBIC, ${bdp} BDP: distance from one half, worst at ${at}`;
  return row(name, Math.abs(most.share - 0.5), 'max', 0.25, 0.1);
}

function againstFourCubic(controller: ControllerFactory, bdp: number): BenchRow {
  const line: Line = { mbit: 50, ms: 40, bdp };
  const net = network(line, 'four');
  const ours = net.add({ controller, rtt: rtt(line) });
  const theirs = [1, 2, 3, 4].map((i) =>
    net.add({ controller: cubic, rtt: rtt(line), start: i * 500 * MILLISECOND }),
  );
  net.run(90 * SECOND);
  const rates = [ours, ...theirs].map((flow) => flow.rate(20 * SECOND, 90 * SECOND));
  const sum = rates.reduce((total, rate) => total + rate, 0);
  // Nobody below a tenth of what is there: half of a fair share of one in five.
  return row(
    `smallest share of us and four CUBIC, ${bdp} BDP, ours ${(rates[0] / sum).toFixed(2)}`,
    Math.min(...rates) / sum,
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
