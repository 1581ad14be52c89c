/**
 * The static group: who its members are, where they can be reached, and how many of them may fail.
 * Read from a group file (JSON); every member must hold the same one, up to the locators.
 */
import { compareBytes, toHex, Writer } from '../core/bytes.js';
import { hasHazards, nearest } from '../core/text.js';
import { isAdmissiblePublicKey, PUBLIC_KEY_BYTES } from '../crypto/ed25519.js';
import { sha256 } from '../crypto/hash.js';
import { parsePublicKey } from '../crypto/keys.js';
import { HeadwaterError, invalidConfig } from '../errors.js';
import { MAX_LOCATORS, MAX_MEMBERS } from '../wire/limits.js';
import type { Epoch } from './epochs/descriptor.js';
import { canonicalLocator, isUnspecified, parseLocator } from './locator.js';

/** One key of the group, and where to reach who has it. */
export interface Member {
  /** Place in the list of members sorted by public key. */
  index: number;
  /** 32 bytes. */
  publicKey: Uint8Array;
  /** Where its datagrams go as long as that works, the first of `locators`: `host:port` or `[host]:port`. Empty if there is none. */
  locator: string;
  /** Everywhere it can be reached, the preferred one first; none if it is the one that calls. */
  locators: readonly string[];
  /** For people; unlike any other member's. */
  name: string;
}

/** All members and what the group can bear: the same at each of them. Made by `createGroup` or `parseGroup`. */
export interface Group {
  /** Groups of the same members under other names do not hear each other. */
  name: string;
  /** SHA-256 over name, fault bounds and member keys: what signatures and sessions are bound to. */
  id: Uint8Array;
  /** Sorted by public key. */
  members: readonly Member[];
  /** k: members that may be crashed, silent or lying. */
  faulty: number;
  /** Cp: symbols planned beyond need, against bad luck. */
  pessimism: number;
  /** f: how many of those may lie. */
  byzantine: number;
  /** Confirms that make an object safe to deliver: two quorums have more than f members in common. */
  quorum: number;
  /** Members that must be READY for an object before it is delivered; 0 where a quorum of confirms is enough. */
  readyQuorum: number;
  /**
   * Of a group that changes, its states from the first on: `members` has all that ever were in it, with the slot as `index`, and the bounds
   * are those of the newest. Absent of a group that stays the same.
   */
  epochs?: readonly Epoch[];
}

/** A member as `createGroup` takes it. */
export interface GroupMemberOptions {
  /** 32 bytes. */
  publicKey: Uint8Array;
  /** Where it can be reached, `host:port` or `[host]:port`; or `locators`. */
  locator?: string;
  /**
   * In place of `locator`: up to 8, the preferred one first. When that goes silent, the others are turned to. None of a member that
   * has no address that others know: it calls those that have one, and these tell the others where it is.
   */
  locators?: readonly string[];
  /** For people. Default: `member-` and its place in the sorted list. */
  name?: string;
}

/** What `createGroup` makes a group of. */
export interface GroupOptions {
  /** Of the group, part of its id. */
  name: string;
  /** In any order, ourselves included: `Group.members` has them sorted by key. */
  members: GroupMemberOptions[];
  /** Default: a third of the others, rounded down. */
  faulty?: number;
  /** Default: 0. At most a third of the others. */
  byzantine?: number;
  /** Default: 2. */
  pessimism?: number;
}

/**
 * Builds a group; members are sorted by key, so any order of the list gives the same group.
 *
 * @throws HeadwaterError INVALID_CONFIG on duplicate keys, no members, a bad locator, or a fault bound that leaves no majority
 * @example
 * const group = createGroup({ name: 'lab', members: [{ publicKey, locator: '127.0.0.1:7001' }] });
 */
