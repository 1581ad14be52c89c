/**
 * Merkle batches: every leaf of every batch size leads to the root, nothing else does. The tree is also built a second
 * time here, recursively, from the format's description, so that the format itself cannot drift.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  buildTree,
  MAX_DEPTH,
  MAX_LEAVES,
  proofFromHashes,
  rootFromHashes,
  rootFromProof,
  treeDepth,
} from '../../src/crypto/merkle.js';

const NODE = 16;
const ROOT = 20;

describe('a batch', () => {
  it.each([...Array.from({ length: 40 }, (_, i) => i + 1), 63, 64, 65, 127, 128, 129, 255, MAX_LEAVES])(
    'of %i leaves: every leaf leads to its root',
    (count) => {
      const leaves = someLeaves(count);
      const tree = buildTree(leaves);
      expect(tree.depth).toBe(Math.ceil(Math.log2(count)));
      expect(treeDepth(count)).toBe(tree.depth);
      expect(tree.root).toEqual(referenceRoot(leaves));
      expect(tree.root.buffer.byteLength).toBe(ROOT);
      const out = new Uint8Array(ROOT);
      leaves.forEach((leaf, index) => {
        const proof = tree.proof(index);
        expect(proof).toHaveLength(tree.depth * NODE);
        expect(rootFromProof(leaf, index, tree.depth, proof)).toEqual(tree.root);
        expect(rootFromProof(leaf, index, tree.depth, proof, out)).toBe(out);
        expect(out).toEqual(tree.root);
      });
    },
  );

  it('of none, or of 257, is refused; so is the proof of a leaf it does not have', () => {
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT' });
    expect(() => buildTree([])).toThrow(refused);
    expect(() => buildTree(someLeaves(257))).toThrow(refused);
    const tree = buildTree(someLeaves(5));
    for (const index of [-1, 5, 7, 8, 0.5, Number.NaN]) expect(() => tree.proof(index)).toThrow(refused);
  });

  it('does not depend on the leaves after it is built', () => {
    const leaves = someLeaves(4);
    const tree = buildTree(leaves);
    const root = Uint8Array.from(tree.root);
    const proof = tree.proof(2);
    leaves[3].fill(0);
    proof.fill(0);
    expect(tree.root).toEqual(root);
    expect(rootFromProof(leaves[2], 2, 2, tree.proof(2))).toEqual(root);
  });
});

describe('shares of a batch', () => {
  it('lead to its root with their hashes, and each leaf of them with a proof made of these', () => {
    const all = someLeaves(21);
    const leaves = all.map((leaf, i) => (i === 5 || i === 6 || i === 7 ? undefined : leaf));
    const tree = buildTree(leaves);
    for (const [position, count] of [
      [0, 5],
      [8, 8],
      [16, 5],
      [16, 1],
    ]) {
      const hashes = tree.hashes(position, count);
      const proof = tree.proof(position, treeDepth(count));
      expect(rootFromHashes(hashes, position, proof)).toEqual(tree.root);
      for (let i = 0; i < count; i++) {
        const whole = Buffer.concat([proofFromHashes(hashes, i), proof]);
        expect(rootFromProof(all[position + i], position + i, tree.depth, whole)).toEqual(tree.root);
      }
    }
  });

  it('do not with a hash more, less or changed, or at another place', () => {
    const tree = buildTree(someLeaves(32));
    const [hashes, proof] = [tree.hashes(8, 8), tree.proof(8, 3)];
    const changed = hashes.slice();
    changed[17] ^= 1;
    for (const [of, position] of [
      [changed, 8],
      [hashes.subarray(0, 7 * NODE), 8],
      [hashes, 0],
      [hashes, 16],
      [hashes, 24],
    ] as const)
      expect(rootFromHashes(of, position, proof)).not.toEqual(tree.root);
  });

  it('have nothing in an empty place: no leaf is the zero hash', () => {
    const leaves = [...someLeaves(5), undefined, undefined, undefined, ...someLeaves(8)];
    const tree = buildTree(leaves);
    expect(tree.hashes(5, 3)).toEqual(new Uint8Array(3 * NODE));
    expect(rootFromProof(new Uint8Array(0), 5, tree.depth, tree.proof(5))).not.toEqual(tree.root);
  });
});

describe('anything changed leads to another root', () => {
  const batch = fc
    .record({ count: fc.integer({ min: 1, max: MAX_LEAVES }), pick: fc.nat(), seed: fc.nat(255) })
    .map(({ count, pick, seed }) => ({ leaves: someLeaves(count, seed), index: pick % count }));

  it('a bit of the leaf, or of the proof', () => {
    fc.assert(
      fc.property(batch, fc.nat(), fc.boolean(), ({ leaves, index }, bit, inProof) => {
        const tree = buildTree(leaves);
        const leaf = Uint8Array.from(leaves[index]);
        const proof = tree.proof(index);
        const target = inProof && proof.length > 0 ? proof : leaf;
        target[(bit >> 3) % target.length] ^= 1 << (bit & 7);
        expect(rootFromProof(leaf, index, tree.depth, proof)).not.toEqual(tree.root);
      }),
      { numRuns: 500 },
    );
  });

  it('the length of the leaf', () => {
    fc.assert(
      fc.property(batch, fc.integer({ min: 1, max: 40 }), ({ leaves, index }, by) => {
        const tree = buildTree(leaves);
        const proof = tree.proof(index);
        const longer = new Uint8Array(leaves[index].length + by);
        longer.set(leaves[index]);
        expect(rootFromProof(longer, index, tree.depth, proof)).not.toEqual(tree.root);
        const shorter = leaves[index].subarray(0, leaves[index].length - by);
        expect(rootFromProof(shorter, index, tree.depth, proof)).not.toEqual(tree.root);
      }),
    );
  });

  it('the index, also where all leaves hold the same bytes', () => {
    for (const count of [2, 3, 4, 17, 32]) {
      const same = Array.from({ length: count }, () => new Uint8Array(64).fill(5));
      for (const leaves of [same, someLeaves(count)]) {
        const tree = buildTree(leaves);
        for (let index = 0; index < count; index++) {
          for (let other = 0; other < 2 ** tree.depth; other++) {
            if (other === index) continue;
            expect(rootFromProof(leaves[index], other, tree.depth, tree.proof(index))).not.toEqual(tree.root);
            if (leaves !== same && other < count)
              expect(rootFromProof(leaves[index], other, tree.depth, tree.proof(other))).not.toEqual(
                tree.root,
              );
          }
        }
      }
    }
  });

  it('the depth, with the proof cut or drawn out to fit', () => {
    fc.assert(
      fc.property(
        batch,
        fc.integer({ min: 0, max: MAX_DEPTH }),
        fc.uint8Array({ minLength: 128, maxLength: 128 }),
        (b, depth, more) => {
          const tree = buildTree(b.leaves);
          if (depth === tree.depth) return;
          for (const index of [b.index, b.index >> 1, b.index % 2 ** depth]) {
            if (index >= 2 ** depth) continue;
            const full = Buffer.concat([tree.proof(b.index), more]);
            const proof =
              depth < tree.depth
                ? full.subarray(0, depth * NODE)
                : Buffer.concat([full.subarray(0, tree.depth * NODE), more]).subarray(0, depth * NODE);
            expect(rootFromProof(b.leaves[b.index], index, depth, proof)).not.toEqual(tree.root);
          }
        },
      ),
      { numRuns: 300 },
    );
  });
});

describe('second preimages', () => {
  it('an inner node presented as a leaf does not verify', () => {
    const leaves = someLeaves(4);
    const hashes = leaves.map((leaf, i) => cut(Uint8Array.of(0, i), leaf));
    const right = cut(Uint8Array.of(1), hashes[2], hashes[3]);
    const { root } = buildTree(leaves);
    expect(rootOf(cut(Uint8Array.of(1), cut(Uint8Array.of(1), hashes[0], hashes[1]), right))).toEqual(root);
    const inner = Buffer.concat([hashes[0], hashes[1]]);
    for (const leaf of [
      inner,
      Buffer.concat([Uint8Array.of(1), inner]),
      Buffer.concat([Uint8Array.of(0, 0), inner]),
    ])
      for (const index of [0, 1]) expect(rootFromProof(leaf, index, 1, right)).not.toEqual(root);
    expect(rootFromProof(Buffer.concat([inner, right]), 0, 0, new Uint8Array(0))).not.toEqual(root);
  });

  it('an unused place cannot be claimed: no leaf is the zero hash', () => {
    const tree = buildTree(someLeaves(3));
    const proofOfPlace3 = Buffer.concat([
      cut(Uint8Array.of(0, 2), someLeaves(3)[2]),
      tree.proof(2).subarray(NODE),
    ]);
    for (const leaf of [new Uint8Array(0), new Uint8Array(NODE), new Uint8Array(64)])
      expect(rootFromProof(leaf, 3, 2, proofOfPlace3)).not.toEqual(tree.root);
  });
});

describe('what does not fit is refused before any hashing', () => {
  const leaf = new Uint8Array(10);
  it.each([
    [0, -1, 0, 'proof depth: expected 0 to 8, got -1'],
    [0, 9, 144, 'proof depth: expected 0 to 8, got 9'],
    [0, 1.5, 30, 'proof depth: expected 0 to 8, got 1.5'],
    [0, Number.NaN, 0, 'proof depth: expected 0 to 8, got NaN'],
    [-1, 2, 40, 'leaf index: expected 0 to 3, got -1'],
    [4, 2, 40, 'leaf index: expected 0 to 3, got 4'],
    [1, 0, 0, 'leaf index: expected 0 to 0, got 1'],
    [0.5, 1, 20, 'leaf index: expected 0 to 1, got 0.5'],
    [0, 2, 31, 'proof: expected 32 bytes, got 31'],
    [0, 2, 48, 'proof: expected 32 bytes, got 48'],
  ])('index %d, depth %d, proof of %d bytes', (index, depth, length, message) => {
    expect(() => rootFromProof(leaf, index, depth, new Uint8Array(length))).toThrow(
      expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message }),
    );
  });
});

function someLeaves(count: number, seed = 1): Uint8Array[] {
  return Array.from({ length: count }, (_, i) => {
    const hash = createHash('sha256').update(`leaf ${seed} ${i}`).digest();
    return Uint8Array.from({ length: 60 + (i % 3) }, (_, at) => hash[at % 32] ^ at);
  });
}

/** The root as the format says it, halves first. */
function referenceRoot(leaves: Uint8Array[]): Uint8Array {
  let width = 1;
  while (width < leaves.length) width *= 2;
  const subtree = (from: number, size: number): Uint8Array => {
    if (size > 1) return cut(Uint8Array.of(1), subtree(from, size / 2), subtree(from + size / 2, size / 2));
    return from < leaves.length ? cut(Uint8Array.of(0, from), leaves[from]) : new Uint8Array(NODE);
  };
  return rootOf(subtree(0, width));
}

function rootOf(node: Uint8Array): Uint8Array {
  return Uint8Array.from([...node, ...new Uint8Array(ROOT - NODE)]);
}

function cut(...parts: Uint8Array[]): Uint8Array {
  return new Uint8Array(createHash('sha256').update(Buffer.concat(parts)).digest().subarray(0, NODE));
}
