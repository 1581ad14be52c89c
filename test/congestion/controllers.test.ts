import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import { LossFloor } from '../../src/congestion/bbr/loss-floor.js';
import { BbrPath } from '../../src/congestion/bbr/path.js';
import { type Controller, fixedRate, initialWindow } from '../../src/congestion/controller.js';
import { cubic } from '../../src/congestion/cubic.js';
import { HyStart } from '../../src/congestion/hystart.js';
import { newReno } from '../../src/congestion/newreno.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { Recovery } from '../../src/path/recovery.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import { rangesOf } from '../wire/arbitrary.js';
import { MTU, sample } from './sample.js';

const ALL: [string, () => Controller][] = [
  ['newreno', () => newReno(MTU)],
  ['cubic', () => cubic(MTU)],
  ['bbr', () => new Bbr(MTU)],
];

const lossAt = (sentAt: Micros, packets = 1) => ({
  bytes: packets * MTU,
  packets,
  ranges: 1,
  sentAt,
  priorInFlight: 100 * MTU,
});

test.each(ALL)(
  '%s has a window though its first acknowledgements measure neither a round trip nor a rate',
  (_, make) => {
    const controller = make();
    const nothing = { rate: 0, rtt: undefined, appLimited: true, windowUsed: false };
    for (let i = 1; i <= 3; i++) {
      controller.onAck(i * MILLISECOND, sample({ ...nothing, sentAt: i * MILLISECOND, acked: 100 }));
      expect(controller.window()).toBeGreaterThanOrEqual(2 * MTU);
      expect(controller.window()).toBeLessThanOrEqual(2 * initialWindow(MTU));
    }
  },
);

describe('NewReno, RFC 9002 section 7 and appendix B', () => {
  test('the initial window is ten datagrams', () => {
    expect(initialWindow(1200)).toBe(12_000);
    expect(initialWindow(1472)).toBe(14_720);
    expect(initialWindow(9000)).toBe(18_000);
  });

  test('slow start adds what is acked, recovery halves once, avoidance adds a datagram per window', () => {
    const reno = newReno(MTU);
    reno.onAck(10, sample({ acked: 5 * MTU }));
    expect(reno.window()).toBe(15 * MTU);
    reno.onLost(100, lossAt(50));
    expect(reno.window()).toBe(7.5 * MTU);
    // Packets sent before the loss was noticed belong to the same congestion event, compared by time.
    reno.onLost(120, lossAt(99));
    expect(reno.window()).toBe(7.5 * MTU);
    reno.onAck(130, sample({ sentAt: 100, acked: 30 * MTU }));
    expect(reno.window()).toBe(7.5 * MTU);
    reno.onAck(140, sample({ sentAt: 101, acked: 7.5 * MTU }));
    expect(reno.window()).toBe(8.5 * MTU);
    reno.onLost(200, lossAt(150));
    expect(reno.window()).toBe(4.25 * MTU);
  });

  test('credit towards the next datagram is carried over', () => {
    const reno = newReno(MTU);
    reno.onLost(1, lossAt(0.5));
    for (let i = 0; i < 50; i++) reno.onAck(10 + i, sample({ sentAt: 5 + i, acked: MTU }));
    // From 5 datagrams: 5 acks for the 6th, 6 for the 7th, ... 5+6+7+8+9 = 35 for the 10th, 45 for the 11th.
    expect(reno.window()).toBe(11 * MTU);
  });
});

