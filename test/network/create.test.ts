/** The facade over real sockets and stores: messages of any type, the consumer's pace, and what it refuses. */
import { readdirSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { createNetwork, rawBytes } from '../../src/network/create.js';
import type { Codec, Connectivity, Notice } from '../../src/network/network.js';
import { gate, numbers, openGroup, until } from './members.js';

describe('messages', () => {
  test('are by default whatever MessagePack takes', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start<unknown>(0);
    const messages = [
      null,
      'wörld',
      -1.5,
      [1, [2]],
      { at: new Date(0), bytes: new Uint8Array([0, 255]), none: null },
    ];
    for (const msg of messages) await alice.network.broadcast(msg);
    await until(() => alice.delivered.length === messages.length);
    expect(alice.delivered).toEqual(messages);
  });

  test('may be bytes as they are, also none at all', async () => {
    const lab = await openGroup(2);
    await using alice = await lab.start(0, { config: { codec: rawBytes } });
    await using bob = await lab.start(1, { config: { codec: rawBytes } });
    for (const size of [0, 1, 100_000, 0]) await alice.network.broadcast(new Uint8Array(size).fill(7));
    await until(() => bob.delivered.length === 4);
    expect(bob.delivered.map((bytes) => [bytes.length, bytes.every((byte) => byte === 7)])).toEqual(
      [0, 1, 100_000, 0].map((size) => [size, true]),
    );
  });

  test('that cannot be decoded are told of and skipped', async () => {
    const picky: Codec<number> = {
      encode: (value) => new Uint8Array([value]),
      decode([value]) {
        if (value === 2) throw new Error('not a two');
        return value;
      },
    };
    const lab = await openGroup(1);
    await using alice = await lab.start<number>(0, { config: { codec: picky } });
    for (const value of [1, 2, 3]) await alice.network.broadcast(value);
    await until(() => alice.delivered.length === 2);
    expect(alice.delivered).toEqual([1, 3]);
    expect(alice.notices).toMatchObject([
      { type: 'undecodable', from: { index: 0 }, error: { message: 'not a two' } },
    ]);
  });

  test('that cannot be encoded are the caller’s to hear of', async () => {
    const lab = await openGroup(1);
    const codec: Codec<bigint> = {
      encode() {
        throw new TypeError('expected a number, got a bigint');
      },
      decode: () => 0n,
    };
    await using alice = await lab.start<bigint>(0, { config: { codec } });
    await expect(alice.network.broadcast(1n)).rejects.toThrow('expected a number');
  });

  test('of more bytes than allowed are refused, and of just as many are not', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start(0, { config: { codec: rawBytes, maxMessageSize: 1000 } });
    await expect(alice.network.broadcast(new Uint8Array(1001))).rejects.toMatchObject({ code: 'TOO_LARGE' });
    await alice.network.broadcast(new Uint8Array(1000));
    await until(() => alice.delivered.length === 1);
  });
});

describe('for await', () => {
  test('a message counts as taken when the next is asked for', async () => {
    const lab = await openGroup(1);
    const first = await lab.start<number>(0, { deliver: undefined });
    for (const i of [1, 2, 3]) await first.network.broadcast(i);
    const taken: number[] = [];
    for await (const { msg, from } of first.network) {
      expect(from).toBe(first.network.self);
      taken.push(msg);
      if (msg === 2) break;
    }
    await first.network.close();
    await using again = await lab.start<number>(0, { deliver: undefined });
    for await (const { msg } of again.network) {
      taken.push(msg);
      if (msg === 3) break;
    }
    // The loop was left in the middle of 2, so that it came again.
    expect(taken).toEqual([1, 2, 2, 3]);
  });

  test('ends when the network is closed', async () => {
    const lab = await openGroup(1);
    const alice = await lab.start<number>(0, { deliver: undefined });
    const loop = (async () => {
      for await (const _ of alice.network) throw new Error('expected no message');
      return 'over';
    })();
    await alice.network.close();
    expect(await loop).toBe('over');
  });

  test('is not to be had together with `deliver`', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start<number>(0);
    expect(() => alice.network[Symbol.asyncIterator]()).toThrow(
      expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
    );
  });
});

describe('a consumer', () => {
  test('that throws gets the same message again, each time reported, before any other', async () => {
    const lab = await openGroup(1);
    const tried: number[] = [];
    await using alice = await lab.start<number>(0, {
      deliver(msg) {
        tried.push(msg);
        if (tried.length < 4) throw new Error(`no ${tried.length}`);
      },
    });
    for (const i of [1, 2]) await alice.network.broadcast(i);
    await until(() => alice.delivered.length === 2);
    expect(tried).toEqual([1, 1, 1, 1, 2]);
    const reports = alice.notices.map((notice) => notice.type === 'consumer-error' && notice);
    expect(reports).toMatchObject(
      [1, 2, 3].map((attempt) => ({
        attempt,
        error: { message: `no ${attempt}` },
        id: { seq: 0, index: 0 },
      })),
    );
  });

  test('that has thrown is given nothing more once the network is closed', async () => {
    const lab = await openGroup(1);
    let tries = 0;
    await using alice = await lab.start<number>(0, {
      deliver() {
        tries++;
        throw new Error('no');
      },
    });
    await alice.network.broadcast(1);
    await until(() => tries > 0);
    await alice.network.close();
    const before = tries;
    // Longer than the next try would have waited.
    await new Promise((done) => setTimeout(done, 20 * 2 ** before));
    expect(tries).toBe(before);
  });

  test('that does not finish costs no memory for what comes meanwhile', async () => {
    setFlagsFromString('--expose-gc');
    const collect = runInNewContext('gc') as () => void;
    const lab = await openGroup(2);
    const { opened, open } = gate();
    await using alice = await lab.start<Uint8Array>(0, { config: { codec: rawBytes } });
    let calls = 0;
    await using bob = await lab.start<Uint8Array>(1, {
      config: { codec: rawBytes },
      deliver() {
        calls++;
        return opened;
      },
    });
    collect();
    const before = process.memoryUsage().arrayBuffers;
    // Four times what the caches of both members hold.
    const count = 512;
    for (let i = 0; i < count; i++) {
      await alice.network.broadcast(new Uint8Array(256 * 1024).fill(i));
      await until(() => alice.delivered.length >= i - 8);
      alice.delivered.fill(new Uint8Array(0));
    }
    collect();
    const grown = process.memoryUsage().arrayBuffers - before;
    expect(calls).toBe(1);
    expect(grown / 1024 ** 2).toBeLessThan(64);
    open();
    await until(() => bob.delivered.length === count);
    expect(bob.delivered.map(([first]) => first)).toEqual(numbers(0, count - 1).map((i) => i & 255));
  });
});

