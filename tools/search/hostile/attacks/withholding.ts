/**
 * An origin gives its objects to all but one member, and that one nothing, or one valid symbol now and then. What the others
 * say once they have delivered them waits there. Stopped by: what others confirm is asked for a round trip later, whatever
 * still comes of it (PROTOCOL 8.3).
 */
import { type Arena, ATTACK_AT } from '../arena.js';
import { parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const VICTIM = 1;
const LAST = 8;

/** Objects of the liar, one each half second: the victim gets a symbol so often, or none. */
function withhold(arena: Arena, bytes: number, gap: number): void {
  arena.tamper({
    symbol: () => undefined,
    frames: (_now, _peer, frames) =>
      frames.map((frame) =>
        frame.kind === 'vector'
          ? { ...frame, entries: frame.entries.filter(({ origin }) => origin !== arena.liar) }
          : frame,
      ),
  });
  const others = arena.honest.filter((member) => member !== VICTIM);
  // In a stream of its own, of which the endpoint that lies for it knows nothing.
  const incarnation = arena.stream(arena.liar).incarnation + 1;
  arena.each(ATTACK_AT, LAST, 500_000, (seq) => {
    const forged = arena.forge(parcel([new Uint8Array(bytes).fill(seq)]), seq, { incarnation });
    arena.serve(forged, others, 100);
    if (gap === Number.POSITIVE_INFINITY) return;
    const bodies = [...forged.served(1180)];
    bodies.forEach((body, i) => {
      arena.world.at(arena.now + (i + 1) * gap, () => void arena.say(VICTIM, [], body));
    });
  });
}

export const trickle = virtual({
  name: 'gives its objects to all but one, and that one a symbol each 45 ms',
  severe: true,
  order: 'causal',
  attack: (arena) => withhold(arena, 30_000, 45_000),
});

export const nothing = virtual({
  name: 'gives its objects to all but one',
  severe: true,
  order: 'causal',
  attack: (arena) => withhold(arena, 500, Number.POSITIVE_INFINITY),
});
