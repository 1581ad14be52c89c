/** What an operator makes: the first descriptor of a group, the next one, and signatures. In: members and changes. Out: chains. */
import { compareBytes, equalBytes, toHex } from '../../core/bytes.js';
import type { KeyPair } from '../../crypto/keys.js';
import { type HeadwaterError, invalidConfig } from '../../errors.js';
import { type Chain, chainOf, slotsOf } from './chain.js';
import { type Descriptor, majority, type SlotMember, signEpoch } from './descriptor.js';

/** A member without a slot yet. */
export type NewMember = Omit<SlotMember, 'slot'>;

/** What begins a group that changes. */
export interface Beginning {
  name: string;
  members: readonly NewMember[];
  operators: readonly Uint8Array[];
  /** Default: 1. */
  needed?: number | undefined;
  /** Default: a third of the others, rounded down. */
  faulty?: number | undefined;
  /** Default: 2. */
  pessimism?: number | undefined;
}

/** The chain of the first descriptor. @throws HeadwaterError INVALID_CONFIG */
export function beginChain({
  name,
  members,
  operators,
  needed = 1,
  faulty,
  pessimism = 2,
}: Beginning): Chain {
  const sorted = [...members].sort((a, b) => compareBytes(a.publicKey, b.publicKey));
  return chainOf([
    {
      ...{ name, needed, pessimism, faulty: faulty ?? Math.floor((members.length - 1) / 3) },
      members: sorted.map((member, slot) => ({ ...member, slot })),
      operators: [...operators].sort(compareBytes),
      signatures: [],
    },
  ]);
}

/** What is to be another in the next epoch. */
export interface Changes {
  add?: NewMember | undefined;
  /** A member's name. */
  remove?: string | undefined;
  /** This member gives its place, name and addresses to one with another key. */
  rekey?: { name: string; publicKey: Uint8Array } | undefined;
  faulty?: number | undefined;
  pessimism?: number | undefined;
  operators?: readonly Uint8Array[] | undefined;
  needed?: number | undefined;
}

/**
 * The chain with one more descriptor, which nobody has signed. k stays as it is if the group bears it.
 *
 * @throws HeadwaterError INVALID_CONFIG where the table of EPOCHS.md refuses it, or nothing changes
 */
export function propose(chain: Chain, changes: Changes): Chain {
  const before = chain[chain.length - 1];
  const members = [...before.members];
  const take = (name: string) => {
    const at = members.findIndex((member) => member.name === name);
    const names = before.members.map((member) => member.name).join(', ');
    if (at < 0) throw config(`expected a member of epoch ${before.epoch} (${names}), got ${name}`);
    return members.splice(at, 1)[0];
  };
  const { add, remove, rekey } = changes;
  if (remove !== undefined) take(remove);
  const slot = slotsOf(chain);
  if (rekey) members.push({ ...take(rekey.name), slot, publicKey: rekey.publicKey });
  if (add) members.push({ ...add, slot: rekey ? slot + 1 : slot });
  const bearable = members.length - majority(members.length);
  const next: Descriptor = {
    ...before,
    members,
    faulty: changes.faulty ?? Math.min(before.faulty, bearable),
    pessimism: changes.pessimism ?? before.pessimism,
    operators: changes.operators ? [...changes.operators].sort(compareBytes) : before.operators,
    needed: changes.needed ?? before.needed,
    signatures: [],
  };
  if (isSame(before, next)) throw config('expected a change, got none');
  return chainOf([...chain, next], { unsigned: true });
}

/**
 * The chain with this operator's signature under its last descriptor.
 *
 * @throws HeadwaterError INVALID_CONFIG if the key is none of an operator's that the epoch before names
 */
export function sign(chain: Chain, operator: KeyPair): Chain {
  const last = chain[chain.length - 1];
  const before = chain[chain.length - 2];
  if (!before)
    throw config(
      'epoch 0: expected a descriptor that follows another, got the first, which needs no signature',
    );
  if (!before.operators.some((key) => equalBytes(key, operator.publicKey)))
    throw config(
      `epoch ${last.epoch}: expected the key of an operator that epoch ${before.epoch} names (${before.operators.map(toHex).join(', ')}), got ${toHex(operator.publicKey)}`,
    );
  const others = last.signatures.filter((each) => !equalBytes(each.operator, operator.publicKey));
  return chainOf([...chain.slice(0, -1), { ...last, signatures: [...others, signEpoch(last, operator)] }], {
    unsigned: true,
  });
}

function isSame(a: Descriptor, b: Descriptor): boolean {
  const parts = ({ members, faulty, pessimism, operators, needed }: Descriptor) =>
    JSON.stringify([members.map(({ slot }) => slot), faulty, pessimism, needed, operators.map(toHex)]);
  return parts(a) === parts(b);
}

function config(message: string): HeadwaterError {
  return invalidConfig(`next epoch: ${message}`);
}
