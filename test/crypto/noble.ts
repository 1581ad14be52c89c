/**
 * The verification rule by a third implementation that shares no code with libsodium and OpenSSL: points and scalars of
 * @noble/curves, in the words of docs/PROTOCOL.md, section 2.
 */
import { createHash } from 'node:crypto';
import { ed25519 } from '@noble/curves/ed25519.js';
import type { SignatureProvider } from '../../src/crypto/ed25519.js';

const { Point } = ed25519;
const L = Point.Fn.ORDER;

export const noble: SignatureProvider = {
  name: '@noble/curves',
  publicKey: (seed) => ed25519.getPublicKey(seed),
  signer: (seed) => (message) => ed25519.sign(message, seed),
  verify(publicKey, message, signature) {
    if (publicKey.length !== 32 || signature.length !== 64) return false;
    const encodedR = signature.subarray(0, 32);
    const s = littleEndian(signature.subarray(32));
    if (s >= L) return false;
    try {
      const a = Point.fromBytes(publicKey, false);
      if (a.isSmallOrder() || !a.isTorsionFree() || Point.fromBytes(encodedR, false).isSmallOrder())
        return false;
      const digest = createHash('sha512').update(encodedR).update(publicKey).update(message).digest();
      const h = littleEndian(digest) % L;
      const expected = Point.BASE.multiplyUnsafe(s).subtract(a.multiplyUnsafe(h));
      return Buffer.compare(expected.toBytes(), encodedR) === 0;
    } catch {
      return false;
    }
  },
};

function littleEndian(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).reverse().toString('hex')}`);
}
