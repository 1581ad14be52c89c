/**
 * Multicast groups of a running member: a socket for each that it sends to, and one for each that it listens to. In: where, by which
 * interface, datagrams. Out: datagrams that come, or why a group cannot be listened to.
 */
import { networkInterfaces } from 'node:os';
import { addressBytes, needsSource } from '../../bulk/cast/address.js';
import { castKey } from '../../bulk/cast/hearing.js';
import type { CastGroup } from '../../bulk/ports.js';
import { HeadwaterError } from '../../errors.js';
import { type StreamId, streamKey } from '../../wire/symbol.js';
import { SOCKET_BUFFER } from '../socket/datagram-socket.js';
import { createSocket } from '../socket/plain.js';

type Socket = ReturnType<typeof createSocket>;

/** How datagrams leave for a group. */
export interface CastRoute {
  /** Routers that may pass them on, and one more; 1: they stay in the network. */
  ttl: number;
  /** Name or numeric address of the interface; default: as the system chooses. */
  interface?: string | undefined;
}

export class Groups {
  private readonly onDatagram: (key: string, bytes: Uint8Array) => void;
  /** By transfer. */
  private readonly senders = new Map<string, { socket: Socket; to: CastGroup }>();
  private readonly listeners = new Map<string, Socket>();
  /** Name or address of the interface to listen at; default: all. */
  listenAt: string | undefined;

  /** @param onDatagram is given what comes to a group, by its `castKey` */
  constructor(onDatagram: (key: string, bytes: Uint8Array) => void) {
    this.onDatagram = onDatagram;
  }

  /** Opens a socket to send by. Throws INVALID_ARGUMENT for an interface that this machine does not have. */
  open(id: StreamId, to: CastGroup, route: CastRoute): void {
    const isV6 = to.address.includes(':');
    const at = route.interface === undefined ? undefined : interfaceOf(route.interface, isV6);
    const socket = createSocket(isV6);
    socket.unref();
    // What cannot be sent does not come, as any other loss.
    socket.on('error', () => {});
    socket.bind(0, isV6 ? '::' : '0.0.0.0', () => {
      attempt(() => socket.setMulticastTTL(route.ttl));
      attempt(() => socket.setMulticastLoopback(true));
      if (at !== undefined) attempt(() => socket.setMulticastInterface(at));
      this.senders.set(streamKey(id), { socket, to });
    });
  }

  send(id: StreamId, bytes: Uint8Array): void {
    const sender = this.senders.get(streamKey(id));
    if (sender) attempt(() => sender.socket.send(bytes, sender.to.port, sender.to.address, () => {}));
  }

  /** Nothing more goes there. */
  shut(id: StreamId): void {
    const key = streamKey(id);
    this.senders.get(key)?.socket.close();
    this.senders.delete(key);
  }

  /** Listens to a group, anew if it was listened to. @returns why not; undefined if it does */
  async join(id: StreamId, group: CastGroup): Promise<string | undefined> {
    this.leave(id);
    const { address, port, source } = group;
    const isV6 = address.includes(':');
    const socket = createSocket(isV6, true);
    socket.unref();
    this.listeners.set(streamKey(id), socket);
    try {
      await new Promise<void>((done, fail) => {
        socket.once('error', fail);
        // Bound to the group only what is sent there is heard; not every system lets one do that.
        socket.bind(port, process.platform === 'win32' ? undefined : address, done);
      });
      attempt(() => socket.setRecvBufferSize(SOCKET_BUFFER));
      const failures = this.interfaces(isV6).map((at) =>
        attempt(() =>
          source === undefined
            ? socket.addMembership(address, at)
            : socket.addSourceSpecificMembership(source, address, at),
        ),
      );
      if (!failures.includes(undefined)) throw failures[0] ?? new Error('no interface');
    } catch (error) {
      this.leave(id);
      return `it cannot join ${address} (${(error as NodeJS.ErrnoException).code ?? (error as Error).message})`;
    }
    const key = castKey(group);
    socket.removeAllListeners('error');
    socket.on('error', () => {});
    socket.on('message', ({ buffer, byteOffset, length }) =>
      this.onDatagram(key, new Uint8Array(buffer, byteOffset, length)),
    );
    return undefined;
  }

  leave(id: StreamId): void {
    const key = streamKey(id);
    const socket = this.listeners.get(key);
    this.listeners.delete(key);
    if (socket) attempt(() => socket.close());
  }

  close(): void {
    for (const { socket } of this.senders.values()) attempt(() => socket.close());
    for (const socket of this.listeners.values()) attempt(() => socket.close());
    this.senders.clear();
    this.listeners.clear();
  }

  private interfaces(isV6: boolean): string[] {
    if (this.listenAt !== undefined) return [interfaceOf(this.listenAt, isV6)];
    return Object.keys(networkInterfaces()).flatMap((name) => {
      try {
        return [interfaceOf(name, isV6)];
      } catch {
        return [];
      }
    });
  }
}

/**
 * What the system calls an interface where multicast is concerned: an IPv4 address of it, or `::%name`.
 *
 * @param given its name, or a numeric address of it. @throws HeadwaterError INVALID_ARGUMENT if there is none such
 */
export function interfaceOf(given: string, isV6: boolean): string {
  for (const [name, addresses = []] of Object.entries(networkInterfaces()))
    for (const { address, family } of addresses)
      if ((given === name || given === address) && (family === 'IPv6') === isV6)
        return isV6 ? `::%${process.platform === 'win32' ? addresses[0].scopeid : name}` : address;
  throw new HeadwaterError(
    'INVALID_ARGUMENT',
    `interface: expected the name or an ${isV6 ? 'IPv6' : 'IPv4'} address of one of this machine's, got '${given}'`,
  );
}

/** Throws INVALID_ARGUMENT unless this machine has an interface of that name or address. */
export function checkInterface(given: string): void {
  const all = Object.entries(networkInterfaces());
  if (all.some(([name, each = []]) => name === given || each.some(({ address }) => address === given)))
    return;
  throw new HeadwaterError(
    'INVALID_ARGUMENT',
    `interface: expected the name or an address of one of this machine's, got '${given}'`,
  );
}

/** The source that members listen to, if the group is one of a source: then the interface has to be named. */
export function sourceOf(address: string, at: string | undefined): string | undefined {
  if (!needsSource(addressBytes(address))) return undefined;
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, all = []]) =>
    all.map((each) => ({ ...each, name })),
  );
  const family = address.includes(':') ? 'IPv6' : 'IPv4';
  const source = addresses.find(
    (each) =>
      each.family === family && (each.address === at || each.name === at) && !each.address.startsWith('fe80'),
  );
  if (source) return source.address;
  throw new HeadwaterError(
    'INVALID_ARGUMENT',
    `interface: expected one of this machine's, as ${address} is listened to by source, got ${at === undefined ? 'none' : `'${at}'`}`,
  );
}

/** What was thrown, or undefined. */
function attempt(act: () => void): Error | undefined {
  try {
    act();
    return undefined;
  } catch (error) {
    return error as Error;
  }
}
