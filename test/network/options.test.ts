/** What a caller gets wrong is told by name, with what was expected and what came, and leaves nothing open. */
import { readdirSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { createNetwork, rawBytes } from '../../src/network/create.js';
import { Node } from '../../src/node/node.js';
import { openGroup } from './members.js';

const both: [name: string, value: unknown, expected: string][] = [
  ['order', 'casual', 'order: expected fifo or causal, got "casual"'],
  ['maxRate', '5', 'maxRate: expected more than 0 bytes/s, got "5"'],
  ['maxRate', Number.NaN, 'maxRate: expected more than 0 bytes/s, got NaN'],
  ['version', -1, 'version: expected an integer from 0 to 65535, got -1'],
  ['controller', 'reno', 'controller: expected bbr or cubic or newreno, got "reno"'],
  ['controller', 'toString', 'controller: expected bbr or cubic or newreno, got "toString"'],
  ['maxStoredBytes', 0.5, 'maxStoredBytes: expected an integer from 1 to 9007199254740991, got 0.5'],
  ['bind', 7001, 'bind: expected a text, got 7001'],
  ['group', undefined, 'group: expected what createGroup or parseGroup gives, got undefined'],
  ['group', '{ "headwater": "group" }', 'group: expected what createGroup or parseGroup gives, got "{'],
  ['secretKey', '00', 'secretKey: expected a Uint8Array, got "00"'],
  ['secretKey', new Uint8Array(31), 'secretKey: expected 32 bytes, got 31'],
];

describe('an option that is not what it should be', () => {
  test.each([
    ...both,
    ['maxMessageSize', 1e12, 'maxMessageSize: expected an integer'] as const,
    ['deliver', 'x', 'deliver: expected a function, got "x"'] as const,
    ['store', {}, 'store: expected an object with commit, read, '] as const,
    ['relay', 'no', 'relay: expected true or false, got "no"'] as const,
  ])('is told of by Node: %s %j', async (name, value, expected) => {
    const lab = await openGroup(1);
    const options = { group: lab.group, secretKey: lab.secretKeys[0], [name]: value };
    await expect(Node.start(options)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(expected),
    });
  });

  test.each([
    ...both,
    ['maxMessageSize', 0, 'maxMessageSize: expected an integer from 1'] as const,
    ['maxMessageSize', 1e12, 'maxMessageSize: expected an integer'] as const,
    ['storePath', '', 'storePath: expected a text, got ""'] as const,
    ['codec', { encode() {} }, 'codec: expected an object with encode, decode, got an object'] as const,
    ['maxMesageSize', 5, 'got "maxMesageSize"'] as const,
  ])('is told of by createNetwork: %s %j', async (name, value, expected) => {
    const lab = await openGroup(1);
    const config = { group: lab.group, secretKey: lab.secretKeys[0], [name]: value };
    await expect(createNetwork(config)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(expected),
    });
  });

  test('may be a callback', async () => {
    const lab = await openGroup(1);
    const callback = { deliver: 'x' } as never;
    await expect(
      createNetwork({ group: lab.group, secretKey: lab.secretKeys[0] }, callback),
    ).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'deliver: expected a function, got "x"',
    });
  });
});

test('callbacks with a name too many, or that are none, are named; a class may have fields of its own', async () => {
  const lab = await openGroup(1);
  const config = { group: lab.group, secretKey: lab.secretKeys[0] };
  await expect(createNetwork(config, { delivr() {} } as never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: 'callback: expected options among deliver, onConnectivity, onNotice, got "delivr"',
  });
  await expect(createNetwork(config, (() => {}) as never)).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(/^callback: expected an object, got /),
  });
  class Consumer {
    readonly taken: unknown[] = [];
    deliver(msg: unknown): void {
      this.taken.push(msg);
    }
  }
  await using _network = await createNetwork(config, new Consumer());
});

describe('an argument of a call', () => {
  test.each([
    ['text', {}, 'msg: expected a Uint8Array, got "text"'],
    [new Uint8Array(1), { signal: 5 }, 'signal: expected an object with addEventListener'],
    [new Uint8Array(1), { signl: new AbortController().signal }, 'got "signl"'],
    [new Uint8Array(1), null, 'options: expected an object, got null'],
  ])('is told of: %j, %j', async (msg, options, expected) => {
    const lab = await openGroup(1);
    await using alice = await lab.start(0, { config: { codec: rawBytes } });
    await expect(alice.network.broadcast(msg as never, options as never)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: expect.stringContaining(expected),
    });
  });
});

describe('a start that fails', () => {
  const isLinux = process.platform === 'linux';
  const openFiles = () => readdirSync('/proc/self/fd').length;

  test.skipIf(!isLinux)('for an address in use leaves no socket open', async () => {
    const lab = await openGroup(2);
    await using _alice = await lab.start(0, { config: { bind: lab.group.members[1].locator } });
    const config = { group: lab.group, secretKey: lab.secretKeys[1] };
    const start = () => expect(createNetwork(config)).rejects.toMatchObject({ code: 'NETWORK' });
    await start();
    const before = openFiles();
    for (let i = 0; i < 20; i++) await start();
    expect(openFiles()).toBeLessThan(before + 10);
  });

  test('is not one because a callback needs the network that it is about', async () => {
    const lab = await openGroup(1);
    const config = { group: lab.group, secretKey: lab.secretKeys[0] };
    let told = () => {};
    const connected = new Promise<void>((resolve) => {
      told = resolve;
    });
    const network = await createNetwork<string>(config, {
      onConnectivity: () => void network.broadcast('hello').then(told),
    });
    await connected;
    await network.close();
  });
});
