import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Reader, Writer } from '../../src/core/bytes.js';
import { collectRanges, countRanges, inRanges, rangesFault } from '../../src/core/ranges.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, NEVER } from '../../src/core/time.js';
import { AckTracker, CONFIRM_ACK_DELAY, policyFor } from '../../src/path/ack.js';
import { ACK_SPAN, type Ack, ackLength, parseAck, writeAck } from '../../src/wire/frames/ack.js';

function encode(ack: Ack): Uint8Array {
  const writer = new Writer(ackLength(ack));
  writeAck(writer, ack);
  expect(writer.offset).toBe(ackLength(ack));
  return writer.finish();
}

/** Numbers received out of `count`, at `loss`, seeded. */
function lossy(count: number, loss: number): Ack {
  const rng = new Rng(`loss ${loss}`);
  const got = Array.from({ length: count }, () => !rng.chance(loss));
  got[count - 1] = true;
  const ranges = collectRanges(count - 1, 0, (number) => got[number]);
  return { ranges, delay: 8, received: countRanges(ranges) };
}

describe('when to acknowledge', () => {
  test('each second packet at first, or after the delay', () => {
    const tracker = new AckTracker();
    expect(tracker.nextAck()).toBe(NEVER);
    expect(tracker.take(0)).toBeUndefined();
    tracker.onReceived(100, 0);
    expect(tracker.nextAck()).toBe(100 + 25 * MILLISECOND);
    tracker.onReceived(200, 1);
    expect(tracker.nextAck()).toBe(200);
    expect(tracker.take(250)).toEqual({ ranges: [1, 0], delay: 50, received: 2 });
    expect(tracker.nextAck()).toBe(NEVER);
  });

  test('on a fast path a small message has time to be stored first, unless the window is small or acks are lost', () => {
    const [window, rtt] = [16, MILLISECOND];
    const delays = [policyFor(window, rtt, 0), policyFor(3, rtt, 0), policyFor(window, rtt, 0.1)];
    expect(delays.map(({ delay }) => delay / MILLISECOND)).toEqual([5, 0.25, 0.25]);
  });

  test('as the sender asks, at once when it asks, never for silent packets', () => {
    const tracker = new AckTracker();
    tracker.setPolicy({ packets: 8, delay: 5 * MILLISECOND });
    for (let i = 0; i < 7; i++) tracker.onReceived(0, i);
    expect(tracker.nextAck()).toBe(5 * MILLISECOND);
    tracker.onReceived(1, 7, 'now');
    expect(tracker.nextAck()).toBe(1);
    tracker.take(1);
    tracker.onReceived(2, 8, 'none');
    expect(tracker.nextAck()).toBe(NEVER);
  });

  test('a confirm waits for company, unless something else is in a hurry', () => {
    const tracker = new AckTracker();
    tracker.setPolicy({ packets: 2, delay: MILLISECOND });
    for (let i = 0; i < 9; i++) tracker.onReceived(i, i, 'some-time');
    expect(tracker.nextAck()).toBe(CONFIRM_ACK_DELAY);
    tracker.onReceived(10, 10, 'soon');
    expect(tracker.nextAck()).toBe(10 + MILLISECOND);
    tracker.onReceived(11, 11, 'soon');
    expect(tracker.nextAck()).toBe(11);
  });

  test('a replay, and what is too old to tell, is refused', () => {
    const tracker = new AckTracker();
    expect(tracker.onReceived(0, 5)).toBe(true);
    expect(tracker.onReceived(0, 5)).toBe(false);
    expect(tracker.onReceived(0, 20_000)).toBe(true);
    expect(tracker.onReceived(0, 6)).toBe(false);
    expect(tracker.onReceived(0, 20_000 - 8191)).toBe(true);
    expect(tracker.onReceived(0, 20_000 - 8192)).toBe(false);
    expect(tracker.received).toBe(3);
  });

  test('each number is in several acks: seven lost acks cost nothing', () => {
    const tracker = new AckTracker();
    const reported = new Map<number, number>();
    for (let number = 0; number < 4000; number++) {
      tracker.onReceived(number, number);
      if (number % 100 !== 99) continue;
      const { ranges } = tracker.take(number)!;
      for (let i = 0; i <= number; i++) if (inRanges(ranges, i)) reported.set(i, (reported.get(i) ?? 0) + 1);
    }
    for (let number = 0; number < 3000; number++) expect(reported.get(number)).toBeGreaterThanOrEqual(8);
  });

  test('a number that eight acks have told is not told again', () => {
    const tracker = new AckTracker();
    let oldest = 0;
    for (let number = 0; number < 4000; number++) {
      tracker.onReceived(number, number);
      if (number % 100 === 99) oldest = tracker.take(number)!.ranges.at(-1)!;
    }
    expect(oldest).toBe(4000 - 8 * 100);
  });
});

describe('the frame', () => {
  test('round trip, any set of numbers', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.nat(ACK_SPAN - 1), { minLength: 1, maxLength: 300 }),
        fc.nat(2 ** 45),
        fc.nat(2 ** 26),
        (offsets, base, delay) => {
          const set = new Set(offsets);
          const high = Math.max(...offsets);
          const ranges = collectRanges(high, 0, (value) => set.has(value)).map((value) => value + base);
          const ack = { ranges, delay, received: offsets.length };
          expect(parseAck(new Reader(encode(ack)))).toEqual({ ...ack, delay: Math.floor(delay / 8) * 8 });
        },
      ),
    );
  });

  test('ranges at low loss, a bitmap at high loss', () => {
    expect(encode(lossy(256, 0.01))[0]).toBe(0);
    expect(encode(lossy(256, 0.3))[0]).toBe(1);
    expect(encode(lossy(256, 0.01)).length).toBeLessThan(30);
    expect(encode(lossy(256, 0.3)).length).toBeLessThanOrEqual(50);
    expect(encode(lossy(ACK_SPAN, 0.3)).length).toBeLessThan(600);
  });

  test('bytes of any kind parse to a sound ack or are refused', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        let ack: Ack;
        try {
          ack = parseAck(new Reader(bytes));
        } catch (error) {
          expect(error).toMatchObject({ code: 'MALFORMED' });
          return;
        }
        expect(rangesFault(ack.ranges, 2 ** 48)).toBeUndefined();
      }),
      { numRuns: 1000 },
    );
  });
});
