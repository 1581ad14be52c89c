/** A UDP socket as the driver needs it: bound once, sends to locators wherever they lead, hands up what arrives. */
import dgram from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import { HeadwaterError } from '../errors.js';
import { parseLocator } from '../group/locator.js';
import { INITIATION } from '../session/wire.js';
import { formatAddress, type Lookup, type RouteChange, Routes } from './routes.js';

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
 * Binds a socket and looks the peers' names up. A datagram from a peer's address is given up with the peer's locator as its
 * source, any other with its numeric address. Throws NETWORK with the reason (port in use, no such address). One socket
 * serves all locators: the system's routes choose where a datagram leaves, which knows what is up.
 *
 * @param peers their locators; see `Routes` for those that lead nowhere
 * @param onRoute is told where they lead when that changes, also before this resolves
 */
export async function openUdp(
  bind: string,
  peers: readonly string[],
  onDatagram: (from: string, bytes: Uint8Array) => void,
  onRoute: (change: RouteChange) => void = () => {},
  lookupName?: Lookup,
): Promise<UdpSocket> {
  const local = parseLocator(bind);
  const host = await resolve(local.host, bind);
  const isV6 = isIPv6(host);
  const socket = await bindSocket(bind, host, local.port, isV6);
  /** By locator that is a name: the last request for a session, for where the name leads next. */
  const requests = new Map<string, Uint8Array>();
  const routes = new Routes(
    isV6,
    peers,
    (locator) => {
      latest.port = -1;
      const request = requests.get(locator);
      if (request) transmit(locator, request);
    },
    onRoute,
    lookupName,
  );
  let sendErrors = 0;
  // Datagrams mostly come from where the one before came from.
  const latest = { address: '', port: -1, from: '' };
  const transmit = (to: string, bytes: Uint8Array) => {
    try {
      const { host: target, port } = routes.route(to);
      socket.send(bytes, port, target, onSent);
    } catch {
      // Port 0, an address of the other family or none: whoever wrote that as its source must not end the process.
      sendErrors++;
    }
  };
  const onSent = (error: Error | null) => {
    if (error) sendErrors++;
  };
  socket.on('error', () => sendErrors++);
  socket.on('message', ({ buffer, byteOffset, length }, { address, port }) => {
    if (port !== latest.port || address !== latest.address) {
      latest.address = address;
      latest.port = port;
      latest.from = routes.from(formatAddress(address, port));
    }
    routes.onHeard(latest.from);
    // A plain array: a Buffer's `slice` is no copy, which code that holds on to a part of it counts on.
    onDatagram(latest.from, new Uint8Array(buffer, byteOffset, length));
  });
  await routes.start();
  const bound = socket.address();
  return {
    address: formatAddress(bound.address, bound.port),
    sendErrors: () => sendErrors,
    send(to, bytes) {
      if (bytes[0] === INITIATION && routes.isName(to)) requests.set(to, bytes.slice());
      transmit(to, bytes);
      return socket.getSendQueueCount() === 0;
    },
    close() {
      routes.close();
      return new Promise((done) => socket.close(() => done()));
    },
  };
}

async function bindSocket(bind: string, host: string, port: number, isV6: boolean): Promise<dgram.Socket> {
  const socket = dgram.createSocket({
    type: isV6 ? 'udp6' : 'udp4',
    // All hosts are addresses by now; Node's own look-up would put each send off by a tick, for nothing.
    lookup: (address, _options, done) => done(null, address, isV6 ? 6 : 4),
  });
  await new Promise<void>((done, fail) => {
    socket.once('error', (cause: NodeJS.ErrnoException) => {
      const reason = `address: expected to bind ${bind}, got ${reasonOf(cause)}`;
      socket.close(() => fail(new HeadwaterError('NETWORK', reason, { cause })));
    });
    socket.bind(port, host, () => done());
  });
  for (const grow of ['setRecvBufferSize', 'setSendBufferSize'] as const) {
    try {
      socket[grow](SOCKET_BUFFER);
    } catch {
      // The kernel's own limit stays in force; a smaller buffer costs datagrams under load, which are made up for.
    }
  }
  return socket;
}

async function resolve(host: string, bind: string): Promise<string> {
  try {
    return (await lookup(host)).address;
  } catch (cause) {
    throw new HeadwaterError('NETWORK', `address: expected a known host to bind, got ${bind}`, { cause });
  }
}

function reasonOf(error: NodeJS.ErrnoException): string {
  if (error.code === 'EADDRINUSE') return 'a port that is in use';
  if (error.code === 'EADDRNOTAVAIL') return 'an address that is not of this machine';
  return error.code ?? error.message;
}

const SOCKET_BUFFER = 4 * 1024 * 1024;
