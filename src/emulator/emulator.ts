/**
 * Userspace link emulator: a UDP relay for a group of members, with a simulated link in each direction between any two.
 * Each member gets a public socket here; what another member sends to it is forwarded from that member's own public
 * socket, so the receiver sees whom it came from and nobody needs root. In: addresses, link options, a seed. Out: the
 * public addresses, counters, and handles to change links and targets while it runs.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP, isIPv6, SocketAddress } from 'node:net';
import { performance } from 'node:perf_hooks';
import { TimeHeap } from '../core/heap.js';
import { MILLISECOND, type Micros, NEVER } from '../core/time.js';
import { assertInteger, HeadwaterError } from '../errors.js';
import { type LinkCounters, type LinkRule, LinkTable } from '../sim/net/link.js';

/** An IP address (or a name to be resolved once) and a UDP port. */
export interface HostPort {
  host: string;
  port: number;
}

export interface EmulatorPort {
  /** Where the others reach this member: a socket is opened here. Port 0 takes any that is free. */
  listen: HostPort;
  /** Where this member really is. May be given later, with `setTarget`; until then its datagrams count as unknown. */
  to?: HostPort | undefined;
}

export interface EmulatorOptions {
  /** One for each member; all of one address family. */
  ports: readonly EmulatorPort[];
  /** What the links do, for all or by pair of indices into `ports`. Times are µs. */
  link?: LinkRule<number>;
  /** Decides every loss, delay and flipped bit, per direction; real arrival times are of course not replayed. */
  seed: string | number;
  /** Bytes that may be under way in all links together, 256 added for each datagram. Default 64 MiB. */
  memory?: number;
}

export interface EmulatorCounters {
  /** One for each direction that has seen a datagram. */
  directions: { from: number; to: number; link: LinkCounters }[];
  /** The sum over all directions. */
  total: LinkCounters;
  /** Datagrams handed to a socket. */
  forwarded: number;
  /** Dropped: sent by none of the targets. */
  unknownSource: number;
  /** Dropped: for a member whose address is not known yet. */
  noTarget: number;
  /** Dropped: the memory limit was reached. */
  memoryDropped: number;
  /** Dropped: the operating system did not take them. */
  sendFailed: number;
  /** Datagrams and payload bytes in the links now. */
  inFlight: number;
  inFlightBytes: number;
}

export interface Emulator {
  /** The public addresses, in the order of `ports`, with the ports really bound. */
  readonly addresses: readonly HostPort[];
  /** Tells where member `index` is from now on. @throws HeadwaterError INVALID_ARGUMENT, NETWORK (unknown name), CLOSED */
  setTarget(index: number, to: HostPort): Promise<void>;
  /** Changes the options named on all links, as `LinkTable.update`. @throws HeadwaterError INVALID_ARGUMENT */
  update(link: LinkRule<number>): void;
  counters(): EmulatorCounters;
  /** Closes the sockets; what is under way is dropped. Harmless to repeat. */
  close(): Promise<void>;
}

/**
 * Opens the sockets and starts to relay.
 *
 * @throws HeadwaterError INVALID_ARGUMENT for an option or address that cannot be used, NETWORK if a socket cannot be opened
 * @example
 * const emulator = await startEmulator({
 *   ports: [{ listen: { host: '127.0.0.1', port: 0 } }, { listen: { host: '127.0.0.1', port: 0 } }],
 *   link: { delay: 20_000, loss: iid(0.1) },
 *   seed: 'demo',
 * });
 * await emulator.setTarget(0, { host: '127.0.0.1', port: 7000 });
 */
export async function startEmulator(options: EmulatorOptions): Promise<Emulator> {
  if (options.ports.length === 0)
    throw new HeadwaterError('INVALID_ARGUMENT', 'ports: expected at least one');
  const listens: HostPort[] = [];
  for (const { listen } of options.ports) {
    listens.push(await resolve('listen', listen, 0, listens[0]));
    assertFamily('listen', listens.at(-1)!.host, isIPv6(listens[0].host));
  }
  const ipv6 = isIPv6(listens[0].host);

  const links = new LinkTable<number>(options.seed, options.link);
  const members: Member[] = [];
  const relay = new Relay(members, links, options.memory ?? DEFAULT_MEMORY);
  const close = async () => {
    relay.stop();
    await Promise.all(members.map(({ socket }) => closeSocket(socket)));
  };
  const setTarget = async (index: number, to: HostPort) => {
    assertInteger('index', index, 0, members.length - 1);
    const target = await resolve('to', to, 1, listens[0]);
    assertFamily('to', target.host, ipv6);
    if (target.host === '0.0.0.0' || target.host === '::')
      throw new HeadwaterError('INVALID_ARGUMENT', `to: expected the address of a host, got ${target.host}`);
    if (relay.stopped) throw new HeadwaterError('CLOSED', 'the emulator is closed');
    members[index].target = target;
  };
  try {
    for (const [index, listen] of listens.entries()) {
      const socket = openSocket(ipv6);
      members.push({ socket, target: undefined });
      await bind(socket, listen);
      socket.on('message', (bytes, source) => relay.receive(index, bytes, source));
    }
    for (const [index, { to }] of options.ports.entries()) if (to !== undefined) await setTarget(index, to);
  } catch (error) {
    await close();
    throw error;
  }
  return {
    addresses: members.map(({ socket }) => ({ host: socket.address().address, port: socket.address().port })),
    setTarget,
    update: (rule) => links.update(rule),
    counters: () => relay.counters(),
    close,
  };
}

