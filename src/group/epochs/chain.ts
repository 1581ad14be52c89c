/**
 * Descriptors one after the other, from the first of a group on: which may follow which. In: descriptors. Out: the chain, or what is wrong with
 * it. The rules are the table of EPOCHS.md: what a model has not shown to be safe is refused.
 */
import { compareBytes, equalBytes, toHex } from '../../core/bytes.js';
import { isAdmissiblePublicKey } from '../../crypto/ed25519.js';
import { HeadwaterError, invalidConfig } from '../../errors.js';
import { MAX_MEMBERS } from '../../wire/limits.js';
import { createGroup } from '../group.js';
import { type Descriptor, type Epoch, epochOf, signersOf } from './descriptor.js';

/** Epochs of one group, from the first on; at least one. */
export type Chain = readonly Epoch[];

/**
 * The chain of these descriptors.
 *
 * @param unsigned the last may lack signatures: it is a proposal
 * @throws HeadwaterError INVALID_CONFIG, saying of which epoch and what is wrong
 */
export function chainOf(descriptors: readonly Descriptor[], { unsigned = false } = {}): Chain {
  if (descriptors.length < 1 || descriptors.length > MAX_EPOCHS)
    throw invalidConfig(`descriptors: expected 1 to ${MAX_EPOCHS}, got ${descriptors.length}`);
  const chain: Epoch[] = [];
  for (const descriptor of descriptors) {
    const before = chain.at(-1);
    const next = epochOf(descriptor, before);
    checkAlone(next);
    if (before) checkChange(chain, next);
    else if (next.members.some(({ slot }, i) => slot !== i))
      throw invalidConfig('epoch 0: expected slots from 0 on, in the order of the keys');
    const isProposal = unsigned && next.epoch === descriptors.length - 1;
    if (before && !isProposal) checkSigned(before, next);
    chain.push(next);
  }
  return chain;
}

/** Whether `longer` is `chain`, or goes on from it. */
export function continues(chain: Chain, longer: Chain): boolean {
  const last = chain[chain.length - 1];
  return longer.length >= chain.length && equalBytes(longer[chain.length - 1].hash, last.hash);
}

/** Slots that have been given, to whoever. */
export function slotsOf(chain: Chain): number {
  return Math.max(...chain.flatMap(({ members }) => members.map(({ slot }) => slot + 1)));
}

/** What a descriptor must be, whatever it follows. */
function checkAlone(epoch: Epoch): void {
  const { name, members, faulty, pessimism, operators, needed } = epoch;
  const what = `epoch ${epoch.epoch}`;
  try {
    const options = members.map(({ publicKey, locators, name: each }) => ({
      publicKey,
      locators,
      name: each,
    }));
    createGroup({ name, members: options, faulty, byzantine: 0, pessimism });
  } catch (cause) {
    throw new HeadwaterError('INVALID_CONFIG', `${what}: ${(cause as Error).message}`, { cause });
  }
  members.forEach(({ slot }, i) => {
    if (!Number.isInteger(slot) || slot < 0 || slot >= MAX_MEMBERS)
      throw invalidConfig(
        `${what}: expected slots from 0 to ${MAX_MEMBERS - 1}, got ${slot}; a group that has had so many members goes on by \`group next\``,
      );
    if (i > 0 && slot <= members[i - 1].slot)
      throw invalidConfig(`${what}: expected members in the order of their slots`);
  });
  if (operators.length < 1 || operators.length > MAX_OPERATORS)
    throw invalidConfig(`${what}: expected 1 to ${MAX_OPERATORS} operators, got ${operators.length}`);
  operators.forEach((key, i) => {
    if (!isAdmissiblePublicKey(key))
      throw invalidConfig(`${what}: expected keys of operators, got ${toHex(key)}`);
    if (i > 0 && compareBytes(operators[i - 1], key) >= 0)
      throw invalidConfig(`${what}: expected distinct operators, in the order of their keys`);
  });
  if (!Number.isInteger(needed) || needed < 1 || needed > operators.length)
    throw invalidConfig(`${what}: expected 1 to ${operators.length} signatures to be needed, got ${needed}`);
}

/** The table of EPOCHS.md: one member added, one removed, or one of each; k, Cp and operators with it or alone. */
function checkChange(chain: Chain, next: Epoch): void {
  const before = chain[chain.length - 1];
  const what = `epoch ${next.epoch}`;
  if (next.name !== before.name)
    throw invalidConfig(
      `${what}: expected the group's name '${before.name}', got '${next.name}': that is another group`,
    );
  const had = new Map(before.members.map((member) => [member.slot, member]));
  const added = next.members.filter(({ slot, publicKey }) => {
    const old = had.get(slot);
    if (old && !equalBytes(old.publicKey, publicKey))
      throw invalidConfig(`${what}: expected slot ${slot} to keep its key: another key takes another slot`);
    return !old;
  });
  const kept = new Set(next.members.map(({ slot }) => slot));
  const removed = before.members.filter(({ slot }) => !kept.has(slot));
  if (added.length > 1 || removed.length > 1)
    throw invalidConfig(
      `${what}: expected at most one member to be added and one removed, got ${added.length} and ${removed.length}: make several changes, one after another`,
    );
  for (const { slot, name, publicKey } of added) {
    if (slot !== slotsOf(chain))
      throw invalidConfig(
        `${what}: expected slot ${slotsOf(chain)} for ${name}, the next that nobody had, got ${slot}`,
      );
    if (chain.some(({ members }) => members.some((each) => equalBytes(each.publicKey, publicKey))))
      throw invalidConfig(
        `${what}: expected a key of ${name} that was never a member's, got one that was: it needs a new one`,
      );
  }
}

function checkSigned(before: Epoch, next: Epoch): void {
  const signers = signersOf(next, before);
  if (signers < before.needed)
    throw invalidConfig(
      `epoch ${next.epoch}: expected signatures of ${before.needed} of the operators that epoch ${before.epoch} names, got ${signers}`,
    );
}

/** A change an hour for a month and more. */
export const MAX_EPOCHS = 1024;
export const MAX_OPERATORS = 16;
