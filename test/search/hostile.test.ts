/** The suite of attacks judges: what harms honest members fails, what does not holds, and every file of attacks is found. */
import { describe, expect, test } from 'vitest';
import { type Claim, holds, repeated } from '../../tools/search/hostile/attack.js';
import { loadAttacks } from '../../tools/search/hostile/catalogue.js';
import { virtual } from '../../tools/search/hostile/virtual.js';

const quick = { seconds: 2, large: 0 };

test('an attack that silences a member fails by what is missing and by latency', async () => {
  const attack = virtual({
    name: 'stops a member',
    ...quick,
    attack: (arena) => arena.at(2, () => arena.stop(0)),
  });
  const failed = (await attack.run('a')).filter((claim) => !holds(claim)).map(({ what }) => what);
  expect(failed).toContain('honest messages missing');
  expect(failed).toContain('latency p99, ms');
});

test('an attack that does nothing holds in all', async () => {
  const claims = await virtual({ name: 'nothing', ...quick }).run('b');
  expect(claims.filter((claim) => !holds(claim) && !/CPU/.test(claim.what))).toEqual([]);
});

describe('an attack is tried again', () => {
  const runsOf = async (measured: readonly number[], isNoisy: boolean) => {
    const left = [...measured];
    const [claim] = await repeated(
      async (): Promise<Claim[]> => [{ what: 'some', measured: left.shift()!, must: 10, isNoisy }],
    );
    return { holds: holds(claim), runs: measured.length - left.length };
  };

  test('where the machine may have been busy, and holds if it did so twice', async () => {
    expect(await runsOf([11, 5, 6], true)).toEqual({ holds: true, runs: 3 });
  });

  test('and fails if it did so once', async () => {
    expect(await runsOf([11, 5, 12], true)).toEqual({ holds: false, runs: 3 });
  });

  test('but not where nothing else can be to blame', async () => {
    expect(await runsOf([11, 5, 6], false)).toEqual({ holds: false, runs: 1 });
  });
});

test('each file of attacks brings some, and each has a name of its own', async () => {
  const attacks = await loadAttacks();
  expect(attacks.every(({ name, run }) => name !== '' && typeof run === 'function')).toBe(true);
  expect(attacks.length).toBeGreaterThanOrEqual(40);
});
