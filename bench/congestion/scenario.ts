/** What the groups of the controller suite share: one path, one flow over it, Jain's index. */
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Bottleneck, type BottleneckOptions } from '../../src/sim/net/bottleneck.js';
import { type Flow, FlowNetwork, type FlowOptions } from '../../src/sim/net/flow.js';

export interface Line {
  /** Mbit/s. */
  mbit: number;
  /** Round-trip time, ms. */
  ms: number;
  /** Buffer in bandwidth-delay products. */
  bdp: number;
}

export const rtt = ({ ms }: Line): Micros => ms * MILLISECOND;
/** Bytes per second. */
export const capacity = ({ mbit }: Line): number => (mbit * 1e6) / 8;

/** At least twenty datagrams: no real queue is shorter. */
export function network(
  line: Line,
  seed: string,
  kind: BottleneckOptions['kind'] = 'tail-drop',
): FlowNetwork {
  const buffer = Math.max(20 * 1232, (capacity(line) * rtt(line) * line.bdp) / SECOND);
  return new FlowNetwork(seed, new Bottleneck({ rate: line.mbit * 1e6, buffer, kind }));
}

/** A flow alone on a line: its delivered share of C over `seconds`, after `warm`, and what the queue did then. */
export function alone(
  line: Line,
  options: Omit<FlowOptions, 'rtt'>,
  times: { warm: Micros; measure: Micros },
  kind: BottleneckOptions['kind'] = 'tail-drop',
): { share: number; flow: Flow; net: FlowNetwork; wait95: Micros } {
  const net = network(line, `${line.mbit}/${line.ms}/${line.bdp}`, kind);
  const flow = net.add({ ...options, rtt: rtt(line) });
  net.run(times.warm);
  net.bottleneck.resetWaits();
  net.run(times.warm + times.measure);
  return {
    share: flow.rate(times.warm, times.warm + times.measure) / capacity(line),
    flow,
    net,
    wait95: net.bottleneck.waitQuantile(0.95),
  };
}

export function jain(rates: number[]): number {
  const sum = rates.reduce((total, rate) => total + rate, 0);
  return (sum * sum) / (rates.length * rates.reduce((total, rate) => total + rate * rate, 0));
}

/** Several flows on one line are chaotic: what one seed says is luck. The middle and the worst of what `run` finds. */
export function overSeeds(
  sense: 'min' | 'max',
  run: (seed: string) => number,
): { median: number; worst: number } {
  const found = SEEDS.map(run).sort((a, b) => (sense === 'min' ? a - b : b - a));
  return { median: found[found.length >> 1], worst: found[0] };
}

const SEEDS = ['one', 'two', 'three', 'four', 'five'];

/** The entry with the smallest `value`. */
export function worst<T>(items: T[], value: (item: T) => number): T {
  return items.reduce((least, item) => (value(item) < value(least) ? item : least));
}

export const describe = ({ mbit, ms }: Line): string => `${mbit} Mbit/s ${ms} ms`;