describe('a broadcast', () => {
  test('that is taken back while it waits is never delivered', async () => {
    const lab = await openGroup(1);
    const { opened, open } = gate();
    await using alice = await lab.start<number>(0, {
      config: { maxMessageSize: 100 },
      deliver: () => opened,
    });
    const controller = new AbortController();
    // More than waits in memory.
    const kept = numbers(1, 5000).map((i) => alice.network.broadcast(i));
    const refused = alice.network.broadcast(0, { signal: controller.signal });
    controller.abort('changed my mind');
    await expect(refused).rejects.toMatchObject({ code: 'ABORTED', cause: 'changed my mind' });
    open();
    await Promise.all(kept);
    await until(() => alice.delivered.length === kept.length);
    expect(alice.delivered).toEqual(numbers(1, 5000));
  });

  test('that a close finds waiting is refused, or was durable and comes after a restart, in order', async () => {
    const lab = await openGroup(1);
    const first = await lab.start<number>(0, { deliver: () => new Promise(() => {}) });
    const settled: string[] = [];
    const sending = numbers(1, 500).map((i) =>
      first.network.broadcast(i).then(
        () => (settled[i - 1] = 'durable'),
        (error) => (settled[i - 1] = error.code),
      ),
    );
    await until(() => settled.includes('durable'));
    await first.network.close();
    await Promise.all(sending);
    const durable = settled.lastIndexOf('durable') + 1;
    expect(new Set(settled.slice(0, durable))).toEqual(new Set(['durable']));
    expect(settled.slice(durable).every((code) => code === 'CLOSED')).toBe(true);

    await using again = await lab.start<number>(0);
    await until(() => again.delivered.length >= durable);
    // What was on its way into the store when it was closed may be there.
    expect(again.delivered).toEqual(numbers(1, again.delivered.length));
  });
});

describe('the bound of the store', () => {
  test('refuses what a consumer broadcasts beyond it before it is done', async () => {
    const lab = await openGroup(1);
    const refused: string[] = [];
    const deliver = async (msg: string) => {
      if (msg !== 'question') return;
      for (let i = 0; i < 100 && refused.length === 0; i++)
        await alice.network.broadcast('x'.repeat(30_000)).catch(({ code }) => refused.push(code));
    };
    await using alice = await lab.start<string>(0, { config: { maxStoredBytes: 1_000_000 }, deliver });
    await alice.network.broadcast('question');
    await until(() => alice.delivered.includes('question'));
    expect(refused).toEqual(['BUSY']);
  });
});

describe('a member', () => {
  test('whose key is none of the group’s is refused, and no store is made that would be its', async () => {
    const lab = await openGroup(1);
    const stranger = {
      group: lab.group,
      secretKey: new Uint8Array(32).fill(99),
      storePath: lab.storePath(0),
    };
    await expect(createNetwork(stranger)).rejects.toMatchObject({
      code: 'INVALID_CONFIG',
    });
    expect(readdirSync(lab.folder)).toEqual([]);
  });

  test('alone in its group is connected at once, and hears itself', async () => {
    const lab = await openGroup(1);
    await using alice = await lab.start<string>(0);
    await until(() => alice.events.length > 0);
    expect(alice.events).toEqual([{ type: 'NetworkConnected' }]);
    await alice.network.broadcast('hello');
    await until(() => alice.delivered.length === 1);
    expect(alice.notices).toEqual<Notice[]>([]);
  });

  test('that is closed at once tells of nothing any more', async () => {
    const { group, secretKeys } = await openGroup(1);
    const events: string[] = [];
    const onConnectivity = ({ type }: Connectivity) => void events.push(type);
    const network = await createNetwork({ group, secretKey: secretKeys[0] }, { onConnectivity });
    await network.close();
    await new Promise((done) => setImmediate(done));
    expect(events).toEqual([]);
  });

  test('without a store is one for as long as it runs', async () => {
    const lab = await openGroup(1);
    const config = { group: lab.group, secretKey: lab.secretKeys[0] };
    const seen: string[] = [];
    const open = () => createNetwork<string>(config, { deliver: (msg) => void seen.push(msg) });
    const first = await open();
    await first.broadcast('before');
    await until(() => seen.length === 1);
    await first.close();
    await using second = await open();
    await second.broadcast('after');
    await until(() => seen.length === 2);
    expect(seen).toEqual(['before', 'after']);
  });
});
