/** The tables of a path against the simplest thing that could do the same: a list, a set, the rules as they are written. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { newReno } from '../../src/congestion/newreno.js';
import { MILLISECOND, NEVER, SECOND } from '../../src/core/time.js';
import { AckTracker, CONFIRM_ACK_DELAY } from '../../src/path/ack.js';
import { Breaker } from '../../src/path/breaker.js';
import { Fate, SentTable } from '../../src/path/sent.js';
import { Trust } from '../../src/path/trust.js';
import { ACK_SPAN } from '../../src/wire/frames/ack.js';
import { MTU, sample } from '../congestion/sample.js';
import { rangesOf } from '../wire/arbitrary.js';
import { holds } from '../wire/holds.js';

const burst = fc.record({
  sent: fc.integer({ min: 1, max: 60 }),
  /** How many stay in flight, the newest. */
  left: fc.nat(90),
});

test('what was sent is known, with all that belongs to it, as long as it is among the newest of the ring', () =>
  holds(
    'sent table',
    fc.property(fc.nat(2 ** 33), fc.array(burst, { maxLength: 12 }), (first, bursts) => {
      const capacity = 128;
      const table = new SentTable(capacity, first);
      const columns = ['size', 'sentAt', 'delivered', 'deliveredAt', 'firstSentAt', 'flags'] as const;
      const fates: Fate[] = [];
      // What a ring had no room for before it grew is not remembered after.
      let oldest = first;
      const head = () => {
        const index = fates.indexOf(Fate.InFlight);
        return first + (index < 0 ? fates.length : index);
      };
      for (const { sent, left } of bursts) {
        for (let i = 0; i < sent; i++) {
          const number = table.next;
          expect(table.isFull).toBe(number - head() > capacity - 3);
          if (table.isFull) break;
          const before = table.fate.length;
          const grows = number - first >= before && number - head() >= before / 2 && before < capacity;
          const index = table.push(number + 0.5, number % 1000, Fate.InFlight);
          expect(table.fate.length).toBe(grows ? 2 * before : before);
          oldest = Math.max(oldest, number - before + (grows ? 0 : 1));
          table.flags[index] = number % 8;
          table.delivered[index] = number + 1;
          table.deliveredAt[index] = number + 2;
          table.firstSentAt[index] = number + 3;
          fates.push(Fate.InFlight);
        }
        for (let i = head() - first; i < fates.length - left; i++) {
          fates[i] = i % 2 === 0 ? Fate.Acked : Fate.Lost;
          table.fate[table.index(first + i)] = fates[i];
        }
        table.advance();
        expect([table.next, table.head]).toEqual([first + fates.length, head()]);
        expect(table.oldest).toBe(Math.max(first, table.next - table.fate.length));
        for (let number = first - 2; number < table.next + 2; number++) {
          const isKnown = number >= oldest && number < table.next;
          expect(table.fateOf(number)).toBe(isKnown ? fates[number - first] : Fate.Unknown);
          if (!isKnown) continue;
          const facts = columns.map((column) => table[column][table.index(number)]);
          expect(facts).toEqual([
            number % 1000,
            number + 0.5,
            number + 1,
            number + 2,
            number + 3,
            number % 8,
          ]);
        }
      }
    }),
    25,
  ));

const step = fc.record({
  /** From the largest so far. */
  offset: fc.oneof(fc.integer({ min: -40, max: 8 }), fc.integer({ min: -9000, max: 9000 })),
  wait: fc.nat(30 * MILLISECOND),
  wish: fc.constantFrom('now', 'soon', 'some-time', 'none'),
  takes: fc.boolean(),
});

test('each number counts once, an ack says what arrived, and is due after so many or so long', () =>
  holds(
    'ack tracker',
    fc.property(
      fc.integer({ min: 1, max: 5 }),
      fc.nat(20 * MILLISECOND),
      fc.array(step, { maxLength: 60 }),
      (packets, delay, steps) => {
        const tracker = new AckTracker();
        tracker.setPolicy({ packets, delay });
        const seen = new Set<number>();
        const said: number[] = [];
        let [largest, largestAt, now, pending, hurried, due] = [-1, 0, 0, 0, 0, NEVER];
        for (const { offset, wait, wish, takes } of steps) {
          now += wait;
          const number = Math.max(0, largest + offset);
          const isNew = !seen.has(number) && number > largest - 8192;
          expect(tracker.onReceived(now, number, wish)).toBe(isNew);
          if (isNew) {
            seen.add(number);
            if (number > largest) [largest, largestAt] = [number, now];
            if (wish !== 'none') pending++;
            if (wish === 'now' || wish === 'soon') hurried++;
            const longest = {
              now: 0,
              soon: delay,
              'some-time': Math.max(delay, CONFIRM_ACK_DELAY),
              none: NEVER,
            };
            due = Math.min(due, now + (wish !== 'none' && hurried >= packets ? 0 : longest[wish]));
          }
          const { received, hasNews } = tracker;
          expect([tracker.nextAck(), hasNews, received, tracker.largest]).toEqual([
            due,
            pending > 0,
            seen.size,
            largest,
          ]);
          if (!takes) continue;
          // Each number in eight acks, and 256 numbers in each.
          const low = Math.max(0, largest - ACK_SPAN + 1, Math.min(said.at(-8) ?? -1, largest - 256) + 1);
          said.push(largest);
          [pending, hurried, due] = [0, 0, NEVER];
          expect(tracker.take(now)).toEqual({
            ranges: rangesOf([...seen].filter((each) => each >= low)),
            delay: now - largestAt,
            received: seen.size,
          });
        }
      },
    ),
    100,
  ));

