/**
 * Bugs that others have had in their congestion control, each with a test that fails if it is put in here. The name says
 * where it was. Those that are older than this file stand elsewhere:
 * controllers.test.ts: fast convergence to 59.5 % (quinn 3c43d45), NewReno's credit (quinn bd0c3bf), overflow after a long
 * run (quinn a1931ab), a pacing rate of zero at any time (libudx eaf0b02); pacer.test.ts, pacer-rate.test.ts: debt below the
 * granularity (neqo d1fa044), overflow (quic-go 94829ed, f07d693), coarse timers (libudx deb8a6a), credit lost in a refill
 * (libudx); rfc9002-recovery.test.ts: pacing is not app-limited (neqo 1b8abbb), the first acked bytes (quinn #2481);
 * flows.test.ts: a start that the application limits (picoquic #839).
 */
import { describe, expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import { BbrPath } from '../../src/congestion/bbr/path.js';
import { BbrRounds, type Round } from '../../src/congestion/bbr/rounds.js';
import { BbrStartup } from '../../src/congestion/bbr/startup.js';
import {
  type Controller,
  type ControllerFactory,
  fixedRate,
  initialWindow,
  type LossEvent,
  type RateSample,
} from '../../src/congestion/controller.js';
import { cubic as newCubic } from '../../src/congestion/cubic.js';
import { HyStart } from '../../src/congestion/hystart.js';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { newReno } from '../../src/congestion/newreno.js';
import { Pacer } from '../../src/congestion/pacer.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Recovery } from '../../src/path/recovery.js';
import { Bottleneck } from '../../src/sim/net/bottleneck.js';
import { type Flow, FlowNetwork, type FlowOptions } from '../../src/sim/net/flow.js';
import { iid } from '../../src/sim/net/loss.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import { rangesOf } from '../wire/arbitrary.js';
import { MTU, sample } from './sample.js';

const MS = MILLISECOND;
const RATE = 2.5e6;
const ALL = Object.entries(CONTROLLERS);

describe('of our own', () => {
  test.each([0.36, 0.51])('where both ways lose a share of %s no flow stands still', (share) => {
    const rates = Array.from({ length: 30 }, (_, seed) => {
      const net = new FlowNetwork(`both ways ${seed}`, new Bottleneck({ rate: 100e6, buffer: 500_000 }));
      const flow = net.add({
        controller: CONTROLLERS.bbr,
        rtt: 40 * MS,
        loss: iid(share),
        ackLoss: iid(share),
      });
      // As a handshake says.
      flow.recovery.rtt.seed(40 * MS);
      net.run(6 * SECOND);
      return flow.rate(3 * SECOND, 6 * SECOND) / 12.5e6 / (1 - share);
    });
    expect(Math.min(...rates)).toBeGreaterThan(0.75);
  });

  test('four flows in a shallow queue do not start over and over', () => {
    const net = new FlowNetwork('shallow', new Bottleneck({ rate: 50e6, buffer: 62_500 }));
    const flows = [0, 1, 2, 3].map((i) =>
      net.add({ controller: CONTROLLERS.bbr, rtt: 40 * MS, start: i * 50 * MS }),
    );
    const sum = (key: 'lostPackets' | 'sentPackets') =>
      flows.reduce((total, { recovery }) => total + recovery.stats[key], 0);
    net.run(10 * SECOND);
    const [lost, sent] = [sum('lostPackets'), sum('sentPackets')];
    net.run(30 * SECOND);
    expect((sum('lostPackets') - lost) / (sum('sentPackets') - sent)).toBeLessThan(0.02);
  });

  test('a round without a sample of the round trip is no queue: a slow start of a process does not end startup', () => {
    const path = new BbrPath();
    path.onRtt(0, 700 * MS);
    // The ack of a heartbeat, come when data were already under way.
    const round = (minRtt: Micros): Round => ({
      sentAt: 0,
      acked: 1,
      lost: 0,
      losses: 0,
      inFlight: 5830,
      minRtt,
      maxRtt: minRtt,
      peak: 0,
      limited: false,
    });
    const situation = { delayed: true, isResumed: false, cwnd: 12_320, mtu: MTU };
    const startup = new BbrStartup(path, new BbrRounds(path));
    startup.endsWith({ ...round(700 * MS), peak: 2000 }, round(700 * MS), situation);
    const nothing = round(Number.POSITIVE_INFINITY);
    for (let i = 0; i < 5; i++) expect(startup.endsWith(nothing, round(700 * MS), situation)).toBe(false);
  });

  test('a process that is slow at first does not gather a queue of many round trips', () => {
    // A twentieth of the line for a second, as one that compiles its code while it reads; its socket holds all that comes.
    const net = new FlowNetwork('slow reader', new Bottleneck({ rate: 100e6, buffer: 500_000 }));
    const receiverStalls = Array.from({ length: 500 }, (_, i) => ({ at: 2 * i * MS, length: 1.5 * MS }));
    const flow = net.add({ controller: CONTROLLERS.bbr, rtt: 40 * MS, receiverWork: 400, receiverStalls });
    let most = 0;
    for (let now = 0; now < SECOND; now += 5 * MS) {
      net.run(now);
      if (flow.recovery.stats.ackedPackets > 0) most = Math.max(most, flow.recovery.rtt.smoothed);
    }
    expect(most).toBeLessThan(160 * MS);
  });

  test('hosts that sleep longer than a round trip leave the line full', () => {
    const naps = (seed: string) => {
      const rng = new Rng(seed);
      let at = 0;
      return Array.from({ length: 150 }, () => {
        const nap = { at: at + rng.integer(2 * MS, 10 * MS), length: rng.integer(MS, 5 * MS) };
        at = nap.at + nap.length;
        return nap;
      });
    };
    const net = new FlowNetwork('naps', new Bottleneck({ rate: 500e6, buffer: 1_000_000 }));
    const flow = net.add({
      controller: CONTROLLERS.bbr,
      rtt: 200,
      stalls: naps('sender'),
      receiverStalls: naps('receiver'),
    });
    net.run(SECOND);
    expect(flow.rate(SECOND / 4, SECOND) / 62.5e6).toBeGreaterThan(0.9);
  });

  test('bbr: what the application leaves unused does not grow the window', () => {
    const offered = RATE / 10;
    const flow = run(
      {
        controller: CONTROLLERS.bbr,
        app: (now) => (now * offered) / SECOND,
        appNext: (now) => now + MS,
      },
      20 * SECOND,
    );
    expect(flow.controller.window()).toBeLessThan(4 * 100_000);
  });
});

describe('units', () => {
  test('rates are bytes per second (quinn ebc98fa)', () => {
    const flow = run({ controller: CONTROLLERS.bbr }, 10 * SECOND);
    const { bandwidth, pacingRate } = flow.controller.metrics();
    expect(bandwidth! / RATE).toBeGreaterThan(0.9);
    expect(bandwidth! / RATE).toBeLessThan(1.1);
    expect(pacingRate / RATE).toBeLessThan(1.4);
    const reno = newReno(MTU);
    reno.onLost(1, lossAt(0));
    reno.onAck(2, sample({ sentAt: 0, smoothedRtt: 100 * MS }));
    expect(reno.pacingRate()).toBeCloseTo((1.25 * reno.window()) / 0.1);
  });

  // Draft BBR mixed them in the time to wait for Reno (quinn #2481); these two count in datagrams throughout.
  test.each([
    ['newreno', (mtu: number) => newReno(mtu)],
    ['cubic', (mtu: number) => newCubic(mtu)],
  ])('%s in datagrams of another size is the same in datagrams', (_name, make) => {
    const [small, large] = [1000, 9000].map((mtu) => {
      const controller = make(mtu);
      const windows: number[] = [];
      for (let i = 1; i < 300; i++) {
        const now = i * 50 * MS;
        if (i % 60 === 10) controller.onLost(now, { ...lossAt(now - 1), bytes: mtu });
        controller.onAck(now, sample({ acked: 8 * mtu, sentAt: now + 1, delivered: i * 8 * mtu }));
        windows.push(controller.window() / mtu);
      }
      return windows;
    });
    // The first window is counted in bytes (RFC 9002 section 7.2): compare what comes after the cuts.
    expect(large.at(-1)! / small.at(-1)!).toBeGreaterThan(0.8);
    expect(large.at(-1)! / small.at(-1)!).toBeLessThan(1.25);
  });
});

describe('losses', () => {
  test('of neighbours are one event, of others one each (quinn #2481)', () => {
    const { path, losses } = recorded();
    for (let i = 0; i < 40; i++) path.onSent(i, MTU);
    path.onAckReceived(50 * MS, ackOf(30, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20));
    expect(losses.at(-1)).toMatchObject({ packets: 20, ranges: 1 });
    const other = recorded();
    for (let i = 0; i < 40; i++) other.path.onSent(i, MTU);
    other.path.onAckReceived(50 * MS, ackOf(30, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1));
    expect(other.losses.at(-1)).toMatchObject({ ranges: 11 });
  });

  test('in one burst do not end startup, scattered ones with a queue do (quinn #2481)', () => {
    expect(startupAfter(1)).toBe('startup');
    expect(startupAfter(20)).not.toBe('startup');
  });

  test('are nothing to the controller where the packet was not in flight (neqo 8fe2753)', () => {
    const { path, losses, samples } = recorded();
    for (let i = 0; i < 20; i++) path.onSent(i, 60, i % 2 === 0 ? 'soon' : 'none');
    path.onAckReceived(50 * MS, ackOf(18, 17));
    path.onAckReceived(51 * MS, ackOf(19, 18, 17));
    expect(losses.reduce((sum, { packets }) => sum + packets, 0)).toBe(8);
    expect(samples).toHaveLength(1);
    expect(path.inFlight).toBe(60);
  });

  test.each(ALL)('%s leaves recovery by time, whatever the packet numbers (quinn #219)', (_name, make) => {
    const controller = make(MTU);
    const path = new Recovery({ controller, rng: new Rng(1), first: 2 ** 40, mtu: MTU });
    const round = (now: Micros, skip: number, count = 8) => {
      const numbers = Array.from({ length: count }, () => path.onSent(now, MTU)).slice(skip);
      path.onAckReceived(now + 20 * MS, ackOf(...numbers.reverse()));
    };
    round(1, 0);
    round(30 * MS, 4);
    for (let now = 60 * MS; now < SECOND; now += 30 * MS) round(now, 0);
    const before = controller.window();
    // Twice as many: a model grows with what comes through.
    for (let now = SECOND; now < 20 * SECOND; now += 30 * MS) round(now, 0, 16);
    expect(controller.window()).toBeGreaterThan(before);
  });
});

describe('windows', () => {
  test('of CUBIC grow by what was acked, however many acks bring it (quinn bd0c3bf)', () => {
    const grown = (parts: number) => {
      const cubic = newCubic(MTU);
      cubic.onLost(SECOND, lossAt(SECOND - 1));
      for (let now = SECOND; now < 8 * SECOND; now += 50 * MS)
        for (let i = 0; i < parts; i++)
          cubic.onAck(now, sample({ acked: cubic.window() / parts, sentAt: now + 1 }));
      return cubic.window();
    };
    expect(grown(16) / grown(1)).toBeGreaterThan(0.9);
    expect(grown(16) / grown(1)).toBeLessThan(1.15);
  });

  test('do not grow for an application that sends three datagrams a round trip (neqo c1462a7)', () => {
    const controller = newCubic(MTU);
    const path = new Recovery({ controller, rng: new Rng(1), mtu: MTU });
    for (let now = 0; now < 10 * SECOND; now += 100 * MS) {
      const numbers = Array.from({ length: 3 }, () => path.onSent(now, MTU));
      path.onAppLimited(now);
      path.onAckReceived(now + 50 * MS, { ranges: [numbers[2], numbers[0]], delay: 0, received: 1 });
    }
    expect(controller.window()).toBe(initialWindow(MTU));
  });

  test('grow for one that fills each window and waits for all of it (quiche #2496)', () => {
    const controller = newReno(MTU);
    const path = new Recovery({ controller, rng: new Rng(1), mtu: MTU });
    for (let now = 0, round = 0; round < 4; now += 100 * MS, round++) {
      let largest = -1;
      for (let at = now; path.askToSend(at) !== 'window'; at = Math.max(at, path.nextSend(at)))
        largest = path.onSent(at, MTU);
      path.onAckReceived(now + 95 * MS, { ranges: [largest, 0], delay: 0, received: largest + 1 });
      expect(path.inFlight).toBe(0);
    }
    expect(controller.window()).toBe(16 * initialWindow(MTU));
  });
});

test('a window that was full counts as used, although the application has no more by now (RFC 9002 section 7.8)', () => {
  const controller = newReno(MTU);
  const path = new Recovery({ controller, rng: new Rng(1), mtu: MTU });
  while (path.askToSend(0) === 'any') path.onSent(0, MTU);
  path.onAckReceived(50 * MS, { ranges: [1, 0], delay: 0, received: 2 });
  path.onAppLimited(50 * MS);
  path.onAckReceived(51 * MS, { ranges: [9, 0], delay: 0, received: 10 });
  expect(controller.window()).toBe(2 * initialWindow(MTU));
});

describe('HyStart++', () => {
  test('counts the ack that ends a round to the next one (neqo 99f25f1)', () => {
    const hystart = new HyStart();
    const round = rounds(hystart);
    round(Array(8).fill(100 * MS));
    // Exactly as many samples as are needed.
    expect(round(Array(8).fill(120 * MS))).toBe(MTU / 4);
  });

  test('wants new samples before it takes an alarm back (neqo 4b58b43)', () => {
    const round = rounds(new HyStart());
    round(Array(8).fill(100 * MS));
    expect(round([...Array(8).fill(120 * MS), 100 * MS])).toBe(MTU / 4);
  });

  test('does not take an alarm back for what would raise it again (neqo e5dc621)', () => {
    const round = rounds(new HyStart());
    round(Array(8).fill(100 * MS));
    round(Array(8).fill(120 * MS));
    expect(round(Array(8).fill(119 * MS))).toBe(MTU / 4);
    expect(round(Array(8).fill(112 * MS))).toBe(MTU);
  });
});

describe('the start', () => {
  test.each(ALL)('%s: ten datagrams, then what the first round trip allows (s2n #1524)', (_name, make) => {
    const controller = make(MTU);
    const path = new Recovery({ controller, rng: new Rng(1), mtu: MTU });
    let sent = 0;
    for (; path.askToSend(sent) === 'any' && sent < 100; sent++) path.onSent(sent, MTU);
    expect(sent).toBeLessThanOrEqual(10);
    path.onAckReceived(100 * MS, { ranges: [0, 0], delay: 0, received: 1 });
    expect(controller.pacingRate()).toBeLessThan((3 * initialWindow(MTU)) / 0.1);
  });

  test('without any round-trip time: about the first window, not an endless one (msquic #6118)', () => {
    const bbr = new Bbr(MTU);
    for (let i = 0; i < 400; i++) {
      const at = { delivered: (i + 1) * MTU, priorDelivered: i * MTU, sentAt: i * 10 * MS };
      bbr.onAck(i * 10 * MS, sample({ ...at, rtt: undefined, rate: 1e6 }));
    }
    expect(bbr.state).not.toBe('startup');
    expect(bbr.window()).toBeLessThan(4 * initialWindow(MTU));
  });

  test('without a valid rate: paced by the first window, not at nothing (libudx eaf0b02)', () => {
    const bbr = new Bbr(MTU);
    for (let i = 0; i < 100; i++) {
      bbr.onAck(i * MS, sample({ rate: 0, delivered: (i + 1) * MTU, priorDelivered: i * MTU }));
      expect(bbr.pacingRate()).toBeGreaterThan(initialWindow(MTU) / 0.05);
    }
  });

  test('ends although the application runs dry now and then (hysteria #1105)', () => {
    const dry = (now: Micros) => now % SECOND < 5 * MS;
    const flow = run(
      {
        controller: CONTROLLERS.bbr,
        app: (now) => (dry(now) ? 0 : Number.POSITIVE_INFINITY),
        appNext: (now) => now + MS,
      },
      3 * SECOND,
      // So deep that nothing is lost, which would end it too.
      1e9,
    );
    expect(flow.controller.metrics().state).not.toBe('startup');
  });
});

describe('bursts and lumps', () => {
  test('at 400 kbit/s an idle flow may send three datagrams at once, not ten (quinn ecb72da)', () => {
    const pacer = new Pacer();
    pacer.onSent(0, 1232, 50_000);
    let burst = 0;
    for (; pacer.nextSend(60 * SECOND, 50_000) <= 60 * SECOND; burst++)
      pacer.onSent(60 * SECOND, 1232, 50_000);
    expect(burst).toBeLessThanOrEqual(3);
  });

  test('the rate that a controller computes is the rate that is sent (freenet #2674)', () => {
    const path = new Recovery({ controller: fixedRate(100_000), rng: new Rng(1), mtu: MTU });
    let sent = 0;
    for (let now = 0; now < 10 * SECOND; now = Math.max(now + 1, path.nextSend(now)))
      for (; path.askToSend(now) === 'any'; sent += MTU) path.onSent(now, MTU);
    expect(sent / 1e6).toBeGreaterThan(0.98);
    expect(sent / 1e6).toBeLessThan(1.02);
  });

  test('acks in lumps of 15 ms (libudx a23341e)', () => {
    const flow = run({ controller: CONTROLLERS.bbr, ackAggregation: 15 * MS }, 13 * SECOND);
    expect(flow.rate(3 * SECOND, 13 * SECOND) / RATE).toBeGreaterThan(0.9);
  });

  test('the estimate does not sink by itself where all goes in batches (picoquic #1612)', () => {
    const flow = run(
      { controller: CONTROLLERS.bbr, rtt: MS, tick: 4 * MS, aggregation: 4 * MS, ackAggregation: 4 * MS },
      60 * SECOND,
    );
    expect(flow.rate(50 * SECOND, 60 * SECOND) / RATE).toBeGreaterThan(0.9);
  });
});

function lossAt(sentAt: Micros): LossEvent {
  return { bytes: MTU, packets: 1, ranges: 1, sentAt, priorInFlight: 100 * MTU };
}

/** An ack of these numbers. */
function ackOf(...numbers: number[]): Ack {
  return { ranges: rangesOf(numbers), delay: 0, received: numbers.length };
}

function recorded(): { path: Recovery; losses: LossEvent[]; samples: RateSample[] } {
  const losses: LossEvent[] = [];
  const samples: RateSample[] = [];
  const controller: Controller = {
    ...fixedRate(1e9),
    onLost: (_now, loss) => void losses.push(loss),
    onAck: (_now, taken) => void samples.push(taken),
  };
  return { path: new Recovery({ controller, rng: new Rng('skip'), mtu: MTU }), losses, samples };
}

/** BBR's state after a round of growth with a queue in which 20 of 100 packets were lost, in so many runs. */
function startupAfter(ranges: number): string {
  const bbr = new Bbr(MTU);
  // What its path has learned of random loss.
  bbr['path'].floor.learn(1000, 0);
  let delivered = 0;
  for (let round = 0; round < 3; round++) {
    const priorDelivered = delivered;
    const now = (round + 1) * 100 * MS;
    const rtt = round === 0 ? 50 * MS : 80 * MS;
    for (let i = 0; i < 80; i++) {
      delivered += MTU;
      if (round === 1 && i === 40)
        bbr.onLost(now, { ...lossAt(now - rtt), packets: 20, bytes: 20 * MTU, ranges });
      bbr.onAck(
        now + i,
        sample({ delivered, priorDelivered, rate: 1e6 * 2 ** round, rtt, sentAt: now - rtt }),
      );
    }
  }
  return bbr.state;
}

/** Feeds rounds of acks with these round-trip times; returns the growth that the last one brought. */
function rounds(hystart: HyStart): (rtts: Micros[]) => number {
  let delivered = 0;
  return (rtts) => {
    const mark = delivered;
    let growth = Number.NaN;
    rtts.forEach((rtt, i) => {
      delivered++;
      growth = hystart.onAck(sample({ rtt, delivered, priorDelivered: i === 0 ? mark : 0 })).growth;
    });
    return growth;
  };
}

/** A flow on a line of 20 Mbit/s and 40 ms with a buffer of one BDP, or as many bytes as it says. */
function run(
  options: Partial<FlowOptions> & { controller: ControllerFactory },
  time: Micros,
  buffer = 100_000,
): Flow {
  const net = new FlowNetwork('regressions', new Bottleneck({ rate: 8 * RATE, buffer }));
  const flow = net.add({ rtt: 40 * MS, ...options });
  net.run(time);
  return flow;
}
