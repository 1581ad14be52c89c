/**
 * Handshakes that are replayed, forged or endless, datagrams that are replayed or come from elsewhere. Stopped by: an
 * incarnation counts once its keys are confirmed, a counter of handshakes and a window of numbers (PROTOCOL 4).
 */

import { defaultSuite } from '../../../../src/crypto/noise.js';
import { agreementKeyOf, defaultAgreement } from '../../../../src/crypto/x25519.js';
import { macKeyOf, writeMacs } from '../../../../src/session/handshake/guard.js';
import { writeInitiation } from '../../../../src/session/handshake/messages.js';
import { DIALECT } from '../../../../src/wire/dialect.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const INITIATION = 0x1;
const DATA = 0x4;

/** An INITIATION of `from` to `to`, made with the secret key of `to` and the public one of `from`. */
function forged(arena: Arena, from: number, to: number, incarnation: number, counter: number): Uint8Array {
  const theirs = arena.keys[to].exchangeKeys();
  const posing = { secret: new Uint8Array(32).fill(3), publicKey: arena.keys[from].exchangeKeys().publicKey };
  const shared = defaultAgreement().agree(theirs.secret, posing.publicKey)!;
  const { datagram } = writeInitiation(
    {
      suite: defaultSuite(),
      keys: posing,
      groupId: arena.group.id,
      incarnation,
      version: 0,
      dialect: DIALECT,
    },
    { static: agreementKeyOf(arena.group.members[to].publicKey)!, shared },
    counter + 77,
    arena.rng.bytes(32),
    { incarnation, counter, nextNumber: 1, version: 0, dialect: DIALECT },
  )!;
  writeMacs(datagram, macKeyOf(theirs.publicKey), undefined);
  return datagram;
}

/** With a member's secret key anyone may pose as anyone to it. */
const lockOut = (arena: Arena) =>
  arena.each(ATTACK_AT, 3, 300_000, (i) =>
    arena.inject(1, arena.group.members[0].locator, forged(arena, 0, 1, 2 ** 48 - 1, i)),
  );

export const highestIncarnation = virtual({
  name: 'a forged INITIATION of another with the highest incarnation',
  severe: true,
  attack: lockOut,
});

export const highestAndRestart = virtual({
  name: 'a forged INITIATION with the highest incarnation, then the real peer restarts',
  severe: true,
  story: (arena) => {
    arena.at(4, () => arena.stop(0));
    arena.at(4.5, () => arena.start(0));
  },
  attack: lockOut,
});

export const replayed = virtual({
  name: 'INITIATIONs replayed from elsewhere to a member that has restarted',
  story: (arena) => {
    arena.at(4, () => arena.stop(1));
    arena.at(4.5, () => arena.start(1));
  },
  attack: (arena) => {
    const heard: Uint8Array[] = [];
    arena.wiretap = (to, _from, bytes) => {
      if (to === 1 && (bytes[0] & 15) === INITIATION && arena.now < 4e6) heard.push(bytes.slice());
    };
    arena.each(4.5, 8, 20_000, (i) => {
      if (heard.length > 0) arena.inject(1, '10.9.9.9:9', heard[i % heard.length]);
    });
  },
});

export const replayedData = virtual({
  name: 'datagrams of others replayed from elsewhere, 500 a second',
  attack: (arena) => {
    const heard: { to: number; bytes: Uint8Array }[] = [];
    arena.wiretap = (to, _from, bytes) => {
      if ((bytes[0] & 15) >= DATA && heard.length < 2000) heard.push({ to, bytes: bytes.slice() });
    };
    arena.each(ATTACK_AT, 9, 2000, () => {
      const { to, bytes } = arena.rng.pick(heard);
      arena.inject(to, `10.9.9.${arena.rng.integer(1, 250)}:9`, bytes);
    });
  },
});

export const overtaking = virtual({
  name: 'datagrams of others come first from elsewhere, as a stranger on the way can do',
  attack: (arena) => {
    arena.wiretap = (to, from, bytes) => {
      if (
        !from.startsWith('10.9.') &&
        (bytes[0] & 15) === DATA &&
        arena.now > ATTACK_AT * 1e6 &&
        arena.rng.chance(0.1)
      ) {
        const copy = bytes.slice();
        arena.world.at(arena.now, () => arena.inject(to, '10.9.9.9:9', copy));
      }
    };
  },
});

export const incarnations = virtual({
  name: 'restarts ten times a second, each time with a new store and a message',
  seconds: 6,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 100_000, (i) => {
      arena.stop(arena.liar);
      arena.lose(arena.liar);
      arena.start(arena.liar);
      arena.world.at(arena.now + 60_000, () => void arena.submit(arena.liar, 50 + i));
    }),
});
