/** What a path tells its observer: complete, consistent, and without any effect on what it does. */
import { describe, expect, test } from 'vitest';
import { Bbr } from '../../src/congestion/bbr/bbr.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import type { PathEvent, PathObserver } from '../../src/path/observer.js';
import { Bottleneck } from '../../src/sim/net/bottleneck.js';
import { FlowNetwork } from '../../src/sim/net/flow.js';
import { iid } from '../../src/sim/net/loss.js';

describe('path observer', () => {
  test('each lost packet is told once', () => {
    const { events, flow } = observed();
    const lost = events.flatMap(({ event }) => (event.type === 'lost' ? [event.number] : []));
    expect(lost.length).toBeGreaterThan(100);
    expect(new Set(lost).size).toBe(flow.recovery.stats.lostPackets);
  });

  test('states follow one another without a gap', () => {
    const states = observed().events.flatMap(({ event }) => (event.type === 'state' ? [event] : []));
    expect(states.length).toBeGreaterThan(2);
    expect(states.slice(1).map(({ from }) => from)).toEqual(states.slice(0, -1).map(({ to }) => to));
  });

  test('the last measurement is the path as the last acknowledgement left it', () => {
    const { events, flow } = observed();
    const last = events.findLast(({ event }) => event.type === 'metrics');
    const { sentPackets: _, bytesInFlight: __, ...rest } = flow.recovery.metrics();
    expect(last?.event).toMatchObject({ type: 'metrics', metrics: rest });
  });

  test('measurements are those of the link: round trip, rate and loss', () => {
    const { minRtt, deliveryRate, ackedPackets, lostPackets } = observed().flow.recovery.metrics();
    expect(minRtt).toBeGreaterThanOrEqual(20 * MILLISECOND);
    expect(deliveryRate).toBeGreaterThan(0.5 * RATE);
    expect(deliveryRate).toBeLessThan(1.1 * RATE);
    expect(Math.abs(lostPackets / (ackedPackets + lostPackets) - 0.05)).toBeLessThan(0.02);
  });

  test('a flow that is watched does what it does alone', () => {
    expect(run(() => {}).net.digest()).toBe(run().net.digest());
  });
});

function observed() {
  const events: { now: Micros; event: PathEvent }[] = [];
  return { events, ...run((now, event) => events.push({ now, event })) };
}

/** Five seconds of one flow at 10 Mbit/s, 20 ms, 5 % random loss; no queue that it could fill. */
function run(observer?: PathObserver) {
  const net = new FlowNetwork('observer', new Bottleneck({ rate: 10e6, buffer: 1_000_000 }));
  const flow = net.add({
    controller: (mtu) => new Bbr(mtu),
    rtt: 20 * MILLISECOND,
    loss: iid(0.05),
    stop: 5 * SECOND,
    ...(observer ? { observer } : {}),
  });
  net.run(5.005 * SECOND);
  return { net, flow };
}

/** Bytes per second. */
const RATE = 10e6 / 8;
