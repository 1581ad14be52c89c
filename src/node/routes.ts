/**
 * Where the peers' locators lead: numeric addresses as they stand, names as they are looked up. A name is looked up again while
 * nothing comes from where it leads, since a container or a host that starts again may be elsewhere; while its peer is
 * heard, what a name server says changes nothing. What cannot be sent to is told, and keeps nobody from running.
 */
import { lookup } from 'node:dns/promises';
import { isIP, isIPv4, isIPv6 } from 'node:net';
import { HeadwaterError } from '../errors.js';
import { parseLocator } from '../group/locator.js';

export interface Route {
  host: string;
  port: number;
}

/** What has become of a locator: where it leads now, or why nowhere. */
export type RouteChange =
  | { locator: string; address: string }
  /** Looked up again as long as it is. */
  | { locator: string; problem: 'unknown-name'; code: string }
  /** IPv6 only, and our socket is of IPv4. */
  | { locator: string; problem: 'other-family' };

/** The addresses of a name, in the order to be tried. Throws if there are none. */
export type Lookup = (name: string) => Promise<string[]>;

interface Name {
  locator: string;
  name: string;
  port: number;
  /** Numeric; undefined while it leads nowhere. */
  address: string | undefined;
  problem: string | undefined;
  heard: boolean;
  silentTicks: number;
  /** Ticks until the next look-up, and between those after it. */
  wait: number;
  interval: number;
  underWay: boolean;
}

export class Routes {
  private readonly isV6: boolean;
  private readonly routes = new Map<string, Route>();
  /** By numeric address: the locator that leads there. */
  private readonly locators = new Map<string, string>();
  private readonly names = new Map<string, Name>();
  private readonly lookup: Lookup;
  private readonly onMove: (locator: string) => void;
  private readonly onChange: (change: RouteChange) => void;
  private readonly timer: NodeJS.Timeout | undefined;
  private underWay = 0;

