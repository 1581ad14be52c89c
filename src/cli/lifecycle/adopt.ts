/**
 * How a running member comes to a group file that goes on from its own: an operator gives it, or another member tells it. In: a text. Out: the
 * file in its place, once it is known to be right.
 */
import { equalBytes } from '../../core/bytes.js';
import { invalidConfig } from '../../errors.js';
import { writeWhole } from '../../file/disk.js';
import { type Chain, continues } from '../../group/epochs/chain.js';
import { formatChain } from '../../group/epochs/file.js';
import type { Group, Member } from '../../group/group.js';
import { fetchGroup } from '../../node/join/fetch.js';
import type { Node } from '../../node/node.js';
import { note, sleep } from '../io.js';

/**
 * Puts it in the place of the group file.
 *
 * @param chain whose signatures hold
 * @throws HeadwaterError INVALID_CONFIG if it does not go on from what the member has
 */
export function adopt(path: string, { epochs, name }: Group, chain: Chain): void {
  if (!epochs)
    throw invalidConfig(`group '${name}': expected one that changes, got one whose members stay the same`);
  if (!equalBytes(chain[0].hash, epochs[0].hash))
    throw invalidConfig(`group file: expected group '${name}', got another one, '${chain[0].name}'`);
  if (!continues(epochs, chain))
    throw invalidConfig(
      chain.length < epochs.length
        ? `group file: expected more epochs than ${epochs.length}, which this member has, got ${chain.length}`
        : 'group file: expected one that goes on from what this member has, got another change in the place of one of its own',
    );
  if (chain.length === epochs.length)
    throw invalidConfig(
      `group file: expected more epochs than ${epochs.length}, which this member has, got as many`,
    );
  writeWhole(path, formatChain(chain));
}

/**
 * Asks members that know more epochs for them, in turn: one may stop, or speak of epochs that there are not. Undefined if none tells epochs that
 * go on from ours, which is said.
 *
 * @param members more may come while they are asked
 */
export async function askEpochs(
  node: Node,
  members: ReadonlySet<Member>,
  seed: Uint8Array,
): Promise<Chain | undefined> {
  const { id: groupId, epochs } = node.group;
  for (let i = 0; i < TRIES; i++) {
    for (const member of members) {
      const address = node.status().peers.find((peer) => peer.name === member.name)?.address;
      const peers = [...new Set([...(address ? [address] : []), ...member.locators])];
      const options = { groupId, secretKey: seed, peers, timeout: TIMEOUT_MS };
      const told = (await fetchGroup(options).catch(() => undefined))?.epochs;
      if (told && told.length > epochs!.length && continues(epochs!, told)) return told;
    }
    await sleep(TIMEOUT_MS);
  }
  const names = [...members].map(({ name }) => name).join(', ');
  note(
    `${names}: has epochs that this member lacks, and does not tell them, or tells others: see headwater group apply`,
    'warning',
  );
  return undefined;
}

const TRIES = 20;
const TIMEOUT_MS = 1000;
