/**
 * Lies about the path: late, early, rare or all too frequent acknowledgements, sizes of datagrams that never came, silence now
 * and then. Stopped by: what concerns two honest members is timed by their own paths, not by the slowest (PROTOCOL 8.1, 8.3),
 * and an acknowledgement of what was not sent, or not received, is held against its sender (6.1).
 */
import { iid } from '../../../../src/sim/net/loss.js';
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const lossy = {
  controller: 'bbr' as const,
  links: { delay: 10_000, loss: iid(0.1) },
};
const slow = (arena: Arena, delay: number) =>
  arena.at(ATTACK_AT, () => {
    const { members } = arena.group;
    for (const peer of arena.honest)
      arena.world.link(members[arena.liar].locator, members[peer].locator).update({ delay });
  });

export const late = virtual({
  name: 'answers a second and a half late, on lossy links',
  severe: true,
  ...lossy,
  attack: (arena) => slow(arena, 1_500_000),
});

export const veryLate = virtual({
  name: 'answers four seconds late, on lossy links',
  ...lossy,
  attack: (arena) => slow(arena, 4_000_000),
});

export const lateFrames = virtual({
  name: 'holds back what it says of objects by 400 ms, just responsive',
  ...lossy,
  attack: (arena) => slow(arena, 400_000),
});

export const flapping = virtual({
  name: 'is silent half of each second',
  ...lossy,
  attack: (arena) => {
    const { members } = arena.group;
    arena.each(ATTACK_AT, 9, 500_000, (i) => {
      for (const peer of arena.honest)
        arena.world.link(members[arena.liar].locator, members[peer].locator).update({ blocked: i % 2 === 0 });
    });
  },
});

export const optimistic = virtual({
  name: 'acknowledges all that was sent, and what was not, on a link that loses half',
  controller: 'cubic',
  large: 400_000,
  links: (_from, to) =>
    to === '10.0.0.3:7000' ? { delay: 10_000, rate: 5e6, loss: iid(0.5) } : { delay: 10_000 },
  attack: (arena) =>
    arena.tamper({
      frames: (_now, _peer, frames) =>
        frames.map((frame): Frame => {
          if (frame.kind !== 'ack') return frame;
          const { ack } = frame;
          const largest = ack.ranges[0] + arena.rng.integer(0, 40);
          const ranges = [largest, Math.max(0, largest - 500)];
          return { kind: 'ack', ack: { ...ack, delay: 0, received: largest, ranges } };
        }),
    }),
  more: (attacked, control) => [
    {
      what: 'sent by the busiest, MB',
      measured: attacked.sentMegabytes,
      must: 3 * control.sentMegabytes + 5,
    },
  ],
});

export const never = virtual({
  name: 'acknowledges nothing',
  controller: 'bbr',
  attack: (arena) =>
    arena.tamper({ frames: (_now, _peer, frames) => frames.filter(({ kind }) => kind !== 'ack') }),
});

export const policies = virtual({
  name: 'asks for an acknowledgement of each datagram, and reports sizes that never came',
  controller: 'bbr',
  maxDatagram: 8972,
  links: { delay: 10_000, mtu: 1500 },
  attack: (arena) =>
    arena.each(ATTACK_AT, 9, 10_000, (i) => {
      for (const peer of arena.honest)
        arena.say(peer, [
          { kind: 'ack-policy', packets: i % 3 === 0 ? 0 : 1, delay: i % 2 === 0 ? 0 : 0xffffff },
          { kind: 'mtu-report', size: 8972 },
          { kind: 'mtu-report', size: 65_535 },
          { kind: 'mtu-probe', size: 65_535 },
        ]);
    }),
});

// The same of VECTORs: what a peer says that it has heard concerns it alone, and an answer is one datagram (PROTOCOL 9.2).
const sayOfVectors = (arena: Arena, change: (i: number) => object) => {
  let said = 0;
  arena.tamper({
    frames: (_now, _peer, frames) =>
      frames.map((frame) => (frame.kind === 'vector' ? ({ ...frame, ...change(said++) } as Frame) : frame)),
  });
};

export const heardAll = virtual({
  name: 'has heard all versions of VECTORs, also those to come',
  attack: (arena) => sayOfVectors(arena, () => ({ heard: 0x7fff_ffff, heardBefore: 0xffff_ffff })),
});

export const heardNothing = virtual({
  name: 'has never heard a VECTOR, and asks for an answer 1,000 times a second',
  cores: 0.5,
  attack: (arena) => {
    sayOfVectors(arena, () => ({ heard: 0, heardBefore: 0 }));
    arena.each(ATTACK_AT, 8, 1000, (i) => {
      for (const peer of arena.honest)
        arena.say(peer, [{ kind: 'vector', version: 1000 + i, heard: 0, heardBefore: 0, entries: [] }]);
    });
  },
});

export const versionsLeap = virtual({
  name: 'numbers its VECTORs in leaps, forwards and back',
  attack: (arena) => sayOfVectors(arena, (i) => ({ version: ((i * 0x6000_0001) % 0xffff_ffff) + 1 })),
});
