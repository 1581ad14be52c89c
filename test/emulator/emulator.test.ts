/**
 * The link emulator over real loopback sockets. Nothing here depends on how long something takes: each test waits for a
 * datagram or a counter, and the test's own time limit is the only clock.
 */
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import {
  type Emulator,
  type EmulatorOptions,
  type HostPort,
  startEmulator,
} from '../../src/emulator/emulator.js';
import { iid } from '../../src/sim/net/loss.js';

interface Endpoint {
  readonly socket: Socket;
  readonly address: HostPort;
  readonly got: { text: string; from: HostPort }[];
  send(text: string, to: HostPort): void;
}

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) await cleanup();
});

test.for(['127.0.0.1', '::1'])(
  'forwards both ways on %s, and each sees the public address of the other',
  async (host, { skip }) => {
    skip(!(await canBind(host)), 'no such address here');
    const { emulator, members } = await group(2, host, { link: { delay: 2_000, jitter: 1_000 } });
    const [a, b] = members;
    const [publicA, publicB] = emulator.addresses;
    for (let i = 0; i < 5; i++) a.send(`a${i}`, publicB);
    await until(() => b.got.length === 5);
    expect(b.got.map(({ text }) => text)).toEqual(['a0', 'a1', 'a2', 'a3', 'a4']);
    for (const { from } of b.got) expect(from).toEqual(publicA);
    // b answers to where the datagram came from, as any UDP program would.
    b.send('answer', b.got[0].from);
    await until(() => a.got.length === 1);
    expect(a.got).toEqual([{ text: 'answer', from: publicB }]);
    expect(emulator.counters()).toMatchObject({
      forwarded: 6,
      inFlight: 0,
      inFlightBytes: 0,
      unknownSource: 0,
      total: { sent: 6, delivered: 6, bytes: 16 },
      directions: [
        { from: 0, to: 1, link: { sent: 5 } },
        { from: 1, to: 0, link: { sent: 1 } },
      ],
    });
  },
);

test('loss of 100 % drops all, until it is changed; links may differ by direction', async () => {
  const { emulator, members } = await group(2, '127.0.0.1', {
    link: (from) => (from === 0 ? { loss: iid(1) } : {}),
  });
  const [a, b] = members;
  for (let i = 0; i < 20; i++) a.send('lost', emulator.addresses[1]);
  b.send('kept', emulator.addresses[0]);
  await until(() => a.got.length === 1 && emulator.counters().total.sent === 21);
  expect(emulator.counters().total).toMatchObject({ lost: 20, delivered: 1 });
  emulator.update({ loss: iid(0) });
  a.send('now', emulator.addresses[1]);
  await until(() => b.got.length > 0);
  expect(b.got.map(({ text }) => text)).toEqual(['now']);
});

test('what comes from a stranger is dropped and counted', async () => {
  const { emulator, members } = await group(2, '127.0.0.1');
  const stranger = await endpoint('127.0.0.1');
  stranger.send('forged', emulator.addresses[1]);
  await until(() => emulator.counters().unknownSource === 1);
  members[0].send('real', emulator.addresses[1]);
  await until(() => members[1].got.length === 1);
  expect(members[1].got[0].text).toBe('real');
});

test('the port of a member at another address is a stranger too', async ({ skip }) => {
  const { emulator, members } = await group(2, '127.0.0.1');
  const impostor = await endpoint('127.0.0.2', members[0].address.port).catch(() => undefined);
  if (impostor === undefined) return skip('no second loopback address here');
  impostor.send('forged', emulator.addresses[1]);
  await until(() => emulator.counters().unknownSource === 1);
  expect(emulator.counters().total.sent).toBe(0);
});

test('targets may be given later, and may move', async () => {
  const [a, b, moved] = await Promise.all([
    endpoint('127.0.0.1'),
    endpoint('127.0.0.1'),
    endpoint('127.0.0.1'),
  ]);
  const emulator = await start({
    ports: [listen('127.0.0.1'), { ...listen('127.0.0.1'), to: a.address }],
    seed: 1,
  });
  b.send('too early', emulator.addresses[1]);
  await until(() => emulator.counters().unknownSource === 1);
  a.send('to nowhere', emulator.addresses[0]);
  await until(() => emulator.counters().noTarget === 1);
  await emulator.setTarget(0, { host: 'localhost', port: b.address.port });
  b.send('hello', emulator.addresses[1]);
  await until(() => a.got.length === 1);
  await emulator.setTarget(0, moved.address);
  a.send('welcome', emulator.addresses[0]);
  await until(() => moved.got.length === 1);
  expect(b.got).toEqual([]);
});

