/**
 * A member comes back without its store, and a liar claims to keep what the others have let go of, but serves none of it, or
 * a trickle. The member waited for ever. Stopped by: who has been asked for 10 s and served nothing useful does not count as
 * keeping (PROTOCOL 8.3), so what waits behind takes up to that much longer.
 */

import { parseSymbol, SERVED } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const PATIENCE = 15_000;
const lostStore = (arena: Arena) => {
  arena.at(4, () => arena.stop(1));
  arena.at(5, () => {
    arena.lose(1);
    arena.start(1);
  });
};
const claimAll = (arena: Arena) =>
  arena.tamper({
    frames: (_now, _peer, frames) =>
      frames.map((frame) =>
        frame.kind === 'vector'
          ? { ...frame, entries: frame.entries.map((entry) => ({ ...entry, base: 0 })) }
          : frame,
      ),
  });

export const nothing = virtual({
  name: 'claims to keep all, and serves nothing',
  severe: true,
  grace: PATIENCE,
  story: lostStore,
  attack: (arena) => {
    claimAll(arena);
    arena.tamper({
      hear: (_now, _peer, { frames, symbol }) => ({
        frames: frames.filter(({ kind }) => kind !== 'pull'),
        symbol,
      }),
    });
  },
});

export const trickle = virtual({
  name: 'claims to keep all, and serves one symbol each nine seconds',
  grace: 2 * PATIENCE,
  story: lostStore,
  attack: (arena) => {
    claimAll(arena);
    let latest = 0;
    arena.tamper({
      symbol: (now, _peer, body) => {
        if (body[52] !== SERVED || now - latest < 9e6) return undefined;
        latest = now;
        return body;
      },
    });
  },
});

export const wrongServer = virtual({
  name: 'serves wrong symbols to a member that has lost its store',
  grace: PATIENCE,
  story: lostStore,
  attack: (arena) => {
    claimAll(arena);
    arena.tamper({
      symbol: (_now, _peer, body) => {
        if (parseSymbol(body).depth === SERVED) body[body.length - 1] ^= 1;
        return body;
      },
    });
  },
});

export const wrongWhileAway = virtual({
  name: 'serves wrong symbols to a member that was away',
  severe: true,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) =>
    arena.tamper({
      symbol: (_now, _peer, body) => {
        if (parseSymbol(body).depth === SERVED) body[body.length - 1] ^= 1;
        return body;
      },
    }),
});
