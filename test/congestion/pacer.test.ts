import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Egress } from '../../src/congestion/egress.js';
import { Pacer } from '../../src/congestion/pacer.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';

/** Sends as fast as the pacer lets it, woken by a timer of the given coarseness; returns bytes sent and largest burst. */
function run(rate: number, tick: Micros, time: Micros, size = 1232): { bytes: number; burst: number } {
  const pacer = new Pacer();
  let now = 0;
  let bytes = 0;
  let burst = 0;
  while (now < time) {
    let count = 0;
    while (pacer.nextSend(now, rate) <= now) {
      pacer.onSent(now, size, rate);
      bytes += size;
      count++;
    }
    burst = Math.max(burst, count * size);
    now = Math.max(now + 1, Math.ceil(pacer.nextSend(now, rate) / tick) * tick);
  }
  return { bytes, burst };
}

describe('the pacer', () => {
  test.each([1, 1000, 4000, 15_600])('with a timer of %i µs holds its rate within 5 per cent', (tick) => {
    for (const rate of [10_000, 125_000, 1.25e6, 12.5e6, 125e6]) {
      const { bytes, burst } = run(rate, tick, rate < 1e6 ? 40 * SECOND : 4 * SECOND);
      expect(Math.abs(bytes / (rate * (rate < 1e6 ? 40 : 4)) - 1)).toBeLessThan(0.05);
      expect(burst).toBeLessThanOrEqual(Math.max(3 * 1232, (rate * 20 * MILLISECOND) / SECOND + 64 * 1024));
    }
  });

  test('a delay below the granularity of the timer is kept as debt', () => {
    const { bytes } = run(50e6, 1000, SECOND);
    expect(bytes / 50e6).toBeGreaterThan(0.95);
  });

  test('leaves half of the rate to what asks, where what does not ask comes to more than all of it', () => {
    const pacer = new Pacer();
    const rate = 1000;
    let asked = 0;
    for (let now = 0; now < 100 * SECOND; now += 50 * MILLISECOND) {
      pacer.onSent(now, 200, rate, false);
      if (pacer.nextSend(now, rate) > now) continue;
      pacer.onSent(now, 200, rate);
      asked += 200;
    }
    expect(asked).toBeGreaterThan(49_000);
    expect(asked).toBeLessThan(54_000);
  });

  test('takes what does not ask from the rate, where it comes to less than half', () => {
    const pacer = new Pacer();
    const rate = 10_000;
    let asked = 0;
    for (let now = 0; now < 100 * SECOND; now += 10 * MILLISECOND) {
      if (now % (100 * MILLISECOND) === 0) pacer.onSent(now, 300, rate, false);
      if (pacer.nextSend(now, rate) > now) continue;
      pacer.onSent(now, 200, rate);
      asked += 200;
    }
    expect(Math.abs(asked / 700_000 - 1)).toBeLessThan(0.05);
  });

  test('sent(t) never exceeds the bucket and what flowed in', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 200_000 }), { maxLength: 100 }),
        fc.integer({ min: 1000, max: 1e8 }),
        (pauses, rate) => {
          const pacer = new Pacer();
          let now = 0;
          let sent = 0;
          for (const pause of pauses) {
            now += pause;
            for (let i = 0; i < 100 && pacer.nextSend(now, rate) <= now; i++) {
              pacer.onSent(now, 1232, rate);
              sent += 1232;
            }
            const bucket = Math.max(2 * 1232, 64 * 1024) + (rate * 20 * MILLISECOND) / SECOND;
            expect(sent).toBeLessThanOrEqual(bucket + 1232 + (rate * now) / SECOND);
          }
        },
      ),
    );
  });

  test('an idle hour gives no more than a small burst; a clock that jumps back gives nothing', () => {
    const pacer = new Pacer();
    const rate = 1.25e6;
    const drain = (now: Micros) => {
      let count = 0;
      for (; pacer.nextSend(now, rate) <= now; count++) pacer.onSent(now, 1232, rate);
      return count;
    };
    drain(0);
    pacer.onSent(1, 1232, rate);
    expect(drain(3600 * SECOND)).toBeLessThanOrEqual(3);
    expect(drain(10 * SECOND)).toBe(0);
    expect(Number.isFinite(pacer.nextSend(10 * SECOND, rate))).toBe(true);
  });

  test('a clock that is put back and set right again, a hundred times over, gives no credit', () => {
    const pacer = new Pacer();
    const rate = 1.25e6;
    const now = 10 * SECOND;
    let sent = 0;
    for (let i = 0; i < 100; i++)
      for (const at of [now, now - SECOND])
        for (; pacer.nextSend(at, rate) <= at; sent++) pacer.onSent(at, 1232, rate);
    expect(sent).toBeLessThanOrEqual(3);
  });

  test('very small and very large rates stay finite', () => {
    for (const rate of [1, 1e12]) {
      const pacer = new Pacer();
      for (let i = 0; i < 10; i++) pacer.onSent(i, 1232, rate);
      expect(Number.isFinite(pacer.nextSend(10, rate))).toBe(true);
    }
  });
});