  /**
   * @param onMove is called when a locator leads elsewhere than before
   * @param onChange is told of problems, of their end, and of names whose address is another; also while this is being made
   */
  constructor(
    isV6: boolean,
    locators: readonly string[],
    onMove: (locator: string) => void,
    onChange: (change: RouteChange) => void,
    lookupName: Lookup = lookupAll,
  ) {
    this.isV6 = isV6;
    this.onMove = onMove;
    this.onChange = onChange;
    this.lookup = lookupName;
    for (const locator of locators) {
      const { host, port } = parseLocator(locator);
      if (isIP(host)) {
        if (this.canSend(host)) this.set(locator, host, port);
        else onChange({ locator, problem: 'other-family' });
      } else this.names.set(locator, newName(locator, host, port));
    }
    if (this.names.size === 0) return;
    this.timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** Looks all names up, and waits for the answers for a second at most: who is late comes later. */
  async start(): Promise<void> {
    if (this.names.size === 0) return;
    const queue = [...this.names.values()];
    const worker = async () => {
      for (let name = queue.shift(); name; name = queue.shift()) await this.look(name);
    };
    const all = Promise.all(Array.from({ length: MAX_UNDER_WAY }, worker));
    let timer: NodeJS.Timeout | undefined;
    await Promise.race([
      all,
      new Promise((done) => {
        timer = setTimeout(done, FIRST_LOOKUP_MS);
      }),
    ]);
    clearTimeout(timer);
  }

  /** Where to send what goes to a locator, or to a numeric address. Throws for a locator that leads nowhere. */
  route(to: string): Route {
    const known = this.routes.get(to);
    if (known) return known;
    const { host, port } = parseLocator(to);
    if (!isIP(host)) throw new HeadwaterError('NETWORK', `address: expected a known host, got ${to}`);
    return this.numeric(host, port);
  }

  /** The locator that leads to a numeric address; the address itself if there is none. */
  from(address: string): string {
    return this.locators.get(address) ?? address;
  }

  /** Whether it is a locator, which may lead elsewhere later, or an address. */
  isLocator(to: string): boolean {
    return this.routes.has(to);
  }

  /** Whether it is a locator that may lead elsewhere later. */
  isName(locator: string): boolean {
    return this.names.has(locator);
  }

  /** Something has come from a locator. */
  onHeard(locator: string): void {
    const name = this.names.get(locator);
    if (name) name.heard = true;
  }

  close(): void {
    clearInterval(this.timer);
    this.names.clear();
  }

  private tick(): void {
    for (const name of this.names.values()) {
      if (name.heard) {
        name.heard = false;
        name.silentTicks = 0;
        name.wait = 0;
        name.interval = MIN_INTERVAL;
        continue;
      }
      name.silentTicks++;
      if (name.silentTicks < SILENT_TICKS || name.underWay || --name.wait > 0) continue;
      // Each holds a thread of the few that also read and write files.
      if (this.underWay < MAX_UNDER_WAY) void this.look(name);
    }
  }

  private async look(name: Name): Promise<void> {
    // Behind all others, so that names whose server does not answer keep nobody from being looked up.
    if (!this.names.delete(name.locator)) return;
    this.names.set(name.locator, name);
    name.underWay = true;
    this.underWay++;
    let found: string[] = [];
    let code = 'ENOTFOUND';
    try {
      found = await this.lookup(name.name);
    } catch (error) {
      code = (error as NodeJS.ErrnoException).code ?? code;
    }
    this.underWay--;
    name.underWay = false;
    name.wait = name.interval;
    name.interval = Math.min(2 * name.interval, MAX_INTERVAL);
    // Closed meanwhile.
    if (!this.names.has(name.locator)) return;
    const usable = found.filter((address) => this.canSend(address));
    if (usable.length > 0) this.take(name, usable);
    else if (found.length > 0) this.fail(name, { locator: name.locator, problem: 'other-family' });
    // A name server that is away for a while takes nothing back.
    else if (name.address === undefined)
      this.fail(name, { locator: name.locator, problem: 'unknown-name', code });
  }

  private take(name: Name, usable: readonly string[]): void {
    const { locator, address: before } = name;
    // Of several the next, since from this one nothing comes.
    const next = usable[(usable.indexOf(before ?? '') + 1) % usable.length];
    const isNews = name.problem !== undefined || (before !== undefined && !usable.includes(before));
    name.problem = undefined;
    if (next === before) return;
    name.address = next;
    if (before !== undefined) this.locators.delete(formatAddress(before, name.port));
    this.set(locator, next, name.port);
    this.onMove(locator);
    if (isNews) this.onChange({ locator, address: formatAddress(next, name.port) });
  }

  private fail(name: Name, change: RouteChange & { problem: string }): void {
    if (name.problem === change.problem) return;
    name.problem = change.problem;
    this.onChange(change);
  }

  private set(locator: string, address: string, port: number): void {
    this.routes.set(locator, this.numeric(address, port));
    this.locators.set(formatAddress(address, port), locator);
  }

  private canSend(address: string): boolean {
    return this.isV6 || isIPv4(address);
  }

  /** As the socket takes it: IPv6 sockets reach IPv4 addresses through mapped ones. */
  private numeric(host: string, port: number): Route {
    return { host: this.isV6 && isIPv4(host) ? `${MAPPED}${host}` : host, port };
  }
}

/** `host:port` or `[host]:port`; a mapped address is the IPv4 one. */
export function formatAddress(host: string, port: number): string {
  const plain = host.startsWith(MAPPED) ? host.slice(MAPPED.length) : host;
  return isIPv6(plain) ? `[${plain}]:${port}` : `${plain}:${port}`;
}

async function lookupAll(name: string): Promise<string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address);
}

function newName(locator: string, name: string, port: number): Name {
  return {
    locator,
    name,
    port,
    address: undefined,
    problem: undefined,
    heard: false,
    silentTicks: 0,
    wait: 0,
    interval: MIN_INTERVAL,
    underWay: false,
  };
}

/** IPv4 addresses as IPv6 sockets write them. */
const MAPPED = '::ffff:';
const TICK_MS = 250;
/** Heartbeats come each 300 ms: so long a silence is none of chance. */
const SILENT_TICKS = 4;
/** In ticks: names that change are to be found within 5 s, silence and handshake included. */
const MIN_INTERVAL = 2;
const MAX_INTERVAL = 8;
const MAX_UNDER_WAY = 3;
const FIRST_LOOKUP_MS = 1000;
