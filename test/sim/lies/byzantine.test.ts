/** Lies that change nothing would test nothing: each makes a run another one than it is without the lie, and harms nobody. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND } from '../../../src/core/time.js';
import { LIES, type Lie } from '../../../src/sim/lies/byzantine.js';
import { iid } from '../../../src/sim/net/loss.js';
import { runScenario } from '../../../src/sim/run.js';
import type { Fault } from '../../../src/sim/scenario.js';
import { quietScenario } from '../quiet.js';

/** Four members of which one may lie. All broadcast, and one comes back and has to ask for what it missed. */
function runWith(...lies: Lie[]): { hash: string; violation: string | undefined } {
  const crash: Fault = {
    type: 'crash',
    members: [3],
    when: { at: 200 * MILLISECOND },
    down: 600 * MILLISECOND,
    hit: false,
  };
  const scenario = quietScenario({
    seed: 'lies',
    members: 4,
    byzantine: 1,
    order: 'causal',
    controller: 'bbr',
    links: { delay: 10 * MILLISECOND, loss: iid(0.1) },
    messages: Array.from({ length: 12 }, (_, i) => ({
      origin: i % 3,
      at: i * 60 * MILLISECOND,
      size: i === 4 ? 20_000 : 200,
    })),
    faults: lies.length > 0 ? [crash, { type: 'liar', member: 0, lies }] : [crash],
  });
  return runScenario(scenario);
}

describe('a lie', () => {
  const honest = runWith().hash;

  test.each(LIES)('%s changes the run', (lie) => {
    expect(runWith(lie).hash).not.toBe(honest);
  });

  test.each(LIES)('%s harms nobody', (lie) => {
    expect(runWith(lie).violation).toBeUndefined();
  });

  test('on top of another one harms nobody', () => {
    for (const [i, lie] of LIES.entries())
      expect(runWith(lie, LIES[(i + 1) % LIES.length]).violation, lie).toBeUndefined();
  });
});
