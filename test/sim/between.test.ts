/** A liar that makes itself the direct way between two members, though an honest one forwards for them. */
import { expect, test } from 'vitest';
import { MILLISECOND, type Micros, NEVER, SECOND } from '../../src/core/time.js';
import type { Voice } from '../../src/member/tamper.js';
import { DATA } from '../../src/session/wire.js';
import { createCluster } from '../../src/sim/cluster.js';
import { natsOf } from '../../src/sim/net/nat.js';

const [HUB, A, B, LIAR] = [0, 1, 2, 3];
/** Sockets of the liar: to one it is B, to the other A. */
const SOCKETS: Record<number, string> = { [A]: '10.9.9.1:9001', [B]: '10.9.9.2:9002' };
const THROTTLE_AT = 10 * SECOND;

test('is left for that one when it lets little through', () => {
  let voice: Voice | undefined;
  const begin = (of: Voice) => {
    voice = of;
  };
  const cluster = createCluster({
    ...{ seed: 'between', members: 4, byzantine: 1, unlisted: [A, B], links: { delay: 20 * MILLISECOND } },
    nats: new Map([A, B].map((member) => [member, natsOf('symmetric', member)])),
    tampers: new Map([[LIAR, { begin }]]),
  });
  const { world, members } = cluster;
  const outside = new Map<number, string>();
  const queues: Record<number, { to: string; bytes: Uint8Array }[]> = { [A]: [], [B]: [] };
  for (const [member, other] of [
    [A, B],
    [B, A],
  ]) {
    let passedAt: Micros = 0;
    world.addNode(SOCKETS[member], {
      handleDatagram: (now, from, bytes) => {
        outside.set(member, from);
        const isData = bytes[0] === DATA;
        if (now > THROTTLE_AT && isData && now - passedAt < 1.8 * SECOND) return;
        if (isData) passedAt = now;
        const to = outside.get(other);
        if (!to) return;
        queues[other].push({ to, bytes: bytes.slice() });
        world.at(now, () => world.poll(SOCKETS[other]));
      },
      handleTimeout: () => {},
      pollTransmit: () => queues[member].shift(),
      nextTimeout: () => NEVER,
    });
  }
  for (let second = 2; second < 60; second++)
    world.at(second * SECOND, () => {
      for (const [from, to] of [
        [A, B],
        [B, A],
      ])
        voice!.say(world.now, to, [
          { kind: 'punch', from, to, isAnswer: false, wait: 0, addresses: [SOCKETS[to]] },
        ]);
      world.poll(members[LIAR].address);
    });
  const isBetween = () =>
    [A, B].some((member) => {
      const other = members[member]
        .status(world.now)
        .peers.find((peer) => peer.member.index === A + B - member)!;
      return other.reachable && other.via === undefined;
    });
  try {
    world.runUntil(THROTTLE_AT - SECOND);
    expect(isBetween()).toBe(true);
    let looks = 0;
    let between = 0;
    for (let at = THROTTLE_AT; at < 60 * SECOND; at += SECOND / 2) {
      world.at(at, () => void cluster.broadcast([HUB, A, B][looks % 3], new Uint8Array(300)));
      world.runUntil(at + SECOND / 2);
      looks++;
      if (isBetween()) between++;
    }
    expect(between / looks).toBeLessThan(0.5);
  } finally {
    cluster.dispose();
  }
});
