/**
 * A member names streams of another that do not exist: a later one, which ended the real one for ever, or sixteen, which
 * pushed it out. Stopped by: a stream counts once its origin has named or signed it, never on another's word (PROTOCOL 10.4).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf } from '../forge.js';
import { virtual } from '../virtual.js';

const LAST = 2 ** 48 - 1;
const phantoms = (victim: number, from: number, number = 1, count = 1) =>
  Array.from({ length: number }, (_, i) => entryOf({ origin: victim, incarnation: from + i }, count));
const once = (arena: Arena, entries: ReturnType<typeof phantoms>, peers = arena.honest) =>
  arena.at(ATTACK_AT, () => arena.tell(() => entries, peers));

export const later = virtual({
  name: 'phantom stream: a later one of another member',
  severe: true,
  attack: (arena) => once(arena, phantoms(0, LAST)),
});

export const withoutLiars = virtual({
  name: 'phantom stream: in a group that tolerates no lie (f 0)',
  severe: true,
  byzantine: 0,
  attack: (arena) => once(arena, phantoms(0, LAST)),
});

export const toItsOrigin = virtual({
  name: 'phantom stream: told to its origin alone',
  attack: (arena) => once(arena, phantoms(0, LAST), [0]),
});

export const toOne = virtual({
  name: 'phantom stream: told to one member alone',
  attack: (arena) => once(arena, phantoms(0, LAST), [1]),
});

export const byTwo = virtual({
  name: 'phantom stream: named by two liars of seven (f 2)',
  severe: true,
  members: 7,
  byzantine: 2,
  liars: [5, 6],
  seconds: 5,
  attack: (arena) =>
    arena.at(ATTACK_AT, () => {
      for (const liar of arena.liars) arena.tell(() => phantoms(0, LAST), arena.honest, liar);
    }),
});

export const sixteen = virtual({
  name: 'phantom streams: sixteen of another member, earlier and later',
  severe: true,
  attack: (arena) => {
    once(arena, phantoms(0, LAST - 20, 16));
    arena.at(ATTACK_AT + 1, () => arena.tell(() => phantoms(1, 10, 16)));
  },
});

export const everyone = virtual({
  name: 'phantom streams: of every member, with no objects and with many',
  attack: (arena) =>
    arena.at(ATTACK_AT, () =>
      arena.tell(() =>
        arena.honest.flatMap((victim) => [
          ...phantoms(victim, 5000, 4, 0),
          ...phantoms(victim, 9000, 4, 2 ** 32 - 1),
        ]),
      ),
    ),
});

export const beforeStart = virtual({
  name: 'phantom stream: named before its origin has started',
  severe: true,
  story: (arena) => {
    arena.at(0.5, () => arena.stop(0));
    arena.at(3, () => arena.start(0));
  },
  attack: (arena) => arena.at(1.5, () => arena.tell(() => phantoms(0, LAST), [1, 2])),
});

export const atRestart = virtual({
  name: 'phantom stream: named to a member that has just restarted',
  story: (arena) => {
    arena.at(2, () => arena.stop(1));
    arena.at(3, () => arena.start(1));
  },
  attack: (arena) => arena.each(3, 4, 5000, () => arena.tell(() => phantoms(0, LAST), [1])),
});

export const atLostStore = virtual({
  name: 'phantom stream: named while its origin begins a new one',
  story: (arena) => {
    arena.at(2, () => arena.stop(0));
    arena.at(2.5, () => {
      arena.lose(0);
      arena.start(0);
    });
  },
  attack: (arena) =>
    arena.each(2, 4, 20_000, () => arena.tell(() => [...phantoms(0, LAST), ...phantoms(0, 1500)])),
});

export const tooMany = virtual({
  name: 'objects of a stream: more are named than there can be',
  attack: (arena) =>
    arena.each(ATTACK_AT, 8, 100_000, () =>
      arena.tell(() => arena.honest.map((victim) => entryOf(arena.stream(victim), 2 ** 32 - 1))),
    ),
});
