/** A group whose keys are known to the test: `keys[i]` are those of member i. */

import { compareBytes } from '../../src/core/bytes.js';
import { type KeyPair, keyPair } from '../../src/crypto/keys.js';
import { createGroup, type Group, type GroupOptions } from '../../src/group/group.js';

export function smallGroup(
  members: number,
  name = 'test',
  bounds: Pick<GroupOptions, 'faulty' | 'byzantine'> = {},
): { group: Group; keys: KeyPair[] } {
  const keys = Array.from({ length: members }, (_, i) => keyPair(new Uint8Array(32).fill(i + 1))).sort(
    (a, b) => compareBytes(a.publicKey, b.publicKey),
  );
  const group = createGroup({
    ...bounds,
    name,
    members: keys.map(({ publicKey }, i) => ({ publicKey, locator: `127.0.0.1:${7001 + i}` })),
  });
  return { group, keys };
}
