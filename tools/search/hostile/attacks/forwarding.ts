/**
 * Members that forward for others what they should not, or do not what they should. Stopped by: so many bytes a second for each member
 * that asks, between members alone; nothing that was forwarded counts as coming from who forwards it; a way by which nothing comes
 * rests (2 s until that is noticed), and only who hears a member passes on that it does; two have to say that they are apart before
 * more is sent for it (PROTOCOL 4.8).
 */

import { MILLISECOND } from '../../../../src/core/time.js';
import { FORWARD_BURST, FORWARD_RATE } from '../../../../src/member/carrier.js';
import { memberAt } from '../../../../src/sim/cluster.js';
import type { ForwardFrame } from '../../../../src/wire/frames/forwarding/forward.js';
import { MAX_HOPS, MAX_ROUTES } from '../../../../src/wire/frames/forwarding/routes.js';
import type { Frame } from '../../../../src/wire/frames.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

const SECONDS = 8;

/** To each honest member for each other one, so many a second in all. */
function flood(arena: Arena, rate: number, make: (i: number, from: number, to: number) => Uint8Array): void {
  arena.each(ATTACK_AT, SECONDS, 1e6 / rate, (i) => {
    const peer = arena.honest[i % arena.honest.length];
    const others = arena.honest.filter((each) => each !== peer);
    const [to, from] = [others[i % others.length], arena.liar];
    const frame: ForwardFrame = {
      ...{ kind: 'forward', from, to, hops: MAX_HOPS },
      datagram: make(i, from, to),
    };
    arena.say(peer, [frame]);
  });
}

/** Of the first and the last honest member neither reaches the other. */
const links = (from: string, to: string) => ({
  delay: 10 * MILLISECOND,
  blocked: [from, to].map(memberAt).sort().join() === '0,2',
});
/** Tells everybody that it is next to everybody. */
const nearAll = (frames: Frame[], members: number): Frame[] => [
  ...frames.filter(({ kind }) => kind !== 'routes'),
  {
    ...{ kind: 'routes', number: ++told, lacking: [] },
    routes: Array.from({ length: members }, (_, member) => ({ member, hops: 1, rtt: 0, loss: 0 })),
  },
];
let told = 1e6;

const sentBy = ({ honest, members }: Arena) =>
  honest.reduce((sum, member) => sum + members[member].endpoint.metrics.sentBytes, 0);

export const floods = virtual({
  name: 'FORWARDs of noise for the others, 3,000 a second',
  seconds: SECONDS,
  severe: true,
  attack: (arena) => flood(arena, 3000, () => arena.rng.bytes(1180)),
  cores: 0.6,
  more: (attacked, control) => [
    {
      what: 'bytes that honest members sent, more than without',
      measured: sentBy(attacked) - sentBy(control),
      must: 1.2 * attacked.honest.length * (FORWARD_BURST + SECONDS * FORWARD_RATE),
    },
  ],
});

export const handshakes = virtual({
  name: 'FORWARDs of first messages that are none, 3,000 a second',
  seconds: SECONDS,
  attack: (arena) =>
    flood(arena, 3000, () => {
      const datagram = arena.rng.bytes(161);
      datagram[0] = 0x31;
      return datagram;
    }),
  cores: 0.6,
});

export const hole = virtual({
  name: 'it says that it is nearest to all, and forwards nothing',
  seconds: SECONDS,
  links,
  severe: true,
  attack: (arena) =>
    arena.tamper({
      hear: (_now, _peer, { frames, symbol }) => ({
        frames: frames.filter((frame) => frame.kind !== 'forward' || frame.to === arena.liar),
        symbol,
      }),
      frames: (_now, _peer, frames) => nearAll(frames, 4),
    }),
  // Until the way by the liar is left.
  grace: 3000,
});

export const apart = virtual({
  name: 'ROUTES that change all the time, with members that it lacks and some that are none',
  seconds: SECONDS,
  attack: (arena) =>
    arena.each(ATTACK_AT, SECONDS, MILLISECOND, (i) => {
      const lacking = Array.from({ length: MAX_ROUTES }, (_, j) => (i + j) % 97);
      const routes = lacking.map((member) => ({
        member,
        hops: 1 + (i % MAX_HOPS),
        rtt: i % 1000,
        loss: i % 255,
      }));
      for (const peer of arena.honest)
        arena.say(peer, [{ kind: 'routes', number: i + 1e6, lacking, routes }]);
    }),
});
