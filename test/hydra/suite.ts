/**
 * What a hydra-node's network is tested with, against any program named `etcd`: the scenarios of its own tests, each with the
 * releases that it says something about. They are proven on real etcd; whatever stands in its place must pass the same.
 */
import { spawn } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { encodeMessage } from '../../tools/lab/hydra/cbor.js';
import { etcdCommand } from '../../tools/lab/hydra/child.js';
import { countedAs, FRAME } from '../../tools/lab/hydra/frames.js';
import { putMessages } from '../../tools/lab/hydra/put.js';
import { RELEASE_NAMES, type ReleaseName } from '../../tools/lab/hydra/releases.js';
import { REVISION_FILE } from '../../tools/lab/hydra/revision.js';
import { etcdctl, etcdctlUnavailable } from './etcdctl.js';
import { type EtcdKind, type Head, type HeadOptions, type Lack, openHead } from './head.js';

const [alice, bob, carol] = [0, 1, 2];
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => String(from + i));

/** The newest release, and what comes after it. */
const NEWEST: readonly ReleaseName[] = ['2.3.0', 'next'];
/** Those that go on where messages they have not seen are no longer kept. */
const SURVIVE_COMPACTION: readonly ReleaseName[] = ['2.1.0', '2.3.0', 'next'];

interface Conditions extends Omit<HeadOptions, 'kind' | 'release'> {
  releases?: readonly ReleaseName[];
  needs?: Lack;
  /** Why it cannot run on this machine. */
  unavailable?: string | undefined;
}