test('duplicates and corruption pass through sockets', async () => {
  const { emulator, members } = await group(2, '127.0.0.1', { link: { duplicate: 1, corrupt: 1 } });
  members[0].send('AAAA', emulator.addresses[1]);
  await until(() => members[1].got.length === 2);
  for (const { text } of members[1].got) expect(text).not.toBe('AAAA');
});

test('the memory limit drops and counts', async () => {
  const { emulator, members } = await group(2, '127.0.0.1', {
    link: { delay: 3_600_000_000 },
    memory: 1_000,
  });
  for (let i = 0; i < 6; i++) members[0].send('x'.repeat(100), emulator.addresses[1]);
  await until(() => emulator.counters().total.sent === 6);
  // 100 bytes and 256 for each datagram: two fit.
  expect(emulator.counters()).toMatchObject({ memoryDropped: 4, inFlight: 2, inFlightBytes: 200 });
});

test('a port in use is one clear line, and leaves no socket open', async () => {
  const taken = await endpoint('127.0.0.1');
  const free = await endpoint('127.0.0.1');
  free.socket.close();
  const ports = [{ listen: free.address }, { listen: taken.address }];
  await expect(startEmulator({ ports, seed: 1 })).rejects.toMatchObject({
    code: 'NETWORK',
    message: `cannot listen on 127.0.0.1:${taken.address.port}: the port is in use`,
  });
  // The first socket was opened before the second failed.
  const emulator = await start({ ports: [ports[0]], seed: 1 });
  expect(emulator.addresses).toEqual([free.address]);
});

test('refuses what cannot be used', async () => {
  const invalid = { code: 'INVALID_ARGUMENT' };
  const at = (host: string, port: number) => ({ listen: { host, port } });
  await expect(startEmulator({ ports: [], seed: 1 })).rejects.toMatchObject(invalid);
  await expect(startEmulator({ ports: [at('127.0.0.1', 70_000)], seed: 1 })).rejects.toMatchObject(invalid);
  await expect(startEmulator({ ports: [at('127.0.0.1', 0), at('::1', 0)], seed: 1 })).rejects.toMatchObject(
    invalid,
  );
  await expect(
    startEmulator({ ports: [at('127.0.0.1', 0)], seed: 1, link: { rate: -1 } }),
  ).rejects.toMatchObject(invalid);
  const emulator = await start({ ports: [at('127.0.0.1', 0)], seed: 1 });
  await expect(emulator.setTarget(1, { host: '127.0.0.1', port: 1 })).rejects.toMatchObject(invalid);
  await expect(emulator.setTarget(0, { host: '127.0.0.1', port: 0 })).rejects.toMatchObject(invalid);
  await expect(emulator.setTarget(0, { host: '0.0.0.0', port: 1 })).rejects.toMatchObject(invalid);
  await expect(emulator.setTarget(0, { host: '::1', port: 1 })).rejects.toMatchObject(invalid);
  expect(() => emulator.update({ loss: iid(0), reorder: 7 })).toThrowError(expect.objectContaining(invalid));
  await emulator.close();
  await emulator.close();
  await expect(emulator.setTarget(0, { host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
    code: 'CLOSED',
  });
});

async function group(size: number, host: string, options: Partial<EmulatorOptions> = {}) {
  const members = await Promise.all(Array.from({ length: size }, () => endpoint(host)));
  // Written in another way than sockets report it: addresses are compared, not their spelling.
  const spelled = host === '::1' ? '0:0:0:0:0:0:0:1' : host;
  const ports = members.map(({ address }) => ({
    ...listen(host),
    to: { host: spelled, port: address.port },
  }));
  return { emulator: await start({ ports, seed: 'test', ...options }), members };
}

async function start(options: EmulatorOptions): Promise<Emulator> {
  const emulator = await startEmulator(options);
  cleanups.push(() => emulator.close());
  return emulator;
}

function listen(host: string) {
  return { listen: { host, port: 0 } };
}

function endpoint(host: string, port = 0): Promise<Endpoint> {
  return new Promise((done, fail) => {
    const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
    const got: Endpoint['got'] = [];
    socket.on('message', (bytes, { address, port }) =>
      got.push({ text: bytes.toString('latin1'), from: { host: address, port } }),
    );
    socket.once('error', fail);
    socket.bind(port, host, () => {
      let open = true;
      socket.once('close', () => {
        open = false;
      });
      cleanups.push(() => open && socket.close());
      done({
        socket,
        address: { host, port: socket.address().port },
        got,
        send: (text, to) => socket.send(text, to.port, to.host),
      });
    });
  });
}

async function canBind(host: string): Promise<boolean> {
  return endpoint(host).then(
    () => true,
    () => false,
  );
}

async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((next) => setTimeout(next, 2));
}
