/**
 * Words of where members may be, so that all send to somebody who has nothing to do with the group, or so that who passes them on has no
 * time for anything else. Stopped by: few small datagrams to one host that has not answered, whoever tells of it; so many words a second
 * for each member that tells them; what is passed on is of who sends it (PROTOCOL 4.9).
 */

import { KNOCK_BURST, KNOCK_RATE, PASS_RATE } from '../../../../src/forwarding/punching.js';
import type { PunchFrame } from '../../../../src/wire/frames/forwarding/punch.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const SECONDS = 8;
const VICTIM = '203.0.113.7';
/** The largest that goes to an address that nobody has answered at: an INITIATION. */
const INITIATION = 161;

/** To each honest member, so many a second. */
function tell(arena: Arena, rate: number, make: (i: number, peer: number) => PunchFrame): void {
  arena.each(ATTACK_AT, SECONDS, 1e6 / rate, (i) => {
    for (const peer of arena.honest) arena.say(peer, [make(i, peer)]);
  });
}

const otherOf = ({ honest }: Arena, peer: number, i: number) => {
  const others = honest.filter((each) => each !== peer);
  return others[i % others.length];
};
const sentBy = ({ honest, members }: Arena) =>
  honest.reduce((sum, member) => sum + members[member].endpoint.metrics.sentBytes, 0);

export const victim = virtual({
  name: 'PUNCHes that say that others are at a victim, 2,000 a second',
  seconds: SECONDS,
  severe: true,
  attack: (arena) =>
    tell(arena, 2000, (i, peer) => ({
      ...{ kind: 'punch', from: otherOf(arena, peer, i), to: peer, isAnswer: i % 2 === 0, wait: 0 },
      addresses: [0, 1, 2, 3].map((j) => `${VICTIM}:${1 + ((4 * i + j) % 60_000)}`),
    })),
  story: (arena) => {
    // It is called while they are told, with first messages.
    arena.at(3, () => arena.stop(1));
    arena.at(7, () => arena.start(1));
  },
  more: (attacked) => [
    {
      what: 'bytes to the victim',
      measured: attacked.strayBytes,
      must: attacked.honest.length * INITIATION * (KNOCK_BURST + SECONDS * KNOCK_RATE),
    },
  ],
});

export const passed = virtual({
  name: 'PUNCHes for others that are passed on, 3,000 a second',
  seconds: SECONDS,
  severe: true,
  attack: (arena) =>
    tell(arena, 3000, (i, peer) => ({
      ...{ kind: 'punch', from: arena.liar, to: otherOf(arena, peer, i), isAnswer: false, wait: 0xffff },
      addresses: [`${VICTIM}:53`],
    })),
  more: (attacked, control) => [
    {
      what: 'bytes that honest members sent, more than without',
      measured: sentBy(attacked) - sentBy(control),
      // Each is passed on, answered, and tried: five datagrams of at most 200 bytes; and acknowledgements of what comes.
      must: attacked.honest.length * (1000 * (100 + SECONDS * PASS_RATE) + 120 * SECONDS * 1000),
    },
  ],
});
