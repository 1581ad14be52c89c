/**
 * Lies about what size of datagrams one's paths carry, by which the others cut their objects: always the smallest, never any, now
 * this and now that. Stopped by: no size below the one that all paths carry counts, and what is not told is waited for by
 * large objects alone, for a second once a minute (PROTOCOL 6.4).
 */
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import type { Claim } from '../attack.js';
import { virtual } from '../virtual.js';

const large = { controller: 'bbr' as const, maxDatagram: 1452, large: 200_000 };
const [SMALLEST, LARGEST] = [1232, 1452];

/** The liar tells each peer these sizes in place of its own, one after the other; none: nothing. */
function lie(arena: Arena, sizes: readonly number[]): void {
  let told = 0;
  arena.tamper({
    frames: (_now, _peer, frames) => [
      ...frames.filter(({ kind }) => kind !== 'path-size'),
      ...(sizes.length === 0 ? [] : [{ kind: 'path-size', size: sizes[told++ % sizes.length] } as Frame]),
    ],
  });
}

const sent = (attacked: Arena, control: Arena): Claim[] => [
  {
    what: 'sent by the worst, of the control',
    measured: attacked.sentMegabytes / control.sentMegabytes,
    must: MORE,
  },
];

export const smallest = virtual({
  name: 'tells of its paths that they carry 1232 bytes, always',
  ...large,
  attack: (arena) => lie(arena, [SMALLEST]),
  more: sent,
});

export const none = virtual({
  name: 'never tells what its paths carry',
  severe: true,
  ...large,
  attack: (arena) => lie(arena, []),
  more: sent,
});

export const alternating = virtual({
  name: 'tells of its paths that they carry 1232 bytes, then 1452, in turn',
  ...large,
  attack: (arena) => {
    lie(arena, [SMALLEST, LARGEST]);
    arena.each(ATTACK_AT, 8, 10_000, (i) => {
      for (const peer of arena.honest)
        arena.say(peer, [{ kind: 'path-size', size: [SMALLEST, LARGEST][i % 2] } as Frame]);
    });
  },
  more: sent,
});

/** Headers of datagrams that are smaller by 220 bytes, and what chance does. */
const MORE = 1.2;
