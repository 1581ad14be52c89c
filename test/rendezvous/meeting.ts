/** One host and its guests on a network that loses, repeats and reorders, on a clock of its own. */
import { Rng } from '../../src/core/rng.js';
import { MILLISECOND, type Micros, SECOND } from '../../src/core/time.js';
import { keyPair } from '../../src/crypto/keys.js';
import type { Join } from '../../src/rendezvous/contents.js';
import { Guest, type GuestEvent } from '../../src/rendezvous/guest.js';
import { Host, type HostEvent } from '../../src/rendezvous/host.js';

export const CODE = '7-clockwork-crossover';
export const HOST = '192.0.2.1:7800';

export interface Net {
  loss: number;
  repeats: number;
}

interface Flight {
  at: Micros;
  from: string;
  to: string;
  bytes: Uint8Array;
}

export class Meeting {
  now: Micros = 1000 * SECOND;
  readonly host: Host;
  readonly told: HostEvent[] = [];
  /** Every datagram that was sent. */
  readonly sent: Flight[] = [];
  private readonly rng: Rng;
  private readonly net: Net;
  private readonly guests = new Map<string, { guest: Guest; told: GuestEvent[] }>();
  private flights: Flight[] = [];

  constructor(seed: string | number, net: Net = { loss: 0, repeats: 0 }) {
    this.rng = new Rng(seed);
    this.net = net;
    const random = this.rng.fork('host');
    this.host = new Host({ code: CODE, number: 7, random: (length) => random.bytes(length) });
  }

  /** A receiver at an address; `told` fills while it runs. */
  join(
    address: string,
    { code = CODE, number = 7, ...rest }: { code?: string; number?: number } & Partial<Join> = {},
  ) {
    const random = this.rng.fork(address);
    const guest = new Guest(this.now, {
      ...{ code, number, join: () => joinOf(random.bytes(32), rest) },
      random: (length) => random.bytes(length),
    });
    const told: GuestEvent[] = [];
    this.guests.set(address, { guest, told });
    return { guest, told };
  }

  /** As if it were cut off. */
  drop(address: string): void {
    this.guests.delete(address);
  }

  send(from: string, to: string, bytes: Uint8Array): void {
    const flight = { at: this.now, from, to, bytes };
    this.sent.push(flight);
    const copies = this.rng.chance(this.net.loss) ? 0 : this.rng.chance(this.net.repeats) ? 2 : 1;
    for (let i = 0; i < copies; i++)
      this.flights.push({ ...flight, at: this.now + this.rng.integer(1, 40) * MILLISECOND });
  }

  run(seconds: number): this {
    const end = this.now + seconds * SECOND;
    for (; this.now < end; this.now += 5 * MILLISECOND) this.turn();
    return this;
  }

  private turn(): void {
    const { now, host } = this;
    const due = this.flights.filter(({ at }) => at <= now);
    this.flights = this.flights.filter(({ at }) => at > now);
    for (const { from, to, bytes } of due)
      if (to === HOST) host.handleDatagram(now, from, bytes);
      else this.guests.get(to)?.guest.handleDatagram(now, bytes);
    if (host.nextTimeout() <= now) host.handleTimeout(now);
    for (let out = host.pollTransmit(); out; out = host.pollTransmit()) this.send(HOST, out.to, out.bytes);
    for (let event = host.pollEvent(); event; event = host.pollEvent()) this.told.push(event);
    for (const [address, { guest, told }] of this.guests) {
      if (guest.nextTimeout() <= now) guest.handleTimeout(now);
      for (let out = guest.pollTransmit(now); out; out = guest.pollTransmit(now))
        this.send(address, HOST, out);
      for (let event = guest.pollEvent(); event; event = guest.pollEvent()) told.push(event);
    }
  }
}

export function joinOf(seed: Uint8Array, rest: Partial<Join> = {}): Join {
  const { publicKey } = keyPair(seed);
  const place = seed.slice(0, 16);
  return { publicKey, port: 9000, name: 'anna', place, hosts: ['10.0.0.2'], via: '192.0.2.1', ...rest };
}
