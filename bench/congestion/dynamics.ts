/** What happens over time: the queue of a lone flow, steps of the line's rate, an outage, the first megabyte, idleness. */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { initialWindow } from '../../src/congestion/controller.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type BenchRow, row } from '../report.js';
import { alone, capacity, describe, type Line, network, rtt, worst } from './scenario.js';

export function dynamics(controller: ControllerFactory): BenchRow[] {
  return [
    ...queueing(controller),
    codel(controller),
    stepUp(controller),
    stepDown(controller),
    outage(controller),
    firstMegabyte(controller),
    blocks(controller),
    trickle(controller),
  ];
}

function queueing(controller: ControllerFactory): BenchRow[] {
  const lines = [10, 100].flatMap((mbit) => [10, 50, 200].map((ms): Line => ({ mbit, ms, bdp: 10 })));
  return lines.map((line) => {
    const { wait95 } = alone(
      line,
      { controller },
      { warm: Math.max(3 * SECOND, 20 * rtt(line)), measure: 20 * SECOND },
    );
    const name = `queueing delay p95 in ms, 10 BDP, ${describe(line)}`;
    return row(name, wait95 / MILLISECOND, 'max', line.ms / 2 + 5, line.ms / 4);
  });
}

function codel(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 40, bdp: 10 };
  const { share } = alone(line, { controller }, { warm: 3 * SECOND, measure: 20 * SECOND }, 'codel');
  return row('share of C under CoDel, 50 Mbit/s 40 ms', share, 'min', 0.9, 0.96);
}

const STEPS: Line[] = [
  { mbit: 100, ms: 20, bdp: 1 },
  { mbit: 100, ms: 50, bdp: 1 },
  { mbit: 50, ms: 100, bdp: 1 },
];

function stepUp(controller: ControllerFactory): BenchRow {
  const results = STEPS.map((line) => {
    const net = network(line, 'up');
    net.bottleneck.setRate(0, line.mbit * 1e5);
    const flow = net.add({ controller, rtt: rtt(line) });
    const at = 10 * SECOND;
    net.at(at, () => net.bottleneck.setRate(at, line.mbit * 1e6));
    const window = Math.max(2 * rtt(line), 100 * MILLISECOND);
    for (let now = at; now < at + 30 * SECOND; now += 10 * MILLISECOND) {
      net.run(now);
      if (flow.rate(now - window, now) >= 0.9 * capacity(line)) return { line, time: now - at };
    }
    return { line, time: 30 * SECOND };
  });
  const slowest = worst(results, ({ time, line }) => -time / rtt(line));
  const name = `rate x10: seconds to fill 90 %, worst at ${describe(slowest.line)}`;
  return row(name, slowest.time / SECOND, 'max', 10, (20 * rtt(slowest.line)) / SECOND);
}

function stepDown(controller: ControllerFactory): BenchRow {
  const results = STEPS.map((line) => {
    const net = network(line, 'down');
    net.add({ controller, rtt: rtt(line) });
    const at = 10 * SECOND;
    net.at(at, () => net.bottleneck.setRate(at, line.mbit * 1e5));
    let time = 0;
    for (let now = at; now < at + 20 * SECOND; now += 10 * MILLISECOND) {
      net.run(now);
      if (net.bottleneck.wait(now) >= rtt(line)) time = now + 10 * MILLISECOND - at;
    }
    return { line, time };
  });
  const slowest = worst(results, ({ time, line }) => -time / rtt(line));
  const name = `rate /10: seconds until the queue stays below an RTT, worst at ${describe(slowest.line)}`;
  return row(name, slowest.time / SECOND, 'max', 3, (5 * rtt(slowest.line)) / SECOND);
}

function outage(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 50, bdp: 1 };
  const net = network(line, 'outage');
  const flow = net.add({ controller, rtt: rtt(line) });
  flow.outage = { from: 10 * SECOND, to: 15 * SECOND };
  for (let now = 15 * SECOND; now < 45 * SECOND; now += 50 * MILLISECOND) {
    net.run(now);
    if (flow.rate(now - 200 * MILLISECOND, now) >= 0.9 * capacity(line))
      return row('outage of 5 s: seconds to 90 % again', now / SECOND - 15, 'max', 10, 5);
  }
  return row('outage of 5 s: seconds to 90 % again', 30, 'max', 10, 5);
}

/** Against a sender that doubles a window each round trip, from the same initial window, paced by nothing. */
function firstMegabyte(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 100, ms: 100, bdp: 1 };
  const size = 1232;
  const net = network(line, 'first');
  const flow = net.add({ controller, rtt: rtt(line), size });
  let time: Micros = 0;
  while (flow.deliveredBytes < 1e6 && time < 20 * SECOND) {
    time += MILLISECOND;
    net.run(time);
  }
  let window = initialWindow(size);
  let sent = 0;
  let ideal: Micros = rtt(line) / 2;
  while (sent + window < 1e6) {
    sent += window;
    window *= 2;
    ideal += rtt(line);
  }
  ideal += ((1e6 - sent) * SECOND) / capacity(line);
  return row(
    'first megabyte at 100 Mbit/s 100 ms, time against an ideal slow start',
    time / ideal,
    'max',
    1.2,
    1,
  );
}

/** An application that sends a block of 250 kB each 400 ms: the path's rate must be remembered, and not outgrown. */
function blocks(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 40, bdp: 2 };
  const period = 400 * MILLISECOND;
  const net = network(line, 'blocks');
  const flow = net.add({
    controller,
    rtt: rtt(line),
    app: (now) => (now < 5 * SECOND ? Number.POSITIVE_INFINITY : blockBytes(now)),
    appNext: (now) => (Math.floor(now / period) + 1) * period,
  });
  let base = 0;
  function blockBytes(now: Micros): number {
    if (base === 0) base = flow.sentBytes;
    return base + (Math.floor(now / period) - Math.floor((5 * SECOND) / period)) * 250_000;
  }
  net.run(20 * SECOND);
  // Each block takes 40 ms at the line's rate; count the share of periods in which it was all delivered within 120 ms.
  let good = 0;
  let count = 0;
  for (let start = 10 * SECOND; start < 20 * SECOND; start += period) {
    count++;
    if (flow.rate(start + rtt(line) / 2, start + 120 * MILLISECOND) * 0.1 >= 0.9 * 250_000) good++;
  }
  return row('blocks of 250 kB each 400 ms: share delivered within 120 ms', good / count, 'min', 0.9, 1);
}

/** A tenth of the line for 30 s, then all of it: the window must not have grown beyond use, nor the rate be forgotten. */
function trickle(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 50, ms: 40, bdp: 2 };
  const rate = capacity(line) / 10;
  const net = network(line, 'trickle');
  const flow = net.add({
    controller,
    rtt: rtt(line),
    app: (now) => (now > 30 * SECOND ? Number.POSITIVE_INFINITY : (now * rate) / SECOND),
    appNext: (now) => now + 2 * MILLISECOND,
  });
  net.run(30 * SECOND);
  net.bottleneck.resetWaits();
  net.run(33 * SECOND);
  return row(
    'trickle, then all: share of C in the third second',
    flow.rate(32 * SECOND, 33 * SECOND) / capacity(line),
    'min',
    0.9,
    0.96,
  );
}
