/** Groups in which not every two members reach each other, and those in which some stop to. */
import { describe, expect, test } from 'vitest';
import { CONTROLLERS } from '../../src/congestion/index.js';
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import type { Tamper } from '../../src/member/tamper.js';
import {
  addressOf,
  type Cluster,
  type ClusterOptions,
  createCluster,
  memberAt,
} from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';

type Edges = readonly (readonly [number, number])[];

const CHAIN: Edges = [
  [0, 1],
  [1, 2],
  [2, 3],
  [3, 4],
]; // prettier-ignore
const RING: Edges = [...CHAIN, [4, 0]];
const STAR: Edges = [
  [0, 1],
  [0, 2],
  [0, 3],
  [0, 4],
]; // prettier-ignore
/** 0 and 3 reach each other by way of 1 or 2. */
const DIAMOND: Edges = [
  [0, 1],
  [0, 2],
  [1, 2],
  [1, 3],
  [2, 3],
]; // prettier-ignore

const isLinked = (edges: Edges, a: number, b: number) =>
  edges.some(([one, other]) => (one === a && other === b) || (one === b && other === a));

/** A group whose members reach each other along these edges alone. */
function graph(edges: Edges, options: Partial<ClusterOptions> & { seed: string }): Cluster {
  const link = { delay: 10 * MILLISECOND, loss: iid(0.1), rate: 20e6, overhead: 28 };
  return createCluster({
    members: 1 + Math.max(...edges.flat()),
    controller: CONTROLLERS.bbr,
    links: (from, to) => ({ ...link, blocked: !isLinked(edges, memberAt(from), memberAt(to)) }),
    ...options,
  });
}

function withGraph(
  edges: Edges,
  options: Partial<ClusterOptions> & { seed: string },
  act: (cluster: Cluster) => void,
): void {
  const cluster = graph(edges, options);
  try {
    act(cluster);
  } finally {
    cluster.dispose();
  }
}

/** By whom a member reaches another one; 'direct', or undefined if not at all. */
function wayOf({ members, world }: Cluster, member: number, peer: number): number | 'direct' | undefined {
  const found = members[member].status(world.now).peers.find((each) => each.member.index === peer)!;
  if (!found.reachable) return undefined;
  return found.via?.index ?? 'direct';
}

function areJoined(cluster: Cluster): boolean {
  const live = cluster.members.filter(({ isLive }) => isLive).map(({ index }) => index);
  return live.every((a) => live.every((b) => a === b || wayOf(cluster, a, b) !== undefined));
}

const within = (cluster: Cluster, isDone: () => boolean, seconds: number) =>
  cluster.world.runUntil(isDone, cluster.world.now + seconds * SECOND);

const haveAll =
  ({ members }: Cluster, count: number) =>
  () =>
    members.every(({ isLive, delivered }) => !isLive || delivered.length >= count);

function setLink({ world }: Cluster, a: number, b: number, blocked: boolean): void {
  world.link(addressOf(a), addressOf(b)).update({ blocked });
  world.link(addressOf(b), addressOf(a)).update({ blocked });
}

const bytesOn = ({ world }: Cluster, a: number, b: number) =>
  world.link(addressOf(a), addressOf(b)).counters.bytes;

describe.each([
  ['a chain', CHAIN],
  ['a ring', RING],
  ['a star', STAR],
] as const)('five members in %s, links that lose a tenth', (name, edges) => {
  test('reach each other within five seconds', () => {
    withGraph(edges, { seed: `${name} joined` }, (cluster) => {
      expect(within(cluster, () => areJoined(cluster), 5)).toBe(true);
    });
  });

  test('deliver what each of them says, from the start', () => {
    withGraph(edges, { seed: `${name} all` }, (cluster) => {
      for (let member = 0; member < 5; member++) cluster.broadcast(member, new Uint8Array([member]));
      expect(within(cluster, haveAll(cluster, 5), 15)).toBe(true);
    });
  });

  test('carry an object of 1 MB at most 1.5 times on each link', () => {
    withGraph(edges, { seed: `${name} large` }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      cluster.world.runUntil(cluster.world.now + 2 * SECOND);
      const before = edges.map(([a, b]) => [bytesOn(cluster, a, b), bytesOn(cluster, b, a)]);
      cluster.broadcast(0, new Rng(name).bytes(1_000_000));
      expect(within(cluster, haveAll(cluster, 1), 30)).toBe(true);
      const carried = edges.map(([a, b], i) => {
        return (bytesOn(cluster, a, b) - before[i][0] + bytesOn(cluster, b, a) - before[i][1]) / 1e6;
      });
      expect(Math.max(...carried)).toBeLessThan(1.6);
      const most = edges.map(([a, b], i) =>
        Math.max(bytesOn(cluster, a, b) - before[i][0], bytesOn(cluster, b, a) - before[i][1]),
      );
      expect(Math.max(...most) / 1e6).toBeLessThan(1.5);
    });
  });
});

