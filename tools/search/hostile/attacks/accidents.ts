/**
 * No liar: members that lose their stores, set their clocks back or come back with an old copy, a key that two processes use.
 * What other members broadcast must reach all, as if nothing had happened. Who is down for half a second hears that much later, and asks
 * until GONE is believed; who finds a later stream of its own waits 2 s for what others hold before it begins another (PROTOCOL 10.2).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const lost = (arena: Arena, member: number, at: number) => {
  arena.at(at, () => arena.stop(member));
  arena.at(at + 0.5, () => {
    arena.lose(member);
    arena.start(member);
  });
};

export const lostStore = virtual({
  name: 'accident: a member loses its store',
  severe: true,
  attack: (arena) => lost(arena, 1, 4),
  slower: 2,
  grace: 1500,
});

export const lostWhileAway = virtual({
  name: 'accident: a member that was away comes back without its store',
  severe: true,
  grace: 1500,
  story: (arena) => arena.at(ATTACK_AT, () => arena.stop(1)),
  attack: (arena) => {
    arena.at(5, () => {
      arena.lose(1);
      arena.start(1);
    });
  },
});

export const oneAfterTheOther = virtual({
  name: 'accident: members lose their stores, one after the other',
  grace: 1500,
  attack: (arena) => {
    for (const member of [0, 1, 2]) lost(arena, member, 2.5 + 2 * member);
  },
});

export const lostAndLiar = virtual({
  name: 'accident: the origin loses its store while another member is away (f 1)',
  grace: 3000,
  story: (arena) => {
    arena.at(3, () => arena.stop(2));
    arena.at(6, () => arena.start(2));
  },
  attack: (arena) => lost(arena, 0, 4),
});

export const clockBack = virtual({
  name: 'accident: a member loses its store, and its clock has gone back',
  grace: 3000,
  attack: (arena) => {
    arena.at(4, () => arena.stop(0));
    arena.at(4.5, () => {
      arena.lose(0, -500);
      arena.start(0);
    });
  },
});

export const otherStore = virtual({
  name: 'accident: a key is used with one store, then with another, then with the first again',
  severe: true,
  grace: 3000,
  attack: (arena) => {
    for (const at of [3, 5]) {
      arena.at(at, () => arena.stop(0));
      arena.at(at + 0.5, () => {
        arena.swapDisks(0);
        arena.excuse(0);
        arena.start(0);
      });
    }
  },
});
