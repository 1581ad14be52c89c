/**
 * An origin that signs two objects under one name and gives one to some, the other to the rest; to a newcomer, long after the
 * first was delivered; two liars that confirm to each what it holds. Stopped by: quorums that share an honest member, READY
 * where two may lie (PROTOCOL 9.4, 9.5).
 */
import { createHash } from 'node:crypto';
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, type Forged, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

const two = (arena: Arena, seq = 0) =>
  ['one', 'another'].map((text) => {
    const message = new Uint8Array(600).fill(text.length);
    message.set(new TextEncoder().encode(`${text}|`));
    return arena.forge(parcel([message]), seq);
  });
/** The digest of a stream of this one object. */
const digestOf = (forged: Forged) =>
  new Uint8Array(createHash('sha256').update(new Uint8Array(32)).update(forged.descriptor.hash).digest());
const claim = (arena: Arena, forged: Forged, peer: number, liar: number) => {
  // Digests of version 2 are shorter.
  const size = entryOf(forged.stream, 1).chain.length;
  arena.vector(
    peer,
    [entryOf(forged.stream, 1, { chain: digestOf(forged).subarray(0, size), ready: 1 })],
    liar,
  );
};

const TWO_OF_SEVEN = { severe: true, members: 7, byzantine: 2, liars: [5, 6], seconds: 5 };
/** Three of the five others get the first object, two the second. */
const parted = (arena: Arena) => {
  const [a, b] = two(arena);
  arena.at(ATTACK_AT, () => {
    arena.serve(a, [0, 1, 2]);
    arena.serve(b, [3, 4]);
  });
  return [a, b];
};

export const split = virtual({
  name: 'two objects under one name, one to each half',
  attack: (arena) => {
    arena.at(ATTACK_AT, () => {
      const [a, b] = two(arena);
      arena.serve(a, [0]);
      arena.serve(b, [1, 2]);
    });
  },
});

export const confirmed = virtual({
  name: 'two objects under one name, both confirmed and READY by the liar',
  attack: (arena) => {
    const [a, b] = two(arena);
    arena.at(ATTACK_AT, () => {
      arena.serve(a, [0]);
      arena.serve(b, [1, 2]);
    });
    arena.each(ATTACK_AT, 6, 20_000, () => {
      claim(arena, a, 0, arena.liar);
      for (const peer of [1, 2]) claim(arena, b, peer, arena.liar);
    });
  },
});

export const colluding = virtual({
  name: 'two objects under one name, two liars of seven confirm to each what it holds (f 2)',
  ...TWO_OF_SEVEN,
  attack: (arena) => {
    const [a, b] = parted(arena);
    arena.each(ATTACK_AT, 4, 20_000, () => {
      for (const liar of arena.liars) {
        for (const peer of [0, 1, 2]) claim(arena, a, peer, liar);
        for (const peer of [3, 4]) claim(arena, b, peer, liar);
      }
    });
  },
});

/** The same without what its sender holds. */
const mum = (frame: Frame): Frame => (frame.kind === 'vector' ? { ...frame, entries: [] } : frame);

export const toOneAlone = virtual({
  name: 'two objects under one name, two liars of seven confirm one of them to a single member (f 2)',
  ...TWO_OF_SEVEN,
  attack: (arena) => {
    const [a, b] = parted(arena);
    for (const liar of arena.liars) arena.tamper({ frames: (_now, _peer, frames) => frames.map(mum) }, liar);
    // It has a quorum for what the others will never have one for.
    arena.each(ATTACK_AT, 4, 20_000, () => {
      for (const liar of arena.liars) {
        claim(arena, a, 0, liar);
        for (const peer of [1, 2, 3, 4]) claim(arena, b, peer, liar);
      }
    });
  },
});

export const toNewcomer = virtual({
  name: 'another object under an old name to a member that has lost its store',
  story: (arena) => {
    arena.at(4, () => arena.stop(1));
    arena.at(5, () => {
      arena.lose(1);
      arena.start(1);
    });
  },
  attack: (arena) => {
    const [a, b] = two(arena);
    arena.at(ATTACK_AT, () => arena.serve(a));
    arena.each(5, 7, 100_000, () => arena.serve(b, [1]));
    arena.each(5, 9, 20_000, () => claim(arena, b, 1, arena.liar));
  },
});

export const pingPong = virtual({
  name: 'two objects under one name, a symbol of the other again and again to one that is served the first',
  severe: true,
  order: 'causal',
  attack: (arena) => {
    // What it confirms itself it would be asked for, too.
    arena.tamper({
      frames: (_now, _peer, frames) => frames.filter(({ kind }) => kind !== 'vector' && kind !== 'progress'),
    });
    const [a, b] = [1, 2].map((fill) => arena.forge(parcel([new Uint8Array(100_000).fill(fill)])));
    const [lie] = b.served(1180);
    arena.at(ATTACK_AT, () => arena.serve(a, [0, 1], 100));
    arena.each(ATTACK_AT, 9, 5000, () => arena.say(2, [], lie));
  },
});
