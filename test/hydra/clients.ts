/**
 * Clients of etcd that are neither ours nor a hydra-node's, against any program named `etcd`: Debian's etcdctl, and the
 * package etcd3. What one node was told another tells, if not at once: so it is asked until it does.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { Etcd3 } from 'etcd3';
import { describe, expect, test } from 'vitest';
import { etcdctl, etcdctlUnavailable } from './etcdctl.js';
import { type EtcdKind, type Head, openHead } from './head.js';

const [alice, bob, carol] = [0, 1, 2];

/** Declares the tests for one kind of etcd. */
export function testClients(kind: EtcdKind): void {
  const title = kind.unavailable === undefined ? kind.name : `${kind.name} (skipped: ${kind.unavailable})`;
  describe.skipIf(kind.unavailable !== undefined).concurrent(title, () => {
    const missing = etcdctlUnavailable();
    const withHead = async (run: (head: Head) => Promise<void>) => {
      await using head = await openHead({ kind, release: '2.3.0', nodes: 3 });
      await head.start(alice, bob, carol);
      await head.told(alice, { type: 'PeerConnected', peer: head.seats[carol].address });
      await run(head);
    };
    const ctl = (name: string, run: (head: Head) => Promise<void>) =>
      test.skipIf(missing !== undefined)(
        `etcdctl: ${name}${missing === undefined ? '' : ` (skipped: ${missing})`}`,
        () => withHead(run),
      );

    ctl('get tells at one node what was put at another', async ({ seats }) => {
      expect(await etcdctl(seats[alice].client, 'put', 'some-key', 'some value')).toBe('OK\n');
      await asked(async () =>
        expect(await etcdctl(seats[bob].client, 'get', 'some-key')).toBe('some-key\nsome value\n'),
      );
      await asked(async () =>
        expect(await etcdctl(seats[carol].client, 'get', '--prefix', 'some', '--print-value-only')).toBe(
          'some value\n',
        ),
      );
    });

    ctl('watch prints what nodes send', async (head) => {
      const { client, address } = head.seats[bob];
      const watch = spawn('etcdctl', ['--endpoints', client, 'watch', '--prefix', 'msg', '--rev', '1']);
      const lines: string[] = [];
      createInterface({ input: watch.stdout }).on('line', (line) => lines.push(line));
      try {
        await head.send(bob, 'hello');
        await head.until(() => lines.some((line) => line.includes('hello')), 'hello from etcdctl');
        expect(lines.slice(0, 2)).toEqual(['PUT', `msg-${address}`]);
      } finally {
        watch.kill();
      }
    });

    ctl('member list and endpoint status name all members', async ({ seats }) => {
      const { members } = JSON.parse(await etcdctl(seats[alice].client, 'member', 'list', '-w', 'json')) as {
        members: { name: string; peerURLs: string[] }[];
      };
      expect(members.map(({ name }) => name).sort()).toEqual(seats.map(({ address }) => address).sort());
      for (const { name, peerURLs } of members) expect(peerURLs).toEqual([`http://${name}`]);
      const endpoints = seats.map(({ client }) => client).join(',');
      const states = JSON.parse(await etcdctl(endpoints, 'endpoint', 'status', '-w', 'json')) as {
        Endpoint: string;
        Status: { version: string; header: { cluster_id: number; member_id: number } };
      }[];
      expect(states.map(({ Endpoint }) => Endpoint)).toEqual(seats.map(({ client }) => client));
      expect(new Set(states.map(({ Status }) => Status.header.cluster_id)).size).toBe(1);
      expect(new Set(states.map(({ Status }) => Status.header.member_id)).size).toBe(3);
      for (const { Status } of states) expect(Status.version).toMatch(/^3\.\d+\.\d+/);
    });

    ctl('a lease is granted, listed, kept and revoked, and its keys go with it', async ({ seats }) => {
      const { client } = seats[alice];
      const id = /^lease (\w+) granted/.exec(await etcdctl(client, 'lease', 'grant', '60'))?.[1] ?? 'none';
      await etcdctl(client, 'put', '--lease', id, 'leased', 'value');
      expect(await etcdctl(client, 'lease', 'list')).toContain(id);
      expect(await etcdctl(client, 'lease', 'keep-alive', '--once', id)).toContain(id);
      expect(await etcdctl(client, 'get', 'leased', '--print-value-only')).toBe('value\n');
      await etcdctl(client, 'lease', 'revoke', id);
      await asked(async () => expect(await etcdctl(client, 'get', 'leased')).toBe(''));
      expect(await etcdctl(client, 'lease', 'list')).not.toContain(id);
    });

    ctl('compaction is taken once, up to the revision there is', async ({ seats }) => {
      const { client } = seats[alice];
      await etcdctl(client, 'put', 'key', 'value');
      expect(await etcdctl(client, 'compaction', '2')).toContain('compacted revision 2');
      await expect(etcdctl(client, 'compaction', '1000000')).rejects.toThrow(
        'required revision is a future revision',
      );
    });

    const package3 = (name: string, run: (etcd: Etcd3, head: Head) => Promise<void>) =>
      test(`etcd3: ${name}`, () =>
        withHead(async (head) => {
          const etcd = new Etcd3({ hosts: `http://${head.seats[alice].client}` });
          try {
            await run(etcd, head);
          } finally {
            etcd.close();
          }
        }));

    package3('puts, gets, and counts by prefix', async (etcd) => {
      await etcd.put('a/1').value('one');
      await etcd.put('a/2').value('two');
      expect(await etcd.get('a/1').string()).toBe('one');
      expect(await etcd.getAll().prefix('a/').strings()).toEqual({ 'a/1': 'one', 'a/2': 'two' });
      expect(await etcd.get('b').string()).toBeNull();
    });

    package3('a transaction takes the branch of its comparison', async (etcd) => {
      const putOnce = async (value: string) =>
        (await etcd.if('once', 'Mod', '==', 0).then(etcd.put('once').value(value)).commit()).succeeded;
      expect(await putOnce('first')).toBe(true);
      expect(await putOnce('second')).toBe(false);
      expect(await etcd.get('once').string()).toBe('first');
    });

    package3('a watch tells what nodes send', async (etcd, head) => {
      const watcher = await etcd.watch().prefix('msg').create();
      const keys: string[] = [];
      watcher.on('put', ({ key }) => keys.push(key.toString()));
      await head.send(carol, 'hello');
      await head.until(() => keys.length > 0, 'a key from the watch');
      expect(keys).toEqual([`msg-${head.seats[carol].address}`]);
    });

    package3('a lease keeps itself alive until it is revoked', async (etcd) => {
      const lease = etcd.lease(5);
      await lease.put('with-lease').value('value');
      await lease.keepaliveOnce();
      expect(await etcd.get('with-lease').string()).toBe('value');
      await lease.revoke();
      await asked(async () => expect(await etcd.get('with-lease').string()).toBeNull());
    });
  });
}

/** Until it no longer fails, for a minute. */
async function asked(question: () => Promise<void>): Promise<void> {
  const deadline = Date.now() + 60_000;
  for (;;)
    try {
      return await question();
    } catch (error) {
      if (Date.now() > deadline) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
}
