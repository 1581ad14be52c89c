/**
 * The hash helpers against node's createHash, the oldest way to the same bytes, and against the published digest of 'abc'.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { leafHash, MERKLE_HASH_BYTES, nodeHash, Sha256, sha256 } from '../../src/crypto/hash.js';

describe('sha256', () => {
  it("is FIPS 180-4's for 'abc'", () => {
    expect(Buffer.from(sha256(Buffer.from('abc'))).toString('hex')).toBe(
      'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
    );
  });

  it('equals createHash for any bytes, in a plain array of its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), (data) => {
        const hash = sha256(data);
        expect(hash).toEqual(reference(data));
        expect(hash.buffer.byteLength).toBe(32);
      }),
    );
  });

  it('reads a view as a view', () => {
    const data = Uint8Array.from({ length: 100 }, (_, i) => i);
    expect(sha256(data.subarray(10, 60))).toEqual(reference(data.slice(10, 60)));
  });
});

describe('Sha256', () => {
  it('gives the same for any pieces as sha256 for the whole', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }), (pieces) => {
        const hash = new Sha256();
        for (const piece of pieces) hash.update(piece);
        expect(hash.digest()).toEqual(sha256(Buffer.concat(pieces)));
      }),
    );
  });
});

describe('leafHash and nodeHash', () => {
  it('are SHA-256 cut to 16 bytes, with 0x00 and the index, or 0x01, in front', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 1500 }), fc.nat(255), fc.nat(40), (leaf, index, at) => {
        const out = new Uint8Array(80).fill(0xaa);
        leafHash(index, leaf, out, at);
        const expected = new Uint8Array(80).fill(0xaa);
        expected.set(reference(Uint8Array.from([0, index, ...leaf])).subarray(0, MERKLE_HASH_BYTES), at);
        expect(out).toEqual(expected);
      }),
    );
    fc.assert(
      fc.property(
        fc.uint8Array({ minLength: 2 * MERKLE_HASH_BYTES, maxLength: 2 * MERKLE_HASH_BYTES }),
        (nodes) => {
          const expected = reference(Uint8Array.from([1, ...nodes])).slice(0, MERKLE_HASH_BYTES);
          const out = new Uint8Array(MERKLE_HASH_BYTES);
          nodeHash(nodes, 0, nodes, MERKLE_HASH_BYTES, out, 0);
          expect(out).toEqual(expected);
          nodeHash(nodes, 0, nodes, MERKLE_HASH_BYTES, nodes, 10); // over its own inputs
          expect(nodes.slice(10, 10 + MERKLE_HASH_BYTES)).toEqual(expected);
        },
      ),
    );
  });

  it('handle leaves longer than any datagram, and lengths that change from call to call', () => {
    for (const length of [0, 1, 1000, 65_534, 65_535, 70_000, 1000, 2, 1000]) {
      const leaf = new Uint8Array(length).fill(length);
      const out = new Uint8Array(MERKLE_HASH_BYTES);
      leafHash(7, leaf, out, 0);
      expect(out).toEqual(reference(Buffer.concat([Uint8Array.of(0, 7), leaf])).slice(0, MERKLE_HASH_BYTES));
    }
  });
});

function reference(data: Uint8Array): Uint8Array {
  return new Uint8Array(createHash('sha256').update(data).digest());
}
