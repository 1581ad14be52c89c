/**
 * One flow whose controller is watched while it runs: how long until it is in some state, with an application that can be
 * throttled at any time. In: a line, options of the flow. Out: times, in µs and in round trips as long as they then were.
 */
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import type { BottleneckOptions } from '../../src/sim/net/bottleneck.js';
import type { Flow, FlowNetwork, FlowOptions } from '../../src/sim/net/flow.js';
import { capacity, type Line, network, rtt } from './scenario.js';

export interface Elapsed {
  time: Micros;
  trips: number;
}

export interface Watch {
  net: FlowNetwork;
  flow: Flow;
  line: Line;
  state(): string;
  /** Runs until the condition holds, `limit` at most: then the time is the limit. */
  until(isDone: () => boolean, limit: Micros): Elapsed;
  /** Runs through that time; `look` is called each step. */
  through(time: Micros, look?: () => void): void;
  /** What the application offers from now on, bytes per second; Infinity: all that is asked for. */
  throttle(bytesPerSecond: number): void;
  /** Gives a throttled application so much more to send. */
  offer(bytes: number): void;
  /** Until nine tenths of the line are delivered over a round trip, at least 50 ms. */
  untilFull(limit: Micros): Elapsed;
}

export function watch(
  line: Line,
  options: Omit<FlowOptions, 'rtt' | 'app' | 'appNext'>,
  kind: BottleneckOptions['kind'] = 'tail-drop',
): Watch {
  let rate = Number.POSITIVE_INFINITY;
  let offered = 0;
  let since = 0;
  const net = network(line, `watch ${line.mbit}/${line.ms}/${line.bdp}`, kind);
  const flow: Flow = net.add({
    ...options,
    rtt: rtt(line),
    app: (now) => offered + (rate === 0 ? 0 : (rate * (now - since)) / SECOND),
    appNext: (now) => now + MILLISECOND,
  });
  function until(isDone: () => boolean, limit: Micros): Elapsed {
    const start = net.now;
    let trips = 0;
    while (!isDone() && net.now - start < limit) {
      net.run(net.now + STEP);
      trips += STEP / flow.recovery.rtt.smoothed;
    }
    return { time: net.now - start, trips };
  }
  return {
    net,
    flow,
    line,
    state: () => flow.controller.metrics().state,
    until,
    through(time, look = () => {}) {
      const end = net.now + time;
      until(() => {
        look();
        return net.now >= end;
      }, time);
    },
    throttle(bytesPerSecond) {
      offered = flow.sentBytes;
      since = net.now;
      rate = bytesPerSecond;
    },
    offer(bytes) {
      offered += bytes;
    },
    untilFull(limit) {
      const span = Math.max(50 * MILLISECOND, flow.options.rtt);
      return until(() => flow.rate(net.now - span, net.now) >= 0.9 * capacity(line), limit);
    },
  };
}

const STEP: Micros = MILLISECOND;
