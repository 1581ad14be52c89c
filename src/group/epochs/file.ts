/**
 * The file of a group that changes: its descriptors, from the first on, as JSON. In: text. Out: the chain, and text again. Whoever has a longer
 * one, of which this is the beginning, has the same group later on.
 */
import { toHex } from '../../core/bytes.js';
import { SIGNATURE_BYTES } from '../../crypto/ed25519.js';
import { parsePublicKey } from '../../crypto/keys.js';
import { HeadwaterError, invalidConfig } from '../../errors.js';
import { MAX_LOCATORS, MAX_MEMBERS } from '../../wire/limits.js';
import { type Group, parseGroup } from '../group.js';
import { type Chain, chainOf, MAX_EPOCHS, MAX_OPERATORS } from './chain.js';
import type { Descriptor, OperatorSignature, SlotMember } from './descriptor.js';
import { groupOfChain } from './view.js';

/**
 * The group of a group file of either kind: of members that stay the same (`parseGroup`), or with the descriptors of one that changes.
 *
 * @param where named at the start of the error, e.g. with the file's path
 * @throws HeadwaterError INVALID_CONFIG, saying what was expected and what came
 * @example
 * const group = parseGroupFile(await readFile('group.json', 'utf8'));
 */
export function parseGroupFile(text: string, where = 'group file'): Group {
  return isChainText(text) ? groupOfChain(parseChain(text, where)) : parseGroup(text, where);
}

/** Whether it is the file of a group that changes, right or not. */
export function isChainText(text: string): boolean {
  try {
    return Array.isArray(Object(JSON.parse(text)).descriptors);
  } catch {
    return false;
  }
}

/**
 * Reads the descriptors of a group that changes.
 *
 * @param options.unsigned the last may lack signatures
 * @throws HeadwaterError INVALID_CONFIG
 */
export function parseChain(text: string, where = 'group file', options: { unsigned?: boolean } = {}): Chain {
  try {
    const file = objectOf('the file', JSON.parse(text), ['headwater', 'version', 'descriptors']);
    if (file.headwater !== 'group' || file.version !== CHAIN_VERSION)
      throw invalidConfig(`expected "headwater": "group" and "version": ${CHAIN_VERSION}`);
    return chainOf(listOf('descriptors', file.descriptors, MAX_EPOCHS).map(descriptorOf), options);
  } catch (cause) {
    throw new HeadwaterError('INVALID_CONFIG', `${where}: ${(cause as Error).message}`, { cause });
  }
}

/** The text that `parseChain` reads back. */
export function formatChain(chain: Chain): string {
  const descriptors = chain.map(({ name, faulty, pessimism, needed, operators, members, signatures }) => ({
    ...{ name, faulty, pessimism, needed },
    operators: operators.map(toHex),
    members: members.map(({ slot, name: each, publicKey, locators }) => ({
      ...{ slot, name: each, key: toHex(publicKey), addresses: locators },
    })),
    signatures: signatures.map(({ operator, signature }) => ({
      operator: toHex(operator),
      signature: toHex(signature),
    })),
  }));
  return `${JSON.stringify({ headwater: 'group', version: CHAIN_VERSION, descriptors }, null, 2)}\n`;
}

function descriptorOf(value: unknown, epoch: number): Descriptor {
  const what = `epoch ${epoch}`;
  const { name, faulty, pessimism, needed, ...lists } = objectOf(what, value, DESCRIPTOR_KEYS);
  if (typeof name !== 'string' || name.length > MAX_NAME)
    throw invalidConfig(`${what}: expected a name of at most ${MAX_NAME} characters`);
  for (const each of [faulty, pessimism, needed])
    if (typeof each !== 'number') throw invalidConfig(`${what}: expected numbers, got ${typeof each}`);
  return {
    ...{ name, faulty: faulty as number, pessimism: pessimism as number, needed: needed as number },
    operators: listOf(`${what}: operators`, lists.operators, MAX_OPERATORS).map((key) =>
      parsePublicKey(key, what),
    ),
    members: listOf(`${what}: members`, lists.members, MAX_MEMBERS).map((member) => memberOf(what, member)),
    signatures: listOf(`${what}: signatures`, lists.signatures, MAX_OPERATORS).map((each) =>
      signatureOf(what, each),
    ),
  };
}

function memberOf(what: string, value: unknown): SlotMember {
  const { slot, name, key, addresses } = objectOf(`${what}: member`, value, [
    'slot',
    'name',
    'key',
    'addresses',
  ]);
  if (typeof slot !== 'number')
    throw invalidConfig(`${what}: expected a slot of a member, got ${typeof slot}`);
  if (typeof name !== 'string' || name.length > MAX_NAME)
    throw invalidConfig(`${what}: expected a name of at most ${MAX_NAME} characters of a member`);
  const locators = listOf(`${what}: addresses`, addresses, MAX_LOCATORS).map((address) => {
    if (typeof address !== 'string')
      throw invalidConfig(`${what}: expected an address, got ${typeof address}`);
    return address;
  });
  return { slot, name, publicKey: parsePublicKey(key, `${what}: member ${slot}`), locators };
}

function signatureOf(what: string, value: unknown): OperatorSignature {
  const { operator, signature } = objectOf(`${what}: signature`, value, ['operator', 'signature']);
  if (
    typeof signature !== 'string' ||
    !/^[0-9a-f]+$/i.test(signature) ||
    signature.length !== 2 * SIGNATURE_BYTES
  )
    throw invalidConfig(`${what}: expected a signature of ${2 * SIGNATURE_BYTES} hex digits`);
  return {
    operator: parsePublicKey(operator, `${what}: operator`),
    signature: new Uint8Array(Buffer.from(signature, 'hex')),
  };
}

function objectOf(what: string, value: unknown, known: readonly string[]): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalidConfig(`${what}: expected an object`);
  for (const key of Object.keys(value))
    if (!known.includes(key))
      throw invalidConfig(`${what}: expected only ${known.join(', ')}, got ${JSON.stringify(key)}`);
  return value as Record<string, unknown>;
}

function listOf(what: string, value: unknown, most: number): unknown[] {
  if (!Array.isArray(value) || value.length > most)
    throw invalidConfig(`${what}: expected a list of at most ${most}`);
  return value;
}

/** Of a file with descriptors; 1 is that of members that stay the same. */
export const CHAIN_VERSION = 2;
const MAX_NAME = 255;
const DESCRIPTOR_KEYS = ['name', 'faulty', 'pessimism', 'needed', 'operators', 'members', 'signatures'];
