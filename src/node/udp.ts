/**
 * A UDP socket as the driver needs it: bound once, sends to locators resolved beforehand, hands up what arrives.
 * IPv6 sockets reach IPv4 peers through mapped addresses.
 */
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIPv4, isIPv6 } from 'node:net';
import { parseLocator } from '../broadcast/group.js';
import { HeadwaterError } from '../errors.js';

export interface UdpSocket {
  /** Where it is bound: `host:port` or `[host]:port`. */
  readonly address: string;
  /** Datagrams that the operating system would not take. */
  readonly sendErrors: () => number;
  /**
   * To a locator of `peers`, or to an address that `onDatagram` gave; what cannot be sent to counts as a send error.
   *
   * @returns whether `bytes` are not needed any more: the operating system has taken them, as it mostly does at once
   */
  send(to: string, bytes: Uint8Array): boolean;
  close(): Promise<void>;
}

/**
 * Binds a socket and resolves the peers' names. A datagram from a peer's address is given up with the peer's locator as its
 * source, any other with its numeric address. Throws NETWORK with the reason (port in use, no such address, unknown
 * name). One socket serves all locators: the system's routes choose where a datagram leaves, which knows what is up.
 *
 * @param peers the locators of each; one that this socket cannot reach is left out as long as the peer has another
 */
export async function openUdp(
  bind: string,
  peers: readonly (readonly string[])[],
  onDatagram: (from: string, bytes: Uint8Array) => void,
): Promise<UdpSocket> {
  const local = parseLocator(bind);
  const host = await resolve(local.host, bind);
  const isV6 = isIPv6(host);
  const routes = new Map<string, { host: string; port: number }>();
  const locators = new Map<string, string>();
  for (const peer of peers) {
    let failure: unknown;
    for (const locator of peer) {
      const { host: name, port } = parseLocator(locator);
      try {
        const address = await resolve(name, locator, isV6 ? undefined : 4);
        routes.set(locator, routeTo(address, port, isV6));
        locators.set(formatAddress(address, port), locator);
      } catch (error) {
        failure ??= error;
      }
    }
    if (failure && !peer.some((locator) => routes.has(locator))) throw failure;
  }

  const socket = dgram.createSocket({
    type: isV6 ? 'udp6' : 'udp4',
    // All hosts are addresses by now; Node's own look-up would put each send off by a tick, for nothing.
    lookup: (address, _options, done) => done(null, address, isV6 ? 6 : 4),
  });
  await new Promise<void>((done, fail) => {
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      socket.close();
      fail(
        new HeadwaterError('NETWORK', `address: expected to bind ${bind}, got ${reasonOf(cause)}`, { cause }),
      );
    });
    socket.bind(local.port, host, () => done());
  });
  for (const grow of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[grow](SOCKET_BUFFER);
    } catch {
      // The kernel's own limit stays in force; a smaller buffer costs datagrams under load, which are made up for.
    }
  }
  let sendErrors = 0;
  socket.on('error', () => sendErrors++);
  // Datagrams mostly come from where the one before came from.
  const latest = { address: '', port: 0, from: '' };
  socket.on('message', ({ buffer, byteOffset, length }, { address, port }) => {
    if (port !== latest.port || address !== latest.address) {
      const from = formatAddress(address.startsWith(MAPPED) ? address.slice(MAPPED.length) : address, port);
      latest.address = address;
      latest.port = port;
      latest.from = locators.get(from) ?? from;
    }
    // A plain array: a Buffer's `slice` is no copy, which code that holds on to a part of it counts on.
    onDatagram(latest.from, new Uint8Array(buffer, byteOffset, length));
  });
  const onSent = (error: Error | null) => {
    if (error) sendErrors++;
  };
  const bound = socket.address();
  return {
    address: formatAddress(bound.address, bound.port),
    sendErrors: () => sendErrors,
    send(to, bytes) {
      try {
        const { host: target, port } = routes.get(to) ?? routeOf(to, isV6);
        socket.send(bytes, port, target, onSent);
        return socket.getSendQueueCount() === 0;
      } catch {
        // Port 0, or an address of the other family: whoever wrote that as its source must not end the process.
        sendErrors++;
        return true;
      }
    },
    close: () => new Promise((done) => socket.close(() => done())),
  };
}

function routeOf(to: string, isV6: boolean): { host: string; port: number } {
  const { host, port } = parseLocator(to);
  return routeTo(host, port, isV6);
}

function routeTo(address: string, port: number, isV6: boolean): { host: string; port: number } {
  return { host: isV6 && isIPv4(address) ? `${MAPPED}${address}` : address, port };
}

function formatAddress(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

async function resolve(host: string, locator: string, family?: 4): Promise<string> {
  try {
    return (await lookup(host, family ? { family } : {})).address;
  } catch (cause) {
    const wanted = family ? 'an IPv4 address' : 'a known host';
    throw new HeadwaterError('NETWORK', `address: expected ${wanted}, got ${locator}`, { cause });
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'a port that is in use';
  if (error.code === 'EADDRNOTAVAIL') return 'an address that is not of this machine';
  return error.code ?? error.message;
}

/** IPv4 addresses as IPv6 sockets write them. */
const MAPPED = '::ffff:';
const SOCKET_BUFFER = 4 * 1024 * 1024;