export function createGroup(options: GroupOptions): Group {
  checkShape(options);
  const n = options.members.length;
  if (n < 1 || n > MAX_MEMBERS) throw invalidConfig(`members: expected 1 to ${MAX_MEMBERS}, got ${n}`);
  const { faulty = Math.floor((n - 1) / 3), byzantine = 0, pessimism = DEFAULT_PESSIMISM } = options;
  const liars = Math.floor((n - 1) / 3);
  requireInteger(
    'byzantine',
    byzantine,
    0,
    liars,
    ` (of ${n} members; each that may lie takes three others)`,
  );
  const quorum = Math.floor((n + byzantine) / 2) + 1;
  requireInteger('faulty', faulty, byzantine, n - quorum);
  requireInteger('pessimism', pessimism, 0, MAX_PESSIMISM);

  const sorted = [...options.members].sort((a, b) => compareBytes(a.publicKey, b.publicKey));
  const taken = new Set<string>();
  const members = sorted.map(({ publicKey, name, ...where }, index) => {
    if (!isAdmissiblePublicKey(publicKey))
      throw invalidConfig(
        `members: expected Ed25519 public keys, got ${toHex(publicKey)}, which is none (${name ?? 'no name'})`,
      );
    const who = name ?? `the one whose key is ${toHex(publicKey)}`;
    const locators = locatorsOf(where, who);
    const locator = locators[0] ?? '';
    if (index > 0 && compareBytes(publicKey, sorted[index - 1].publicKey) === 0)
      throw invalidConfig(`members: expected distinct keys, got one twice (${name ?? toHex(publicKey)})`);
    for (const each of locators) {
      const address = `address of ${who}`;
      if (parseLocator(each, address).port === 0)
        throw invalidConfig(`${address}: expected a port from 1 to 65535, got ${each}`);
      if (isUnspecified(each))
        throw invalidConfig(
          `${address}: expected one that others can send to, got ${each} (which is one to bind)`,
        );
      const one = canonicalLocator(each);
      if (taken.has(one))
        throw invalidConfig(
          `members: expected distinct addresses, got ${each} twice${one === each ? '' : `, as ${one}`} (${who})`,
        );
      taken.add(one);
    }
    return { index, publicKey, locator, locators, name: name ?? `member-${index}` };
  });
  const names = new Set<string>();
  for (const { name } of members) {
    if (names.has(name)) throw invalidConfig(`members: expected distinct names, got ${name} twice`);
    names.add(name);
  }

  const label = new TextEncoder().encode(`${GROUP_DOMAIN}${options.name}\0${faulty}\0${byzantine}\0`);
  const input = new Writer(label.length + 32 * n).put(label);
  for (const { publicKey } of members) input.put(publicKey);
  const id = sha256(input.finish());
  return {
    name: options.name,
    id,
    members,
    faulty,
    byzantine,
    pessimism,
    quorum,
    // If the only one that may fail is the liar, all others stay to confirm what one of them has seen confirmed.
    readyQuorum: byzantine > 0 && faulty > 1 ? faulty + byzantine + 1 : 0,
  };
}

/**
 * Parses the text of a group file.
 *
 * @param where named at the start of the error, e.g. with the file's path
 * @throws HeadwaterError INVALID_CONFIG, saying which member, what was expected and what came
 * @example
 * // { "headwater": "group", "version": 1, "name": "lab",
 * //   "members": [{ "name": "a", "key": "<64 hex digits>", "address": "127.0.0.1:7001" },
 * //               { "name": "b", "key": "<64 hex digits>", "addresses": ["10.0.1.2:7001", "10.0.2.2:7001"] }, ...] }
 * const group = parseGroup(await readFile('group.json', 'utf8'));
 */
export function parseGroup(text: string, where = 'group file'): Group {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (cause) {
    throw new HeadwaterError('INVALID_CONFIG', `${where}: expected JSON, got ${(cause as Error).message}`, {
      cause,
    });
  }
  const options = groupOptionsOf(json, where);
  try {
    return createGroup(options);
  } catch (cause) {
    throw new HeadwaterError('INVALID_CONFIG', `${where}: ${(cause as Error).message}`, { cause });
  }
}

/** What a group file says, in the shape that `createGroup` checks the rest of. */
function groupOptionsOf(json: unknown, where: string): GroupOptions {
  const file = requireObject(where, json);
  if (file.headwater !== 'group')
    throw invalidConfig(`${where}: expected "headwater": "group", got ${JSON.stringify(file.headwater)}`);
  if (file.version !== GROUP_FILE_VERSION)
    throw invalidConfig(
      `${where}: expected "version": ${GROUP_FILE_VERSION}, got ${JSON.stringify(file.version)}`,
    );
  requireKnown(where, file, FILE_KEYS);
  if (!Array.isArray(file.members))
    throw invalidConfig(`${where}: expected "members" to be a list, got ${typeof file.members}`);
  const options: GroupOptions = {
    name: requireString(`${where}: "name"`, file.name),
    members: file.members.map((entry: unknown, i: number) => {
      const what = `${where}: ${entryName(entry, i)}`;
      const member = requireObject(what, entry);
      requireKnown(what, member, FILE_MEMBER_KEYS);
      return {
        publicKey: parsePublicKey(member.key, `${what}.key`),
        ...requireAddresses(what, member),
        ...(member.name === undefined ? {} : { name: requireString(`${what}.name`, member.name) }),
      };
    }),
  };
  if (file.faulty !== undefined) options.faulty = file.faulty as number;
  if (file.byzantine !== undefined) options.byzantine = file.byzantine as number;
  if (file.pessimism !== undefined) options.pessimism = file.pessimism as number;
  return options;
}

/** Which entry of a list it is: by its place, and its name if it has one. */
function entryName(entry: unknown, i: number): string {
  const name: unknown = Object(entry).name;
  return `members[${i}]${typeof name === 'string' && name !== '' && !hasHazards(name) ? ` (${name})` : ''}`;
}

