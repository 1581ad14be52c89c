/**
 * Seeded simulations of whole groups: random sizes, links, disks, faults and liars, each judged by the checker.
 * HEADWATER_SEEDS sets how many are run; a failure prints its seed. Thousands: `npm run sim`.
 */
import { describe, expect, test } from 'vitest';
import { runScenario } from '../../src/sim/run.js';
import { randomScenario, type Scenario } from '../../src/sim/scenario.js';
import { withSeeds } from '../util/seed.js';

const SEEDS = Number(process.env.HEADWATER_SEEDS ?? 300);

describe('a group in the simulator', () => {
  test(`is a uniform reliable broadcast in ${SEEDS} random runs`, async () => {
    await withSeeds(
      SEEDS,
      (seed) => expect(runScenario(randomScenario(seed)).violation).toBeUndefined(),
      'broadcast',
    );
  }, 3_600_000);

  test('meets every kind of fault, lie, controller and size within as many', () => {
    const met = new Set<string>();
    for (let i = 0; i < 300; i++)
      for (const what of featuresOf(randomScenario(`broadcast-${i}`))) met.add(what);

    const kinds = ['crash', 'death', 'cut', 'one-way cut', 'full', 'stall', 'damage', 'liar'];
    const rest = [
      'bbr',
      'cubic',
      'newreno',
      'fixed',
      'large datagrams',
      'large object',
      'clocks',
      'causal',
      'replies',
      'boxes',
    ];
    expect([...kinds, ...rest].filter((what) => !met.has(what))).toEqual([]);
  });

  test('does the same thing again from the same seed, event for event', () => {
    const [first, second] = [1, 2].map(() => runScenario(randomScenario('again')).hash);
    expect(second).toBe(first);
  });

  test('does another thing from another seed', () => {
    expect(runScenario(randomScenario('one')).hash).not.toBe(runScenario(randomScenario('another')).hash);
  });
});

function* featuresOf(scenario: Scenario): Generator<string> {
  const { controller, maxDatagram, messages, clocks, order, replies, faults } = scenario;
  yield controller;
  yield order;
  if (maxDatagram > 1232) yield 'large datagrams';
  if (messages.some(({ size }) => size > 10_000)) yield 'large object';
  if (Object.keys(clocks).length > 0) yield 'clocks';
  if (replies > 0) yield 'replies';
  if (scenario.boxes) yield 'boxes';
  for (const fault of faults) {
    yield fault.type;
    if (fault.type === 'crash' && fault.down === undefined) yield 'death';
    if (fault.type === 'cut' && fault.oneWay) yield 'one-way cut';
  }
}