describe('CUBIC, RFC 9438', () => {
  function cubicAt(packets: number): Controller {
    const controller = cubic(MTU);
    controller.onAck(1, sample({ acked: (packets - 10) * MTU }));
    return controller;
  }

  test('cuts to 0.7; fast convergence remembers 0.85 of the window, not less', () => {
    const flow = cubicAt(1000);
    flow.onLost(SECOND, lossAt(SECOND - 1));
    expect(flow.window() / MTU).toBeCloseTo(700);
    flow.onLost(2 * SECOND, lossAt(2 * SECOND - 1));
    expect(flow.window() / MTU).toBeCloseTo(490);
    // The plateau is then at 700 * 0.85 = 595: reached after cbrt(105 / 0.4) = 6.4 s.
    let now = 2 * SECOND;
    for (; now < 8.4 * SECOND; now += 10_000)
      flow.onAck(now, sample({ sentAt: now - 1, acked: flow.window() / 5 }));
    expect(flow.window() / MTU).toBeGreaterThan(585);
    expect(flow.window() / MTU).toBeLessThan(600);
  });

  test('idle time is no growth', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1));
    flow.onAck(SECOND + 50_000, sample({ sentAt: SECOND + 1 }));
    const before = flow.window();
    for (let now = 2 * SECOND; now < 100 * SECOND; now += SECOND)
      flow.onAck(now, sample({ sentAt: now - 1, windowUsed: false }));
    flow.onAck(100 * SECOND, sample({ sentAt: 100 * SECOND - 1 }));
    expect(flow.window()).toBeLessThan(before * 1.05);
  });

  test('a cut that only answered reordering is taken back', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1, 2));
    flow.onAck(SECOND + 1, sample({ spuriousPackets: 2, sentAt: 1 }));
    expect(flow.window() / MTU).toBeCloseTo(100);
  });

  test('idle time is no growth for the whole window that follows either', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1));
    flow.onAck(SECOND + 50_000, sample({ sentAt: SECOND + 1 }));
    const before = flow.window();
    for (let now = 2 * SECOND; now < 100 * SECOND; now += SECOND)
      flow.onAck(now, sample({ sentAt: now - 1, windowUsed: false }));
    flow.onAck(100 * SECOND, sample({ sentAt: 100 * SECOND - 1, acked: before }));
    expect(flow.window()).toBeLessThan(before * 1.3);
  });

  test('losses among what was sent before a cut cut no more', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1));
    flow.onLost(SECOND + 10, lossAt(SECOND - 2));
    expect(flow.window() / MTU).toBeCloseTo(70);
    flow.onLost(2 * SECOND, lossAt(SECOND + 1));
    expect(flow.window() / MTU).toBeCloseTo(49);
  });

  test('a cut before all was lost for long is not taken back after it', () => {
    const controller = cubic(MTU);
    controller.onLost(100, lossAt(50));
    controller.onPersistentCongestion(200);
    controller.onAck(300, sample({ sentAt: 40, spuriousPackets: 1, windowUsed: false }));
    expect(controller.window()).toBe(2 * MTU);
  });

  test('a cut of which only some losses were reordering stays', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1, 3));
    flow.onAck(SECOND + 1, sample({ spuriousPackets: 1, sentAt: 1 }));
    expect(flow.window() / MTU).toBeCloseTo(70);
    flow.onAck(SECOND + 2, sample({ spuriousPackets: 2, sentAt: 1 }));
    expect(flow.window() / MTU).toBeCloseTo(100);
  });

  test('a long run without loss stays finite', () => {
    const flow = cubicAt(100);
    flow.onLost(SECOND, lossAt(SECOND - 1));
    for (let now = 2 * SECOND; now < 1e6 * SECOND; now += 1000 * SECOND)
      flow.onAck(now, sample({ sentAt: now - 1, acked: 1e6 }));
    expect(Number.isFinite(flow.window())).toBe(true);
    expect(Number.isFinite(flow.pacingRate())).toBe(true);
  });
});

describe('HyStart++, RFC 9406', () => {
  const round = (hystart: HyStart, index: number, rtt: Micros) => {
    let last = { growth: 0, done: false };
    for (let i = 0; i < 10; i++) {
      const at = index * 10 + i;
      last = hystart.onAck(sample({ rtt, delivered: at + 1, priorDelivered: i === 0 ? at : 0 }));
      if (last.done) break;
    }
    return last;
  };

  test('a rise of an eighth slows growth to a quarter, and ends slow start five rounds later', () => {
    const hystart = new HyStart();
    expect(round(hystart, 0, 100 * MILLISECOND).growth).toBe(MTU);
    expect(round(hystart, 1, 100 * MILLISECOND).growth).toBe(MTU);
    expect(round(hystart, 2, 113 * MILLISECOND)).toEqual({ growth: MTU / 4, done: false });
    for (let i = 3; i < 7; i++) expect(round(hystart, i, 113 * MILLISECOND).done).toBe(false);
    expect(round(hystart, 7, 113 * MILLISECOND).done).toBe(true);
  });

  test('a false alarm is taken back', () => {
    const hystart = new HyStart();
    round(hystart, 0, 100 * MILLISECOND);
    round(hystart, 1, 120 * MILLISECOND);
    round(hystart, 2, 100 * MILLISECOND);
    expect(round(hystart, 3, 100 * MILLISECOND).growth).toBe(MTU);
  });
});

test('HyStart++: two false alarms take nothing off the five rounds of the next', () => {
  const hystart = new HyStart();
  let acks = 0;
  const round = (rtt: Micros) => {
    let last = { growth: 0, done: false };
    for (let i = 0; i < 10 && !last.done; i++, acks++)
      last = hystart.onAck(sample({ rtt, delivered: acks + 1, priorDelivered: i === 0 ? acks : 0 }));
    return last.done;
  };
  const [low, high] = [100 * MILLISECOND, 120 * MILLISECOND];
  for (const rtt of [low, high, high, low, low, high, high, low, low]) round(rtt);
  const rounds = Array.from({ length: 6 }, () => round(high));
  expect(rounds).toEqual([false, false, false, false, false, true]);
});

describe('the loss floor', () => {
  test('finds the loss rate, and calls no chance fluctuation congestion', () => {
    const rng = new Rng('floor');
    const floor = new LossFloor();
    const round = (p: number, n: number) => {
      let lost = 0;
      for (let i = 0; i < n; i++) if (rng.chance(p)) lost++;
      return lost;
    };
    let alarms = 0;
    for (let i = 0; i < 500; i++) {
      const lost = round(0.2, 50);
      if (i > 20 && floor.exceededBy(lost, 50, 3)) alarms++;
      floor.learn(50 - lost, lost);
      floor.onRound();
    }
    expect(floor.floor).toBeGreaterThan(0.15);
    expect(floor.floor).toBeLessThan(0.25);
    expect(alarms).toBeLessThan(5);
    expect(floor.exceededBy(round(0.5, 200), 200, 3)).toBe(true);
  });

  test('is never above six in ten, or nothing would be sent', () => {
    const floor = new LossFloor();
    floor.learn(10, 990);
    expect(floor.floor).toBe(0.6);
  });

  test('an estimate that nothing confirms fades', () => {
    const floor = new LossFloor();
    floor.learn(50, 50);
    for (let i = 0; i < 200; i++) floor.onRound();
    expect(floor.floor).toBeLessThan(0.001);
  });
});

