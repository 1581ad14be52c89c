/**
 * Two liars who help each other: an origin that signs two objects under one name, and a member that confirms to some what
 * suits them and then falls silent. One correct member must not deliver what another never can.
 *
 *   origin --- h ---> 2, 3, 4           --- x ---> 5, 6
 *   liar   - confirms h, to 2 alone ->  2 has a quorum for h; 3 and 4 have not, and 5 and 6 hold x
 */
import { describe, expect, test } from 'vitest';
import { MILLISECOND } from '../../../src/core/time.js';
import { runScenario } from '../../../src/sim/run.js';
import type { Fault } from '../../../src/sim/scenario.js';
import { quietScenario } from '../quiet.js';

const SEEDS = 25;

/** What fails, if anything, in a group of seven with two liars and these faults besides. */
function violations(name: string, messages: number, faults: Fault[]): string[] {
  const found: string[] = [];
  for (let seed = 0; seed < SEEDS; seed++) {
    const scenario = quietScenario({
      seed: `${name}-${seed}`,
      members: 7,
      byzantine: 2,
      messages: Array.from({ length: messages }, (_, i) => ({
        origin: 0,
        at: i * 50 * MILLISECOND,
        size: 20,
      })),
      faults: [
        { type: 'liar', member: 0, lies: ['equivocate'] },
        { type: 'liar', member: 1, lies: ['collude'] },
        ...faults,
      ],
    });
    const { violation } = runScenario(scenario);
    if (violation) found.push(`seed ${seed}: ${violation}`);
  }
  return found;
}

describe('an origin that equivocates and a member that backs it', () => {
  test('do not keep anybody from what another has delivered', () => {
    expect(violations('pair', 1, [])).toEqual([]);
  });

  test('nor with several objects, each different for some', () => {
    expect(violations('several', 6, [])).toEqual([]);
  });

  test('nor where a member stops once it has helped another to deliver', () => {
    const crash = (member: number): Fault => ({
      type: 'crash',
      members: [member],
      when: { on: 'deliver', count: 1 },
      down: 200 * MILLISECOND,
      hit: true,
    });
    expect(violations('stopped', 2, [crash(2), crash(3), crash(4)])).toEqual([]);
  });
});
