/** Members behind boxes that translate addresses: one member that can be called, and the others find direct ways by way of it. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';
import { NAT_KINDS, type NatBox, natsOf } from '../../src/sim/net/nat.js';

const HUB = 0;
const DELAY = 20 * MILLISECOND;

/** Member 0 is listed and behind no box, the others are neither. */
function withBoxes(
  boxes: readonly NatBox[][],
  act: (cluster: Cluster) => void,
  options: Partial<ClusterOptions> = {},
): void {
  const others = boxes.map((_, i) => i + 1);
  const cluster = createCluster({
    ...{ seed: 'boxes', members: boxes.length + 1, unlisted: others, links: { delay: DELAY } },
    nats: new Map(boxes.map((each, i) => [i + 1, each])),
    ...options,
  });
  try {
    act(cluster);
  } finally {
    cluster.dispose();
  }
}

/** By whom a member reaches another one; 'direct', or undefined if not at all. */
function wayOf({ members, world }: Cluster, member: number, peer: number): number | 'direct' | undefined {
  const found = members[member].status(world.now).peers.find((each) => each.member.index === peer)!;
  return found.reachable ? (found.via?.index ?? 'direct') : undefined;
}

const areDirect = (cluster: Cluster, a: number, b: number) =>
  wayOf(cluster, a, b) === 'direct' && wayOf(cluster, b, a) === 'direct';
const within = ({ world }: Cluster, time: Micros, isDone: () => boolean) =>
  world.runUntil(isDone, world.now + time);
const pass = ({ world }: Cluster, time: Micros) => world.runUntil(world.now + time);

const pairs = NAT_KINDS.flatMap((a, i) => NAT_KINDS.slice(i).map((b) => [a, b] as const));
/** A port for each that is sent to, and one that lets in only whom it has sent to: neither can tell the other where to send. */
const isHopeless = (a: string, b: string): boolean =>
  a === 'symmetric'
    ? ['symmetric', 'port-restricted', 'carrier-grade'].includes(b)
    : b === 'symmetric' && isHopeless(b, a);

describe('two members behind boxes', () => {
  test.each(pairs.filter(([a, b]) => !isHopeless(a, b)))(
    '%s and %s: reach each other directly within 300 ms of the start, and stay so',
    (a, b) => {
      withBoxes([natsOf(a, 1), natsOf(b, 2)], (cluster) => {
        expect(within(cluster, 300 * MILLISECOND, () => areDirect(cluster, 1, 2))).toBe(true);
        // Boxes forget after 30 s: heartbeats keep them awake.
        pass(cluster, 100 * SECOND);
        expect(areDirect(cluster, 1, 2)).toBe(true);
      });
    },
  );

  test.each(pairs.filter(([a, b]) => isHopeless(a, b)))(
    '%s and %s: are reached by way of another one for ever, at no more than a try a minute',
    (a, b) => {
      withBoxes([natsOf(a, 1), natsOf(b, 2)], (cluster) => {
        const isJoined = () => wayOf(cluster, 1, 2) === HUB && wayOf(cluster, 2, 1) === HUB;
        expect(within(cluster, 2 * SECOND, isJoined)).toBe(true);
        pass(cluster, 200 * SECOND);
        const { link } = cluster.world;
        const sent = () =>
          link.call(cluster.world, cluster.members[1].address, cluster.members[2].address).counters.sent;
        const before = sent();
        pass(cluster, 120 * SECOND);
        expect(isJoined()).toBe(true);
        // Each try: four addresses at most, four times; and one a minute to each of its record.
        expect(sent() - before).toBeLessThan(120);
        cluster.broadcast(1, new Uint8Array(50_000));
        const haveIt = () => cluster.members.every(({ delivered }) => delivered.length === 1);
        expect(within(cluster, 5 * SECOND, haveIt)).toBe(true);
      });
    },
  );

  test.each(['restricted', 'port-restricted', 'carrier-grade'] as const)(
    '%s: within four seconds on links that lose a fifth',
    (kind) => {
      const links = { delay: DELAY, loss: iid(0.2) };
      withBoxes(
        [natsOf(kind, 1), natsOf(kind, 2)],
        (cluster) => expect(within(cluster, 4 * SECOND, () => areDirect(cluster, 1, 2))).toBe(true),
        { links, seed: `lossy ${kind}` },
      );
    },
  );

  test.each([true, false])('behind the same one, which leads back to itself: %s', (hairpins) => {
    const box = natsOf('port-restricted', 1, { hairpins });
    withBoxes([box, box], (cluster) => {
      expect(within(cluster, SECOND, () => areDirect(cluster, 1, 2))).toBe(true);
    });
  });

  test('behind boxes of one carrier', () => {
    const [home, carrier] = natsOf('carrier-grade', 1);
    const [other] = natsOf('carrier-grade', 2);
    withBoxes(
      [
        [home, carrier],
        [other, carrier],
      ],
      (cluster) => {
        expect(within(cluster, SECOND, () => areDirect(cluster, 1, 2))).toBe(true);
      },
    );
  });

  test('find another direct way when a box has lost what it knew', () => {
    const boxes = [natsOf('port-restricted', 1), natsOf('port-restricted', 2)];
    withBoxes(boxes, (cluster) => {
      within(cluster, SECOND, () => areDirect(cluster, 1, 2));
      boxes[0][0].reset();
      pass(cluster, 2 * SECOND);
      expect(within(cluster, 20 * SECOND, () => areDirect(cluster, 1, 2) && areDirect(cluster, HUB, 1))).toBe(
        true,
      );
    });
  });

  test('one of which begins anew', () => {
    withBoxes([natsOf('port-restricted', 1), natsOf('port-restricted', 2)], (cluster) => {
      within(cluster, SECOND, () => areDirect(cluster, 1, 2));
      cluster.crash(2);
      pass(cluster, 40 * SECOND);
      cluster.restart(2);
      expect(within(cluster, 2 * SECOND, () => areDirect(cluster, 1, 2))).toBe(true);
    });
  });
});

test('six members of which one can be called deliver what each says, all pairs without two boxes that rule it out directly', () => {
  const kinds = ['full cone', 'restricted', 'port-restricted', 'symmetric', 'carrier-grade'] as const;
  withBoxes(
    kinds.map((kind, i) => natsOf(kind, i + 1)),
    (cluster) => {
      for (let member = 0; member < 6; member++) cluster.broadcast(member, new Uint8Array([member]));
      const haveAll = () => cluster.members.every(({ delivered }) => delivered.length === 6);
      expect(within(cluster, 5 * SECOND, haveAll)).toBe(true);
      const isAll = () =>
        kinds.every((a, i) =>
          kinds.every((b, j) => i === j || isHopeless(a, b) || areDirect(cluster, i + 1, j + 1)),
        );
      expect(within(cluster, SECOND, isAll)).toBe(true);
    },
  );
});
