/** The socket: locators by name or number, and whoever else a session has to answer. */
import { createSocket, type Socket } from 'node:dgram';
import { readdir } from 'node:fs/promises';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { MILLISECOND } from '../../src/core/time.js';
import { monotonic } from '../../src/node/clock.js';
import { openUdp, type UdpSocket } from '../../src/node/udp.js';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  vi.unstubAllEnvs();
  await Promise.all(open.splice(0).map((each) => each.close()));
});

/** A plain socket that keeps what it hears. */
async function plain(host = '127.0.0.1'): Promise<{ socket: Socket; port: number; heard: Promise<string> }> {
  const socket = createSocket(host.includes(':') ? 'udp6' : 'udp4');
  open.push(socket);
  await new Promise<void>((done) => socket.bind(0, host, done));
  const heard = new Promise<string>((done) => socket.once('message', (bytes) => done(bytes.toString())));
  return { socket, port: socket.address().port, heard };
}

/** Both ways to drive a socket; here, where it is Linux and koffi is installed, both have to be there. */
const MODES = ['batched', 'dgram'] as const;

async function udp(
  mode: (typeof MODES)[number],
  bind: string,
  peers: string[],
): Promise<{ udp: UdpSocket; port: number; heard: Promise<{ from: string; text: string }> }> {
  let hear: (datagram: { from: string; text: string }) => void = () => {};
  const heard = new Promise<{ from: string; text: string }>((done) => {
    hear = done;
  });
  const socket = await openUdp(
    bind,
    peers,
    (from, bytes) => hear({ from, text: Buffer.from(bytes).toString() }),
    {
      mode,
    },
  );
  open.push(socket);
  expect(socket.status().mode).toBe(mode);
  return { udp: socket, port: Number(socket.address.split(':').at(-1)), heard };
}

