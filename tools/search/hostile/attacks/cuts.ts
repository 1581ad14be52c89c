/**
 * An origin cuts one object in several ways, each signed, and gives another cut to each member: symbols of one are useless with those
 * of another, though the bytes are the same. Stopped by: who serves another cut than the one begun takes its place, and what has
 * the hash is the same object, however it was cut (PROTOCOL 8.2, 12).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const SIZE = 40_000;
const CUTS = [16, 688, 1200, 1408];

/** One object each half second, in a cut of its own for each of these members; what each relays of it is of that cut. */
function cutFor(arena: Arena, peers: readonly number[]): void {
  arena.each(ATTACK_AT, 8, 500_000, (seq) => {
    const bytes = parcel([arena.rng.bytes(SIZE)]);
    for (const peer of peers) {
      const symbolSize = CUTS[1 + (peer % 3)];
      const forged = arena.forge(bytes, seq, { symbolSize, sourceBlocks: 1 });
      arena.serve(forged, [peer], 100);
      const leaves = [0, 1, 2].map((esi) => ({ esi, firstHop: peer, symbol: bytes.subarray(0, symbolSize) }));
      for (const body of forged.signed(leaves)) arena.say(peer, [], body);
    }
  });
}

export const each = virtual({
  name: 'one object in another cut for each',
  order: 'causal',
  attack: (arena) => cutFor(arena, arena.honest),
});

export const allButOne = virtual({
  name: 'one object in another cut for each, and none for one',
  severe: true,
  order: 'causal',
  attack: (arena) => cutFor(arena, [0, 2]),
});

export const begun = virtual({
  name: 'one object in two cuts, to one member a symbol of the other again and again',
  order: 'causal',
  attack: (arena) =>
    arena.each(ATTACK_AT, 8, 500_000, (seq) => {
      const bytes = parcel([arena.rng.bytes(SIZE)]);
      const [one, other] = [1200, 688].map((symbolSize) =>
        arena.forge(bytes, seq, { symbolSize, sourceBlocks: 1 }),
      );
      arena.serve(one, [0, 2], 100);
      for (let i = 0; i < 400; i++)
        arena.world.at(arena.now + i * 1000, () => {
          const leaf = { esi: i % 50, firstHop: arena.liar };
          for (const body of other.signed([leaf])) arena.say(1, [], body);
        });
    }),
});
