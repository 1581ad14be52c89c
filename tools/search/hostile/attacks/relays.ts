/**
 * A member that relays nothing, or rubbish, or says nothing at all. Stopped by: no share of an object hangs on one relay, what a
 * relay spoils is seen at once, symbol by symbol, and where datagrams are lost as well, the next objects do without it (PROTOCOL 8.1).
 */
import { iid } from '../../../../src/sim/net/loss.js';
import { DESCRIPTOR_SIZE } from '../../../../src/wire/limits.js';
import { parseSymbol, SERVED } from '../../../../src/wire/symbol.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const lossy = { links: { delay: 10_000, loss: iid(0.05) }, large: 100_000 };
const isOwn = (arena: Arena, body: Uint8Array) => parseSymbol(body).descriptor.origin === arena.liar;

export const nothing = virtual({
  name: 'relays nothing',
  ...lossy,
  attack: (arena) => arena.tamper({ symbol: (_now, _peer, body) => (isOwn(arena, body) ? body : undefined) }),
});

export const noLoss = virtual({
  name: 'relays nothing, where no datagram is lost',
  large: 100_000,
  attack: (arena) => arena.tamper({ symbol: (_now, _peer, body) => (isOwn(arena, body) ? body : undefined) }),
});

export const rubbish = virtual({
  name: 'relays symbols with a bit flipped',
  ...lossy,
  attack: (arena) =>
    arena.tamper({
      symbol: (_now, _peer, body) => {
        body[arena.rng.integer(DESCRIPTOR_SIZE, body.length - 1)] ^= 1 << arena.rng.integer(0, 7);
        return body;
      },
    }),
});

export const old = virtual({
  name: 'relays again and again what it relayed long ago',
  ...lossy,
  attack: (arena) => {
    const kept: Uint8Array[] = [];
    arena.tamper({
      symbol: (_now, _peer, body) => {
        if (kept.length < 500) kept.push(body.slice());
        return body;
      },
    });
    arena.each(ATTACK_AT, 9, 1000, () => {
      for (const peer of arena.honest) if (kept.length > 0) arena.say(peer, [], arena.rng.pick(kept));
    });
  },
});

const fallSilent = (arena: Arena) =>
  arena.tamper({
    symbol: () => undefined,
    frames: (_now, _peer, frames) => frames.filter(({ kind }) => kind === 'ack' || kind === 'ping'),
  });

export const mute = virtual({
  name: 'acknowledges, and says nothing of objects',
  ...lossy,
  attack: fallSilent,
});

// Who thinks that an origin has gone past the relays would wait for the liar.
export const muteOfLarge = virtual({
  name: 'acknowledges, and says nothing of objects of a megabyte',
  ...lossy,
  large: 1e6,
  maxStoredBytes: 1e9,
  attack: fallSilent,
});

export const muteAfterRestart = virtual({
  name: 'acknowledges, and says nothing of objects, while an origin of large ones restarts',
  large: 1e6,
  maxStoredBytes: 1e9,
  story: (arena) => {
    arena.at(4.1, () => arena.stop(0));
    arena.at(4.4, () => arena.start(0));
  },
  attack: fallSilent,
});

export const someOnly = virtual({
  name: 'relays and confirms to one member alone',
  ...lossy,
  attack: (arena) =>
    arena.tamper({
      symbol: (_now, peer, body) => (peer === 0 ? body : undefined),
      frames: (_now, peer, frames) => (peer === 0 ? frames : frames.filter(({ kind }) => kind !== 'vector')),
    }),
});

export const stranded = virtual({
  name: 'relays all but the last symbols that a block needs',
  ...lossy,
  attack: (arena) =>
    arena.tamper({
      symbol: (_now, peer, body) => {
        const { leaf, depth } = parseSymbol(body);
        return depth !== SERVED && leaf.esi % 3 === peer % 3 ? undefined : body;
      },
    }),
});
