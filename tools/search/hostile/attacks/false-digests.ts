/**
 * A member says once, of streams of honest members, a digest that is false; then the truth. Pruning ended for ever. Stopped by:
 * a dispute that is over counts no more (PROTOCOL 10.4).
 */
import { ATTACK_AT } from '../arena.js';
import { entryOf } from '../forge.js';
import { virtual } from '../virtual.js';

export const once = virtual({
  name: 'a false digest once, then the truth',
  severe: true,
  attack: (arena) =>
    arena.each(ATTACK_AT, ATTACK_AT + 1, 100_000, (i) =>
      arena.tell(() => arena.honest.map((victim) => entryOf(arena.stream(victim), 5 + 3 * i))),
    ),
  more: (attacked, control) => [
    { what: 'kept in the end, MB', measured: attacked.finallyStored, must: control.finallyStored + 0.1 },
  ],
});

export const restarts = virtual({
  name: 'a false digest, and a member restarts',
  story: (arena) => {
    arena.at(4, () => arena.stop(1));
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) =>
    arena.each(ATTACK_AT, 5, 200_000, (i) =>
      arena.tell(() => arena.honest.map((victim) => entryOf(arena.stream(victim), 5 + 2 * i))),
    ),
});
