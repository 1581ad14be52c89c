/** Members for tests: keys and group file on disk, and a UDP relay that keeps what passes through it. */
import { createHash, randomBytes } from 'node:crypto';
import { createSocket, type Socket } from 'node:dgram';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { formatPublicKey, formatSecretKey, keyPair } from '../../src/crypto/keys.js';
import { type Group, parseGroup } from '../../src/group/group.js';
import { freePorts } from './cli.js';

export interface Lab {
  folder: string;
  groupFile: string;
  group: Group;
  /** `--group` and `--key` of a member. */
  as(name: string): string[];
}

/** A group of members with these names; addresses are free ports of 127.0.0.1 unless given, one or several for each. */
export async function createLab(
  folder: string,
  names: readonly string[],
  addresses?: readonly (string | readonly string[])[],
): Promise<Lab> {
  const own = addresses ?? (await freePorts(names.length)).map((port) => `127.0.0.1:${port}`);
  const members = await Promise.all(
    names.map(async (name, i) => {
      const seed = randomBytes(32);
      await writeFile(join(folder, `${name}.key`), formatSecretKey(seed), { mode: 0o600 });
      return { name, key: formatPublicKey(keyPair(seed).publicKey), ...where(own[i]) };
    }),
  );
  const text = JSON.stringify({ headwater: 'group', version: 1, name: 'lab', members });
  const groupFile = join(folder, 'group.json');
  await writeFile(groupFile, text);
  return {
    folder,
    groupFile,
    group: parseGroup(text),
    as: (name) => ['--group', groupFile, '--key', join(folder, `${name}.key`)],
  };
}

function where(own: string | readonly string[]): object {
  return typeof own === 'string' ? { address: own } : { addresses: own };
}

/** One end of a wire: what is sent to its address is kept, and goes on to `target`. */
export interface Tap {
  address: string;
  target: string | undefined;
  readonly seen: Buffer[];
}

/** Two members' addresses with a wiretap between them. */
export interface Wire {
  taps: [Tap, Tap];
  /** From now on the first member is at another address, as behind a NAT that has forgotten it. */
  move(): Promise<void>;
  close(): Promise<void>;
}

/**
 * A wire between two members, each known to the other by the address of a tap only: what comes to one tap is passed on from
 * the socket of the other, so that to each member all comes from where it believes the other to be.
 */
export async function openWire(): Promise<Wire> {
  const sockets: [Socket, Socket] = [await openSocket(), await openSocket()];
  const tapOf = (index: 0 | 1): Tap => ({
    address: `127.0.0.1:${sockets[index].address().port}`,
    target: undefined,
    seen: [],
  });
  const taps: [Tap, Tap] = [tapOf(0), tapOf(1)];
  const listen = (index: 0 | 1): void => {
    sockets[index].on('message', (bytes) => {
      const { seen, target } = taps[index];
      seen.push(bytes);
      if (target !== undefined) void sendTo(sockets[1 - index], target, bytes);
    });
  };
  listen(0);
  listen(1);
  return {
    taps,
    async move() {
      const old = sockets[0];
      sockets[0] = await openSocket();
      listen(0);
      await closeSocket(old);
    },
    async close() {
      await Promise.all(sockets.map(closeSocket));
    },
  };
}

/** A socket of nobody. */
export interface Nobody {
  send(datagrams: readonly Uint8Array[]): Promise<void>;
  /** What anybody said to it. */
  readonly heard: Buffer[];
  close(): Promise<void>;
}

export async function openNobody(target: string): Promise<Nobody> {
  const socket = await openSocket();
  const heard: Buffer[] = [];
  socket.on('message', (bytes) => heard.push(bytes));
  return {
    heard,
    async send(datagrams) {
      for (const bytes of datagrams) await sendTo(socket, target, bytes);
    },
    close: () => closeSocket(socket),
  };
}

export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function sendTo(socket: Socket, target: string, bytes: Uint8Array): Promise<void> {
  const [host, port] = target.split(':');
  return new Promise((done, fail) =>
    socket.send(bytes, Number(port), host, (error) => (error ? fail(error) : done())),
  );
}

async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  await new Promise<void>((done) => socket.bind(0, '127.0.0.1', done));
  return socket;
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((done) => socket.close(() => done()));
}
