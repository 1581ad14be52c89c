/** A group that changes, as the rest of a member sees it: all that ever were in it, by slot, and the bounds of its newest epoch. */
import { toHex } from '../../core/bytes.js';
import type { Group, Member } from '../group.js';
import { canonicalLocator } from '../locator.js';
import type { Chain } from './chain.js';
import { majority, type SlotMember } from './descriptor.js';

/** The group of this chain. Its id is the hash of the first descriptor; `Member.index` is the slot. */
export function groupOfChain(chain: Chain): Group {
  const newest = chain[chain.length - 1];
  const all = new Map<number, SlotMember>();
  for (const { members } of chain) for (const member of members) all.set(member.slot, member);
  const present = new Set(newest.members.map(({ slot }) => slot));
  const names = new Set(newest.members.map(({ name }) => name));
  const taken = new Set(newest.members.flatMap(({ locators }) => locators.map(canonicalLocator)));
  const members = [...all.values()]
    .sort((a, b) => a.slot - b.slot)
    .map((member): Member => {
      const { slot: index, publicKey, name } = member;
      if (present.has(index)) return { index, publicKey, name, ...placed(member.locators) };
      // Who takes the place of one that is removed may have its name and be where it was.
      const free = member.locators.filter((locator) => !taken.has(canonicalLocator(locator)));
      for (const locator of free) taken.add(canonicalLocator(locator));
      const own = names.has(name) ? `${name}-${toHex(publicKey.subarray(0, 4))}` : name;
      names.add(own);
      return { index, publicKey, name: own, ...placed(free) };
    });
  return {
    name: newest.name,
    id: chain[0].hash,
    members,
    faulty: newest.faulty,
    byzantine: 0,
    pessimism: newest.pessimism,
    quorum: majority(newest.members.length),
    readyQuorum: 0,
    epochs: chain,
  };
}

function placed(locators: readonly string[]): Pick<Member, 'locator' | 'locators'> {
  return { locator: locators[0] ?? '', locators };
}
