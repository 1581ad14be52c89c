/** Random loss: delivered bytes as a share of C(1 - p), worst of all rates and RTTs, after max(3 s, 20 RTT). */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { SECOND } from '../../src/core/time.js';
import { gilbertElliott, iid, type LossModel } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';
import { alone, capacity, describe, type Line, network, rtt, worst } from './scenario.js';

const RATES = [10, 100, 1000];
const RTTS = [1, 30, 100, 300];

export function randomLoss(controller: ControllerFactory): BenchRow[] {
  const rows: BenchRow[] = [];
  for (const percent of [0, 1, 2, 5, 10, 20, 22, 25, 30, 40, 50]) {
    const p = percent / 100;
    const hard = percent >= 40;
    rows.push(
      sweep(controller, `random loss ${percent} %`, RATES, RTTS, p, iid(p), hard ? [0.8, 0.92] : [0.9, 0.96]),
    );
  }
  for (const percent of [1, 5, 10, 20, 30]) {
    const p = percent / 100;
    const model = gilbertElliott({ meanLoss: p, meanBurst: 5 });
    rows.push(
      sweep(controller, `Gilbert-Elliott ${percent} %, bursts of 5`, [10, 100], RTTS, p, model, [0.85, 0.92]),
    );
  }
  rows.push(...[0.36, 0.51].map((p) => bothWays(controller, p)));
  // Row 1 of the suite: slower lines.
  rows.push(sweep(controller, 'no loss, 1 Mbit/s', [1], [30, 100, 300], 0, iid(0), [0.9, 0.96]));
  return rows;
}

/** Few acknowledgements come back, at the start hardly any: what is left of C(1-p) in the worst of many starts. */
function bothWays(controller: ControllerFactory, p: number): BenchRow {
  const line = { mbit: 100, ms: 40, bdp: 1 };
  const shares = Array.from({ length: 40 }, (_, seed) => {
    const net = network(line, `both ways ${seed}`);
    const flow = net.add({ controller, rtt: rtt(line), loss: iid(p), ackLoss: iid(p) });
    // As a handshake says.
    flow.recovery.rtt.seed(rtt(line));
    net.run(6 * SECOND);
    return flow.rate(3 * SECOND, 6 * SECOND) / capacity(line) / (1 - p);
  });
  const name = `random loss ${100 * p} % both ways, 100 Mbit/s 40 ms: share of C(1-p) from 3 to 6 s, worst of 40 starts`;
  return row(name, Math.min(...shares), 'min', 0.75, 0.9);
}

function sweep(
  controller: ControllerFactory,
  name: string,
  rates: number[],
  rtts: number[],
  p: number,
  loss: LossModel,
  [must, aim]: [number, number],
): BenchRow {
  const cells = rates.flatMap((mbit) => rtts.map((ms): Line => ({ mbit, ms, bdp: 1 })));
  const results = cells.map((line) => {
    const warm = Math.max(3 * SECOND, 20 * rtt(line));
    // A gigabit is 100,000 datagrams a second: three seconds of it say as much as ten of a slower line.
    const measure = Math.max((line.mbit >= 1000 ? 2 : 10) * SECOND, 20 * rtt(line));
    const { share } = alone(line, { controller, loss }, { warm, measure });
    return { line, share: share / (1 - p) };
  });
  const least = worst(results, ({ share }) => share);
  return row(`${name}: share of C(1-p), worst at ${describe(least.line)}`, least.share, 'min', must, aim);
}
