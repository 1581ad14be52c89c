/** The suite of attacks judges: what harms honest members fails, what does not holds, and every file of attacks is found. */
import { expect, test } from 'vitest';
import { holds } from '../../bench/hostile/attack.js';
import { loadAttacks } from '../../bench/hostile/catalogue.js';
import { virtual } from '../../bench/hostile/virtual.js';

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

test('each file of attacks brings some, and each has a name of its own', async () => {
  const attacks = await loadAttacks();
  expect(attacks.every(({ name, run }) => name !== '' && typeof run === 'function')).toBe(true);
  expect(attacks.length).toBeGreaterThanOrEqual(40);
});