describe('ways that change', () => {
  test('a link that breaks is gone round, and taken again when it is back', () => {
    withGraph([...DIAMOND, [0, 3]], { seed: 'broken' }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      setLink(cluster, 0, 3, true);
      expect(within(cluster, () => [1, 2].includes(wayOf(cluster, 0, 3) as number), 10)).toBe(true);
      setLink(cluster, 0, 3, false);
      const isDirect = () => wayOf(cluster, 0, 3) === 'direct' && wayOf(cluster, 3, 0) === 'direct';
      expect(within(cluster, isDirect, 30)).toBe(true);
    });
  });

  test('a long chain that loses a quarter is not full of questions whether its ends are there', () => {
    const chain = Array.from({ length: 8 }, (_, member) => [member, member + 1] as const);
    const link = { delay: MILLISECOND, loss: iid(0.25), overhead: 28 };
    const links: ClusterOptions['links'] = (from, to) => {
      return { ...link, blocked: !isLinked(chain, memberAt(from), memberAt(to)) };
    };
    withGraph(chain, { seed: 'questions', links }, (cluster) => {
      within(cluster, () => false, 5);
      const before = cluster.world.counters.sent;
      within(cluster, () => false, 5);
      // Of each member a second: heartbeats, acknowledgements and what they are forwarded in are half of that.
      expect(cluster.world.counters.sent - before).toBeLessThan(5 * 9 * 2000);
    });
  });

  test('a member that forwards and dies is gone round', () => {
    withGraph(DIAMOND, { seed: 'dead' }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      const hop = wayOf(cluster, 0, 3) as number;
      cluster.crash(hop);
      cluster.broadcast(0, new Uint8Array(1000));
      expect(within(cluster, haveAll(cluster, 1), 20)).toBe(true);
      expect(within(cluster, () => wayOf(cluster, 0, 3) === 3 - hop, 5)).toBe(true);
    });
  });

  test('a partition that heals leaves nobody behind', () => {
    withGraph(CHAIN, { seed: 'healed' }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      setLink(cluster, 1, 2, true);
      for (let member = 0; member < 5; member++) cluster.broadcast(member, new Uint8Array([member]));
      cluster.world.runUntil(cluster.world.now + 20 * SECOND);
      setLink(cluster, 1, 2, false);
      expect(within(cluster, haveAll(cluster, 5), 20)).toBe(true);
    });
  });

  test('a member that begins anew is found by all', () => {
    withGraph(CHAIN, { seed: 'anew' }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      cluster.crash(4);
      cluster.world.runUntil(cluster.world.now + 3 * SECOND);
      cluster.restart(4);
      cluster.broadcast(4, new Uint8Array(100));
      expect(within(cluster, haveAll(cluster, 1), 15)).toBe(true);
    });
  });
});

describe('members that forward badly', () => {
  /** Says that it is as near as can be to all, and forwards nothing. */
  const hole = (): Tamper => ({
    hear: (_now, _peer, { frames, symbol }) => ({
      frames: frames.filter((frame) => frame.kind !== 'forward' || frame.to === 1),
      symbol,
    }),
    frames: (_now, _peer, frames) =>
      frames.map((frame) =>
        frame.kind === 'routes'
          ? { ...frame, routes: [0, 2, 3].map((member) => ({ member, hops: 1, rtt: 0, loss: 0 })) }
          : frame,
      ),
  });

  test('a member that forwards nothing is gone round', () => {
    withGraph(DIAMOND, { seed: 'hole', tampers: new Map([[1, hole()]]) }, (cluster) => {
      cluster.broadcast(0, new Uint8Array(1000));
      cluster.broadcast(3, new Uint8Array(1000));
      const isRound = () => wayOf(cluster, 0, 3) === 2 && wayOf(cluster, 3, 0) === 2;
      expect(within(cluster, isRound, 20)).toBe(true);
      expect(within(cluster, haveAll(cluster, 2), 20)).toBe(true);
    });
  });

  test('and so is one that begins to while all goes by way of it', () => {
    const later: { since: number } = { since: Number.POSITIVE_INFINITY };
    const liar = hole();
    const tamper: Tamper = {
      hear: (now, peer, text) => (now < later.since ? text : liar.hear!(now, peer, text)),
    };
    withGraph(DIAMOND, { seed: 'hole later', tampers: new Map([[1, tamper]]) }, (cluster) => {
      within(cluster, () => areJoined(cluster), 5);
      cluster.world.runUntil(cluster.world.now + 5 * SECOND);
      later.since = cluster.world.now;
      const isRound = () => wayOf(cluster, 0, 3) === 2 && wayOf(cluster, 3, 0) === 2;
      expect(within(cluster, isRound, 15)).toBe(true);
    });
  });
});

describe('a group in which all reach each other', () => {
  test('says nothing of ways, and forwards nothing', () => {
    const said = new Set<string>();
    const listener: Tamper = {
      hear(_now, _peer, contents) {
        for (const { kind } of contents.frames) said.add(kind);
        return contents;
      },
    };
    const links = { delay: 20 * MILLISECOND, loss: iid(0.2) };
    const tampers = new Map([
      [0, listener],
      [1, listener],
      [2, listener],
    ] as const); // prettier-ignore
    const cluster = createCluster({ seed: 'complete', members: 3, links, tampers });
    for (let member = 0; member < 3; member++) cluster.broadcast(member, new Uint8Array(5000));
    cluster.world.runUntil(30 * SECOND);
    cluster.dispose();
    expect(said).toContain('vector');
    expect([...said].filter((kind) => kind === 'routes' || kind === 'forward')).toEqual([]);
  });
});
