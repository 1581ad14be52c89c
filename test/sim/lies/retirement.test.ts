/**
 * A liar that lets one member alone retire a stream, and then depends on more of it than there is. One correct member must not
 * deliver what another never can.
 */
import { describe, expect, test } from 'vitest';
import { MILLISECOND } from '../../../src/core/time.js';
import { runScenario } from '../../../src/sim/run.js';
import type { Fault } from '../../../src/sim/scenario.js';
import { quietScenario } from '../quiet.js';

const SEEDS = 3;

/** What fails, if anything, in groups of so many members with one such liar and these faults besides. */
function violations(name: string, members: number, faults: Fault[]): string[] {
  const found: string[] = [];
  for (let seed = 0; seed < SEEDS; seed++) {
    const scenario = quietScenario({
      seed: `${name}-${seed}`,
      members,
      byzantine: 1,
      order: 'causal',
      messages: Array.from({ length: 16 }, (_, i) => ({
        origin: i % (members - 1),
        at: i * 400 * MILLISECOND,
        size: 20,
      })),
      faults: [{ type: 'liar', member: members - 1, lies: ['split'] }, ...faults],
    });
    const { violation } = runScenario(scenario);
    if (violation) found.push(`seed ${seed}: ${violation}`);
  }
  return found;
}

describe('a liar that lets one member alone retire', () => {
  test('makes nobody deliver what others cannot', () => {
    expect(violations('four', 4, [])).toEqual([]);
  });

  test('nor with READY, where two of seven may fail', () => {
    expect(violations('seven', 7, [])).toEqual([]);
  });

  test('nor where members crash and come back', () => {
    const crash = (member: number, at: number): Fault => ({
      type: 'crash',
      members: [member],
      when: { at: at * MILLISECOND },
      down: 500 * MILLISECOND,
      hit: true,
    });
    expect(violations('crash', 4, [crash(0, 4000), crash(1, 5000), crash(2, 5600)])).toEqual([]);
  });
});
