/**
 * No liar: members that lose their stores, set their clocks back or come back with an old copy, a key that two processes use.
 * What other members broadcast must reach all, as if nothing had happened. The control run has the same outages, with the stores kept.
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

/** Who is down for half a second, with the same store or without, hears that much later: the control run has the same outage. */
const outage = (arena: Arena, member: number, at: number) => {
  arena.at(at, () => arena.stop(member));
  arena.at(at + LOST_AFTER, () => arena.excuse(member));
  arena.at(at + 0.5, () => arena.start(member));
};
/** s after it has stopped. */
const LOST_AFTER = 0.4;
/** ms: who finds a later stream of its own waits for what others hold before it begins another (PROTOCOL 10.2). */
const BEGUN_ANEW = 2000;

export const lostStore = virtual({
  name: 'accident: a member loses its store',
  severe: true,
  story: (arena) => outage(arena, 1, 4),
  attack: (arena) => arena.at(4 + LOST_AFTER, () => arena.lose(1)),
});

export const lostWhileAway = virtual({
  name: 'accident: a member that was away comes back without its store',
  severe: true,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(4.9, () => arena.excuse(1));
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) => arena.at(4.9, () => arena.lose(1)),
});

export const oneAfterTheOther = virtual({
  name: 'accident: members lose their stores, one after the other',
  story: (arena) => {
    for (const member of [0, 1, 2]) outage(arena, member, 2.5 + 2 * member);
  },
  attack: (arena) => {
    for (const member of [0, 1, 2]) arena.at(2.5 + 2 * member + LOST_AFTER, () => arena.lose(member));
  },
});

export const lostAndLiar = virtual({
  name: 'accident: the origin loses its store while another member is away (f 1)',
  story: (arena) => {
    arena.at(3, () => arena.stop(2));
    arena.at(6, () => arena.start(2));
    outage(arena, 0, 4);
  },
  attack: (arena) => arena.at(4 + LOST_AFTER, () => arena.lose(0)),
});

export const clockBack = virtual({
  name: 'accident: a member loses its store, and its clock has gone back',
  grace: BEGUN_ANEW,
  story: (arena) => outage(arena, 0, 4),
  attack: (arena) => arena.at(4 + LOST_AFTER, () => arena.lose(0, -500)),
});

export const otherStore = virtual({
  name: 'accident: a key is used with one store, then with another, then with the first again',
  grace: BEGUN_ANEW,
  severe: true,
  story: (arena) => {
    for (const at of [3, 5]) outage(arena, 0, at);
  },
  attack: (arena) => {
    for (const at of [3, 5])
      arena.at(at + LOST_AFTER, () => {
        arena.swapDisks(0);
        arena.excuse(0);
      });
  },
});
