/** Members that tell each other where they are: few addresses in the group file, addresses that change, liars. */
import { describe, expect, test } from 'vitest';
import { MILLISECOND, SECOND } from '../../src/core/time.js';
import { type Cluster, type ClusterOptions, createCluster } from '../../src/sim/cluster.js';
import { iid } from '../../src/sim/net/loss.js';

const BAD = { delay: 20 * MILLISECOND, loss: iid(0.2) };

function withCluster(options: ClusterOptions, act: (cluster: Cluster) => void): void {
  const cluster = createCluster(options);
  try {
    act(cluster);
  } finally {
    cluster.dispose();
  }
}

/** Whether each live member hears each other one. */
function areJoined({ members, world }: Cluster): boolean {
  const live = members.filter(({ isLive }) => isLive);
  return live.every((member) => {
    const reachable = member.status(world.now).peers.filter((peer) => peer.reachable).length;
    return reachable === live.length - 1;
  });
}

/** Who passes on what one member sends to another. */
const viaOf = ({ members, world }: Cluster, from: number, to: number) =>
  members[from].status(world.now).peers.find(({ member }) => member.index === to)?.via;

const seconds = (cluster: Cluster, count: number) => cluster.world.now + count * SECOND;

describe('members of which one has an address in the group', () => {
  test.each([3, 5, 9])('all reach each other, %i of them, on links that lose a fifth', (members) => {
    const unlisted = Array.from({ length: members - 1 }, (_, i) => i + 1);
    withCluster({ seed: `one listed ${members}`, members, unlisted, links: BAD }, (cluster) => {
      cluster.broadcast(0, new Uint8Array([1]));
      expect(cluster.world.runUntil(() => areJoined(cluster), 20 * SECOND)).toBe(true);
    });
  });

  test('deliver what each of them says', () => {
    withCluster({ seed: 'delivered', members: 4, unlisted: [0, 1, 3], links: BAD }, (cluster) => {
      for (let member = 0; member < 4; member++) cluster.broadcast(member, new Uint8Array([member]));
      const isDone = () => cluster.members.every(({ delivered }) => delivered.length === 4);
      expect(cluster.world.runUntil(isDone, 30 * SECOND)).toBe(true);
    });
  });

  test('reach each other again after two of them have begun anew at other addresses', () => {
    withCluster({ seed: 'moved', members: 5, unlisted: [1, 2, 3, 4], links: BAD }, (cluster) => {
      cluster.world.runUntil(() => areJoined(cluster), 20 * SECOND);
      for (const member of [1, 2]) cluster.crash(member);
      cluster.world.runUntil(seconds(cluster, 10));
      for (const member of [1, 2]) cluster.restart(member, `10.7.0.${member}:9000`);
      expect(cluster.world.runUntil(() => areJoined(cluster), seconds(cluster, 30))).toBe(true);
    });
  });

  test('and find a listed member that has moved, by another one that it calls', () => {
    withCluster({ seed: 'listed moves', members: 4, unlisted: [1, 2], links: BAD }, (cluster) => {
      cluster.world.runUntil(() => areJoined(cluster), 20 * SECOND);
      cluster.crash(0);
      cluster.world.runUntil(seconds(cluster, 10));
      cluster.restart(0, '10.7.0.0:9000');
      expect(cluster.world.runUntil(() => areJoined(cluster), seconds(cluster, 30))).toBe(true);
    });
  });

  test('are found where their record says, once the way there is free', () => {
    withCluster({ seed: 'cut', members: 4, unlisted: [1, 2, 3], links: BAD }, (cluster) => {
      cluster.world.runUntil(() => areJoined(cluster), 20 * SECOND);
      const at = cluster.members.map(({ address }) => address);
      // 2 and 3 lose each other alone, for longer than sessions last.
      for (const [from, to] of [
        [at[2], at[3]],
        [at[3], at[2]],
      ])
        cluster.world.link(from, to).update({ blocked: true });
      cluster.world.runUntil(seconds(cluster, 200));
      // They have reached each other by another one.
      expect(areJoined(cluster)).toBe(true);
      expect(viaOf(cluster, 2, 3)).toBeDefined();
      for (const [from, to] of [
        [at[2], at[3]],
        [at[3], at[2]],
      ])
        cluster.world.link(from, to).update({ blocked: false });
      const isDirect = () => areJoined(cluster) && viaOf(cluster, 2, 3) === undefined;
      expect(cluster.world.runUntil(isDirect, seconds(cluster, 120))).toBe(true);
    });
  });
});

test('a member whose group lists nobody but itself waits to be called', () => {
  withCluster({ seed: 'called', members: 2, unlisted: [1], links: BAD }, (cluster) => {
    cluster.crash(1);
    cluster.world.runUntil(20 * SECOND);
    cluster.restart(1);
    expect(cluster.world.runUntil(() => areJoined(cluster), 40 * SECOND)).toBe(true);
  });
});
