/**
 * An origin gives its objects to all but one member, and that one nothing, or one valid symbol now and then. What the others
 * say once they have delivered them waits there. Stopped by: what others confirm is asked for a round trip later, whatever
 * still comes of it (PROTOCOL 8.3), no bound on what the origin may spend keeps it out (8.2), and what is large is delivered once
 * all hold it if it came past the relays (9.3).
 */
import { cutObject } from '../../../../src/broadcast/spread/plan.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const VICTIM = 1;
const LAST = 8;

/** Objects of the liar, one each half second or so: the victim gets a symbol so often, or none. */
function withhold(arena: Arena, bytes: number, gap: number, every = 500_000): void {
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
  arena.each(ATTACK_AT, LAST, every, (seq) => {
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

export const large = virtual({
  name: 'gives a large object to all but one, each second',
  severe: true,
  order: 'causal',
  maxStoredBytes: 1e9,
  attack: (arena) => withhold(arena, 2e6, Number.POSITIVE_INFINITY, 1_000_000),
});

/** An object of this size that never gets far: more or less all that the liar may have open at one member. */
function unfinished(arena: Arena, length: number) {
  const incarnation = arena.stream(arena.liar).incarnation + 1;
  const changes = { incarnation, length, hash: new Uint8Array(32).fill(3), ...cutObject(length) };
  return arena.forge(new Uint8Array(16), 200, changes);
}

export const open = virtual({
  name: 'gives its objects to all but one, where one of 64 MiB is begun that goes no further',
  severe: true,
  order: 'causal',
  large: 0,
  maxStoredBytes: 1e9,
  attack: (arena) => {
    const forged = unfinished(arena, 64 * 2 ** 20 + 12_290);
    arena.each(ATTACK_AT, 30, 2_500_000, (esi) => {
      for (const body of forged.signed([{ esi, firstHop: arena.liar }])) arena.say(VICTIM, [], body);
    });
    withhold(arena, 300, Number.POSITIVE_INFINITY);
  },
});

export const signatures = virtual({
  name: 'gives its objects to all but one, and that one 12,000 signatures a second',
  severe: true,
  order: 'causal',
  large: 0,
  seconds: 5,
  cores: 2,
  maxStoredBytes: 1e9,
  attack: (arena) => {
    const forged = unfinished(arena, 40e6);
    let made = 0;
    arena.each(ATTACK_AT + 0.4, 5, 1000, () => {
      for (let i = 0; i < 12; i++, made++) {
        const leaf = { sbn: made % 70, esi: Math.floor(made / 70), firstHop: arena.liar };
        for (const body of forged.signed([leaf])) arena.say(VICTIM, [], body);
      }
    });
    withhold(arena, 300, Number.POSITIVE_INFINITY);
  },
});
