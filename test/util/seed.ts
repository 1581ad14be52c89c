/**
 * Seeds of tests. In: HEADWATER_SEED from the environment, if set. Out: the seed to use, and failures that name the seed they
 * failed with, so that a run is replayed by pasting one command.
 */

/**
 * The seed for the test called `name`: HEADWATER_SEED if set, else a fixed one made of the name, so that a run of the suite
 * means the same today and tomorrow. HEADWATER_SEED=random draws a fresh one each time.
 */
export function seedFor(name: string): string {
  const fixed = process.env.HEADWATER_SEED;
  if (fixed === 'random') return Math.floor(Math.random() * 2 ** 32).toString(36);
  return fixed ?? name.replace(/[^A-Za-z0-9]+/g, '-');
}

/**
 * Calls `run` with `count` seeds, one after the other. A failure is thrown on with the command that replays its seed.
 * With HEADWATER_SEED set to a seed, only that one runs.
 *
 * @example
 * test('every member holds the object', () => withSeeds(300, (seed) => simulate(seed)));
 */
export async function withSeeds(
  count: number,
  run: (seed: string) => void | Promise<void>,
  name = 'headwater',
): Promise<void> {
  const one = process.env.HEADWATER_SEED !== undefined && process.env.HEADWATER_SEED !== 'random';
  for (let i = 0; i < (one ? 1 : count); i++) {
    const seed = one ? seedFor(name) : `${seedFor(name)}-${i}`;
    try {
      await run(seed);
    } catch (error) {
      throw withHint(error, `replay: HEADWATER_SEED=${seed} npm test`);
    }
  }
}

/** Adds to the message of the error itself: wrapped in another one, it would lose the diff that vitest prints. */
function withHint(error: unknown, hint: string): Error {
  if (!(error instanceof Error)) return new Error(`${String(error)}\n${hint}`);
  error.message += `\n${hint}`;
  return error;
}
