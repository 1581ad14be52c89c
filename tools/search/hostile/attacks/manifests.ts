/**
 * Manifests that never come, are nobody's, change under their number or list what is not sent, and floods of all these. Stopped
 * by: what a peer says is kept within bounds of its own, checked before anything is stored or relayed, and at the cost of its own
 * part of the signatures that are checked (PROTOCOL 7.5, 11).
 */
import { signShares } from '../../../../src/broadcast/proof/batch.js';
import type { Frame } from '../../../../src/wire/frames.js';
import type { ListedSymbol } from '../../../../src/wire/manifest.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const SIZE = 400_000;

/** A share of an object of the liar's own, of whatever bytes. */
function shareOf(arena: Arena, seq: number, esi: number, count: number): ListedSymbol[] {
  const { descriptor, certificate } = arena.forge(new Uint8Array(SIZE), seq);
  const symbols = Array.from({ length: count }, () => arena.rng.bytes(descriptor.symbolSize));
  const share = { sbn: 0, esi, firstHop: arena.rng.pick(arena.honest), symbols };
  const { group, keys } = arena.forger();
  return signShares(group, certificate.subarray(0, 52), [share], keys.sign)[0];
}

const listed = (number: number, { place, symbol }: ListedSymbol): Frame => ({
  kind: 'listed',
  number,
  place,
  symbol,
});

export const never = virtual({
  name: 'symbols of manifests that never come, 2,000 a second to each',
  severe: true,
  seconds: 5,
  attack: (arena) => {
    const symbol = new Uint8Array(1200);
    arena.each(ATTACK_AT, 6, 5000, (i) => {
      for (const peer of arena.honest)
        for (let j = 0; j < 10; j++) {
          const number = (10 * i + j) & 0xffff;
          const isServed = j % 2 === 0;
          arena.say(peer, [
            isServed
              ? { kind: 'served', number, sbn: 0, esi: i, symbols: symbol }
              : { kind: 'listed', number, place: 3, symbol },
          ]);
        }
    });
  },
});

export const unsigned = virtual({
  name: 'manifests that nobody has signed, and a symbol of each, 2,000 a second to each',
  severe: true,
  seconds: 4,
  // Its share of what one core may check.
  cores: 1,
  attack: (arena) => {
    const [symbol] = shareOf(arena, 0, 0, 32);
    const { manifest } = symbol;
    let number = 0;
    arena.each(ATTACK_AT, 5, 5000, () => {
      for (const peer of arena.honest)
        for (let i = 0; i < 10; i++) {
          const bytes = manifest.bytes.slice();
          const signature = arena.rng.bytes(64);
          bytes.set(signature, 53);
          number = (number + 1) & 0xffff;
          const forged = { ...manifest, bytes, signature };
          arena.say(peer, [{ kind: 'manifest', number, manifest: forged }, listed(number, symbol)]);
        }
    });
  },
});

export const changing = virtual({
  name: 'one number for ever other manifests, while symbols refer to it, and places that none of them lists',
  seconds: 5,
  attack: (arena) => {
    const shares = Array.from({ length: 24 }, (_, i) => shareOf(arena, i % 3, 100 * i, 1 + i));
    arena.each(ATTACK_AT, 6, 4000, (i) => {
      const [told, other] = [shares[i % 24], shares[(7 * i) % 24]];
      for (const peer of arena.honest) {
        arena.say(peer, [{ kind: 'manifest', number: 5, manifest: told[0].manifest }]);
        for (const symbol of [other[0], told[told.length - 1], { ...told[0], place: 32 }])
          arena.say(peer, [listed(5, symbol)]);
      }
    });
  },
});

export const relayedOnly = virtual({
  name: 'relays others’ manifests, and in place of their symbols those of other places',
  large: 200_000,
  attack: (arena) => {
    const kept: Uint8Array[] = [];
    arena.tamper({
      symbol: (_now, _peer, body) => {
        if (kept.length < 200) kept.push(body.slice());
        const other = arena.rng.pick(kept);
        const size = Math.min(1000, body.length, other.length);
        // The same head, the end of another symbol.
        const said = body.slice();
        said.set(other.subarray(other.length - size), said.length - size);
        return said;
      },
    });
  },
});
