/**
 * What every `Network` must do, whatever is behind it. The scenarios are those that a Hydra node's network is tested with, as
 * far as they are not about gRPC or about its own encoding, and what `NetworkCallback` promises beyond them.
 */
import { describe, expect, test } from 'vitest';
import { HeadwaterError } from '../../src/errors.js';
import {
  type Cluster,
  type ClusterOptions,
  type Delivery,
  type Faults,
  type NetworkKind,
  openCluster,
} from './cluster.js';

const [alice, bob, carol] = [0, 1, 2];
const numbers = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Declares the suite for one kind of network. */
export function testConformance(kind: NetworkKind): void {
  const title = kind.unavailable === undefined ? kind.name : `${kind.name} (skipped: ${kind.unavailable})`;
  describe.skipIf(kind.unavailable !== undefined)(title, () => {
    const scenario = (
      name: string,
      options: ClusterOptions & { needs?: (keyof Faults)[] },
      run: (cluster: Cluster) => Promise<void>,
    ) => {
      const missing = options.needs?.map((need) => kind.lacks?.[need]).find((reason) => reason !== undefined);
      test.skipIf(missing !== undefined)(
        missing === undefined ? name : `${name} (skipped: ${missing})`,
        async () => {
          await using cluster = await openCluster(kind, options);
          await run(cluster);
        },
      );
    };

    scenario('a message comes back to its sender', { members: 1 }, async (cluster) => {
      await cluster.start(alice);
      await cluster.send(alice, 'asdf');
      await cluster.consumed(alice, ['asdf']);
    });

    scenario('a message reaches the one peer, from its sender', { members: 2 }, async (cluster) => {
      await cluster.start(alice, bob);
      await cluster.send(alice, 123);
      await cluster.consumed(bob, [123]);
      expect(cluster.seats[bob].deliveries[0].from).toEqual(cluster.group.members[alice]);
    });

    scenario('a message has the same id at all members', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob, carol);
      await cluster.send(bob, 1, 2, 3);
      for (const member of [alice, bob, carol]) await cluster.consumed(member, [1, 2, 3]);
      const ids = cluster.seats.map(({ deliveries }) => deliveries.map(({ id }) => id));
      expect(ids[alice]).toEqual(ids[bob]);
      expect(ids[carol]).toEqual(ids[bob]);
      expect(new Set(ids[bob].map((id) => JSON.stringify(id))).size).toBe(3);
    });

    scenario('what one of three sends alone arrives once all are back', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob, carol);
      await cluster.told(alice, { type: 'NetworkConnected' });
      await cluster.stop(bob, carol);
      await cluster.send(alice, 123);
      await cluster.stop(alice);
      expect(cluster.seats[alice].deliveries).toEqual([]);
      await cluster.start(alice, bob, carol);
      for (const member of [alice, bob, carol]) await cluster.consumed(member, [123]);
    });

    scenario('a member that was away gets what it missed, and only that', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob, carol);
      await cluster.send(alice, 123);
      for (const member of [alice, bob, carol]) await cluster.consumed(member, [123]);
      await cluster.stop(carol);
      await cluster.send(bob, 456);
      for (const member of [alice, bob]) await cluster.consumed(member, [123, 456]);
      await cluster.start(carol);
      await cluster.consumed(carol, [123, 456]);
      await cluster.send(alice, 789);
      await cluster.consumed(carol, [123, 456, 789]);
    });

    scenario('tells who is there and whether the group can go on', { members: 3 }, async (cluster) => {
      const [, bobHimself, carolHerself] = cluster.group.members;
      await cluster.start(alice, bob, carol);
      await cluster.told(alice, { type: 'NetworkConnected' });
      await cluster.told(alice, { type: 'PeerConnected', peer: bobHimself });
      await cluster.told(alice, { type: 'PeerConnected', peer: carolHerself });
      await cluster.stop(carol);
      await cluster.told(alice, { type: 'PeerDisconnected', peer: carolHerself });
      expect(cluster.seats[alice].events.some(({ type }) => type === 'NetworkDisconnected')).toBe(false);
      await cluster.stop(bob);
      await cluster.told(alice, { type: 'NetworkDisconnected' });
      const before = cluster.seats[alice].events.length;
      await cluster.start(carol);
      await cluster.told(alice, { type: 'NetworkConnected' }, before);
      await cluster.told(alice, { type: 'PeerConnected', peer: carolHerself }, before);
    });

    scenario('announces anew who was taken for dead', { members: 2, needs: ['lapse'] }, async (cluster) => {
      const [, bobHimself] = cluster.group.members;
      await cluster.start(alice, bob);
      await cluster.told(alice, { type: 'PeerConnected', peer: bobHimself });
      const before = cluster.seats[alice].events.length;
      await cluster.finish(cluster.faults.lapse!(bob));
      await cluster.told(alice, { type: 'PeerConnected', peer: bobHimself }, before);
      expect(cluster.seats[alice].events[before].type).toMatch(/Disconnected$/);
    });

    scenario(
      'reports members with another message format',
      { members: 2, versions: [1, 2] },
      async (cluster) => {
        await cluster.start(alice, bob);
        const mismatches = () =>
          cluster.seats.flatMap(({ events }) =>
            events.flatMap((event) =>
              event.type === 'VersionMismatch' ? [[event.ours, event.theirs].sort()] : [],
            ),
          );
        await cluster.until(() => mismatches().length > 0, 'either of both told of it');
        expect(mismatches()[0]).toEqual([1, 2]);
      },
    );

    const reportsAnotherList = async (cluster: Cluster) => {
      await cluster.start(alice, bob);
      const mismatch = () =>
        cluster.seats.flatMap(({ events }) => events).find(({ type }) => type === 'ClusterIDMismatch');
      await cluster.until(() => mismatch() !== undefined, 'either of both told of it');
      expect(mismatch()).toMatchObject({
        clusterPeers: expect.stringContaining(cluster.group.members[bob].locator),
      });
    };
    scenario(
      'reports members with another list of members',
      { members: 2, foreign: { member: bob, list: 'one more' } },
      reportsAnotherList,
    );
    scenario(
      'reports members that have us on their list while we do not have them',
      { members: 2, foreign: { member: bob, list: 'itself' } },
      reportsAnotherList,
    );

    scenario('a member that starts late gets all, in order', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob);
      for (const i of numbers(1, 1000)) {
        await cluster.send(alice, i);
        await cluster.until(() => cluster.seats[bob].deliveries.length >= i, `${i} at bob`);
      }
      await cluster.start(carol);
      await cluster.consumed(carol, numbers(1, 1000));
      await cluster.stop(carol);
      await cluster.start(carol);
      await cluster.send(alice, 1001);
      await cluster.consumed(carol, numbers(1, 1001));
    });

    scenario('what was durable goes out once after a restart', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob, carol);
      await cluster.send(alice, ...numbers(1, 30));
      await cluster.stop(alice);
      await cluster.start(alice);
      await cluster.send(alice, 31);
      for (const member of [alice, bob, carol]) await cluster.consumed(member, numbers(1, 31));
    });

    scenario('two members answer each other five hundred times', { members: 2 }, async (cluster) => {
      const [a, b] = cluster.seats;
      a.consume = ({ msg, from }) => {
        if (from.index === bob && (msg as number) < 500) void a.network!.broadcast((msg as number) + 1);
      };
      b.consume = ({ msg, from }) => {
        if (from.index === alice) void b.network!.broadcast((msg as number) + 1);
      };
      await cluster.start(alice, bob);
      await cluster.send(alice, 1);
      for (const member of [alice, bob]) await cluster.consumed(member, numbers(1, 500));
    });

    scenario('messages sent back to back arrive in order', { members: 2 }, async (cluster) => {
      await cluster.start(alice, bob);
      await cluster.finish(
        Promise.all(numbers(1, 200).map((i) => cluster.seats[alice].network!.broadcast(i))),
      );
      for (const member of [alice, bob]) await cluster.consumed(member, numbers(1, 200));
    });

    scenario('large messages arrive whole', { members: 2 }, async (cluster) => {
      await cluster.start(alice, bob);
      const large = numbers(1, 20).map((i) => new Uint8Array(100 * 1024).fill(i));
      await cluster.send(alice, ...large);
      const { deliveries } = cluster.seats[bob];
      await cluster.until(() => deliveries.length >= large.length, 'all at bob');
      expect(
        deliveries.map(({ msg }) => Buffer.compare(msg as Uint8Array, large[deliveries.length - 1])),
      ).toEqual(large.map((bytes) => Buffer.compare(bytes, large[large.length - 1])));
    });

    scenario('each sender is heard in order by all', { members: 3 }, async (cluster) => {
      await cluster.start(alice, bob, carol);
      await Promise.all([alice, bob, carol].map((member) => cluster.send(member, ...numbers(1, 60))));
      for (const { deliveries } of cluster.seats) {
        await cluster.until(() => deliveries.length >= 180, '180 messages at each member');
        for (const sender of [alice, bob, carol])
          expect(deliveries.filter(({ from }) => from.index === sender).map(({ msg }) => msg)).toEqual(
            numbers(1, 60),
          );
      }
    });

    scenario(
      'goes on with what is kept where too much was missed',
      { members: 3, needs: ['forgetMessages', 'forgetCursor'] },
      async (cluster) => {
        await cluster.start(alice, bob, carol);
        await cluster.send(alice, ...numbers(1, 5));
        await cluster.consumed(carol, numbers(1, 5));
        await cluster.stop(carol);
        for (const i of numbers(6, 100)) {
          await cluster.send(alice, i);
          await cluster.until(() => cluster.seats[bob].deliveries.length >= i, `${i} at bob`);
        }
        await cluster.finish(cluster.faults.forgetMessages!(50));

        const { deliveries } = cluster.seats[carol];
        const last = () => deliveries.at(-1)?.msg;
        await cluster.start(carol);
        await cluster.until(() => last() === 100, 'the newest message at carol');
        const resumed = deliveries.slice(5).map(({ msg }) => msg as number);
        expect(resumed).toEqual(numbers(resumed[0], 100));
        expect(resumed[0]).toBeGreaterThan(25);
        await cluster.send(alice, ...numbers(101, 105));
        await cluster.until(() => last() === 105, 'new messages at carol');

        await cluster.stop(carol);
        deliveries.length = 0;
        await cluster.finish(cluster.faults.forgetCursor!(carol));
        await cluster.start(carol);
        await cluster.until(() => last() === 105, 'the newest message at carol again');
        const again = deliveries.map(({ msg }) => msg as number);
        expect(again).toEqual(numbers(again[0], 105));
        expect(again[0]).toBeGreaterThan(25);
      },
    );

    scenario('a consumer that does not finish holds up nobody else', { members: 3 }, async (cluster) => {
      let release = () => {};
      const held = new Promise<void>((done) => {
        release = done;
      });
      const calls: Delivery[] = [];
      cluster.seats[bob].consume = (delivery) => {
        calls.push(delivery);
        return held;
      };
      await cluster.start(alice, bob, carol);
      await cluster.send(alice, ...numbers(1, 150));
      for (const member of [alice, carol]) await cluster.consumed(member, numbers(1, 150));
      await cluster.until(() => calls.length > 0, 'a call of the consumer');
      expect(calls.map(({ msg }) => msg)).toEqual([1]);
      release();
      await cluster.consumed(bob, numbers(1, 150));
    });

    scenario('a member stops though its consumer does not finish', { members: 3 }, async (cluster) => {
      let calls = 0;
      cluster.seats[bob].consume = () => {
        calls++;
        return new Promise(() => {});
      };
      await cluster.start(alice, bob, carol);
      await cluster.send(alice, 1);
      await cluster.until(() => calls > 0, 'a call of the consumer');
      await cluster.stop(bob);
      cluster.seats[bob].consume = () => {};
      await cluster.start(bob);
      await cluster.consumed(bob, [1]);
    });

    scenario('a delivery that failed is repeated, in order', { members: 2 }, async (cluster) => {
      const tries: Delivery[] = [];
      cluster.seats[bob].consume = (delivery) => {
        tries.push(delivery);
        if (tries.length <= 3) throw new Error('not now');
      };
      await cluster.start(alice, bob);
      await cluster.send(alice, 1, 2);
      await cluster.consumed(bob, [1, 2]);
      expect(tries.map(({ msg }) => msg)).toEqual([1, 1, 1, 1, 2]);
      expect(tries[3].id).toEqual(tries[0].id);
    });

    scenario('a closed network takes no messages', { members: 1 }, async (cluster) => {
      await cluster.start(alice);
      const network = cluster.seats[alice].network!;
      await cluster.stop(alice);
      const refused = (await network.broadcast(1).catch((error) => error)) as HeadwaterError;
      expect(refused).toBeInstanceOf(HeadwaterError);
      expect(refused.code).toBe('CLOSED');
    });

    scenario('a broadcast that was aborted before it began is not sent', { members: 1 }, async (cluster) => {
      await cluster.start(alice);
      const network = cluster.seats[alice].network!;
      const refused = (await network
        .broadcast(1, { signal: AbortSignal.abort() })
        .catch((error) => error)) as HeadwaterError;
      expect(refused.code).toBe('ABORTED');
      await cluster.send(alice, 2);
      await cluster.consumed(alice, [2]);
    });
  });
}
