/**
 * A member comes back without its store, and a liar claims to keep what the others have let go of, but serves none of it, or
 * a trickle. The member waited for ever. Stopped by: who has been asked for 3 s and served nothing useful, or too slowly,
 * does not count as keeping (PROTOCOL 8.3). A lost store beside a liar is one failure more than k here: SECURITY.md says
 * how long that takes, hence the grace. To believe GONE sooner would be to skip what a keeper that is slow could still serve.
 */

import { certifiedDescriptor, servedBody } from '../../../../src/broadcast/proof/certificate.js';
import { Encoder } from '../../../../src/codec/index.js';
import type { StoredObject } from '../../../../src/store/store.js';
import { type ObjectId, parseSymbol, SERVED } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

/** ms: who claims to keep an object is asked for 3 s before GONE is believed, and the others again within 2 s (PROTOCOL 8.3). */
const PATIENCE = 5000;
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
  // A PULL in vain to the liar, now and then, before the next member is asked.
  grace: 50,
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

/** The first object with a large message, as the liar's disk has it before all have let go of it. */
function largeObject(arena: Arena): StoredObject | undefined {
  const { disk } = arena.members[arena.liar] as unknown as {
    disk: { read(id: ObjectId): StoredObject | undefined };
  };
  for (let seq = 0; seq < 20; seq++) {
    const object = disk.read({ ...arena.stream(0), seq });
    if (object && object.bytes.length > 20_000) return object;
  }
  return undefined;
}

export const largeTrickle = virtual({
  name: 'claims to keep a large object, and serves one symbol of it each eight seconds',
  severe: true,
  grace: PATIENCE,
  story: lostStore,
  attack: (arena) => {
    let object: StoredObject | undefined;
    arena.each(1, 2, 5000, () => {
      object ??= largeObject(arena);
    });
    arena.at(4, () => claimAll(arena));
    arena.at(4, () =>
      arena.tamper({
        hear: (_now, _peer, { frames, symbol }) => ({
          frames: frames.filter(({ kind }) => kind !== 'pull'),
          symbol,
        }),
      }),
    );
    arena.each(5.5, 60, 8_000_000, (i) => {
      if (!object) throw new Error('expected a large object to keep, got none');
      using encoder = new Encoder(object.bytes, certifiedDescriptor(object.certificate));
      arena.say(1, [], servedBody(object.certificate, encoder, { sbn: 0, esi: i, most: 1 }));
    });
  },
});

export const wrongServer = virtual({
  name: 'serves wrong symbols to a member that has lost its store',
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
