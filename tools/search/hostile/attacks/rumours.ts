/**
 * Attacks on the bounds themselves: the places for rumours are filled, a true one must still be heard; streams of the liar's own are
 * attested, ended and begun by the hundred; a certificate of long ago is shown again. Stopped by: bounds for each member that names, and for
 * each origin, with the origin's own worst as what goes first (PROTOCOL 10.4, 11).
 */
import type { VectorEntry } from '../../../../src/wire/frames/vector.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

export const full = virtual({
  name: 'rumours: all places are filled, while a member comes back that is owed an old stream',
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    // Its former stream is then known to the others alone.
    arena.at(3, () => arena.stop(0));
    arena.at(3.5, () => {
      arena.lose(0);
      arena.start(0);
    });
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) =>
    arena.each(ATTACK_AT, 9, 20_000, (i) =>
      arena.tell(() =>
        arena.honest.flatMap((victim) =>
          Array.from({ length: 6 }, (_, j) => entryOf({ origin: victim, incarnation: 1100 + 6 * i + j }, 9)),
        ),
      ),
    ),
});

export const churn = virtual({
  name: 'streams of its own: begun, ended and begun, with an object that each depends on',
  seconds: 5,
  cores: 0.5,
  attack: (arena) => {
    const first = arena.stream(arena.liar).incarnation + 1;
    arena.each(ATTACK_AT, 6, 20_000, (i) => {
      const incarnation = first + i;
      arena.serve(arena.forge(parcel([new Uint8Array(30)]), 0, { incarnation }));
      arena.tell(() => [
        entryOf({ origin: arena.liar, incarnation: incarnation - 1 }, 1, {
          ended: true,
        } as Partial<VectorEntry>),
        entryOf({ origin: arena.liar, incarnation }, 1),
      ]);
    });
  },
});

export const backwards = virtual({
  name: 'streams of its own: the newest first, then ever older ones',
  seconds: 5,
  cores: 0.5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 10_000, (i) => {
      arena.serve(arena.forge(parcel([new Uint8Array(30)]), 0, { incarnation: 500_000 - i }));
    }),
});

const dependent = (arena: Arena, incarnation: number, count: number) =>
  parcel([new Uint8Array(30)], [{ origin: arena.liar, incarnation, count }]);

export const dangling = virtual({
  name: 'dependencies: on streams that only some members have heard of',
  severe: true,
  attack: (arena) => {
    const first = arena.stream(arena.liar).incarnation;
    arena.at(ATTACK_AT, () => {
      // +1 is known to one member alone, and empty; +2, later, depends on it; +3 is later still.
      arena.tell(() => [entryOf({ origin: arena.liar, incarnation: first + 1 }, 0)], [0]);
      arena.serve(arena.forge(dependent(arena, first + 1, 1), 0, { incarnation: first + 2 }), [0, 1, 2]);
      arena.serve(arena.forge(parcel([new Uint8Array(30)]), 0, { incarnation: first + 3 }), [0, 2]);
    });
    arena.at(4, () =>
      arena.serve(arena.forge(parcel([new Uint8Array(30)]), 0, { incarnation: first + 1 }), [1]),
    );
  },
});

export const chained = virtual({
  name: 'dependencies: each object on one that comes a second later',
  attack: (arena) => {
    const { incarnation } = arena.stream(arena.liar);
    const chain = Array.from({ length: 6 }, (_, i) =>
      arena.forge(dependent(arena, incarnation + i + 2, 1), 0, { incarnation: incarnation + i + 1 }),
    );
    for (const [i, forged] of chain.entries()) arena.at(ATTACK_AT + i, () => arena.serve(forged));
  },
});