/** One of ours that keeps all it hears: length and first byte of each, if it is the same all over. */
async function collector(
  mode: (typeof MODES)[number],
  bind: string,
): Promise<{ address: string; port: number; heard: string[]; late: number[] }> {
  const heard: string[] = [];
  const late: number[] = [];
  const socket = await openUdp(
    bind,
    [],
    (_from, datagram, receivedAt) => {
      late.push(receivedAt === undefined ? 0 : monotonic() - receivedAt);
      heard.push(
        `${datagram.length} of ${datagram.every((byte) => byte === datagram[0]) ? datagram[0] : 'many'}`,
      );
    },
    { mode },
  );
  open.push(socket);
  return { address: socket.address, port: Number(socket.address.split(':').at(-1)), heard, late };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

describe.each(MODES)('driven as %s', (mode) => {
  test.each([
    ['127.0.0.1:0', '127.0.0.1'],
    ['127.0.0.1:0', 'localhost'],
    ['[::]:0', '127.0.0.1'],
  ])('bound to %s: a peer known as %s is sent to, and heard, by that locator', async (bind, name) => {
    const peer = await plain();
    const locator = `${name}:${peer.port}`;
    const ours = await udp(mode, bind, [locator]);
    ours.udp.send(locator, bytes('there'));
    ours.udp.flush();
    expect(await peer.heard).toBe('there');
    peer.socket.send(bytes('back'), ours.port, '127.0.0.1');
    expect(await ours.heard).toEqual({ from: locator, text: 'back' });
  });

  test.each([
    ['127.0.0.1:0', '127.0.0.1'],
    ['[::]:0', '127.0.0.1'],
    ['[::1]:0', '::1'],
  ])('bound to %s: who is no peer is heard from %s, and can be answered', async (bind, host) => {
    const stranger = await plain(host);
    const ours = await udp(mode, bind, []);
    stranger.socket.send(bytes('hello'), ours.port, host);
    const { from, text } = await ours.heard;
    expect({ from, text }).toEqual({
      from: `${host.includes(':') ? `[${host}]` : host}:${stranger.port}`,
      text: 'hello',
    });
    ours.udp.send(from, bytes('who are you?'));
    ours.udp.flush();
    expect(await stranger.heard).toBe('who are you?');
    expect(ours.udp.sendErrors()).toBe(0);
  });

  test('an address that cannot be sent to is a send error, and nothing worse', async () => {
    const ours = await udp(mode, '127.0.0.1:0', []);
    ours.udp.send('127.0.0.1:0', bytes('nowhere'));
    ours.udp.send('[::1]:9', bytes('not with IPv4'));
    ours.udp.flush();
    await expect.poll(() => ours.udp.sendErrors(), { timeout: 5000 }).toBe(2);
  });

  test('one that is in use is refused, by name', async () => {
    const peer = await plain();
    await expect(udp(mode, `127.0.0.1:${peer.port}`, [])).rejects.toMatchObject({
      code: 'NETWORK',
      message: `address: expected to bind 127.0.0.1:${peer.port}, got a port that is in use`,
    });
  });

  test('nobody else may bind its address, not even who would share it', async () => {
    const ours = await udp(mode, '127.0.0.1:0', []);
    const other = createSocket({ type: 'udp4', reuseAddr: true });
    open.push(other);
    const refused = new Promise<NodeJS.ErrnoException>((done) => other.once('error', done));
    other.bind(ours.port, '127.0.0.1');
    expect((await refused).code).toBe('EADDRINUSE');
  });

  test.each(['127.0.0.1:0', '[::1]:0'])(
    'bound to %s: what is sent to several in turn, of all sizes, comes to each in its order and as it was',
    async (bind) => {
      const receivers = await Promise.all([1, 2, 3].map(() => collector(mode, bind)));
      const ours = await udp(
        mode,
        bind,
        receivers.map(({ address }) => address),
      );
      const sent = receivers.map(() => [] as string[]);
      for (let i = 0; i < 40; i++)
        for (const [to, { address }] of receivers.entries()) {
          // Runs of one size, a shorter one that ends a run, and larger ones than fit a frame of Ethernet.
          const size = i % 10 === 9 ? 300 : i % 20 === 15 ? 4000 : 1200;
          const datagram = new Uint8Array(size).fill(i + to);
          sent[to].push(`${size} of ${i + to}`);
          ours.udp.send(address, datagram);
          // Its memory is used again at once.
          datagram.fill(0xff);
        }
      ours.udp.flush();
      for (const [to, { heard }] of receivers.entries())
        await expect.poll(() => [...heard].sort(), { timeout: 5000 }).toEqual([...sent[to]].sort());
      expect(ours.udp.sendErrors()).toBe(0);
    },
  );

  test('what came while nobody looked is all there, and told when it came', async () => {
    const ours = await collector(mode, '127.0.0.1:0');
    const peer = await plain();
    await Promise.all(
      Array.from(
        { length: 50 },
        (_, i) =>
          new Promise((done) => peer.socket.send(new Uint8Array(100 + i), ours.port, '127.0.0.1', done)),
      ),
    );
    await expect.poll(() => ours.heard.length, { timeout: 5000 }).toBe(50);
    // Where the kernel is asked, no time is after the one at which the datagram was handed up.
    expect(ours.late.every((age) => age >= 0)).toBe(true);
  });

  test('leaves nothing open when it is closed', async () => {
    const count = async () => (await readdir('/proc/self/fd')).length;
    const before = await count();
    for (let i = 0; i < 20; i++) {
      const socket = await openUdp('127.0.0.1:0', [], () => {}, { mode });
      socket.send('127.0.0.1:9', bytes('gone'));
      await socket.close();
    }
    expect(await count()).toBeLessThanOrEqual(before);
  });
});

test('in batches: a datagram is said to have come when the kernel had it, not when we came to look', async () => {
  const times: (number | undefined)[] = [];
  const to = await openUdp('127.0.0.1:0', [], (_from, _bytes, receivedAt) => times.push(receivedAt), {
    mode: 'batched',
  });
  const from = await openUdp('127.0.0.1:0', [], () => {}, { mode: 'batched' });
  open.push(to, from);
  // The kernel begins to note times a moment after it is asked to.
  const attempt = async () => {
    times.length = 0;
    for (let i = 0; i < 5; i++) from.send(to.address, new Uint8Array(100));
    from.flush();
    const sentAt = monotonic();
    while (monotonic() < sentAt + 30 * MILLISECOND);
    const looked = monotonic();
    await expect.poll(() => times.length, { timeout: 5000 }).toBe(5);
    return times.every((time) => time! < looked);
  };
  await expect.poll(attempt, { timeout: 5000 }).toBe(true);
});

test('an operator who wants one way gets it, and reads so in its status; what is neither is refused', async () => {
  vi.stubEnv('HEADWATER_SOCKET', 'dgram');
  const socket = await openUdp('127.0.0.1:0', [], () => {});
  open.push(socket);
  expect(socket.status()).toMatchObject({ mode: 'dgram', reason: 'HEADWATER_SOCKET=dgram' });
  vi.stubEnv('HEADWATER_SOCKET', 'fast');
  await expect(openUdp('127.0.0.1:0', [], () => {})).rejects.toMatchObject({ code: 'INVALID_CONFIG' });
});
