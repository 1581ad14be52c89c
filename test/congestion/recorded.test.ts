/**
 * Flows that go as they went when what docs/CONGESTION.md says was measured, half a second by half a second: whoever changes
 * what a controller or the recovery below it does is to know. After a change that is meant to:
 * `npx vitest run test/congestion/recorded.test.ts -u`, see in the diff what has become of each flow, and measure again.
 */
import { expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import type { ControllerFactory } from '../../src/congestion/controller.js';
import { cubic } from '../../src/congestion/cubic.js';
import { newReno } from '../../src/congestion/newreno.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Bottleneck } from '../../src/sim/net/bottleneck.js';
import { type Flow, FlowNetwork, type FlowOptions } from '../../src/sim/net/flow.js';
import { iid } from '../../src/sim/net/loss.js';

const bbr: ControllerFactory = (mtu, seed) => new Bbr(mtu, seed);
const RTT = 40 * MILLISECOND;
/** Of 10 Mbit/s and 40 ms. */
const BDP = 50_000;

interface Run {
  seconds?: number;
  /** In bandwidth-delay products. */
  buffer?: number;
  flows: (Omit<FlowOptions, 'rtt'> & { rtt?: Micros })[];
  /** What happens on the way. */
  events?(net: FlowNetwork): void;
}

const bursts = {
  // 60 kB at the beginning of each 300 ms.
  app: (now: Micros) => 60_000 * (1 + Math.floor(now / (300 * MILLISECOND))),
  appNext: (now: Micros) => 300 * MILLISECOND * (1 + Math.floor(now / (300 * MILLISECOND))),
};

const RUNS: Record<string, Run> = {
  'bbr alone': { seconds: 12, flows: [{ controller: bbr }] },
  'bbr where a fifth of data and acks are lost': {
    flows: [{ controller: bbr, loss: iid(0.2), ackLoss: iid(0.2) }],
  },
  'bbr where seven in ten are lost': { flows: [{ controller: bbr, loss: iid(0.7) }] },
  'bbr where one in a hundred is lost': { flows: [{ controller: bbr, loss: iid(0.01) }] },
  'bbr beside cubic in a deep queue': {
    seconds: 20,
    buffer: 4,
    flows: [{ controller: bbr }, { controller: cubic, start: 2 * SECOND, stop: 12 * SECOND }],
  },
  'two bbr in a deep queue': {
    seconds: 15,
    buffer: 4,
    flows: [{ controller: bbr }, { controller: bbr, start: 3 * SECOND, rtt: 80 * MILLISECOND }],
  },
  'bbr in a shallow queue': { buffer: 0.2, flows: [{ controller: bbr }] },
  'bbr with jitter and reordering': {
    flows: [{ controller: bbr, jitter: 10 * MILLISECOND, reorder: 0.02, reorderDelay: 15 * MILLISECOND }],
  },
  'bbr for an application that sends in bursts': { flows: [{ controller: bbr, ...bursts }] },
  'bbr for an application that sends a fifth of what fits, and then all': {
    seconds: 16,
    flows: [
      {
        controller: bbr,
        app: (now) => (now < 10 * SECOND ? now / 4 : 1e9),
        appNext: (now) => now + 10 * MILLISECOND,
      },
    ],
  },
  'bbr with coarse timers, and acks in lumps': {
    flows: [{ controller: bbr, tick: 15_600, ackAggregation: 20 * MILLISECOND }],
  },
  'bbr through an outage of three seconds': {
    seconds: 9,
    flows: [{ controller: bbr }],
    events: ({ flows: [flow] }) => {
      flow.outage = { from: 2 * SECOND, to: 5 * SECOND };
    },
  },
  'bbr on a line that becomes slower, then faster': {
    seconds: 12,
    flows: [{ controller: bbr }],
    events: (net) => {
      net.at(3 * SECOND, () => net.bottleneck.setRate(net.now, 2e6));
      net.at(8 * SECOND, () => net.bottleneck.setRate(net.now, 20e6));
    },
  },
  'bbr with larger datagrams from the third second on': {
    flows: [{ controller: bbr, loss: iid(0.005) }],
    events: (net) => net.at(2 * SECOND, () => net.resize(net.flows[0], 8952)),
  },
  'cubic alone': { seconds: 12, flows: [{ controller: cubic }] },
  'cubic with reordering and acks that come twice': {
    flows: [{ controller: cubic, reorder: 0.01, reorderDelay: 30 * MILLISECOND, ackDuplicate: 0.1 }],
  },
  'cubic with jitter on a long path': {
    buffer: 10,
    flows: [{ controller: cubic, rtt: 200 * MILLISECOND, jitter: 40 * MILLISECOND }],
  },
  'cubic with larger datagrams while its window is the smallest': {
    flows: [{ controller: cubic, loss: iid(0.3) }],
    events: (net) => net.at(2 * SECOND, () => net.resize(net.flows[0], 8952)),
  },
  'cubic for an application that sends in bursts': { flows: [{ controller: cubic, ...bursts }] },
  'cubic through an outage of three seconds': {
    seconds: 9,
    flows: [{ controller: cubic }],
    events: ({ flows: [flow] }) => {
      flow.outage = { from: 2 * SECOND, to: 5 * SECOND };
    },
  },
  'newreno where one in two hundred is lost': { flows: [{ controller: newReno, loss: iid(0.005) }] },
};

test.each(Object.entries(RUNS))('%s', (name, { seconds = 6, buffer = 1, flows, events }) => {
  const net = new FlowNetwork(name, new Bottleneck({ rate: 10e6, buffer: buffer * BDP }));
  for (const options of flows) net.add({ rtt: RTT, ...options });
  events?.(net);
  const story: string[] = [];
  for (let at = SECOND / 2; at <= seconds * SECOND; at += SECOND / 2) {
    net.run(at);
    for (const [i, flow] of net.flows.entries()) story.push(`${at / SECOND} s, flow ${i}: ${said(flow)}`);
  }
  expect(story.join('\n')).toMatchSnapshot();
});

function said({ recovery, deliveredBytes }: Flow): string {
  const { controller, smoothedRtt, sentPackets, lostPackets } = recovery.metrics();
  const { state, window, pacingRate, lossFloor = 0 } = controller;
  const { spuriousPackets, probeTimeouts, persistentCongestion } = recovery.stats;
  return [
    state,
    `window ${rough(window)}, rate ${rough(pacingRate)}, rtt ${rough(smoothedRtt)}, floor ${rough(lossFloor)}`,
    `sent ${sentPackets}, delivered ${deliveredBytes}, lost ${lostPackets}, spurious ${spuriousPackets}`,
    `timeouts ${probeTimeouts}, persistent ${persistentCongestion}`,
  ].join('; ');
}

/** Four digits: the last ones of a power or a root may differ between machines. */
function rough(value: number): string {
  return Number(value.toPrecision(4)).toString();
}
