/**
 * Who waits becomes a group: one list of members, and for each member its own view of where the others can be reached. Addresses are
 * no part of a group's identity, so that views may differ: what is seen at 127.0.0.1 is there for who is on that machine alone.
 */
import { toHex } from '../core/bytes.js';
import { canonicalLocator, parseLocator } from '../group/locator.js';
import { MAX_LOCATORS } from '../wire/limits.js';
import { locatorOf, piecesOf } from './contents.js';
import type { Guest } from './host.js';

/** The sender, as a member of the group. */
export interface Sender {
  publicKey: Uint8Array;
  name: string;
  port: number;
  /** Addresses of its machine, without ports. */
  hosts: readonly string[];
}

/** A group to be begun. */
export interface Roster {
  /** The group file as the sender has it. */
  group: string;
  /** Who is in it, under which name, and what it is to be told. */
  guests: { guest: Guest; name: string; pieces: Uint8Array[] }[];
  /** Who cannot be in it: it claims the place of somebody else. */
  refused: Guest[];
}

/**
 * @param name of the group
 * @param nameOf what each is called, if not as it calls itself
 */
export function makeRoster(
  name: string,
  sender: Sender,
  guests: readonly Guest[],
  nameOf = (guest: Guest): string => guest.join.name,
): Roster {
  const refused: Guest[] = [];
  const places = new Set(sender.hosts.map((host) => canonicalLocator(locatorOf(host, sender.port))));
  const names = new Set([sender.name]);
  const members = guests.flatMap((guest) => {
    const host = parseLocator(guest.address).host;
    const place = canonicalLocator(locatorOf(host, guest.join.port));
    if (places.has(place)) {
      refused.push(guest);
      return [];
    }
    places.add(place);
    return [{ guest, host, name: unlike(names, nameOf(guest)) }];
  });

  const viewOf = (viewer: (typeof members)[number] | undefined): string => {
    const isNear = viewer === undefined || isLoopback(viewer.host);
    const own = viewer ? [viewer.guest.join.via, ...sender.hosts] : sender.hosts;
    const all = [
      { key: sender.publicKey, name: sender.name, hosts: own, port: sender.port },
      ...members.map(({ guest, host, name }) => {
        const { publicKey, port, hosts } = guest.join;
        const near = isNear || !isLoopback(host) ? [host] : [];
        const seen = [...near, ...hosts.filter((each) => isNear || !isLoopback(each))];
        return { key: publicKey, name, hosts: seen.length > 0 ? seen : [host], port };
      }),
    ];
    const entries = all.map(({ key, name, hosts, port }) => ({
      ...{ name, key: toHex(key) },
      open: hosts.map((each) => locatorOf(each, port)),
      addresses: [] as string[],
    }));
    // The first of each, then the others: nobody's claims come before where another was seen.
    const taken = new Set<string>();
    for (let round = 0; round < MAX_LOCATORS; round++)
      for (const { open, addresses } of entries) {
        const locator = open.find((each) => !taken.has(canonicalLocator(each)));
        if (locator === undefined) continue;
        taken.add(canonicalLocator(locator));
        addresses.push(locator);
      }
    const listed = entries.map(({ name, key, addresses }) => ({ name, key, addresses }));
    return JSON.stringify({ headwater: 'group', version: 1, name, members: listed });
  };

  return {
    group: viewOf(undefined),
    guests: members.map((member) => ({
      guest: member.guest,
      name: member.name,
      pieces: piecesOf({ sender: sender.publicKey, group: viewOf(member) }),
    })),
    refused,
  };
}

function isLoopback(host: string): boolean {
  return /^(127\.|::1$)/.test(host);
}

/** The name, or with a number behind it: none of `names`, to which it is added. */
export function unlike(names: Set<string>, name: string): string {
  let free = name;
  for (let i = 2; names.has(free); i++) free = `${name}-${i}`;
  names.add(free);
  return free;
}