interface Member {
  readonly socket: Socket;
  target: HostPort | undefined;
}

/** A datagram in a link. Which target it goes to is looked up when it leaves, as a member may have moved. */
interface Pending {
  readonly from: number;
  readonly to: number;
  readonly bytes: Uint8Array;
}

/** The data path: from 'message' events through the links into a heap, and out by one timer. */
class Relay {
  stopped = false;
  private readonly members: readonly Member[];
  private readonly links: LinkTable<number>;
  private readonly memory: number;
  private readonly queue = new TimeHeap<Pending>();
  private inFlightBytes = 0;
  /** Datagrams that a socket has not reported on yet. */
  private unsent = 0;
  private forwarded = 0;
  private unknownSource = 0;
  private noTarget = 0;
  private memoryDropped = 0;
  private sendFailed = 0;
  /** The deadline that the timer or immediate below is armed for, NEVER if neither is. */
  private armedFor: Micros = NEVER;
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;

  constructor(members: readonly Member[], links: LinkTable<number>, memory: number) {
    this.members = members;
    this.links = links;
    this.memory = memory;
  }

  receive(to: number, bytes: Uint8Array, source: RemoteInfo): void {
    const from = this.memberAt(source);
    if (from < 0) {
      this.unknownSource++;
      return;
    }
    if (this.members[to].target === undefined) {
      this.noTarget++;
      return;
    }
    const now = clock();
    for (const delivery of this.links.link(from, to).send(now, bytes)) {
      const size = delivery.bytes.length;
      if (this.inFlightBytes + size + (this.queue.size + 1) * PER_DATAGRAM > this.memory) {
        this.memoryDropped++;
        continue;
      }
      this.inFlightBytes += size;
      this.queue.push(delivery.at, { from, to, bytes: delivery.bytes });
    }
    this.arm(now);
  }

  counters(): EmulatorCounters {
    return {
      directions: [...this.links.entries()].map(([from, to, link]) => ({
        from,
        to,
        link: { ...link.counters },
      })),
      total: this.links.total(),
      forwarded: this.forwarded,
      unknownSource: this.unknownSource,
      noTarget: this.noTarget,
      memoryDropped: this.memoryDropped,
      sendFailed: this.sendFailed,
      inFlight: this.queue.size,
      inFlightBytes: this.inFlightBytes,
    };
  }

  stop(): void {
    this.stopped = true;
    this.disarm();
    this.queue.clear();
    this.inFlightBytes = 0;
  }

  /** Which member really has this address, -1 if none. A scan: groups are small, and a key would be a string per datagram. */
  private memberAt(source: RemoteInfo): number {
    const { members } = this;
    let host = '';
    for (let i = 0; i < members.length; i++) {
      const target = members[i].target;
      if (target === undefined || target.port !== source.port) continue;
      if (host === '') host = canonical(source.address);
      if (target.host === host) return i;
    }
    return -1;
  }

  /** Makes sure that `flush` runs when the earliest datagram is due. */
  private arm(now: Micros): void {
    const deadline = this.queue.nextTime();
    if (this.stopped || deadline >= this.armedFor) return;
    this.disarm();
    this.armedFor = deadline;
    // A JS timer comes up to a millisecond late. Spinning for the rest would take a core that the members need.
    const wait = Math.ceil((deadline - now) / MILLISECOND);
    if (wait >= 1) this.timer = setTimeout(this.flush, wait);
    else this.immediate = setImmediate(this.flush);
  }

  private disarm(): void {
    if (this.timer !== undefined) clearTimeout(this.timer);
    if (this.immediate !== undefined) clearImmediate(this.immediate);
    this.timer = undefined;
    this.immediate = undefined;
    this.armedFor = NEVER;
  }