/** Declares the scenarios for one kind of etcd. */
export function testHydra(kind: EtcdKind): void {
  const title = kind.unavailable === undefined ? kind.name : `${kind.name} (skipped: ${kind.unavailable})`;
  // They mostly wait, for leases and for elections.
  describe.skipIf(kind.unavailable !== undefined).concurrent(title, () => {
    const scenario = (name: string, conditions: Conditions, run: (head: Head) => Promise<void>) => {
      const { releases = NEWEST, needs, unavailable, ...options } = conditions;
      const missing = unavailable ?? (needs === undefined ? undefined : kind.lacks[needs]);
      for (const release of releases)
        test.skipIf(missing !== undefined)(
          `${name}, ${release}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
          async () => {
            await using head = await openHead({ kind, release, ...options });
            await run(head);
          },
          LIMIT_MS,
        );
    };

    scenario('a message comes back to its sender', { nodes: 1, releases: RELEASE_NAMES }, async (head) => {
      await head.start(alice);
      await head.send(alice, 'asdf');
      await head.delivered(alice, ['asdf']);
    });

    scenario('a message reaches the one peer', { nodes: 2, releases: RELEASE_NAMES }, async (head) => {
      await head.start(alice, bob);
      await head.send(alice, '123');
      await head.delivered(bob, ['123']);
    });

    scenario('a put on an old revision changes nothing and tells the newest', { nodes: 1 }, async (head) => {
      await head.start(alice);
      await head.told(alice, { type: 'NetworkConnected' });
      const connection = await head.connect(alice);
      const key = Buffer.from(`msg-${head.seats[alice].address}`);
      const put = (text: string, revision: number) =>
        putMessages(connection, 'txn', key, encodeMessage(Buffer.from(text)), revision);
      const first = await put('1', 0);
      expect(first.deduped).toBe(false);
      expect(await put('99', 0)).toEqual({ revision: first.revision, deduped: true });
      expect((await put('2', first.revision)).deduped).toBe(false);
      await head.delivered(alice, ['1', '2']);
    });

    scenario(
      'what one of three sends alone arrives once all are back',
      { nodes: 3, releases: RELEASE_NAMES },
      async (head) => {
        await head.start(alice, bob, carol);
        await head.told(alice, { type: 'NetworkConnected' });
        await head.stop(bob, carol);
        await head.send(alice, '123');
        await head.stop(alice);
        await head.start(alice, bob, carol);
        const { delivered } = head.seats[alice];
        await head.until(() => delivered.length > 0, 'a message at its sender');
        // It may have been put twice: by the node before it stopped, and by the one after.
        expect(new Set(delivered)).toEqual(new Set(['123']));
      },
    );

    scenario(
      'a node that was away gets what it missed, and only that',
      { nodes: 3, releases: RELEASE_NAMES },
      async (head) => {
        await head.start(alice, bob, carol);
        await head.send(alice, '123');
        for (const node of [alice, bob, carol]) await head.delivered(node, ['123']);
        await head.stop(carol);
        await head.send(bob, '456');
        for (const node of [alice, bob]) await head.delivered(node, ['123', '456']);
        await head.start(carol);
        await head.delivered(carol, ['123', '456']);
        await head.send(alice, '789');
        await head.delivered(carol, ['123', '456', '789']);
      },
    );

    scenario(
      'tells who is there and whether the network can go on',
      { nodes: 3, releases: RELEASE_NAMES },
      async (head) => {
        const [, bobsAddress, carolsAddress] = head.seats.map(({ address }) => address);
        const { events } = head.seats[alice];
        await head.start(alice, bob, carol);
        await head.told(alice, { type: 'PeerConnected', peer: bobsAddress });
        await head.told(alice, { type: 'PeerConnected', peer: carolsAddress });
        expect(events.some(({ type }) => type === 'NetworkConnected')).toBe(true);
        const together = events.length;
        await head.stop(carol);
        await head.told(alice, { type: 'PeerDisconnected', peer: carolsAddress });
        await head.stop(bob);
        await head.told(alice, { type: 'NetworkDisconnected' }, together);
        const before = events.length;
        await head.start(carol);
        await head.told(alice, { type: 'NetworkConnected' }, before);
        await head.told(alice, { type: 'PeerConnected', peer: carolsAddress }, before);
      },
    );

    scenario(
      'announces anew whose lease was revoked',
      { nodes: 2, unavailable: etcdctlUnavailable() },
      async (head) => {
        const peer = head.seats[bob].address;
        const { events } = head.seats[alice];
        await head.start(alice, bob);
        await head.told(alice, { type: 'PeerConnected', peer });
        const before = events.length;
        for (const lease of (await etcdctl(head.seats[alice].client, 'lease', 'list')).split('\n').slice(1))
          if (lease !== '') await etcdctl(head.seats[alice].client, 'lease', 'revoke', lease);
        await head.told(alice, { type: 'PeerConnected', peer }, before);
      },
    );

    scenario('reports nodes with another protocol', { nodes: 2, versions: [1, 2] }, async (head) => {
      await head.start(alice, bob);
      const mismatches = () =>
        head.seats.flatMap(({ events }) =>
          events.flatMap((event) => (event.type === 'VersionMismatch' ? [event] : [])),
        );
      await head.until(() => mismatches().length > 0, 'either of both told of it');
      const { ours, theirs } = mismatches()[0];
      expect([ours, theirs].sort()).toEqual([1, 2]);
    });

    scenario(
      'reports nodes with another list of peers',
      {
        nodes: 2,
        peersOf: (node, addresses) => (node === alice ? [addresses[bob]] : []),
      },
      async (head) => {
        await head.start(alice, bob);
        const told = () =>
          head.seats.flatMap(({ events }) => events).find(({ type }) => type === 'ClusterIDMismatch');
        await head.until(() => told() !== undefined, 'either of both told of it');
        expect(told()).toMatchObject({
          clusterPeers: expect.stringContaining(
            `${head.seats[bob].address}=http://${head.seats[bob].address}`,
          ),
        });
      },
    );

    scenario('a node that starts late gets all, in order', { nodes: 3 }, async (head) => {
      const { delivered } = head.seats[bob];
      await head.start(alice, bob);
      for (const message of range(1, 100)) {
        await head.send(alice, message);
        await head.until(() => delivered.at(-1) === message, `${message} at bob`);
      }
      await head.start(carol);
      await head.delivered(carol, range(1, 100));
      await head.stop(carol);
      await head.start(carol);
      await head.send(alice, '101');
      await head.delivered(carol, range(1, 101));
    });

    scenario('two nodes answer each other a hundred times', { nodes: 2 }, async (head) => {
      const answer = (node: number) => async (message: string) => {
        const isTheirs = Number(message) % 2 !== node;
        if (isTheirs && Number(message) < 100) await head.send(node, String(Number(message) + 1));
      };
      head.seats[alice].consume = answer(alice);
      head.seats[bob].consume = answer(bob);
      await head.start(alice, bob);
      await head.send(bob, '1');
      for (const node of [alice, bob]) await head.delivered(node, range(1, 100));
    });

    scenario(
      'messages sent back to back arrive in order, once',
      { nodes: 2, releases: RELEASE_NAMES },
      async (head) => {
        await head.start(alice, bob);
        await Promise.all(range(1, 200).map((message) => head.send(alice, message)));
        for (const node of [alice, bob]) await head.delivered(node, range(1, 200));
      },
    );

    scenario('each sender is heard in order by all', { nodes: 3 }, async (head) => {
      await head.start(alice, bob, carol);
      const own = (node: number) => range(1, 60).map((message) => `${node}/${message}`);
      await Promise.all([alice, bob, carol].map((node) => head.send(node, ...own(node))));
      for (const { delivered } of head.seats) {
        await head.until(() => delivered.length >= 180, '180 messages at each node');
        for (const sender of [alice, bob, carol])
          expect(delivered.filter((message) => message.startsWith(`${sender}/`))).toEqual(own(sender));
      }
    });

    scenario('an answer comes after what it answers, at all', { nodes: 3 }, async (head) => {
      for (const node of [bob, carol])
        head.seats[node].consume = async (message) => {
          if (message.startsWith('ask')) await head.send(node, `answer ${message} ${node}`);
        };
      await head.start(alice, bob, carol);
      await head.send(alice, ...range(1, 40).map((i) => `ask ${i}`));
      for (const { delivered } of head.seats) {
        await head.until(() => delivered.length >= 120, '120 messages at each node');
        const early = delivered.filter(
          (message, at) =>
            message.startsWith('answer') && !delivered.slice(0, at).includes(message.slice(7, -2)),
        );
        expect(early).toEqual([]);
      }
    });

    scenario(
      'what is not a list of messages is one message',
      { nodes: 1, releases: ['next'] },
      async (head) => {
        await head.start(alice);
        const connection = await head.connect(alice);
        await putMessages(connection, 'put', Buffer.from('msg-legacy'), encodeMessage(Buffer.from('one')), 0);
        await head.delivered(alice, ['one']);
      },
    );

    scenario(
      'large messages arrive whole, and flood nobody',
      { nodes: 2, releases: RELEASE_NAMES },
      async (head) => {
        await head.start(alice, bob);
        const large = [512, 100, 100, 100].map((kibibytes, i) => String(i).repeat(kibibytes * 1024));
        await head.send(alice, ...large);
        await head.delivered(bob, large);
      },
    );

    scenario(
      'a message of 16 MiB arrives',
      { nodes: 3, releases: ['next'], needs: 'large' },
      async (head) => {
        await head.start(alice, bob, carol);
        const large = 'x'.repeat(16 * 1024 * 1024);
        await head.send(alice, 'before', large, 'after');
        for (const node of [alice, bob, carol]) await head.delivered(node, ['before', large, 'after']);
      },
    );

    scenario('queued messages go out after a restart', { nodes: 3 }, async (head) => {
      await head.start(alice, bob, carol);
      await head.send(alice, ...range(1, 30));
      await head.stop(alice);
      await head.start(alice);
      await head.send(alice, '31');
      const { delivered } = head.seats[bob];
      await head.until(() => delivered.at(-1) === '31', 'the last message');
      // What had been put when the node stopped may be put again: the queue is emptied after the answer.
      expect([...new Set(delivered)]).toEqual(range(1, 31));
    });

    scenario('a network whose etcds are all killed goes on', { nodes: 3 }, async (head) => {
      await head.start(alice, bob, carol);
      await head.send(alice, '1');
      for (const node of [alice, bob, carol]) await head.delivered(node, ['1']);
      await head.kill(alice, bob, carol);
      await head.start(alice, bob, carol);
      await head.send(bob, '2');
      for (const { delivered } of head.seats) {
        await head.until(() => delivered.includes('2'), 'the second message everywhere');
        expect([...new Set(delivered)]).toEqual(['1', '2']);
      }
    });

    scenario(
      'goes on with what is kept where too much was missed',
      { nodes: 3, releases: SURVIVE_COMPACTION, unavailable: etcdctlUnavailable() },
      async (head) => {
        const { delivered, directory } = head.seats[carol];
        await head.start(alice, bob, carol);
        await head.send(alice, ...range(1, 5));
        await head.delivered(carol, range(1, 5));
        await head.stop(carol);
        for (const message of range(6, 100)) {
          await head.send(alice, message);
          await head.until(() => head.seats[bob].delivered.at(-1) === message, `${message} at bob`);
        }
        await etcdctl(head.seats[alice].client, 'compact', '50');

        await head.start(carol);
        await head.until(() => delivered.at(-1) === '100', 'the newest message at carol');
        const first = kind.lacks.compaction === undefined ? 25 : 5;
        expect(delivered.slice(5)).toEqual(range(Number(delivered[5]), 100));
        expect(Number(delivered[5])).toBeGreaterThan(first);
        await head.send(alice, ...range(101, 105));
        await head.until(() => delivered.at(-1) === '105', 'new messages at carol');

        await head.stop(carol);
        delivered.length = 0;
        await rm(join(directory, REVISION_FILE));
        await head.start(carol);
        await head.until(() => delivered.at(-1) === '105', 'the newest message at carol again');
        expect(delivered).toEqual(range(Number(delivered[0]), 105));
        if (kind.lacks.compaction === undefined) expect(Number(delivered[0])).toBeGreaterThan(25);
      },
    );

    scenario(
      'sends no frames that a client counts against it',
      { nodes: 2, releases: NEWEST },
      async (head) => {
        await head.start(alice, bob);
        await head.told(alice, { type: 'PeerConnected', peer: head.seats[bob].address });
        await head.send(alice, ...range(1, 50));
        await head.delivered(alice, range(1, 50));
        const { frames } = head.seats[alice];
        const counted = frames.map(countedAs).filter((kindOfFrame) => kindOfFrame !== undefined);
        const connections = frames.filter(({ type, flags }) => type === FRAME.settings && flags === 1).length;
        // One SETTINGS for each connection, which is all that a server must send.
        expect(connections).toBeGreaterThan(0);
        expect(counted.filter((each) => each !== 'PING')).toEqual(Array(connections).fill('SETTINGS'));
      },
    );

    scenario(
      'ends when its parent is gone',
      { nodes: 1, releases: ['2.3.0'], needs: 'orphan' },
      async (head) => {
        const { address, client, directory } = head.seats[alice];
        const { argv, env } = etcdCommand({
          directory,
          dataDirectory: 'by cluster',
          listen: address,
          advertise: address,
          peers: [],
          path: kind.path,
        });
        const parent = spawn(process.execPath, ['-e', PARENT, JSON.stringify(argv)], { env });
        const pid = Number(await new Promise((done) => parent.stdout.once('data', done)));
        // It is up.
        await head.connect(alice);
        parent.kill('SIGKILL');
        await head.until(() => !isRunning(pid), `no process ${pid} on ${client}`);
      },
    );
  });
}

/** A busy machine runs three servers, and five scenarios at a time. */
const LIMIT_MS = 300_000;

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

/** Starts etcd as a hydra-node does, and tells its process. */
const PARENT = `
const options = { detached: true, stdio: ['inherit', 'ignore', 'pipe'] };
const child = require('node:child_process').spawn('etcd', JSON.parse(process.argv[1]), options);
child.stderr.resume();
console.log(child.pid);
`;
