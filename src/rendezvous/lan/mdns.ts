/**
 * Senders and receivers find each other on the local network: multicast DNS (RFC 6762) with DNS-SD records (RFC 6763) of
 * `_headwater._udp.local`, over IPv4, on each interface and on loopback. In: a number to announce or to look for. Out: addresses. What
 * comes in is anybody's word: it only says where to try.
 */
import { randomBytes } from 'node:crypto';
import multicastDns, { type MulticastDNS, type QueryPacket, type ResponsePacket } from 'multicast-dns';
import { locatorOf } from '../contents.js';
import { multicastHosts } from './machine.js';

/** A sender that says that it has the number. */
export interface Found {
  /** Its name of itself: the same sender may be seen at several addresses. */
  instance: string;
  address: string;
  number: number;
}

interface Handlers {
  onQuery?(packet: QueryPacket): void;
  onResponse?(packet: ResponsePacket, from: string): void;
  /** An interface is there, or has come. */
  onOpen(mdns: MulticastDNS, host: string): void;
}

/** Multicast on all interfaces, as they come and go. */
class Lan {
  /** By address of an interface: why there is no multicast. */
  readonly problems = new Map<string, string>();
  private readonly sockets = new Map<string, MulticastDNS>();
  private readonly handlers: Handlers;
  private readonly timer: NodeJS.Timeout;

  constructor(handlers: Handlers) {
    this.handlers = handlers;
    this.update();
    this.timer = setInterval(() => this.update(), INTERFACES_MS);
  }

  /** Calls for each interface; what cannot be sent is told by `problems`. */
  each(send: (mdns: MulticastDNS, host: string) => void): void {
    for (const [host, mdns] of this.sockets) send(mdns, host);
  }

  async close(): Promise<void> {
    clearInterval(this.timer);
    const all = [...this.sockets.values()];
    this.sockets.clear();
    await Promise.all(all.map((mdns) => new Promise<void>((done) => mdns.destroy(() => done()))));
  }

  private update(): void {
    const hosts = multicastHosts();
    for (const [host, mdns] of this.sockets)
      if (!hosts.includes(host)) {
        this.sockets.delete(host);
        mdns.destroy();
      }
    for (const host of hosts) if (!this.sockets.has(host)) this.open(host);
  }

  private open(host: string): void {
    const mdns = multicastDns({ interface: host, bind: '0.0.0.0', reuseAddr: true, loopback: true });
    this.sockets.set(host, mdns);
    const onProblem = (error: Error) =>
      this.problems.set(host, (error as NodeJS.ErrnoException).code ?? error.message);
    mdns.on('warning', onProblem);
    mdns.on('error', (error) => {
      onProblem(error);
      if (this.sockets.get(host) === mdns) this.sockets.delete(host);
      mdns.destroy();
    });
    const { onQuery, onResponse, onOpen } = this.handlers;
    if (onQuery) mdns.on('query', onQuery);
    if (onResponse) mdns.on('response', (packet, { address }) => onResponse(packet, address));
    mdns.on('ready', () => {
      if (this.sockets.get(host) === mdns) onOpen(mdns, host);
    });
  }
}

/** One of the two sides, until it is closed. */
export interface Search {
  /** By address of an interface: why there is no multicast. */
  readonly problems: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

/** Says that a sender with this number listens on this port. */
export function announce(number: number, port: number): Search {
  const instance = `headwater-${randomBytes(4).toString('hex')}`;
  const service = `${instance}.${SERVICE}`;
  let saidAt = Number.NEGATIVE_INFINITY;
  const say = (mdns: MulticastDNS, host: string) => {
    mdns.respond(
      {
        answers: [{ name: SERVICE, type: 'PTR', ttl: TTL, data: service }],
        additionals: [
          { name: service, type: 'SRV', ttl: TTL, data: { port, target: `${instance}.local` } },
          { name: service, type: 'TXT', ttl: TTL, data: [`n=${number}`] },
          { name: `${instance}.local`, type: 'A', ttl: TTL, data: host },
        ],
      },
      () => {},
    );
  };
  const lan = new Lan({
    onOpen: say,
    onQuery({ questions = [] }) {
      if (!questions.some(({ name }) => name.toLowerCase() === SERVICE)) return;
      // Each interface's socket hears what comes to any; and nobody shall make us shout.
      const now = performance.now();
      if (now - saidAt < AGAIN_MS) return;
      saidAt = now;
      lan.each(say);
    },
  });
  return lan;
}

/** Looks for senders. */
export function browse(onFound: (found: Found) => void): Search {
  const ask = (mdns: MulticastDNS) => mdns.query({ questions: [{ name: SERVICE, type: 'PTR' }] }, () => {});
  const lan = new Lan({
    onOpen: ask,
    onResponse(packet, from) {
      const found = foundIn(packet, from);
      if (found) onFound(found);
    },
  });
  let pause = FIRST_ASK_MS;
  let timer = setTimeout(function again() {
    lan.each(ask);
    pause = Math.min(2 * pause, LAST_ASK_MS);
    timer = setTimeout(again, pause);
  }, pause);
  return {
    problems: lan.problems,
    close() {
      clearTimeout(timer);
      return lan.close();
    },
  };
}

/** The address that it came from is one that it can be reached at, whatever it says of itself. */
function foundIn({ answers = [], additionals = [] }: ResponsePacket, from: string): Found | undefined {
  const records = [...answers, ...additionals];
  for (const record of records) {
    if (record.type !== 'SRV' || !record.name.toLowerCase().endsWith(`.${SERVICE}`)) continue;
    const { port } = record.data;
    if (!Number.isInteger(port) || port < 1 || port > 65535 || record.ttl === 0) continue;
    const text = records.find((each) => each.type === 'TXT' && each.name === record.name);
    const data = text?.type === 'TXT' ? [text.data].flat().map(String) : [];
    const number = Number(/^n=([1-9]\d{0,2})$/.exec(data.find((each) => each.startsWith('n=')) ?? '')?.[1]);
    if (Number.isNaN(number)) continue;
    return { instance: record.name, address: locatorOf(from, port), number };
  }
  return undefined;
}

const SERVICE = '_headwater._udp.local';
const TTL = 10;
const INTERFACES_MS = 3000;
const AGAIN_MS = 200;
const FIRST_ASK_MS = 250;
const LAST_ASK_MS = 4000;
