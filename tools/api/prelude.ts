/**
 * What examples in doc comments use without making it themselves. `network` and `node` are open ones: examples that name them are
 * compiled and not run.
 */
import { randomBytes } from 'node:crypto';
import { createGroup, type HeadwaterNetwork, keyPair, type Node } from '../../src/index.js';

export const bytes: Uint8Array = randomBytes(5000);
export const message: Uint8Array = bytes.subarray(0, 500);
export const seed: Uint8Array = randomBytes(32);
export const secretKey: Uint8Array = Uint8Array.from(seed);
export const keys = keyPair(seed);
export const publicKey: Uint8Array = keys.publicKey;
export const group = createGroup({ name: 'examples', members: [{ publicKey, locator: '127.0.0.1:7001' }] });
export declare const network: HeadwaterNetwork<string>;
export declare const node: Node;
