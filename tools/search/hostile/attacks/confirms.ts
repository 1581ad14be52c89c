/**
 * Claims that are not so: to hold what nobody holds, or less than before, to be READY for it, to need symbols for ever or none.
 * Stopped by: a quorum is larger than f, READY counts with a digest of one's own, demand is bounded (PROTOCOL 8.1, 9.3, 9.5).
 */

import type { VectorEntry } from '../../../../src/wire/frames/vector.js';
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf } from '../forge.js';
import { virtual } from '../virtual.js';

const change = (arena: Arena, how: (entry: VectorEntry, peer: number) => VectorEntry) =>
  arena.tamper({
    frames: (_now, peer, frames) =>
      frames.map(
        (frame): Frame =>
          frame.kind === 'vector'
            ? { ...frame, entries: frame.entries.map((entry) => how(entry, peer)) }
            : frame,
      ),
  });

export const more = virtual({
  name: 'claims to hold a hundred objects more than it does',
  attack: (arena) => change(arena, (entry) => ({ ...entry, count: entry.count + 100 })),
});

export const upAndDown = virtual({
  name: 'claims all, nothing and all again, a hundred times a second',
  attack: (arena) =>
    arena.each(ATTACK_AT, 9, 10_000, (i) =>
      arena.tell(() => arena.honest.map((victim) => entryOf(arena.stream(victim), i % 2 === 0 ? 1000 : 0))),
    ),
});

export const ahead = virtual({
  name: 'claims objects far beyond a gap',
  attack: (arena) =>
    change(arena, (entry) => ({ ...entry, ahead: new Uint8Array(32).fill(0xff), count: entry.count })),
});

export const ready = virtual({
  name: 'two liars of seven are READY for what there is not (f 2)',
  members: 7,
  byzantine: 2,
  liars: [5, 6],
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 50_000, (i) => {
      for (const liar of arena.liars)
        arena.tell(
          () => arena.honest.map((victim) => entryOf(arena.stream(victim), 8 + i, { ready: 8 + i })),
          arena.honest,
          liar,
        );
    }),
});

export const flags = virtual({
  name: 'says of all streams in use that they have ended',
  attack: (arena) => change(arena, (entry) => ({ ...entry, ended: true, over: true }) as VectorEntry),
});

export const twoFlags = virtual({
  name: 'two liars of seven say of all streams that they have ended (f 2)',
  members: 7,
  byzantine: 2,
  liars: [5, 6],
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 100_000, () => {
      for (const liar of arena.liars)
        arena.tell(
          () =>
            arena.honest.map((victim) =>
              entryOf(arena.stream(victim), 3, { base: 3, ended: true, over: true } as Partial<VectorEntry>),
            ),
          arena.honest,
          liar,
        );
    }),
});

export const noneNeeded = virtual({
  name: 'reports as if it had all of every object, or other blocks than there are',
  large: 200_000,
  attack: (arena) => {
    arena.tamper({
      frames: (_now, _peer, frames) =>
        frames.map(
          (frame): Frame =>
            frame.kind === 'progress'
              ? arena.rng.chance(0.5)
                ? { ...frame, complete: frame.complete.map(() => 0xff), missing: [] }
                : {
                    ...frame,
                    sourceBlocks: 255,
                    complete: new Uint8Array(32),
                    missing: [{ sbn: 254, symbols: 0xffff }],
                  }
              : frame,
        ),
    });
    arena.each(ATTACK_AT, 9, 5000, (i) => {
      for (const peer of arena.honest)
        arena.say(peer, [
          {
            kind: 'progress',
            id: { ...arena.stream(peer), seq: i % 40 },
            sourceBlocks: 1 + (i % 3),
            complete: new Uint8Array([i & 255]),
            missing: [{ sbn: 0, symbols: 0xffff }],
          },
        ]);
    });
  },
});

export const greedy = virtual({
  name: 'acknowledges, never confirms and lacks all of every object',
  severe: true,
  large: 400_000,
  controller: 'bbr',
  attack: (arena) =>
    arena.tamper({
      frames: (_now, _peer, frames) =>
        frames.map((frame): Frame => {
          if (frame.kind === 'vector') return { ...frame, entries: [] };
          if (frame.kind !== 'progress') return frame;
          const missing = Array.from({ length: Math.min(64, frame.sourceBlocks) }, (_, sbn) => ({
            sbn,
            symbols: 0xffff,
          }));
          return { ...frame, complete: frame.complete.map(() => 0), missing };
        }),
    }),
  more: (attacked, control) => [
    // Up to 4 K symbols of each block to one member (PROTOCOL 8.1), a quarter of it headers, and half as much again by PULL.
    {
      what: 'sent by the busiest, MB',
      measured: attacked.sentMegabytes,
      must: control.sentMegabytes + (7 * 8 * 400_000) / 1e6,
    },
  ],
});
