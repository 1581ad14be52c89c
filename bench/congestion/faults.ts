/** Hosts and paths that misbehave: coarse timers, stalls, lost, late and lying acks, reordering, policers, slow lines. */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { newReno } from '../../src/congestion/newreno.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';
import { alone, capacity, type Line, network, rtt, worst } from './scenario.js';

const LINE: Line = { mbit: 50, ms: 40, bdp: 1 };
const TIMES = { warm: 3 * SECOND, measure: 15 * SECOND };

export function faults(controller: ControllerFactory): BenchRow[] {
  const share = (
    name: string,
    options: Omit<Parameters<typeof alone>[1], 'controller'>,
    must: number,
    aim: number,
  ) => row(name, alone(LINE, { controller, ...options }, TIMES).share, 'min', must, aim);
  return [
    ...[1, 4, 15.6].map((tick) =>
      share(`timer tick ${tick} ms: share of C`, { tick: tick * MILLISECOND }, 0.9, 0.95),
    ),
    stalls(controller),
    share('half of the acks lost: share of C', { ackLoss: iid(0.5) }, 0.9, 0.96),
    share('acks in lumps of 15 ms: share of C', { ackAggregation: 15 * MILLISECOND }, 0.9, 0.96),
    share('a tenth of the acks twice: share of C', { ackDuplicate: 0.1 }, 0.9, 0.96),
    share(
      '2 % held back by up to 10 ms: share of C',
      { reorder: 0.02, reorderDelay: 10 * MILLISECOND },
      0.9,
      0.96,
    ),
    share('loss 20 % both ways: share of C(1-p) x 0.8', { loss: iid(0.2), ackLoss: iid(0.2) }, 0.72, 0.77),
    policer(controller),
    slowLine(controller),
    mathis(),
    determinism(controller),
  ];
}

function stalls(controller: ControllerFactory): BenchRow {
  const times = Array.from({ length: 30 }, (_, i) => ({
    at: 3 * SECOND + i * 500 * MILLISECOND,
    length: (i % 2 === 0 ? 50 : 200) * MILLISECOND,
  }));
  const { share } = alone(LINE, { controller, stalls: times }, TIMES);
  // A quarter of the time is stalled; what the window and the pacer then make good is up to them.
  return row('host stalls of 50 and 200 ms, a quarter of the time: share of C', share, 'min', 0.55, 0.7);
}

function policer(controller: ControllerFactory): BenchRow {
  const { share, flow } = alone({ ...LINE, bdp: 0.5 }, { controller }, TIMES, 'policer');
  const lost = flow.recovery.stats.lostPackets / flow.recovery.stats.sentPackets;
  return row(`policer of 0.5 BDP: share of C (loss ${(100 * lost).toFixed(1)} %)`, share, 'min', 0.5, 0.9);
}

/** A bandwidth-delay product below one datagram. */
function slowLine(controller: ControllerFactory): BenchRow {
  const line: Line = { mbit: 0.064, ms: 40, bdp: 1 };
  const { share } = alone(line, { controller }, { warm: 10 * SECOND, measure: 60 * SECOND });
  return row('64 kbit/s 40 ms: share of C', share, 'min', 0.9, 0.96);
}

/** Mathis, Semke, Mahdavi, Ott 1997: rate = size / RTT * sqrt(3 / 2p), for a receiver that acks each packet. */
function mathis(): BenchRow {
  const results = [0.001, 0.003, 0.01].map((p) => {
    const line: Line = { mbit: 1000, ms: 50, bdp: 1 };
    const { share } = alone(
      line,
      { controller: newReno, loss: iid(p) },
      { warm: 20 * SECOND, measure: 200 * SECOND },
    );
    const model = ((1232 * SECOND) / rtt(line)) * Math.sqrt(3 / (2 * p));
    return { ratio: (share * capacity(line)) / model };
  });
  const most = worst(results, ({ ratio }) => -Math.abs(ratio - 1));
  return row(
    'NewReno against Mathis, distance of the ratio from 1',
    Math.abs(most.ratio - 1),
    'max',
    0.2,
    0.1,
  );
}

function determinism(controller: ControllerFactory): BenchRow {
  const digests = [1, 2].map(() => {
    const net = network(LINE, 'twice');
    for (let i = 0; i < 3; i++) net.add({ controller, rtt: rtt(LINE), loss: iid(0.05), start: i * SECOND });
    net.run(10 * SECOND);
    return net.digest();
  });
  return row('same seed, same events: differences', digests[0] === digests[1] ? 0 : 1, 'max', 0, 0);
}
