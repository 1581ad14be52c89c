/**
 * Records of where members are that are not what they seem: of others, from the future, old ones again and again, of a victim that
 * has nothing to do with the group. Stopped by: each member's own signature, its numbers and our clock; so many checks for each member
 * that tells; few first messages to an address that nobody has answered at (PROTOCOL 4.7).
 */

import { MILLISECOND } from '../../../../src/core/time.js';
import { RECORD_AHEAD } from '../../../../src/locators/book.js';
import { signRecord } from '../../../../src/locators/record.js';
import type { LocatorRecord } from '../../../../src/wire/frames/locators/locators.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const SECONDS = 8;
const VICTIM = '203.0.113.7:53';

function record(arena: Arena, member: number, changes: Partial<LocatorRecord>, signer = arena.liar) {
  const { group, keys, now } = arena;
  const said = {
    ...{ member, incarnation: 2 ** 40, number: 1, time: Math.floor(now / MILLISECOND) },
    ...{ addresses: [VICTIM], ...changes },
  };
  return { kind: 'locators' as const, ...signRecord(keys[signer], group.id, said) };
}

/** To each honest member, so many a second. */
function tell(arena: Arena, rate: number, make: (i: number, peer: number) => LocatorRecord): void {
  arena.each(ATTACK_AT, SECONDS, 1e6 / rate, (i) => {
    for (const peer of arena.honest) arena.say(peer, [{ kind: 'locators', ...make(i, peer) }]);
  });
}

/** Then it is called where its record says that it is. */
const leaves = (arena: Arena) => arena.at(5, () => arena.stop(arena.liar));
const towardsVictim = (most: number) => (attacked: Arena) => [
  { what: 'bytes to the victim', measured: attacked.strayBytes, must: most },
];
const options = { seconds: SECONDS, locators: true };

export const ofOthers = virtual({
  name: 'records of where others are, signed by the liar, 1,000 a second',
  ...options,
  severe: true,
  attack: (arena) =>
    tell(arena, 1000, (i, peer) =>
      record(arena, arena.honest.find((each) => each !== peer)!, { number: i + 1 }),
    ),
  more: towardsVictim(0),
  story: (arena) => {
    // It is called while the records are told: away for longer than it takes to notice (PROTOCOL 4.5).
    arena.at(3, () => arena.stop(1));
    arena.at(7, () => arena.start(1));
  },
});

export const ahead = virtual({
  name: 'records from the future, so that no later one counts',
  ...options,
  attack: (arena) =>
    tell(arena, 100, (i) =>
      record(arena, arena.liar, {
        ...{ number: i + 1, incarnation: 2 ** 47 },
        time: Math.floor((arena.now + 2 * RECORD_AHEAD) / MILLISECOND),
      }),
    ),
  story: leaves,
  more: towardsVictim(0),
});

export const replayed = virtual({
  name: 'an old record of its own, again and again, 2,000 a second',
  ...options,
  attack: (arena) => {
    let old: LocatorRecord | undefined;
    tell(arena, 2000, () => {
      old ??= record(arena, arena.liar, { incarnation: 1, addresses: ['198.51.100.1:9'] });
      return old;
    });
  },
  story: leaves,
  more: towardsVictim(0),
});

export const elsewhere = virtual({
  name: 'new records each millisecond that say it is at a victim, and then it goes',
  ...options,
  story: leaves,
  attack: (arena) => tell(arena, 1000, (i) => record(arena, arena.liar, { number: i + 1 })),
  // Three members, eight first messages each at most in these seconds.
  more: towardsVictim(3 * 8 * 200),
});