const spell = fc.record({
  seconds: fc.integer({ min: 1, max: 6 }),
  acked: fc.constantFrom(0, 1, 14, 15, 16, 50, 900),
  lost: fc.constantFrom(0, 84, 85, 86, 99, 100, 950),
  isSilent: fc.constantFrom(false, false, false, true),
});

test('a breaker trips and resets as its rules say, through any hours', () =>
  holds(
    'breaker',
    fc.property(fc.array(spell, { maxLength: 14 }), (spells) => {
      const breaker = new Breaker();
      let cause: 'loss' | 'silence' | undefined;
      let [now, trips, bad, trippedAt, heardAt, timeouts] = [SECOND, 0, 0, 0, 0, 0];
      const trip = (why: 'loss' | 'silence'): true => {
        [cause, trips, trippedAt, bad] = [why, trips + 1, now, 0];
        return true;
      };
      const second = (acked: number, lost: number): boolean => {
        heardAt = now;
        if (cause === 'silence') cause = undefined;
        const isBad = acked + lost >= 100 && lost >= 0.85 * (acked + lost);
        bad = isBad ? bad + 1 : 0;
        if (cause !== 'loss') return bad >= 3 && trip('loss');
        if (!isBad && now - trippedAt >= 10 * SECOND) cause = undefined;
        return false;
      };
      for (const { seconds, acked, lost, isSilent } of spells) {
        timeouts = 0;
        for (let i = 0; i < seconds; i++, now += SECOND) {
          if (isSilent) {
            timeouts += 2;
            if (cause !== 'silence' && timeouts >= 6 && now - heardAt >= 10 * SECOND) trip('silence');
            breaker.onProbeTimeout(now, timeouts);
          } else expect(breaker.onFates(now, acked, lost)).toBe(second(acked, lost));
          expect([breaker.cause, breaker.trips]).toEqual([cause, trips]);
        }
      }
    }),
    400,
  ));

test('bad seconds from before a breaker tripped count no more after it', () => {
  const breaker = new Breaker();
  let now = 0;
  const after = (seconds: number, lost: number): number => {
    for (const end = now + seconds * SECOND; now < end; ) {
      now += SECOND;
      breaker.onFates(now, 200 - lost, lost);
    }
    return breaker.trips;
  };
  expect([after(2, 200), after(1, 200), after(10, 0), breaker.cause]).toEqual([0, 1, 1, undefined]);
  expect([after(2, 200), after(1, 200)]).toEqual([1, 2]);
});

test('a peer that lies is not believed for ten seconds, then for twice as long each time, ten minutes at most', () => {
  const trust = new Trust();
  const seconds: number[] = [];
  let now = 0;
  for (let i = 0; i < 9; i++) {
    const from = now;
    expect([trust.onLie(now), trust.onLie(now)]).toEqual([true, false]);
    while (trust.isLost) {
      now += SECOND / 2;
      trust.onTime(now);
    }
    seconds.push((now - from) / SECOND);
  }

  expect([seconds, trust.losses]).toEqual([[10, 20, 40, 80, 160, 320, 600, 600, 600], 9]);
});

test('another lie puts off when it is believed again', () => {
  const trust = new Trust();
  trust.onLie(0);
  trust.onLie(9 * SECOND);
  trust.onTime(19 * SECOND - 1);
  const before = trust.isLost;
  trust.onTime(19 * SECOND);

  expect([before, trust.isLost]).toEqual([true, false]);
});

test('what was acked towards a larger window counts no more after a cut', () => {
  const reno = newReno(MTU);
  const loss = { bytes: MTU, packets: 1, ranges: 1, priorInFlight: 10 * MTU };
  reno.onLost(10, { ...loss, sentAt: 5 });
  reno.onAck(20, sample({ sentAt: 11, acked: 4 * MTU }));
  reno.onLost(30, { ...loss, sentAt: 25 });
  const cut = reno.window();
  reno.onAck(40, sample({ sentAt: 31, acked: cut - 1 }));

  expect([cut, reno.window()]).toEqual([2.5 * MTU, 2.5 * MTU]);
});