/** The member that has this key; throws INVALID_CONFIG if there is none, which begins with `where`. */
export function memberWith(group: Group, publicKey: Uint8Array, where = 'key'): Member {
  const { name, members } = group;
  const member = members.find((each) => compareBytes(each.publicKey, publicKey) === 0);
  if (member) return member;
  const names = members.slice(0, MAX_NAMED).map((each) => each.name);
  if (members.length > MAX_NAMED) names.push('...');
  throw invalidConfig(
    `${where}: expected that of a member of group '${name}' (${names.join(', ')}), got another, whose public key is ${toHex(publicKey)}`,
  );
}

/** What a caller without types may get wrong. */
function checkShape(options: GroupOptions): void {
  requireKnown('group', requireObject('group', options), OPTION_KEYS);
  requireName('name', options.name);
  if (!Array.isArray(options.members))
    throw invalidConfig(`members: expected a list, got ${typeof options.members}`);
  for (const [i, member] of options.members.entries()) {
    const what = `members[${i}]`;
    requireKnown(what, requireObject(what, member), MEMBER_KEYS);
    const { publicKey, name, locator, locators } = member;
    if (!(publicKey instanceof Uint8Array) || publicKey.length !== PUBLIC_KEY_BYTES)
      throw invalidConfig(
        `${what}.publicKey: expected a Uint8Array of ${PUBLIC_KEY_BYTES} bytes, got ${typeof publicKey}`,
      );
    if (name !== undefined) requireName(`${what}.name`, name);
    for (const each of [locator, locators].flat())
      if (each !== undefined) requireString(`${what}: address`, each);
  }
}

/** Names are shown to people: beside others, and on terminals. */
function requireName(what: string, value: unknown): void {
  const name = requireString(what, value);
  if (name === '' || hasHazards(name))
    throw invalidConfig(
      `${what}: expected some text without control or invisible characters, got ${JSON.stringify(name)}`,
    );
}

/** An option that is not known may be one that is misspelt, and what it was to say would not hold. */
function requireKnown(what: string, object: Record<string, unknown>, known: readonly string[]): void {
  for (const key of Object.keys(object)) {
    if (known.includes(key)) continue;
    const meant = nearest(key, known, MAX_SLIPS);
    const hint = meant === undefined ? '' : ` (is "${meant}" meant?)`;
    throw invalidConfig(`${what}: expected only ${known.join(', ')}, got ${JSON.stringify(key)}${hint}`);
  }
}

function locatorsOf(
  { locator, locators }: Pick<GroupMemberOptions, 'locator' | 'locators'>,
  who: string,
): readonly string[] {
  if (locator === undefined && locators === undefined)
    throw invalidConfig(`members: expected an address or addresses of ${who}, got neither`);
  // Members of another group have both, the first of all and all.
  if (locator !== undefined && locators !== undefined && (locators[0] ?? '') !== locator)
    throw invalidConfig(
      `members: expected ${locator} to be the first of the addresses of ${who}, got ${locators.join(', ')}`,
    );
  const all = locators ?? [locator!];
  if (all.length > MAX_LOCATORS)
    throw invalidConfig(`addresses of ${who}: expected at most ${MAX_LOCATORS}, got ${all.length}`);
  return all;
}

function requireAddresses(
  what: string,
  { address, addresses }: Record<string, unknown>,
): Pick<GroupMemberOptions, 'locator' | 'locators'> {
  if (addresses === undefined) return { locator: requireString(`${what}.address`, address) };
  if (address !== undefined) throw invalidConfig(`${what}: expected "address" or "addresses", got both`);
  if (!Array.isArray(addresses))
    throw invalidConfig(`${what}.addresses: expected a list, got ${typeof addresses}`);
  return { locators: addresses.map((each, i) => requireString(`${what}.addresses[${i}]`, each)) };
}

function requireObject(what: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidConfig(`${what}: expected an object, got ${value === null ? 'null' : typeof value}`);
  return value as Record<string, unknown>;
}

function requireString(what: string, value: unknown): string {
  if (typeof value !== 'string') throw invalidConfig(`${what}: expected a string, got ${typeof value}`);
  return value;
}

function requireInteger(what: string, value: number, min: number, max: number, why = ''): void {
  if (!Number.isInteger(value) || value < min || value > max)
    throw invalidConfig(
      `${what}: expected an integer from ${min} to ${max}${why}, got ${JSON.stringify(value)}`,
    );
}

const FILE_KEYS = ['headwater', 'version', 'name', 'members', 'faulty', 'byzantine', 'pessimism'];
const FILE_MEMBER_KEYS = ['name', 'key', 'address', 'addresses'];
const OPTION_KEYS = ['name', 'members', 'faulty', 'byzantine', 'pessimism'];
/** A member of another group has an index, which says nothing here. */
const MEMBER_KEYS = ['publicKey', 'name', 'locator', 'locators', 'index'];
const MAX_SLIPS = 3;
/** Of the members that an error lists. */
const MAX_NAMED = 8;
const GROUP_DOMAIN = 'headwater group v1\0';
const GROUP_FILE_VERSION = 1;
const DEFAULT_PESSIMISM = 2;
const MAX_PESSIMISM = 1000;
