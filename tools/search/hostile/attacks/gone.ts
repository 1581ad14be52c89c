/**
 * A member says that objects are gone: unasked, with a base that nobody has reached, or as the answer to a PULL. All later
 * messages were skipped. Stopped by: GONE counts as answer to a PULL of ours, from more than f members, within what the
 * origin claims (PROTOCOL 8.3).
 */

import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const gone = (arena: Arena, origin: number, base: number): Frame => ({
  kind: 'gone',
  ...arena.stream(origin),
  base,
  chain: new Uint8Array(32).fill(7),
});
const unasked = (arena: Arena) =>
  arena.each(ATTACK_AT, 5, 50_000, () => {
    for (const peer of arena.honest)
      for (const origin of arena.honest)
        if (peer !== origin)
          for (const base of [2 ** 32 - 16, 100]) arena.say(peer, [gone(arena, origin, base)]);
  });
/** A member comes back without its store, and asks. */
const lostStore = (arena: Arena) => {
  arena.at(3, () => arena.stop(1));
  arena.at(4, () => {
    arena.lose(1);
    arena.start(1);
  });
};

export const withoutLiars = virtual({
  name: 'GONE unasked, in a group that tolerates no lie (f 0)',
  severe: true,
  byzantine: 0,
  attack: unasked,
});

export const oneLiar = virtual({ name: 'GONE unasked (f 1)', attack: unasked });

export const answers = virtual({
  name: 'GONE with a far base to a member that has lost its store',
  story: lostStore,
  attack: (arena) =>
    arena.each(4, 9, 10_000, () => {
      for (const origin of [0, 2]) arena.say(1, [gone(arena, origin, 2 ** 31)]);
    }),
});
