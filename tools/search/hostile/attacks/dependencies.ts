/**
 * Objects that depend on what never comes: 65,535 dependencies that were walked at each event, cycles, and as much data as
 * sixteen streams may hold, which filled the store at the cost of the honest. Stopped by: few dependencies, of which the
 * first unmet one is waited for (PROTOCOL 7.1), and a share of the store for each origin, over all its streams (10.4).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const never = (arena: Arena, number: number) =>
  Array.from({ length: number }, (_, i) => ({
    ...{ origin: 0, incarnation: arena.stream(0).incarnation },
    count: i === number - 1 ? 2 ** 32 - 1 : 0,
  }));
const text = new Uint8Array(40);

export const walked = virtual({
  name: 'an object with 65,535 dependencies, and many small VECTORs',
  severe: true,
  seconds: 5,
  attack: (arena) => {
    arena.at(ATTACK_AT, () =>
      arena.serve(arena.forge(parcel([text], never(arena, 65_535))), arena.honest, 200),
    );
    arena.each(ATTACK_AT + 1, 6, 10_000, () => arena.tell(() => [entryOf(arena.stream(arena.liar), 1)]));
  },
});

export const walkedInEach = virtual({
  name: 'objects with 65,535 dependencies in eight streams',
  severe: true,
  seconds: 5,
  large: 0,
  every: 400_000,
  attack: (arena) =>
    arena.at(ATTACK_AT, () => {
      const bytes = parcel([text], never(arena, 65_535));
      const { incarnation } = arena.stream(arena.liar);
      for (let i = 0; i < 8; i++)
        arena.serve(arena.forge(bytes, 0, { incarnation: incarnation + i }), arena.honest, 100);
    }),
});

export const cycle = virtual({
  name: 'objects of two streams that depend on each other, and one on itself',
  attack: (arena) =>
    arena.at(ATTACK_AT, () => {
      const { origin, incarnation } = arena.stream(arena.liar);
      for (const [mine, other] of [
        [1, 2],
        [2, 1],
        [3, 3],
      ])
        arena.serve(
          arena.forge(parcel([text], [{ origin, incarnation: incarnation + other, count: 1 }]), 0, {
            incarnation: incarnation + mine,
          }),
        );
    }),
});

export const fill = virtual({
  name: 'undeliverable objects in sixteen streams, beyond the bound of the store, while a member is away',
  severe: true,
  maxStoredBytes: 4e6,
  large: 0,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(8, () => arena.start(1));
  },
  attack: (arena) => {
    arena.tamper({
      hear: (_now, _peer, { frames, symbol }) => ({
        frames: frames.filter(({ kind }) => kind !== 'pull'),
        symbol,
      }),
    });
    const { incarnation } = arena.stream(arena.liar);
    const bytes = parcel([new Uint8Array(300_000)], never(arena, 1));
    for (let i = 0; i < 16; i++)
      for (let seq = 0; seq < 4; seq++)
        arena.at(ATTACK_AT + 0.2 + 0.08 * (4 * i + seq), () =>
          arena.serve(arena.forge(bytes, seq, { incarnation: incarnation + i }), [0, 2], 100),
        );
  },
});
