/** The pacer's rate: exact over any length of time, however irregularly it is asked, with bursts that are bounded. */
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
  test('if it waits for the pacer and is woken up to 20 ms late', () =>
    holds(
      'pacer by timer',
      fc.property(
        rate,
        sizes,
        fc.array(fc.nat(20 * MILLISECOND), { minLength: 1, maxLength: 50 }),
        (bytesPerSecond, datagrams, gaps) => {
          const sender = greedy(bytesPerSecond, datagrams);
          let now = 0;
          for (let i = 0; i < 500; i++) {
            sender.wake(now);
            now += gaps[i % gaps.length];
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

describe('it never exceeds its rate', () => {
  test('by more than two datagrams, whatever the pauses', () =>
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

  test('after a pause that it waited through: by what 20 ms of its rate are', () =>
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
          const depth = Math.max(
            FIRST_BURST,
            Math.min(65_536, bytesPerSecond * 0.002),
            bytesPerSecond * 0.02,
          );
          expect(sender.sent - before).toBeLessThanOrEqual(depth + FULL);
        },
      ),
    ));

  test('after a second of waiting at 1 MB/s: 20,000 bytes, which let 17 datagrams go; idle: two, and a third on credit', () => {
    const sender = greedy(1_000_000, [FULL]);
    sender.wake(0);
    const before = sender.sent;
    sender.wake(SECOND);
    expect(sender.sent - before).toBe(17 * FULL);

    const pacer = new Pacer();
    pacer.onSent(0, FULL, 1_000_000);
    let idle = 0;
    for (; pacer.nextSend(SECOND, 1_000_000) <= SECOND; idle++) pacer.onSent(SECOND, FULL, 1_000_000);
    expect(idle).toBe(2);
  });
});

test('two datagrams go at once, the third when half a millisecond of the rate has come in', () => {
  const pacer = new Pacer();
  const bytesPerSecond = 100_000;
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(0);
  pacer.onSent(0, FULL, bytesPerSecond);
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(0);
  pacer.onSent(0, FULL, bytesPerSecond);
  expect(pacer.nextSend(0, bytesPerSecond)).toBe(500);
  pacer.onSent(500, FULL, bytesPerSecond);
  expect(pacer.nextSend(500, bytesPerSecond)).toBe(500 + 12_320);
});

test('asking more often, while there is nothing to spend, changes nothing', () => {
  const pacer = new Pacer();
  pacer.onSent(0, 3 * FULL, 1_000_000);
  const due = pacer.nextSend(0, 1_000_000);
  // Then a debt of one datagram has been paid, and it would wait for a whole quantum.
  for (let now = 1; now <= FULL; now++) expect(pacer.nextSend(now, 1_000_000)).toBe(due);
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
