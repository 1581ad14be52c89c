/**
 * A cluster as etcd's flags describe it: names, addresses and a token, the same at each member, in any order. In: the flags' texts.
 * Out: its members, sorted, the numbers that etcd's clients know them by, and the group that they are once keys are known.
 */
import { toHex } from '../../core/bytes.js';
import { sha256 } from '../../crypto/hash.js';
import { invalidConfig } from '../../errors.js';
import type { Group } from '../../group/group.js';
import { parseLocator } from '../../group/locator.js';
import { MAX_MEMBERS } from '../../wire/limits.js';

export interface ClusterMember {
  name: string;
  /** As it is written in `--initial-cluster`. */
  url: string;
  /** `host:port` or `[host]:port`. */
  locator: string;
  id: bigint;
}

export interface Cluster {
  /** 32 bytes: the same for the same members and token. */
  id: Uint8Array;
  /** The same as etcd's clients are told it. */
  number: bigint;
  /** As it was given, for people. */
  text: string;
  members: readonly ClusterMember[];
  self: number;
}

/**
 * @param initialCluster `name=http://host:port,...`
 * @param name ours
 * @throws HeadwaterError INVALID_CONFIG
 */
export function parseCluster(initialCluster: string, name: string, token: string): Cluster {
  const entries = initialCluster.split(',').map(parseEntry);
  const sorted = entries.sort((a, b) => (`${a.name}=${a.url}` < `${b.name}=${b.url}` ? -1 : 1));
  if (sorted.length > MAX_MEMBERS)
    throw invalidConfig(`initial-cluster: expected at most ${MAX_MEMBERS} members, got ${sorted.length}`);
  for (const what of ['name', 'locator'] as const) {
    const twice = sorted.find((each, i) => sorted.findIndex((other) => other[what] === each[what]) < i);
    if (twice) throw invalidConfig(`initial-cluster: expected each ${what} once, got ${twice[what]} twice`);
  }
  const self = sorted.findIndex((member) => member.name === name);
  if (self < 0)
    throw invalidConfig(
      `initial-cluster: couldn't find local name "${name}" in the initial cluster configuration`,
    );
  const list = sorted.map((member) => `${member.name}=${member.url}`).join(',');
  const id = hash(`headwater cluster v1\0${token}\0${list}`);
  return {
    id,
    number: numberOf(id),
    text: initialCluster,
    members: sorted.map((member) => ({
      ...member,
      id: numberOf(hash(`headwater member v1\0${token}\0${member.name}=${member.url}`)),
    })),
    self,
  };
}

/** `http://host:port`; hydra-node writes IPv6 hosts without brackets. @throws HeadwaterError INVALID_CONFIG */
export function locatorOf(url: string, flag: string): string {
  const match = /^([a-z]+):\/\/(.+):(\d+)\/?$/.exec(url);
  if (!match) throw invalidConfig(`${flag}: expected http://host:port, got ${url}`);
  const [, scheme, host, port] = match;
  if (scheme !== 'http') throw invalidConfig(`${flag}: expected http, got ${scheme} (${url})`);
  const locator = host.includes(':') && !host.startsWith('[') ? `[${host}]:${port}` : `${host}:${port}`;
  parseLocator(locator);
  return locator;
}

/** The cluster as a group: what it is called and who is where in it does not depend on keys, which may be learned later. */
export function groupOf(cluster: Cluster, keys: readonly (Uint8Array | undefined)[]): Group {
  const { members, id } = cluster;
  // Quorum and plan as in any group of that size.
  const { faulty, byzantine, pessimism, quorum, readyQuorum } = shapeOf(members.length);
  return {
    name: toHex(id.subarray(0, 8)),
    id,
    members: members.map(({ name, locator }, index) => ({
      index,
      publicKey: keys[index] ?? UNKNOWN_KEY,
      locator,
      locators: [locator],
      name,
    })),
    faulty,
    byzantine,
    pessimism,
    quorum,
    readyQuorum,
  };
}

/** No point of the curve: no session, and no signature that holds. */
export const UNKNOWN_KEY = new Uint8Array(32).fill(0xff);

function shapeOf(n: number): Pick<Group, 'faulty' | 'byzantine' | 'pessimism' | 'quorum' | 'readyQuorum'> {
  const faulty = Math.floor((n - 1) / 3);
  return { faulty, byzantine: 0, pessimism: 2, quorum: Math.floor(n / 2) + 1, readyQuorum: 0 };
}

function parseEntry(entry: string): { name: string; url: string; locator: string } {
  const at = entry.indexOf('=');
  if (at < 1) throw invalidConfig(`initial-cluster: expected name=http://host:port,..., got ${entry}`);
  const url = entry.slice(at + 1);
  return { name: entry.slice(0, at), url, locator: locatorOf(url, 'initial-cluster') };
}

function hash(text: string): Uint8Array {
  return sha256(new TextEncoder().encode(text));
}

/** Etcd's are 64 bits of a hash, too. */
function numberOf(id: Uint8Array): bigint {
  return BigInt(`0x${toHex(id.subarray(0, 8))}`);
}
