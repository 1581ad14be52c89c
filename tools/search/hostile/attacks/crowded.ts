/**
 * All places where words about streams are counted are taken: 256 streams of the liar at each honest member, others at each, so
 * that nobody but one claims them, and then one that all but the victim get. What they say once they have delivered it waits
 * there. Stopped by: a member's word is counted also where there is no room, and what more than f claim is let in (PROTOCOL 10.4).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const VICTIM = 1;
const PLACES = 256;

/** An object in a stream of the liar's, to some. */
function give(arena: Arena, incarnation: number, peers: readonly number[]): void {
  arena.serve(arena.forge(parcel([new Uint8Array(20)]), 0, { incarnation }), peers, 100);
}

/** Fills the places of each honest member, and then begins one stream more at all but the victim, each half second. */
function crowd(arena: Arena, until: number): void {
  const first = arena.stream(arena.liar).incarnation + 10_000;
  const others = arena.honest.filter((member) => member !== VICTIM);
  // The liar's own stream has a place, too; and so that there is room for more those of the others are fewer.
  const later = 2 * (until - ATTACK_AT - 1);
  arena.each(ATTACK_AT, ATTACK_AT + 0.9, 3500, (i) => {
    if (i >= PLACES - 1) return;
    for (const member of arena.honest)
      if (member === VICTIM || i < PLACES - 1 - later) give(arena, first + 1000 * member + i, [member]);
  });
  arena.each(ATTACK_AT + 1, until, 500_000, (i) => give(arena, first + 100_000 + i, others));
}

export const once = virtual({
  name: 'streams of its own: 256 at each, others at each, and then some that all but one get',
  severe: true,
  order: 'causal',
  cores: 0.5,
  attack: (arena) => crowd(arena, 6),
});
