/** Clocks that jump, in the sending half of a path: what they cost is bounded, and nothing is believed of them. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { AckTracker } from '../../src/path/ack.js';
import { Recovery } from '../../src/path/recovery.js';
import { holds } from '../wire/holds.js';

const RTT = 40 * MILLISECOND;
const MTU = 1200;
const HOUR = 3600 * SECOND;

describe.each(Object.entries(CONTROLLERS))('%s', (_name, controller) => {
  test('a leap of an hour with datagrams in flight is no round-trip time', () => {
    const path = sender(controller(MTU));
    let now = path.run(0, SECOND);
    const { smoothed } = path.recovery.rtt;
    const rate = path.recovery.controller.pacingRate();
    path.sendAll(now);
    now += HOUR;
    path.recovery.handleTimeout(now);
    path.acknowledge(now);
    expect(path.recovery.rtt.smoothed).toBe(smoothed);
    expect(path.recovery.controller.pacingRate()).toBeGreaterThan(rate / 10);
    const before = path.sent();
    path.run(now + RTT, 2 * SECOND);
    expect(path.sent() - before).toBeGreaterThan(50);
  });

  test('one put back is waited for; then all goes on as before', () => {
    const path = sender(controller(MTU));
    const now = path.run(HOUR, SECOND);
    const { min } = path.recovery.rtt;
    path.run(now - 5 * SECOND, SECOND);
    expect(path.recovery.rtt.min).toBe(min);
    const before = path.sent();
    path.run(now + SECOND, 2 * SECOND);
    expect(path.sent() - before).toBeGreaterThan(50);
  });

  test('any jumps at any time leave all numbers sound', () =>
    holds(
      'clock jumps',
      fc.property(fc.array(fc.integer({ min: -HOUR, max: HOUR }), { maxLength: 12 }), (jumps) => {
        const path = sender(controller(MTU));
        let now = HOUR;
        for (const jump of jumps) {
          now = path.run(now, 5 * RTT) + jump;
          const { recovery } = path;
          expect(recovery.inFlight).toBeGreaterThanOrEqual(0);
          expect(recovery.controller.window()).toBeGreaterThanOrEqual(2 * MTU);
          expect(recovery.controller.window()).toBeLessThan(1e9);
          expect(recovery.controller.pacingRate()).toBeGreaterThan(0);
          expect(recovery.rtt.smoothed).toBeGreaterThan(0);
          expect(recovery.rtt.smoothed).toBeLessThan(10 * SECOND);
        }
      }),
      30,
    ));
});

test('an ack is due and taken with a delay that is none, if the receiver was put back', () => {
  const tracker = new AckTracker();
  tracker.onReceived(HOUR, 0);
  tracker.onReceived(0, 1);
  expect(tracker.nextAck()).toBeLessThanOrEqual(HOUR);
  expect(tracker.take(0)!.delay).toBe(0);
});

/** Sends whatever it may, and acknowledges all of it a round-trip time later. */
function sender(controller: Recovery['controller']) {
  const recovery = new Recovery({ controller, rng: new Rng('clock'), mtu: MTU });
  const tracker = new AckTracker();
  let waiting: number[] = [];
  let sent = 0;
  function sendAll(now: Micros): void {
    for (let i = 0; i < 1000 && recovery.askToSend(now) === 'any'; i++, sent++)
      waiting.push(recovery.onSent(now, MTU));
  }
  function acknowledge(now: Micros): void {
    for (const number of waiting) tracker.onReceived(now, number);
    waiting = [];
    const ack = tracker.take(now);
    if (ack) expect(recovery.onAckReceived(now, ack).ok).toBe(true);
  }
  return {
    recovery,
    sendAll,
    acknowledge,
    sent: () => sent,
    run(from: Micros, length: Micros): Micros {
      let now = from;
      for (; now < from + length; now += RTT) {
        if (recovery.nextTimeout() <= now) recovery.handleTimeout(now);
        for (let part = 0; part < 8; part++) sendAll(now + (part * RTT) / 8);
        acknowledge(now + RTT);
      }
      return now;
    },
  };
}
