/** What a rendezvous needs of this machine: its name and addresses, sockets on all of them, and ports that are free. */
import { hostname, networkInterfaces } from 'node:os';
import { hasHazards } from '../../core/text.js';
import { HeadwaterError } from '../../errors.js';
import { parseLocator } from '../../group/locator.js';
import { openAny } from '../../node/udp.js';
import { MAX_HOSTS, MAX_NAME } from '../contents.js';

/** A name for people, made of this machine's: others see it on their terminals. */
export function machineName(): string {
  const name = hostname().split('.')[0].slice(0, MAX_NAME);
  return name === '' || hasHazards(name) ? 'unnamed' : name;
}

/** Addresses of this machine that others may reach it at, and loopback last; link-local ones need a zone, which is its own. */
export function machineHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const hosts = all.flatMap(({ address, internal }) =>
    internal || /^(fe80:|169\.254\.)/i.test(address) ? [] : [address],
  );
  return [...new Set([...hosts.slice(0, MAX_HOSTS - 1), '127.0.0.1'])];
}

/** IPv4 addresses of interfaces, loopback included: where to look for others by multicast. */
export function multicastHosts(): string[] {
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  return [...new Set(all.flatMap(({ address, family }) => (family === 'IPv4' ? [address] : [])))];
}

/** A port that is held until it is bound to for good. */
export interface Reserved {
  readonly port: number;
  /** Gives the address to bind, free from now on. */
  release(): Promise<string>;
}

/** Holds one of these ports; without any, one that is free. @throws HeadwaterError NETWORK */
export async function reservePort(ports: readonly number[] = [0]): Promise<Reserved> {
  let failure: unknown;
  for (const wanted of ports)
    try {
      const socket = await openAny(wanted);
      const { host, port } = parseLocator(socket.address);
      return {
        port,
        async release() {
          await socket.close();
          return host.includes(':') ? `[::]:${port}` : `0.0.0.0:${port}`;
        },
      };
    } catch (error) {
      failure = error;
    }
  throw failure ?? new HeadwaterError('NETWORK', 'address: expected a free port, got none');
}