describe('the egress of a node', () => {
  test('shares by weight among those who want to send', () => {
    const egress = new Egress({ rate: 1e6, peers: 4 });
    const sent = new Map<number, number>();
    for (const [key, weight] of [
      [1, 1],
      [2, 2],
      [3, 1],
    ]) {
      egress.setWeight(key, weight);
      sent.set(key, 0);
      egress.want(key, true);
    }
    egress.want(3, false);
    for (let now = 0; now < 10 * SECOND; now += MILLISECOND)
      for (let key = egress.next(now); key !== undefined; key = egress.next(now)) {
        egress.onSent(now, key, 1000);
        sent.set(key, sent.get(key)! + 1000);
      }
    expect(sent.get(3)).toBe(0);
    expect(sent.get(2)! / sent.get(1)!).toBeCloseTo(2, 1);
    expect(sent.get(1)! + sent.get(2)!).toBeGreaterThan(9.8e6);
    expect(sent.get(1)! + sent.get(2)!).toBeLessThan(10.1e6);
  });

  test('a peer that was idle has not saved up, and gets its share at once', () => {
    const egress = new Egress({ rate: Number.POSITIVE_INFINITY, peers: 4 });
    egress.setWeight(1);
    egress.setWeight(2);
    egress.want(1, true);
    for (let i = 0; i < 1000; i++) egress.onSent(i, egress.next(i)!, 1000);
    egress.want(2, true);
    const turns = Array.from({ length: 100 }, (_, i) => {
      const key = egress.next(1000 + i)!;
      egress.onSent(1000 + i, key, 1000);
      return key;
    });
    expect(turns.filter((key) => key === 2).length).toBeGreaterThanOrEqual(49);
    expect(turns.filter((key) => key === 2).length).toBeLessThanOrEqual(52);
  });

  test('a peer that wakes up comes before the one that has just sent', () => {
    const egress = new Egress({ rate: Number.POSITIVE_INFINITY, peers: 2 });
    for (const peer of [0, 1]) egress.setWeight(peer);
    egress.want(0, true);
    egress.onSent(0, 0, 1000);
    egress.want(1, true);
    expect(egress.next(0)).toBe(1);
  });

  test('control goes at once, and data pays for it', () => {
    const egress = new Egress({ rate: 1e6, peers: 4 });
    egress.setWeight(1);
    egress.want(1, true);
    egress.onControl(0, 100_000);
    expect(egress.next(50 * MILLISECOND)).toBeUndefined();
    expect(egress.nextSend(50 * MILLISECOND)).toBeGreaterThan(90 * MILLISECOND);
    expect(egress.next(120 * MILLISECOND)).toBe(1);
  });
});
