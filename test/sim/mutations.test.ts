/** Bugs put in on purpose: the simulation has to find each of them, or it shows nothing by finding none. */
import { afterEach, describe, expect, test } from 'vitest';
import { runScenario } from '../../src/sim/run.js';
import { randomScenario, type Scenario } from '../../src/sim/scenario.js';
import { seedFor } from '../util/seed.js';
import { MUTATIONS } from './mutations.js';

const SEEDS = 2000;

/** Where a rule is for few scenarios, only those are run. */
const CONCERNED: Record<string, (scenario: Scenario) => boolean> = {
  'take a copy of a store for the store': ({ faults }) => faults.some(({ type }) => type === 'restore'),
  // READY is there where two or more may fail, and decides where an origin says different things.
  'deliver at a quorum of confirms, whoever may lie': ({ byzantine, faulty, faults }) =>
    byzantine > 0 &&
    faulty > 1 &&
    faults.some((fault) => fault.type === 'liar' && fault.lies.includes('equivocate')),
};

let undo: (() => void) | undefined;
afterEach(() => undo?.());

describe('a deliberate bug is found by a random run', () => {
  test.each(Object.keys(MUTATIONS))(
    '%s',
    (name) => {
      undo = MUTATIONS[name]();
      let found: string | undefined;
      let tried = 0;
      for (; tried < SEEDS && !found; tried++) {
        const scenario = randomScenario(`${seedFor(name)}-${tried}`);
        // The large ones find no more, and take longer.
        if (scenario.members <= 7 && (CONCERNED[name]?.(scenario) ?? true))
          found = runScenario(scenario).violation;
      }
      process.stderr.write(`${name}: ${tried} seeds, ${found ?? 'not found'}\n`);
      expect(found, `within ${SEEDS} seeds`).toBeDefined();
    },
    600_000,
  );
});
