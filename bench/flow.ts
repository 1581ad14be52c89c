/**
 * One scenario of the simulated bottleneck, to look at: our flow, and CUBIC flows beside it if asked for. In: the line, in
 * options. Out: what each flow got, the wait in the queue, and a trace of each flow for `npm run plot`.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { CONTROLLERS, type ControllerName } from '../src/congestion/index.js';
import { SECOND } from '../src/core/time.js';
import { openTrace } from '../src/node/trace.js';
import { iid } from '../src/sim/net/loss.js';
import { readOptions } from '../tools/options.js';
import { capacity, network, rtt } from './congestion/scenario.js';
import { report, row } from './report.js';

export async function run(args: string[]): Promise<void> {
  const { values } = readOptions({ args, options: OPTIONS });
  const line = { mbit: Number(values.rate), ms: Number(values.rtt), bdp: Number(values.buffer) };
  const end = Number(values.seconds) * SECOND;
  const net = network(line, 'flow');
  const names = [values.controller, ...Array<string>(Number(values.cubic)).fill('cubic')];
  mkdirSync(values.out, { recursive: true });
  const flows = names.map((name, i) => {
    const trace = openTrace(join(values.out, `${i + 1}-${name}.qlog`), name, 0);
    const flow = net.add({
      controller: CONTROLLERS[name as ControllerName],
      rtt: rtt(line),
      loss: iid(Number(values.loss) / 100),
      start: i * SECOND,
      observer: (now, event) => trace.write(now, `receiver ${i + 1}`, event),
    });
    return { name, flow, trace };
  });
  net.run(end / 4);
  net.bottleneck.resetWaits();
  net.run(end);
  for (const { trace } of flows) await trace.close();
  const wait = net.bottleneck.waitQuantile(0.95) / 1000;
  const rows = flows.map(({ name, flow }, i) =>
    row(
      `flow ${i + 1}, ${name}: share of the line, last three quarters`,
      flow.rate(end / 4, end) / capacity(line),
      'info',
    ),
  );
  report([...rows, row('95 % of waits in the queue at most, ms', wait, 'info')], values.json);
}

const OPTIONS = {
  /** Mbit/s. */
  rate: { type: 'string', default: '20' },
  /** Milliseconds. */
  rtt: { type: 'string', default: '40' },
  /** In bandwidth-delay products. */
  buffer: { type: 'string', default: '1' },
  /** Percent, at random. */
  loss: { type: 'string', default: '0' },
  /** How many of them beside ours. */
  cubic: { type: 'string', default: '0' },
  seconds: { type: 'string', default: '30' },
  controller: { type: 'string', default: 'bbr' },
  out: { type: 'string', default: 'build/report/flow' },
  json: { type: 'boolean', default: false },
} as const;
