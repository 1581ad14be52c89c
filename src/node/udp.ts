/** A UDP socket as the driver needs it: bound once, sends to locators wherever they lead, hands up what arrives. */
import { lookup } from 'node:dns/promises';
import { isIPv6 } from 'node:net';
import type { Micros } from '../core/time.js';
import { HeadwaterError } from '../errors.js';
import { parseLocator } from '../group/locator.js';
import { INITIATION } from '../session/wire.js';
import { formatAddress, type Lookup, type Route, type RouteChange, Routes } from './routes.js';
import type { Binding, DatagramSocket, OnDatagram, SocketStatus, Source } from './socket/datagram-socket.js';
import { openSocket } from './socket/open.js';

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
  /** Nothing more is sent for now: to be called at the end of each turn, since datagrams wait for others to go with. */
  flush(): void;
  /** How it is driven, and why so. */
  status(): SocketStatus;
  close(): Promise<void>;
}

export interface UdpOptions {
  /** Is told where locators lead when that changes, also before the socket is there. */
  onRoute?: ((change: RouteChange) => void) | undefined;
  lookupName?: Lookup | undefined;
  /** How the socket is driven; default: as is best here, or as the operator says. */
  mode?: SocketStatus['mode'] | undefined;
}

/**
 * Binds a socket and looks the peers' names up. A datagram from a peer's address is given up with the peer's locator as its
 * source, any other with its numeric address. Throws NETWORK with the reason (port in use, no such address). One socket
 * serves all locators: the system's routes choose where a datagram leaves, which knows what is up.
 *
 * @param peers their locators; see `Routes` for those that lead nowhere
 * @param onDatagram its bytes may be overwritten, and are valid only until it returns; `receivedAt` is when the kernel had it, where that is known
 */
export async function openUdp(
  bind: string,
  peers: readonly string[],
  onDatagram: (from: string, bytes: Uint8Array, receivedAt: Micros | undefined) => void,
  options: UdpOptions = {},
): Promise<UdpSocket> {
  const { onRoute = () => {}, lookupName, mode } = options;
  const local = parseLocator(bind);
  const host = await resolve(local.host, bind);
  const isV6 = isIPv6(host);
  const socket = await bindTo(
    bind,
    { host, port: local.port, isV6 },
    (...datagram) => hear(...datagram),
    mode,
  );
  /** By locator that is a name: the last request for a session, for where the name leads next. */
  const requests = new Map<string, Uint8Array>();
  const routes = new Routes(
    isV6,
    peers,
    (locator) => {
      latest = NOBODY;
      const request = requests.get(locator);
      if (!request) return;
      transmit(locator, request);
      socket.flush();
    },
    onRoute,
    lookupName,
  );
  let routeErrors = 0;
  // Datagrams mostly come from where the one before came from.
  let latest = NOBODY;
  const others = new Map<string, Route>();
  const routeOf = (to: string) => {
    const known = others.get(to);
    if (known) return known;
    const route = routes.route(to);
    if (routes.isLocator(to)) return route;
    if (others.size >= MAX_OTHERS) others.clear();
    others.set(to, route);
    return route;
  };
  const transmit = (to: string, bytes: Uint8Array) => {
    try {
      return socket.send(routeOf(to), bytes);
    } catch {
      // A name that leads nowhere.
      routeErrors++;
      return true;
    }
  };
  const hear: OnDatagram = (source, bytes, receivedAt) => {
    if (source !== latest.source) {
      const { address, port } = source;
      const isSame = port === latest.source.port && address === latest.source.address;
      latest = { source, from: isSame ? latest.from : routes.from(formatAddress(address, port)) };
    }
    routes.onHeard(latest.from);
    onDatagram(latest.from, bytes, receivedAt);
  };
  await routes.start();
  const { address, port } = socket.address;
  return {
    address: formatAddress(address, port),
    sendErrors: () => socket.sendErrors + routeErrors,
    send(to, bytes) {
      if (bytes[0] === INITIATION && routes.isName(to)) requests.set(to, bytes.slice());
      return transmit(to, bytes);
    },
    flush: () => socket.flush(),
    status: () => socket.status(),
    close() {
      routes.close();
      return socket.close();
    },
  };
}

/** A socket on all addresses of this machine, of both families where there are two; port 0 takes any. @throws HeadwaterError NETWORK */
export async function openAny(
  port: number,
  peers: readonly string[] = [],
  onDatagram: Parameters<typeof openUdp>[2] = () => {},
  options: UdpOptions = {},
): Promise<UdpSocket> {
  try {
    return await openUdp(`[::]:${port}`, peers, onDatagram, options);
  } catch (error) {
    const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
    if (code === 'EADDRINUSE' || code === 'EACCES') throw error;
    return openUdp(`0.0.0.0:${port}`, peers, onDatagram, options);
  }
}

async function bindTo(
  bind: string,
  binding: Binding,
  onDatagram: OnDatagram,
  mode: SocketStatus['mode'] | undefined,
): Promise<DatagramSocket> {
  try {
    return await openSocket(binding, onDatagram, mode);
  } catch (cause) {
    if (cause instanceof HeadwaterError) throw cause;
    const reason = `address: expected to bind ${bind}, got ${reasonOf(cause as NodeJS.ErrnoException)}`;
    throw new HeadwaterError('NETWORK', reason, { cause });
  }
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

const NOBODY: { source: Source; from: string } = { source: { address: '', port: -1 }, from: '' };
/** Addresses of who is not known by a locator. */
const MAX_OTHERS = 1024;
