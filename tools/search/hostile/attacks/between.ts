/**
 * A liar that makes itself the direct way between two members whom an honest one forwards for: to each it says by PUNCH that the other is at
 * a socket of its own, and passes on what comes there; then little of it, late, or nothing for a while. One member is away, so that all others
 * have to hear each other. Stopped by: an address that no operator has named is judged by what becomes of our datagrams there, and
 * left for a way by others (PROTOCOL 4.8).
 */
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../../../src/core/time.js';
import { DATA } from '../../../../src/session/wire.js';
import { type Arena, ATTACK_AT } from '../arena.js';
import { virtual } from '../virtual.js';

/** When a datagram from a member goes on to the other one, given its first byte; undefined: never. */
type Passing = (now: Micros, from: number, kind: number, arena: Arena) => Micros | undefined;

const SECONDS = 60;
const [A, B, LIAR, AWAY] = [1, 2, 3, 4];
/** The liar's, as two members know them: to A it is B, to B it is A. */
const SOCKETS = [[A, '10.9.9.1:9001'] as const, [B, '10.9.9.2:9002'] as const];
/** µs: it has become the way by then. */
const SPOILED_AT: Micros = 10 * SECOND;

function standBetween(arena: Arena, passing: Passing): void {
  const outside = new Map<number, string>();
  const queues = new Map<number, { to: string; bytes: Uint8Array }[]>(
    SOCKETS.map(([member]) => [member, []]),
  );
  SOCKETS.forEach(([member, socket], i) => {
    const [other, otherSocket] = SOCKETS[1 - i];
    arena.world.addNode(socket, {
      handleDatagram: (now, from, bytes) => {
        outside.set(member, from);
        const at = now < SPOILED_AT ? now : passing(now, member, bytes[0], arena);
        const to = outside.get(other);
        if (at === undefined || to === undefined) return;
        const copy = bytes.slice();
        arena.world.at(at, () => {
          queues.get(other)!.push({ to, bytes: copy });
          arena.world.poll(otherSocket);
        });
      },
      handleTimeout: () => {},
      pollTransmit: () => queues.get(member)!.shift(),
      nextTimeout: () => NEVER,
    });
    const punch = { kind: 'punch', from: other, to: member, isAnswer: false, wait: 0 } as const;
    arena.each(ATTACK_AT, SECONDS, SECOND, () => arena.say(member, [{ ...punch, addresses: [socket] }]));
  });
}

const between = ({ name, passing }: { name: string; passing: Passing }) =>
  virtual({
    name,
    ...{ members: 5, liars: [LIAR], behind: [A, B], links: { delay: 20 * MILLISECOND }, controller: 'bbr' },
    // One small message of each at a time: what is large waits for who is away.
    ...{ seconds: SECONDS, every: 200 * MILLISECOND, large: 0 },
    story: (arena) => {
      arena.at(ATTACK_AT, () => arena.stop(AWAY));
      arena.at(SECONDS, () => arena.start(AWAY));
      arena.at(SECONDS, () => arena.excuse(AWAY));
    },
    attack: (arena) => standBetween(arena, passing),
  });

export const challenges = between({
  name: 'stands between two members: only challenges and answers get through',
  passing: (now, _from, kind) => (kind === DATA ? undefined : now),
});

export const oneWay = between({
  name: 'stands between two members: only what one of them sends gets through',
  passing: (now, from, kind) => (kind === DATA && from === A ? undefined : now),
});

export const trickle = between({
  name: 'stands between two members: one datagram in 1.8 s gets through',
  passing: (now, from, kind, arena) => {
    if (kind !== DATA) return now;
    const times = passedAt.get(arena) ?? new Map<number, Micros>();
    passedAt.set(arena, times);
    if (now - (times.get(from) ?? 0) < 1.8 * SECOND) return undefined;
    times.set(from, now);
    return now;
  },
});
const passedAt = new WeakMap<Arena, Map<number, Micros>>();

export const fifth = between({
  name: 'stands between two members: a fifth gets through',
  passing: (now, _from, _kind, arena) => (arena.rng.chance(0.2) ? now : undefined),
});

export const half = between({
  name: 'stands between two members: half gets through',
  passing: (now, _from, _kind, arena) => (arena.rng.chance(0.5) ? now : undefined),
});

export const late = between({
  name: 'stands between two members: what gets through is late by 300 ms',
  passing: (now) => now + 300 * MILLISECOND,
});

export const inTurns = between({
  name: 'stands between two members: everything and nothing, a second each',
  passing: (now) => (Math.floor(now / SECOND) % 2 === 0 ? undefined : now),
});
