/**
 * Merkle trees over the leaves of one batch (1 to 32), so that one signature of the root covers all and each leaf can
 * be checked alone with `depth` sibling hashes. In: leaf bytes. Out: a 20-byte root, proofs of depth * 20 bytes.
 *
 *   depth = ceil(log2(leaves)); places past the last leaf hold 20 zero bytes;
 *   leaf  = SHA-256(0x00 || index || bytes), node = SHA-256(0x01 || left || right), both cut to 20 bytes (hash.ts);
 *   proof = the sibling at each level, from the leaf's own level upwards.
 */
import { HeadwaterError } from '../errors.js';
import { leafHash, MERKLE_HASH_BYTES, nodeHash } from './hash.js';

/** The most leaves in a batch. */
export const MAX_LEAVES = 32;
/** The depth of a tree of MAX_LEAVES. */
export const MAX_DEPTH = 5;

/** A tree of one batch, as its sender holds it. */
export interface MerkleTree {
  /** 20 bytes: what the batch's signature covers. */
  readonly root: Uint8Array;
  /** Levels between leaf and root, 0..5. */
  readonly depth: number;
  /**
   * The proof of the leaf at `index`, depth * 20 bytes: in a new array, or written to `out` from `at` on, which saves
   * the sender an allocation a datagram. Throws INVALID_ARGUMENT if the batch has no such leaf.
   */
  proof(index: number, out?: Uint8Array, at?: number): Uint8Array;
}

/**
 * Builds the tree of a batch.
 *
 * @param leaves 1 to 32 leaves of any length, read in place and not kept
 * @throws HeadwaterError INVALID_ARGUMENT for no leaves or more than 32
 * @example
 * const tree = buildTree(symbols);
 * const signature = keys.sign(headerWith(tree.root));
 * send(symbols[3], tree.proof(3));
 */
export function buildTree(leaves: readonly Uint8Array[]): MerkleTree {
  const count = leaves.length;
  if (count < 1 || count > MAX_LEAVES)
    throw new HeadwaterError('INVALID_ARGUMENT', `leaves: expected 1 to ${MAX_LEAVES}, got ${count}`);
  const depth = treeDepth(count);
  // Heap order: the root is node 1, the children of node i are 2i and 2i + 1, the leaves start at 2^depth.
  const firstLeaf = 2 ** depth;
  const nodes = new Uint8Array(2 * firstLeaf * MERKLE_HASH_BYTES);
  for (let i = 0; i < count; i++) leafHash(i, leaves[i], nodes, (firstLeaf + i) * MERKLE_HASH_BYTES);
  for (let i = firstLeaf - 1; i >= 1; i--) {
    const left = 2 * i * MERKLE_HASH_BYTES;
    nodeHash(nodes, left, nodes, left + MERKLE_HASH_BYTES, nodes, i * MERKLE_HASH_BYTES);
  }
  return {
    root: nodes.slice(MERKLE_HASH_BYTES, 2 * MERKLE_HASH_BYTES),
    depth,
    proof(index, out = new Uint8Array(depth * MERKLE_HASH_BYTES), at = 0) {
      if (!Number.isInteger(index) || index < 0 || index >= count)
        throw new HeadwaterError('INVALID_ARGUMENT', `index: expected 0 to ${count - 1}, got ${index}`);
      for (let level = 0; level < depth; level++) {
        const sibling = (((firstLeaf + index) >> level) ^ 1) * MERKLE_HASH_BYTES;
        out.set(nodes.subarray(sibling, sibling + MERKLE_HASH_BYTES), at + level * MERKLE_HASH_BYTES);
      }
      return out;
    },
  };
}

/**
 * The root that `leaf` and its proof lead to: the leaf belongs to the batch if and only if this is the signed root.
 * One call for each received datagram; with `out` given, nothing is allocated but the hashes' own strings.
 *
 * @param leaf the leaf's bytes as one view, not copied out of the datagram by the caller
 * @param index place of the leaf, 0 <= index < 2^depth
 * @param depth 0..5, from the batch header
 * @param proof depth * 20 bytes
 * @param out where the 20 bytes go, from its start; a new array if left out
 * @throws HeadwaterError MALFORMED where index, depth and the proof's length do not fit each other
 * @example
 * if (!equalBytes(rootFromProof(leaf, index, depth, proof, scratch), signedRoot)) drop('bad proof');
 */
export function rootFromProof(
  leaf: Uint8Array,
  index: number,
  depth: number,
  proof: Uint8Array,
  out: Uint8Array = new Uint8Array(MERKLE_HASH_BYTES),
): Uint8Array {
  if (!Number.isInteger(depth) || depth < 0 || depth > MAX_DEPTH)
    throw new HeadwaterError('MALFORMED', `proof depth: expected 0 to ${MAX_DEPTH}, got ${depth}`);
  if (!Number.isInteger(index) || index < 0 || index >= 1 << depth)
    throw new HeadwaterError('MALFORMED', `leaf index: expected 0 to ${(1 << depth) - 1}, got ${index}`);
  if (proof.length !== depth * MERKLE_HASH_BYTES)
    throw new HeadwaterError(
      'MALFORMED',
      `proof: expected ${depth * MERKLE_HASH_BYTES} bytes, got ${proof.length}`,
    );
  leafHash(index, leaf, out, 0);
  for (let level = 0; level < depth; level++) climb(level, (index >> level) & 1, proof, out);
  return out;
}

/** Replaces the node in `out` by its parent; its sibling is in the proof. */
function climb(level: number, isRight: number, proof: Uint8Array, out: Uint8Array): void {
  const at = level * NODE_MEMO_BYTES;
  const own = at + isRight * MERKLE_HASH_BYTES;
  const other = at + (1 - isRight) * MERKLE_HASH_BYTES;
  const sibling = level * MERKLE_HASH_BYTES;
  let known = 0;
  while (
    known < MERKLE_HASH_BYTES &&
    memo[own + known] === out[known] &&
    memo[other + known] === proof[sibling + known]
  )
    known++;
  const result = at + 2 * MERKLE_HASH_BYTES;
  if (known < MERKLE_HASH_BYTES) {
    for (let i = 0; i < MERKLE_HASH_BYTES; i++) {
      memo[own + i] = out[i];
      memo[other + i] = proof[sibling + i];
    }
    nodeHash(memo, at, memo, at + MERKLE_HASH_BYTES, memo, result);
  }
  for (let i = 0; i < MERKLE_HASH_BYTES; i++) out[i] = memo[result + i];
}

/** Levels of the tree over `leaves` leaves (1..32): the least depth with 2^depth >= leaves. */
export function treeDepth(leaves: number): number {
  return 32 - Math.clz32(leaves - 1);
}

const NODE_MEMO_BYTES = 3 * MERKLE_HASH_BYTES;
/**
 * By level: the last two children that were hashed, and their parent. Leaves of a batch come one after the other and share
 * most of their way up, so that one node a leaf is hashed instead of five (3.6 us become 1.6).
 */
const memo = new Uint8Array(MAX_DEPTH * NODE_MEMO_BYTES);
for (let level = 0; level < MAX_DEPTH; level++) {
  const at = level * NODE_MEMO_BYTES;
  nodeHash(memo, at, memo, at + MERKLE_HASH_BYTES, memo, at + 2 * MERKLE_HASH_BYTES);
}
