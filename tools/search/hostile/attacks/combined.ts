/**
 * Several attacks at once, by as many liars as may lie, and a liar while another member is down. What stops each alone must stop them
 * together (PROTOCOL 9.5, 10.4, 11).
 */
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const storm = (arena: Arena, liar: number, until: number) => {
  arena.tamper(
    {
      symbol: (_now, _peer, body) => (arena.rng.chance(0.5) ? undefined : body),
      frames: (_now, _peer, frames) =>
        frames.map((frame): Frame => {
          if (frame.kind === 'progress') return { ...frame, missing: [] };
          if (frame.kind !== 'vector') return frame;
          return {
            ...frame,
            entries: frame.entries.map((entry) => ({ ...entry, base: 0, ready: entry.count })),
          };
        }),
    },
    liar,
  );
  arena.each(ATTACK_AT, until, 50_000, (i) => {
    arena.tell(
      (peer) => [
        entryOf({ origin: arena.honest[i % arena.honest.length], incarnation: 2 ** 48 - 1 - i }, 1 + i),
        entryOf(arena.stream(arena.honest[(i + 1) % arena.honest.length]), 3 + i, { ready: 3 }),
        entryOf({ origin: peer, incarnation: 5000 + i }, 7),
      ],
      arena.honest,
      liar,
    );
    for (const peer of arena.honest) {
      const victim = arena.stream(arena.honest[(peer + 1) % arena.honest.length]);
      const chain = new Uint8Array(32).fill(9);
      const lies: Frame[] = [
        { kind: 'gone', ...victim, base: 50 + i, chain },
        { kind: 'pull', id: { ...victim, seq: i }, missing: [{ sbn: 0, symbols: 0xffff }] },
        { kind: 'ack-policy', packets: 1, delay: 0 },
      ];
      arena.say(peer, lies, undefined, liar);
    }
  });
};

export const two = virtual({
  name: 'combined: two liars of seven, all lies at once (f 2)',
  severe: true,
  members: 7,
  byzantine: 2,
  liars: [5, 6],
  seconds: 4,
  cores: 0.5,
  attack: (arena) => {
    for (const liar of arena.liars) storm(arena, liar, 5);
  },
});

export const andCrash = virtual({
  name: 'combined: one liar of seven, and one member is down (k 2, f 1)',
  members: 7,
  byzantine: 1,
  faulty: 2,
  seconds: 4,
  cores: 0.5,
  story: (arena) => {
    arena.at(2.5, () => arena.stop(2));
    arena.at(4, () => arena.start(2));
  },
  attack: (arena) => storm(arena, arena.liar, 5),
});

export const lossy = virtual({
  name: 'combined: one liar of four, while a member restarts twice',
  cores: 0.5,
  story: (arena) => {
    for (const at of [3, 5]) {
      arena.at(at, () => arena.stop(1));
      arena.at(at + 0.5, () => arena.start(1));
    }
  },
  attack: (arena) => storm(arena, arena.liar, 8),
});

export const slowly = virtual({
  name: 'combined: behaves for four seconds, then lies about all that it confirmed',
  attack: (arena) => {
    arena.at(5, () => {
      arena.tamper({
        frames: (_now, _peer, frames) =>
          frames.map(
            (frame): Frame =>
              frame.kind === 'vector'
                ? {
                    ...frame,
                    entries: frame.entries.map((entry) => ({
                      ...entry,
                      base: 0,
                      count: 0,
                      ready: 0,
                      ahead: new Uint8Array(0),
                    })),
                  }
                : frame,
          ),
      });
      arena.tell(() => arena.honest.map((victim) => entryOf(arena.stream(victim), 1)));
    });
    arena.at(6, () => arena.serve(arena.forge(parcel([new Uint8Array(40)]), 0)));
  },
});
