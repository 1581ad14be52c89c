/**
 * Attacks on who comes, or comes back: before it can hear of others, the liar tells it of streams, ends and digests that are not so; floods
 * it with what it must check; serves only the first symbols of what it asks for. Stopped by: what one member says of another's stream is
 * a rumour (PROTOCOL 10.4), and who serves too little is not the only one that is asked (8.3).
 */
import type { VectorEntry } from '../../../../src/wire/frames/vector.js';
import { parseSymbol, SERVED } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

/** All stop, one before the others; then that one starts alone with the liar, and the others later. */
const aloneWithLiar = (arena: Arena) => {
  arena.at(2.5, () => arena.stop(1));
  arena.at(3, () => {
    for (const member of [0, 2]) arena.stop(member);
  });
  arena.at(3.5, () => arena.start(1));
  arena.at(5, () => {
    arena.start(0);
    arena.start(2);
  });
};
const lies = (arena: Arena) =>
  [0, 1, 2].flatMap((victim) => [
    entryOf(arena.stream(victim), 2 ** 32 - 1, { base: 2 ** 32 - 2 }),
    entryOf({ origin: victim, incarnation: 2 ** 47 }, 3, {
      base: 3,
      ended: true,
      over: true,
    } as Partial<VectorEntry>),
  ]);

export const alone = virtual({
  name: 'newcomer: alone with the liar, is told that all streams are over',
  severe: true,
  story: aloneWithLiar,
  attack: (arena) => arena.each(3.5, 5.5, 20_000, () => arena.tell(() => lies(arena), [1])),
});

export const aloneGone = virtual({
  name: 'newcomer: alone with the liar, is told GONE for all that it asks',
  story: aloneWithLiar,
  attack: (arena) =>
    arena.tamper({
      hear: (now, peer, contents) => {
        for (const frame of contents.frames)
          if (frame.kind === 'pull')
            arena.world.at(now, () => {
              const { origin, incarnation, seq } = frame.id;
              arena.say(peer, [
                { kind: 'gone', origin, incarnation, base: seq + 1, chain: new Uint8Array(32).fill(1) },
              ]);
            });
        return contents;
      },
    }),
});

export const flooded = virtual({
  name: 'newcomer: flooded with symbols of the liar’s while it catches up',
  cores: 0.6,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) => {
    arena.each(5, 8, 2000, (i) => {
      const forged = arena.forge(parcel([new Uint8Array(800)]), i);
      for (const body of forged.served(1180)) arena.say(1, [], body);
    });
  },
});

export const tooFew = virtual({
  name: 'newcomer: asks for large objects, and the liar serves one symbol of each',
  large: 60_000,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(6, () => arena.start(1));
  },
  attack: (arena) => {
    const served = new Set<number>();
    arena.tamper({
      symbol: (_now, _peer, body) => {
        const { depth, descriptor } = parseSymbol(body);
        if (depth !== SERVED || descriptor.origin === arena.liar) return body;
        if (served.has(descriptor.seq)) return undefined;
        served.add(descriptor.seq);
        return body;
      },
    });
  },
});

export const oldRun = virtual({
  name: 'restart: what was said in the former run is said again by the liar, in the new one',
  story: (arena) => {
    arena.at(4, () => arena.stop(1));
    arena.at(4.5, () => {
      arena.lose(1);
      arena.start(1);
    });
  },
  attack: (arena) => {
    // As if the lost stream of the victim were still complete, and went on.
    const lost = { ...arena.stream(1) };
    arena.each(4.5, 9, 20_000, (i) => arena.tell(() => [entryOf(lost, 30 + i, { base: 30 })]));
  },
});
