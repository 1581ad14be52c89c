/** Who stands still for too long is found, and nobody else is. */
import { describe, expect, test } from 'vitest';
import { SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import { randomScenario, type Scenario } from '../../src/sim/scenario.js';
import { patienceOf, Watchdog } from '../../src/sim/watchdog.js';

const LIMIT = 10;

function owingTo(...members: number[]): Watchdog {
  const watchdog = new Watchdog([LIMIT, LIMIT, LIMIT]);
  for (const member of members) watchdog.owes(0, member, true);
  return watchdog;
}

describe('a watchdog', () => {
  test('says who has been owed something for the limit without getting on', () => {
    expect(owingTo(1).stuck(LIMIT - 1)).toBe(-1);
    expect(owingTo(1).stuck(LIMIT)).toBe(1);
  });

  test('lets those wait who are owed nothing', () => {
    const watchdog = owingTo(1);
    watchdog.owes(5, 1, false);
    expect(watchdog.stuck(100)).toBe(-1);
  });

  test('counts for each member its own progress alone', () => {
    const watchdog = owingTo(0, 1);
    watchdog.progressed(8, 0);
    expect(watchdog.stuck(12)).toBe(1);
  });

  test('does not count while a fault is under way, and begins anew after the last', () => {
    const watchdog = owingTo(1);
    watchdog.disturbed(1);
    watchdog.disturbed(2);
    watchdog.calmed(50);
    expect(watchdog.stuck(70)).toBe(-1);
    watchdog.calmed(80);
    expect(watchdog.stuck(80 + LIMIT - 1)).toBe(-1);
    expect(watchdog.stuck(80 + LIMIT)).toBe(1);
  });

  test('says how near to the limit the longest standstill came', () => {
    const watchdog = owingTo(1);
    watchdog.progressed(7, 1);
    watchdog.progressed(9, 1);
    expect(watchdog.closest).toBe(0.7);
  });
});

describe('the patience of a scenario', () => {
  const base: Scenario = {
    ...randomScenario('patience'),
    clocks: {},
    consume: 0,
    disk: { delay: 0 },
    messages: [],
  };
  const of = (links: Scenario['links']) => patienceOf({ ...base, slow: undefined, links }, 0);

  test('is a few seconds on good links', () => {
    expect(of({ delay: 20_000 })).toBeLessThan(4 * SECOND);
  });

  test('grows with round trips and with loss', () => {
    expect(of({ delay: 200_000 })).toBeGreaterThan(of({ delay: 20_000 }));
    expect(of({ delay: 20_000, loss: iid(0.4) })).toBeGreaterThan(of({ delay: 20_000, loss: iid(0.1) }));
  });

  test('of 20 ms links is twice a second, and six round trips of these', () => {
    expect(of({ delay: 20_000 })).toBe(2 * (SECOND + 6 * 41_000));
  });

  test.each<[string, Partial<Scenario>]>([
    ['a consumer', { consume: 1000 }],
    ['a disk', { disk: { delay: 1000 } }],
    ['jitter', { links: { delay: 20_000, jitter: 1000 } }],
    ['datagrams that overtake each other', { links: { delay: 20_000, reorder: 0.1 } }],
    ['a queue', { links: { delay: 20_000, rate: 100e6 } }],
    ['datagrams that are damaged', { links: { delay: 20_000, corrupt: 0.1 } }],
    ['the largest message', { messages: [{ origin: 0, at: 0, size: 9000 }] }],
    ['a clock that goes too slowly', { clocks: { 1: { offset: 0, rate: 0.9 } } }],
    [
      'a liar where one is believed',
      { byzantine: 0, faults: [{ type: 'liar', member: 1, lies: ['phantoms'] }] },
    ],
    [
      'a keeper that serves nothing, at who has lost its store',
      {
        faults: [
          { type: 'liar', member: 1, lies: ['keep'] },
          { type: 'store', member: 0, at: 0, down: 0, back: undefined, clock: 'right' },
        ],
      },
    ],
    ['being far away', { slow: { member: 0, delay: 30_000 } }],
  ])('grows with %s', (_, change) => {
    const scenario = { ...base, slow: undefined, links: { delay: 20_000 } };
    expect(patienceOf({ ...scenario, ...change }, 0)).toBeGreaterThan(patienceOf(scenario, 0));
  });

  test('with a disk that is now and then so many times as slow counts that many times', () => {
    const time = (disk: Scenario['disk']) =>
      patienceOf({ ...base, slow: undefined, links: { delay: 20_000 }, disk }, 0);
    const [none, fast, slow] = [
      { delay: 0 },
      { delay: 1000 },
      { delay: 1000, slow: 0.1, slowFactor: 30 },
    ].map(time);
    expect(slow - none).toBe(30 * (fast - none));
  });

  test('is far from a minute in most random scenarios', () => {
    const times = Array.from({ length: 200 }, (_, i) => patienceOf(randomScenario(`patience-${i}`), 0));
    expect(times.filter((time) => time < 30 * SECOND).length).toBeGreaterThan(170);
  });
});
