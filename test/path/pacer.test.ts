/** The pacer: its rate is exact over any length of time, however irregularly it is asked, and its bursts are bounded. */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { Pacer } from '../../src/congestion/pacer.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { holds } from '../wire/holds.js';

const FULL = 1232;
/** Two datagrams of the default size may go before any time has passed. */
const FIRST_BURST = 2 * FULL;

const size = fc.integer({ min: 1, max: FULL });
const sizes = fc.array(size, { minLength: 1, maxLength: 20 });
/** 10 kB/s to 20 MB/s. */
const rate = fc.integer({ min: 10_000, max: 20_000_000 });

describe('over a long run it sends its rate times the time, to within a datagram', () => {
  test('if woken at odd times, 10 ms apart at most, or the time of 64 KiB at its rate', () =>
    holds(
      'pacer by timer',
      fc.property(
        rate,
        sizes,
        fc.array(fc.nat(100), { minLength: 1, maxLength: 50 }),
        (bytesPerSecond, datagrams, percents) => {
          const longest = Math.min(10 * MILLISECOND, (65_536 / bytesPerSecond) * SECOND);
          const sender = greedy(bytesPerSecond, datagrams);
          let now = 0;
          for (let i = 0; i < 500; i++) {
            sender.wake(now);
            now += Math.floor((percents[i % percents.length] * longest) / 100);
          }
          sender.wake(now);
          expectExact(sender.sent, bytesPerSecond, now);
        },
      ),
      100,
    ));

  test('if woken exactly when it says, at any rate', () =>
    holds(
      'pacer by deadline',
      fc.property(fc.integer({ min: 1_000, max: 1_000_000_000 }), sizes, (bytesPerSecond, datagrams) => {
        const sender = greedy(bytesPerSecond, datagrams);
        let now = 0;
        for (let i = 0; i < 500; i++) now = sender.wake(now);
        sender.wake(now);
        expectExact(sender.sent, bytesPerSecond, now);
      }),
      100,
    ));

  function expectExact(sent: number, bytesPerSecond: number, now: number): void {
    const due = FIRST_BURST + (bytesPerSecond * now) / SECOND;
    // It may be in debt by the last datagram; it never waits while it has a whole byte to spend.
    expect(sent - due).toBeGreaterThan(-1.001);
    expect(sent - due).toBeLessThan(FULL);
  }
});

describe('after a pause it catches up with one burst', () => {
  test('of at most 10 ms of its rate, 64 KiB, or two datagrams where that is more', () =>
    holds(
      'pacer bursts',
      fc.property(
        fc.integer({ min: 1_000, max: 1_000_000_000 }),
        sizes,
        fc.integer({ min: 0, max: 10 * SECOND }),
        (bytesPerSecond, datagrams, pause) => {
          const sender = greedy(bytesPerSecond, datagrams);
          sender.wake(0);
          const before = sender.sent;
          sender.wake(pause);
          const depth = Math.max(FIRST_BURST, Math.min(65_536, bytesPerSecond * 0.01));
          expect(sender.sent - before).toBeLessThan(depth + FULL);
        },
      ),
    ));

  test('and so never exceeds its rate by more than that, whatever the pauses', () =>
    holds(
      'pacer ceiling',
      fc.property(
        rate,
        sizes,
        fc.array(fc.integer({ min: 1, max: SECOND }), { minLength: 1, maxLength: 50 }),
        (bytesPerSecond, datagrams, gaps) => {
          const sender = greedy(bytesPerSecond, datagrams);
          let now = 0;
          for (const gap of gaps) {
            sender.wake(now);
            expect(sender.sent).toBeLessThan(FIRST_BURST + (bytesPerSecond * now) / SECOND + FULL);
            now += gap;
          }
        },
      ),
    ));

  test('in full: a second of silence at 1 MB/s leaves 10,000 bytes, which let nine datagrams go', () => {
    const sender = greedy(1_000_000, [FULL]);
    sender.wake(0);
    const before = sender.sent;
    sender.wake(SECOND);
    expect(sender.sent - before).toBe(9 * FULL);
  });
});

test('two datagrams go at once, the third when it is due', () => {
  const pacer = new Pacer();
  const bytesPerSecond = 100_000;
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(0);
  pacer.onSent(0, FULL, bytesPerSecond);
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(0);
  pacer.onSent(0, FULL, bytesPerSecond);
  // One byte of credit at 100 kB/s takes 10 us.
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(10);
  pacer.onSent(10, FULL, bytesPerSecond);
  expect(pacer.nextSend(10, bytesPerSecond)).toBe(10 + 12_320);
});

test('asking more often changes nothing', () => {
  const pacer = new Pacer();
  pacer.onSent(0, 3 * FULL, 1_000_000);
  const due = pacer.nextSend(0, 1_000_000);
  for (let now = 1; now < due; now++) expect(pacer.nextSend(now, 1_000_000)).toBe(due);
  expect(pacer.nextSend(due, 1_000_000)).toBe(due);
});

/** Sends whenever it may; `wake` returns when it may again. */
function greedy(bytesPerSecond: number, datagrams: number[]): { sent: number; wake(now: number): number } {
  const pacer = new Pacer();
  let i = 0;
  return {
    sent: 0,
    wake(now) {
      for (;;) {
        const next = pacer.nextSend(now, bytesPerSecond);
        if (next > now) return next;
        const bytes = datagrams[i++ % datagrams.length];
        pacer.onSent(now, bytes, bytesPerSecond);
        this.sent += bytes;
      }
    },
  };
}
