/**
 * Hosts with more to run than cores: each datagram takes some of the processor, and others run for milliseconds in between. What
 * is delivered against the same without the others; with stamps of the socket, and without.
 */
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import type { FlowOptions } from '../../src/sim/net/flow.js';
import type { Stall } from '../../src/sim/net/host.js';
import { iid } from '../../src/sim/net/loss.js';
import { type BenchRow, row } from '../report.js';
import { alone, type Line, overSeeds } from './scenario.js';

const LINE: Line = { mbit: 100, ms: 40, bdp: 1 };
const TIMES = { warm: SECOND, measure: 6 * SECOND };
/** What sealing and opening take today, and the socket's memory. */
const COSTS = { work: 18, receiverWork: 15, socketBuffer: 4 * 1024 * 1024 };

/** Milliseconds from one sleep to the next, and of each sleep; the process runs for the rest. */
const BUSY: Record<string, { runs: [number, number]; sleeps: [number, number] }> = {
  'two processes a core': { runs: [3, 8], sleeps: [1, 8] },
  'four processes a core': { runs: [3, 6], sleeps: [4, 20] },
  'now and then for long': { runs: [40, 200], sleeps: [20, 60] },
};

export function busy(controller: ControllerFactory): BenchRow[] {
  return Object.keys(BUSY).flatMap((name) =>
    [0, 10].flatMap((percent) => {
      const quiet = share(controller, percent, {});
      const against = (more: Partial<FlowOptions>) => {
        const run = (seed: string) =>
          share(controller, percent, { ...bothSleep(name, seed), ...more }) / quiet;
        return overSeeds('min', run).median;
      };
      return [
        row(
          `busy hosts, ${name}, loss ${percent} %: share of the same on quiet ones, median`,
          against({}),
          'min',
          0.7,
          0.97,
        ),
        row('... where the socket knows when a datagram came', against({ stamped: true }), 'info'),
      ];
    }),
  );
}

function bothSleep(name: string, seed: string): Pick<FlowOptions, 'stalls' | 'receiverStalls'> {
  return { stalls: sleeps(name, `sender ${seed}`), receiverStalls: sleeps(name, `receiver ${seed}`) };
}

function share(controller: ControllerFactory, percent: number, more: Partial<FlowOptions>): number {
  return alone(LINE, { controller, loss: iid(percent / 100), ...COSTS, ...more }, TIMES).share;
}

function sleeps(name: string, host: string): Stall[] {
  const { runs, sleeps: asleep } = BUSY[name];
  const rng = new Rng(`${name} ${host}`);
  const time = ([from, to]: [number, number]): Micros => rng.integer(from * MILLISECOND, to * MILLISECOND);
  const list: Stall[] = [];
  for (let at = time(runs); at < TIMES.warm + TIMES.measure; at += time(runs)) {
    const length = time(asleep);
    list.push({ at, length });
    at += length;
  }
  return list;
}
