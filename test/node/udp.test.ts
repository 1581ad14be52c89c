/** The socket: locators by name or number, and whoever else a session has to answer. */
import { createSocket, type Socket } from 'node:dgram';
import { afterEach, expect, test } from 'vitest';
import { openUdp, type UdpSocket } from '../../src/node/udp.js';

const open: { close(): unknown }[] = [];

afterEach(async () => {
  await Promise.all(open.splice(0).map((each) => each.close()));
});

/** A plain socket that keeps what it hears. */
async function plain(): Promise<{ socket: Socket; port: number; heard: Promise<string> }> {
  const socket = createSocket('udp4');
  open.push(socket);
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  const heard = new Promise<string>((done) => socket.once('message', (bytes) => done(bytes.toString())));
  return { socket, port: socket.address().port, heard };
}

async function udp(
  bind: string,
  peers: string[],
): Promise<{ udp: UdpSocket; port: number; heard: Promise<{ from: string; text: string }> }> {
  let hear: (datagram: { from: string; text: string }) => void = () => {};
  const heard = new Promise<{ from: string; text: string }>((done) => {
    hear = done;
  });
  const socket = await openUdp(bind, peers, (from, bytes) =>
    hear({ from, text: Buffer.from(bytes).toString() }),
  );
  open.push(socket);
  return { udp: socket, port: Number(socket.address.split(':').at(-1)), heard };
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

test.each([
  ['127.0.0.1:0', '127.0.0.1'],
  ['127.0.0.1:0', 'localhost'],
  ['[::]:0', '127.0.0.1'],
])('bound to %s: a peer known as %s is sent to, and heard, by that locator', async (bind, name) => {
  const peer = await plain();
  const locator = `${name}:${peer.port}`;
  const ours = await udp(bind, [locator]);
  ours.udp.send(locator, bytes('there'));
  expect(await peer.heard).toBe('there');
  peer.socket.send(bytes('back'), ours.port, '127.0.0.1');
  expect(await ours.heard).toEqual({ from: locator, text: 'back' });
});

test.each(['127.0.0.1:0', '[::]:0'])(
  'bound to %s: who is no peer is heard, and can be answered',
  async (bind) => {
    const stranger = await plain();
    const ours = await udp(bind, []);
    stranger.socket.send(bytes('hello'), ours.port, '127.0.0.1');
    const { from, text } = await ours.heard;
    expect(text).toBe('hello');
    ours.udp.send(from, bytes('who are you?'));
    expect(await stranger.heard).toBe('who are you?');
    expect(ours.udp.sendErrors()).toBe(0);
  },
);

test('an address that cannot be sent to is a send error, and nothing worse', async () => {
  const ours = await udp('127.0.0.1:0', []);
  ours.udp.send('127.0.0.1:0', bytes('nowhere'));
  ours.udp.send('[::1]:9', bytes('not with IPv4'));
  await expect.poll(() => ours.udp.sendErrors(), { timeout: 5000 }).toBe(2);
});
