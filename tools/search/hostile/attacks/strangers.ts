/**
 * Datagrams of those who have no key. Stopped by: the cheapest check first, budgets of handshakes, cookies, and never more than
 * three times the bytes that came (PROTOCOL 4.1, 4.2, 4.4).
 */
import { macKeyOf, writeMacs } from '../../../../src/session/handshake/guard.js';
import { SESSION_VERSION } from '../../../../src/session/wire.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const flood = (
  arena: Arena,
  make: (i: number) => Uint8Array,
  from = (i: number) => `10.8.${i % 7}.${i % 250}:99`,
  every = 500,
) =>
  arena.each(ATTACK_AT, 6, every, (i) =>
    arena.inject(arena.honest[i % arena.honest.length], from(i), make(i)),
  );
const random = (arena: Arena, kind: number, length: number) => {
  const bytes = arena.rng.bytes(length);
  bytes[0] = (SESSION_VERSION << 4) | kind;
  return bytes;
};
const initiation = (arena: Arena, i: number) => {
  const bytes = random(arena, 1, 161);
  writeMacs(
    bytes,
    macKeyOf(arena.keys[arena.honest[i % arena.honest.length]].exchangeKeys().publicKey),
    undefined,
  );
  return bytes;
};
const options = { seconds: 6 };

export const garbage = virtual({
  name: 'strangers: garbage, 2,000 a second',
  ...options,
  attack: (arena) => flood(arena, () => arena.rng.bytes(arena.rng.integer(0, 1400))),
});

export const initiations = virtual({
  name: 'strangers: INITIATIONs with a mac that holds, 20,000 a second',
  ...options,
  severe: true,
  // At 6,700 a second for each: a mac of all, and a cookie for 5,000.
  cores: 0.45,
  attack: (arena) => flood(arena, (i) => initiation(arena, i), undefined, 50),
  more: (attacked) => [
    {
      what: 'answered, bytes for each byte',
      measured: attacked.strayBytes / attacked.injected,
      must: 1,
    },
  ],
});

export const fromMembers = virtual({
  name: 'strangers: INITIATIONs and unknown indices, as if from members’ addresses',
  ...options,
  severe: true,
  attack: (arena) =>
    flood(
      arena,
      (i) => (i % 2 === 0 ? initiation(arena, i) : random(arena, 4, 60)),
      (i) => arena.group.members[(i + 1) % arena.group.members.length].locator,
    ),
});

export const atRestart = virtual({
  name: 'strangers: INITIATIONs as if from members, while a member restarts',
  ...options,
  story: (arena) => {
    arena.at(3, () => arena.stop(1));
    arena.at(4, () => arena.start(1));
  },
  attack: (arena) =>
    flood(
      arena,
      (i) => initiation(arena, i),
      (i) => arena.group.members[(i + 1) % arena.group.members.length].locator,
    ),
});

export const cookies = virtual({
  name: 'strangers: COOKIEs, RESPONSEs and CONTROL that nobody asked for',
  ...options,
  attack: (arena) =>
    flood(
      arena,
      (i) => (i % 3 === 0 ? random(arena, 3, 53) : i % 3 === 1 ? random(arena, 2, 75) : random(arena, 5, 34)),
      (i) => arena.group.members[i % arena.group.members.length].locator,
    ),
});