  /** Forwards what is due, in time order, at most a turn's worth: the sockets must be read in between. */
  private readonly flush = (): void => {
    this.disarm();
    const now = clock();
    for (let left = SENDS_PER_TURN; left > 0 && this.queue.nextTime() <= now; left--) {
      const pending = this.queue.pop()!;
      this.inFlightBytes -= pending.bytes.length;
      this.forward(pending);
    }
    this.arm(now);
  };

  private forward({ from, to, bytes }: Pending): void {
    const target = this.members[to].target;
    if (target === undefined || this.unsent >= UNSENT_LIMIT) {
      this.sendFailed++;
      return;
    }
    this.unsent++;
    this.members[from].socket.send(bytes, target.port, target.host, this.reported);
  }

  private readonly reported = (error: Error | null): void => {
    this.unsent--;
    if (error === null) this.forwarded++;
    else this.sendFailed++;
  };
}

function openSocket(ipv6: boolean): Socket {
  const family = ipv6 ? 6 : 4;
  return createSocket({
    type: ipv6 ? 'udp6' : 'udp4',
    ipv6Only: ipv6,
    // All hosts are addresses by now. Node's own lookup would put each send off by a tick, for nothing.
    lookup: (host, _options, callback) => callback(null, host, family),
  });
}

function bind(socket: Socket, { host, port }: HostPort): Promise<void> {
  return new Promise((done, fail) => {
    socket.once('error', (error: NodeJS.ErrnoException) => {
      const reason = BIND_ERRORS[error.code ?? ''] ?? error.message;
      fail(
        new HeadwaterError('NETWORK', `cannot listen on ${format(host, port)}: ${reason}`, { cause: error }),
      );
    });
    socket.bind({ address: host, port, exclusive: true }, () => {
      socket.removeAllListeners('error');
      // A later error, such as an ICMP answer, concerns one datagram; the send callback counts those that matter.
      socket.on('error', () => {});
      for (const enlarge of [
        () => socket.setRecvBufferSize(BUFFER),
        () => socket.setSendBufferSize(BUFFER),
      ]) {
        try {
          enlarge();
        } catch {
          // The system's limit is lower: smaller buffers lose more under load, and nothing else.
        }
      }
      done();
    });
  });
}

function closeSocket(socket: Socket): Promise<void> {
  return new Promise((done) => {
    try {
      socket.close(done);
    } catch {
      done(); // It was closed before, or never opened.
    }
  });
}

/** Resolves a name, to the address family of `like` where given; writes addresses the one way in which they are compared. */
async function resolve(what: string, given: HostPort, minPort: number, like?: HostPort): Promise<HostPort> {
  const { host, port } = given;
  assertInteger(`${what}.port`, port, minPort, 65_535);
  if (isIP(host) !== 0) return { host: canonical(host), port };
  try {
    const { address } = await lookup(host, { family: like === undefined ? 0 : isIP(like.host) });
    return { host: canonical(address), port };
  } catch (cause) {
    throw new HeadwaterError('NETWORK', `${what}: cannot resolve the host name '${host}'`, { cause });
  }
}

/** 0:0::1 becomes ::1, and ::ffff:10.0.0.1 becomes 10.0.0.1; a zone (%eth0) is kept. */
function canonical(host: string): string {
  if (!host.includes(':')) return host;
  const [address, zone] = host.split('%');
  const short = new SocketAddress({ address, family: 'ipv6' }).address;
  if (short.startsWith('::ffff:') && short.includes('.')) return short.slice('::ffff:'.length);
  return zone === undefined ? short : `${short}%${zone}`;
}

function assertFamily(what: string, host: string, ipv6: boolean): void {
  if (isIPv6(host) !== ipv6)
    throw new HeadwaterError(
      'INVALID_ARGUMENT',
      `${what}: expected an IPv${ipv6 ? 6 : 4} address, as the first port's, got ${host}`,
    );
}

function format(host: string, port: number): string {
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

function clock(): Micros {
  return Math.round(performance.now() * 1_000);
}

const BIND_ERRORS: Record<string, string> = {
  EADDRINUSE: 'the port is in use',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'permission denied',
};
const BUFFER = 4 * 1024 * 1024;
const DEFAULT_MEMORY = 64 * 1024 * 1024;
/** What a datagram costs besides its bytes: the entry of the heap, the array's header. */
const PER_DATAGRAM = 256;
const SENDS_PER_TURN = 256;
/** Far above what one turn sends: reached only if sockets stop taking datagrams. */
const UNSENT_LIMIT = 8_192;