test.each(ALL)('%s: the smallest window is so many datagrams of whatever size', (_, make) => {
  const controller = make();
  controller.onPersistentCongestion(0);
  controller.onMtu(1, 9000);
  expect(controller.window()).toBeGreaterThanOrEqual(2 * 9000);
});

test('fixedRate does as told', () => {
  const controller = fixedRate(1e6);
  controller.onLost(0, lossAt(0));
  expect([controller.window(), controller.pacingRate()]).toEqual([Number.POSITIVE_INFINITY, 1e6]);
  expect(controller.metrics().name).toContain('unsafe');
});

/** What may happen to a path, as data: sends, acks of any subset, timers, idleness, a new MTU. */
const event = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('send' as const), count: fc.integer({ min: 1, max: 40 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constant('ack' as const),
      loss: fc.double({ min: 0, max: 1, noNaN: true }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constant('wait' as const), time: fc.integer({ min: 1, max: 500_000 }) }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('idle' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('mtu' as const), bytes: fc.integer({ min: 1232, max: 9000 }) }),
  },
);

describe.each(ALL)('%s, any sequence of events', (_name, make) => {
  test('in flight never below zero and zero when all is acked; window at least two datagrams; all finite', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 120 }), fc.nat(), (events, seed) => {
        const rng = new Rng(seed);
        const controller = make();
        const path = new Recovery({ controller, rng, mtu: MTU });
        let now = 0;
        let mtu = MTU;
        const got = new Set<number>();
        let outstanding: number[] = [];
        const acknowledge = () => {
          if (got.size === 0) return;
          const numbers = [...got].sort((a, b) => b - a).slice(0, 1000);
          const ack: Ack = { ranges: rangesOf(numbers), delay: 0, received: got.size };
          expect(path.onAckReceived(now, ack).ok).toBe(true);
        };
        for (const step of events) {
          now += 1 + rng.integer(0, 20_000);
          if (now >= path.nextTimeout()) path.handleTimeout(now);
          if (step.kind === 'send')
            for (let i = 0; i < step.count && path.askToSend(now) === 'any'; i++)
              outstanding.push(path.onSent(now, MTU));
          else if (step.kind === 'ack') {
            for (const number of outstanding) if (!rng.chance(step.loss)) got.add(number);
            outstanding = [];
            acknowledge();
          } else if (step.kind === 'wait') now += step.time;
          else if (step.kind === 'idle') path.onAppLimited(now);
          else {
            mtu = step.bytes;
            path.setMtu(now, mtu);
          }
          expect(path.inFlight).toBeGreaterThanOrEqual(0);
          expect(controller.window()).toBeGreaterThanOrEqual(Math.min(2 * MTU, 2 * mtu));
          expect(Number.isFinite(controller.window())).toBe(true);
          expect(controller.pacingRate()).toBeGreaterThan(0);
        }
        // One last packet, acked, with all before it: nothing stays in flight.
        for (let i = 0; i < 4; i++) {
          now += 60 * SECOND;
          path.handleTimeout(now);
          if (path.askToSend(now) === 'any') got.add(path.onSent(now, 100));
        }
        now += SECOND;
        for (let number = 0; number < path.nextNumber; number++)
          if (outstanding.includes(number)) got.add(number);
        acknowledge();
        now += 60 * SECOND;
        path.handleTimeout(now);
        expect(path.inFlight).toBe(0);
      }),
      { numRuns: 60 },
    );
  });
});

describe('bbr', () => {
  test.each([
    ['after persistent congestion takes the next test for the length of the path', true, 100],
    ['else keeps the smallest round trip that it has met within 30 s', false, 50],
  ])('%s', (_what, isPersistent, expected) => {
    const controller = new Bbr(MTU);
    const path = controller['path'];
    controller.onAck(SECOND, sample({ rtt: 50_000 }));
    if (isPersistent) controller.onPersistentCongestion();
    path.onTest(2 * SECOND, 100_000, Number.POSITIVE_INFINITY, false);
    expect(path.minRtt).toBe(expected * 1000);
  });

  test('has as much more in flight as the path loses by itself', () => {
    const path = new BbrPath();
    path.onRtt(SECOND, 50_000);
    path.onRate(1e6);
    expect(path.bdp(MTU)).toBe(50_000);
    for (let i = 0; i < 200; i++) path.floor.learn(50, 50);
    expect(path.floor.floor).toBeGreaterThan(0.3);
    expect(path.bdp(MTU)).toBeCloseTo(50_000 / (1 - path.floor.floor));
  });
});
