/** A scenario in which nothing goes wrong, for tests to put in what does. */
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { iid } from '../../src/sim/net/loss.js';
import type { Scenario } from '../../src/sim/scenario.js';

/** Three members, good links, no faults, but for what is given. */
export function quietScenario(different: Partial<Scenario>): Scenario {
  return {
    seed: 'regression',
    members: 3,
    faulty: Math.floor(((different.members ?? 3) - 1) / 3),
    byzantine: 0,
    order: 'fifo',
    controller: 'fixed',
    maxDatagram: 1232,
    links: { delay: 10 * MILLISECOND, loss: iid(0) },
    disk: { delay: 2 * MILLISECOND },
    consume: 0,
    clocks: {},
    messages: [],
    replies: 0,
    faults: [],
    healAt: SECOND,
    ...different,
  };
}
