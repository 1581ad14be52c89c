/**
 * Symbols larger than a datagram, which stood at the head of a queue for ever; and blocks of 56,403 symbols, solved in one go.
 * Stopped by: T and K have upper bounds in the parser (PROTOCOL 7.2).
 */
import { iid } from '../../../../src/sim/net/loss.js';
import { ATTACK_AT } from '../arena.js';
import { parcel } from '../forge.js';
import { virtual } from '../virtual.js';

export const relayed = virtual({
  name: 'a symbol of 4,000 bytes for each to relay',
  severe: true,
  links: { delay: 10_000, loss: iid(0.05) },
  large: 200_000,
  attack: (arena) =>
    arena.at(ATTACK_AT, () => {
      for (const symbolSize of [4000, 1216, 65_520]) {
        const forged = arena.forge(new Uint8Array(100_000), symbolSize, { symbolSize, sourceBlocks: 1 });
        for (const peer of arena.honest)
          for (const body of forged.signed([{ esi: 100 + peer, firstHop: peer }]))
            if (body.length < 65_000) arena.say(peer, [], body);
      }
    }),
});

export const served = virtual({
  name: 'an object of 4,000-byte symbols, to be served to a member that was away',
  severe: true,
  large: 0,
  story: (arena) => {
    arena.at(ATTACK_AT, () => arena.stop(1));
    arena.at(5, () => arena.start(1));
  },
  attack: (arena) =>
    arena.at(ATTACK_AT + 0.5, () => {
      const forged = arena.forge(parcel([new Uint8Array(20_000)]), 0, { symbolSize: 4000, sourceBlocks: 1 });
      for (const body of forged.served(5000)) for (const peer of [0, 2]) arena.say(peer, [], body);
    }),
});

export const block = virtual({
  name: 'a block of 56,403 symbols, of repair symbols only',
  large: 0,
  every: 400_000,
  seconds: 4,
  attack: (arena) =>
    arena.at(ATTACK_AT, () => {
      const forged = arena.forge(new Uint8Array(16 * 56_403), 0, { symbolSize: 16, sourceBlocks: 1 });
      // Of zeros all symbols are zeros.
      const [body] = [...forged.served(250 * 16)];
      let at = 0;
      for (let esi = 60_000; esi < 60_000 + 56_500; esi += 250) {
        const symbols = new Uint8Array(body.length);
        symbols.set(body);
        new DataView(symbols.buffer).setUint32(52 + 2 + 64 + 20, esi);
        arena.world.at(arena.now + 1000 * at++, () => arena.say(1, [], symbols));
      }
    }),
  more: (attacked) => [{ what: 'longest turn, ms of CPU', measured: attacked.longestTurn, must: 200 }],
});
