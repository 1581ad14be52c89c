/**
 * A group as text that another member can be given: a group file. What its id is a hash of nobody can change on the way; the rest is
 * the word of who gives it. In: a group. Out: its file; and a group from a file that was told by one of its members.
 */
import { equalBytes, toHex } from '../core/bytes.js';
import { HeadwaterError } from '../errors.js';
import { formatChain, parseGroupFile } from './epochs/file.js';
import { createGroup, type Group, type Member, memberWith } from './group.js';
import { canonicalLocator } from './locator.js';

/**
 * The text of a group file, which `parseGroupFile` reads back.
 *
 * @example
 * writeFileSync('group.json', formatGroup(group));
 */
export function formatGroup({ name, members, faulty, byzantine, pessimism, epochs }: Group): string {
  if (epochs) return formatChain(epochs);
  const listed = members.map((member) => ({
    name: member.name,
    key: toHex(member.publicKey),
    addresses: member.locators,
  }));
  const file = { headwater: 'group', version: 1, name, faulty, byzantine, pessimism, members: listed };
  return `${JSON.stringify(file, null, 2)}\n`;
}

/** Whether the group's id is the hash of its members: not where keys are learned one by one. */
export function isDescribed({ id, name, members, faulty, byzantine, epochs }: Group): boolean {
  if (epochs) return equalBytes(epochs[0].hash, id);
  try {
    return equalBytes(createGroup({ name, members: [...members], faulty, byzantine }).id, id);
  } catch {
    return false;
  }
}

/** Who has told a group file, and where. */
export interface Told {
  /** The group that was asked for. */
  groupId: Uint8Array;
  /** The member that has told it. */
  teller: Uint8Array;
  /** Where it was asked. */
  address: string;
}

/**
 * The group that a member has told. Name, k, f and keys are right whoever it is, since the id says so. The names of members and Cp
 * are its word alone: they are taken where no member is expected to lie (f = 0).
 *
 * @throws HeadwaterError INVALID_CONFIG if it is no group file, or that of another group
 */
export function groupOfTold(text: string, { groupId, teller, address }: Told): Group {
  const told = parseGroupFile(text, 'what was told');
  if (!equalBytes(told.id, groupId))
    throw new HeadwaterError(
      'INVALID_CONFIG',
      `what was told: expected group ${toHex(groupId)}, got ${toHex(told.id)}`,
    );
  memberWith(told, teller, 'who has told it');
  // Signed, but for addresses, which are where to try.
  if (told.epochs) return told;
  const { name, faulty, byzantine, pessimism } = told;
  const isBelieved = byzantine === 0;
  return createGroup({
    ...{ name, faulty, byzantine },
    ...(isBelieved ? { pessimism } : {}),
    members: told.members.map((member) => ({
      publicKey: member.publicKey,
      locators: equalBytes(member.publicKey, teller) ? withFirst(address, member, told) : member.locators,
      ...(isBelieved ? { name: member.name } : {}),
    })),
  });
}

/** Where it answers goes before where it says that it is, unless another member is said to be there. */
function withFirst(address: string, member: Member, { members }: Group): readonly string[] {
  const one = canonicalLocator(address);
  const isAt = (each: Member) => each.locators.some((locator) => canonicalLocator(locator) === one);
  if (members.some((each) => each !== member && isAt(each))) return member.locators;
  return [address, ...member.locators.filter((locator) => canonicalLocator(locator) !== one)].slice(0, 8);
}
