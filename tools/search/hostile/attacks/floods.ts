/**
 * Frames by the thousand, each valid by itself: VECTORs of streams that there are not, PULLs, PROGRESS, symbols under signatures
 * of their own, halves of texts, unknown frames, and more true messages than anyone asked for. Stopped by: new streams, work, relaying
 * and signatures have budgets for each member (PROTOCOL 11), origins take turns, and each path has a window of its own (6.3, 8.2).
 */
import { Writer } from '../../../../src/core/bytes.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { entryOf, parcel } from '../forge.js';
import { virtual } from '../virtual.js';

export const vectors = virtual({
  name: 'VECTORs of phantom streams, 800 a second',
  severe: true,
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 1250, (i) =>
      arena.tell(() =>
        Array.from({ length: 20 }, (_, j) =>
          entryOf({ origin: arena.honest[j % arena.honest.length], incarnation: 10_000_000 + 20 * i + j }, 5),
        ),
      ),
    ),
});

export const ownStreams = virtual({
  name: 'VECTORs of ever new streams of its own, 400 a second',
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 2500, (i) =>
      arena.tell(() =>
        Array.from({ length: 10 }, (_, j) =>
          entryOf({ origin: arena.liar, incarnation: 10_000 + 10 * i + j }, 1),
        ),
      ),
    ),
});

export const certificates = virtual({
  name: 'symbols of ever new streams of its own, 400 a second',
  seconds: 5,
  // Each is an object that could be delivered: a check of its signature, and a commit.
  cores: 0.5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 2500, (i) => {
      const forged = arena.forge(parcel([new Uint8Array(900)]), 0, { incarnation: 10_000 + i });
      for (const body of forged.served(1180)) for (const peer of arena.honest) arena.say(peer, [], body);
    }),
});

export const largeVectors = virtual({
  name: 'VECTORs of 1,200 entries in one datagram, 20 a second',
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 50_000, (i) => {
      const entries = Array.from({ length: 1200 }, (_, j) =>
        entryOf({ origin: arena.honest[j % arena.honest.length], incarnation: 10_000_000 + 1200 * i + j }, 5),
      );
      arena.tell(() => entries);
    }),
});

export const oneStream = virtual({
  name: 'VECTORs of 1,100 digests of one stream in one datagram, 100 a second',
  seconds: 5,
  maxDatagram: 65_488,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 10_000, () =>
      arena.tell((peer) =>
        Array.from({ length: 1100 }, (_, j) =>
          entryOf(arena.stream(peer), 2 ** 31 + j, { chain: arena.rng.bytes(32) }),
        ),
      ),
    ),
});

export const pulls = virtual({
  name: 'PULLs of whatever there is, 1,000 a second',
  seconds: 5,
  controller: 'bbr',
  attack: (arena) => {
    // What it has not confirmed is kept for it.
    arena.tamper({
      frames: (_now, _peer, frames) =>
        frames.map((frame) => (frame.kind === 'vector' ? { ...frame, entries: [] } : frame)),
    });
    arena.each(ATTACK_AT, 6, 10_000, (i) => {
      for (const peer of arena.honest)
        arena.say(
          peer,
          Array.from({ length: 10 }, (_, j) => ({
            kind: 'pull' as const,
            id: { ...arena.stream(arena.honest[j % arena.honest.length]), seq: (10 * i + j) % 60 },
            missing: j % 2 === 0 ? [] : [{ sbn: 0, symbols: 0xffff }],
          })),
        );
    });
  },
});

export const littleOfEach = virtual({
  name: 'PULLs of one symbol of each block of a large object, 200 a second to each',
  seconds: 8,
  maxDatagram: 65_488,
  maxStoredBytes: 256e6,
  large: 8_000_000,
  controller: 'bbr',
  links: () => ({ delay: 10_000, rate: 1e9 }),
  attack: (arena) => {
    arena.tamper({
      frames: (_now, _peer, frames) =>
        frames.map((frame) => (frame.kind === 'vector' ? { ...frame, entries: [] } : frame)),
    });
    const missing = Array.from({ length: 17 }, (_, sbn) => ({ sbn, symbols: 1 }));
    arena.each(ATTACK_AT, 9, 5000, (i) => {
      for (const peer of arena.honest)
        arena.say(peer, [{ kind: 'pull', id: { ...arena.stream(arena.honest[0]), seq: i % 90 }, missing }]);
    });
  },
});

export const signatures = virtual({
  name: 'symbols under signatures of their own, 6,000 a second',
  severe: true,
  seconds: 4,
  // Its share of what one core may check.
  cores: 1,
  attack: (arena) => {
    let seq = 0;
    arena.each(ATTACK_AT, 5, 5000, () => {
      const forged = arena.forge(new Uint8Array(50_000), seq++ % 200);
      for (let i = 0; i < 10; i++) {
        const [body] = forged.signed([
          { esi: arena.rng.integer(0, 60_000), firstHop: arena.rng.pick(arena.honest) },
        ]);
        for (const peer of arena.honest) arena.say(peer, [], body);
      }
    });
  },
});

