/** A group of three that begins with a descriptor, and its operator. */
import { keyPair } from '../../src/crypto/keys.js';
import { beginChain } from '../../src/group/epochs/propose.js';

export const keyOf = (number: number) => keyPair(new Uint8Array(32).fill(number));
export const operator = keyOf(200);
export const begun = beginChain({
  name: 'lab',
  members: [1, 2, 3].map((number) => ({
    ...{ name: `m${number}`, publicKey: keyOf(number).publicKey },
    locators: [`10.0.0.${number}:7801`],
  })),
  operators: [operator.publicKey],
});