export const firstHops = virtual({
  name: 'symbols that all name one victim as first hop, over its own link of 20 Mbit/s',
  severe: true,
  seconds: 5,
  links: (from) => (from === '10.0.0.1:7000' ? { delay: 10_000, rate: 20e6 } : { delay: 10_000 }),
  controller: 'bbr',
  attack: (arena) => {
    const forged = arena.forge(new Uint8Array(400_000), 0);
    let esi = 0;
    arena.each(ATTACK_AT, 6, 5000, () => {
      const leaves = Array.from({ length: 16 }, () => ({ sbn: 0, esi: esi++, firstHop: 1 }));
      for (const body of forged.signed(leaves)) arena.say(1, [], body);
    });
  },
});

export const openObjects = virtual({
  name: 'one symbol each of 64 MiB objects in sixteen streams, and of 4,000 small ones',
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 1000, (i) => {
      const length = i % 2 === 0 ? 60 * 2 ** 20 : 5000;
      const { incarnation } = arena.stream(arena.liar);
      const forged = arena.forge(new Uint8Array(1), i >> 4, {
        length,
        incarnation: incarnation + (i % 16),
        symbolSize: 976,
        sourceBlocks: i % 2 === 0 ? 126 : 1,
      });
      for (const body of forged.signed([{ esi: i % 5, firstHop: 0xffff }])) arena.say(i % 3, [], body);
    }),
});

export const absurd = virtual({
  name: 'absurd ESIs, and objects 4,096 ahead',
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 2000, (i) => {
      const forged = arena.forge(new Uint8Array(5000), i % 2 === 0 ? 0 : 2 ** 32 - 1 - i);
      for (const body of forged.signed([{ esi: 2 ** 24 - 1 - i, firstHop: i % 3 }]))
        arena.say(i % 3, [], body);
    }),
});

export const malformed = virtual({
  name: 'malformed text in its sessions, 1,000 a second',
  seconds: 5,
  attack: (arena) =>
    arena.each(ATTACK_AT, 6, 1000, (i) => {
      const text = arena.rng.bytes(arena.rng.integer(0, 300));
      if (text.length > 0) text[0] = i % 12;
      arena.sayRaw(arena.rng.pick(arena.honest), text);
    }),
});

const PART = 15;
const HALF = 714;

const part = (number: number, half: number, bytes: Uint8Array) =>
  new Writer(4 + bytes.length)
    .u8(PART)
    .u16(number & 0xffff)
    .u8(half)
    .put(bytes)
    .finish();
const rawOften = (arena: Arena, text: (i: number) => Uint8Array) =>
  arena.each(ATTACK_AT, 8, 1000, (i) => {
    for (const peer of arena.honest) for (let j = 0; j < 4; j++) arena.sayRaw(peer, text(4 * i + j));
  });

export const halvesAlone = virtual({
  name: 'halves of texts whose other halves never come, 4,000 a second to each',
  cores: 0.5,
  attack: (arena) => rawOften(arena, (i) => part(i, 0, new Uint8Array(HALF).fill(i))),
});

export const halvesCrossed = virtual({
  name: 'halves of texts that do not fit each other, 4,000 a second to each',
  cores: 0.5,
  attack: (arena) => {
    const noise = arena.rng.bytes(HALF);
    // A part in a part, noise, and the same half twice.
    const halves = [part(1, 0, noise.subarray(0, 300)), noise, new Uint8Array(HALF)];
    rawOften(arena, (i) => part(i >> 1, i % 3 === 0 ? 0 : i & 1, halves[i % 3]));
  },
});

export const unknownFrames = virtual({
  name: 'optional frames that nobody knows, 4,000 a second to each',
  cores: 0.5,
  attack: (arena) => {
    const text = new Writer(1100);
    for (let type = 100; text.offset + 54 <= 1100; type++)
      text.u8(type).u16(50).put(new Uint8Array(50).fill(type));
    const bytes = text.finish().slice();
    rawOften(arena, () => bytes);
  },
});

const narrowLinks = {
  controller: 'bbr' as const,
  links: { delay: 10_000, rate: 20e6, queue: 100_000 },
  maxStoredBytes: 64e6,
};

const broadcastOften = (arena: Arena, bytes: number, every: number) => {
  if (!arena.isControl) arena.each(ATTACK_AT, 9, every, () => void arena.submit(arena.liar, bytes));
};

export const muchOfLarge = virtual({
  name: 'broadcasts a megabyte each 100 ms, over links of 20 Mbit/s',
  severe: true,
  ...narrowLinks,
  attack: (arena) => broadcastOften(arena, 1e6, 100_000),
});

export const manySmall = virtual({
  name: 'broadcasts 1,000 messages a second, over links of 20 Mbit/s',
  ...narrowLinks,
  cores: 0.6,
  attack: (arena) => broadcastOften(arena, 300, 1000),
});
