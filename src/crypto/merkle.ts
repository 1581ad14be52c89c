/**
 * Merkle trees over the leaves of one batch (1 to 256 places), so that one signature of the root covers all. A leaf can be checked
 * alone, with the sibling at each level, or with the hashes of the leaves beside it. In: leaf bytes. Out: a root, proofs.
 *
 *   depth = ceil(log2(places)); a place without a leaf holds 16 zero bytes;
 *   leaf  = SHA-256(0x00 || index || bytes), node = SHA-256(0x01 || left || right), both cut to 16 bytes (hash.ts);
 *   root  = the uppermost node and 4 zero bytes;
 *   proof = the sibling at each level, from the leaf's own level upwards.
 */
import { HeadwaterError } from '../errors.js';
import { leafHash, MERKLE_HASH_BYTES, nodeHash } from './hash.js';

/** The most places in a batch. */
export const MAX_LEAVES = 256;
/** The depth of a tree of MAX_LEAVES. */
export const MAX_DEPTH = 8;
/** Bytes of a root. */
export const ROOT_BYTES = 20;

/** A tree of one batch, as its sender holds it. */
export interface MerkleTree {
  /** 20 bytes: what the batch's signature covers. */
  readonly root: Uint8Array;
  /** Levels between leaf and root, 0..8. */
  readonly depth: number;
  /** The hashes of `count` leaves from `index` on, one behind the other, in a new array. */
  hashes(index: number, count: number): Uint8Array;
  /**
   * The siblings on the way from the node above `index`, so many levels up, to the root: (depth - level) * 16 bytes in a new
   * array. Throws INVALID_ARGUMENT if the batch has no such place.
   */
  proof(index: number, level?: number): Uint8Array;
}

/**
 * Builds the tree of a batch.
 *
 * @param leaves 1 to 256 leaves of any length, read in place and not kept; undefined for a place that stays empty
 * @throws HeadwaterError INVALID_ARGUMENT for no leaves or more than 256
 * @example
 * const tree = buildTree(symbols);
 * const signature = keys.sign(headerWith(tree.root));
 * send(symbols[3], tree.proof(3));
 */
export function buildTree(leaves: readonly (Leaf | undefined)[]): MerkleTree {
  const count = leaves.length;
  if (count < 1 || count > MAX_LEAVES)
    throw new HeadwaterError('INVALID_ARGUMENT', `leaves: expected 1 to ${MAX_LEAVES}, got ${count}`);
  const depth = treeDepth(count);
  // Heap order: the root is node 1, the children of node i are 2i and 2i + 1, the leaves start at 2^depth.
  const firstLeaf = 2 ** depth;
  const nodes = new Uint8Array(2 * firstLeaf * MERKLE_HASH_BYTES);
  for (let i = 0; i < count; i++) {
    const leaf = leaves[i];
    const at = (firstLeaf + i) * MERKLE_HASH_BYTES;
    if (leaf instanceof Uint8Array) leafHash(i, leaf, nodes, at);
    else if (leaf) leafHash(i, leaf.header, nodes, at, leaf.symbol);
  }
  hashUp(nodes, firstLeaf);
  return {
    root: rootOf(nodes.subarray(MERKLE_HASH_BYTES, 2 * MERKLE_HASH_BYTES)),
    depth,
    hashes: (index, length) =>
      nodes.slice((firstLeaf + index) * MERKLE_HASH_BYTES, (firstLeaf + index + length) * MERKLE_HASH_BYTES),
    proof(index, level = 0) {
      if (!Number.isInteger(index) || index < 0 || index >= count)
        throw new HeadwaterError('INVALID_ARGUMENT', `index: expected 0 to ${count - 1}, got ${index}`);
      return siblings(nodes, firstLeaf + index, level, depth);
    },
  };
}

/** A leaf: its bytes, or its two parts, of which the second one follows the first. */
export type Leaf = Uint8Array | { header: Uint8Array; symbol: Uint8Array };

/**
 * The root that `leaf` and its proof lead to: the leaf belongs to the batch if and only if this is the signed root.
 *
 * @param leaf the leaf's bytes as one view, not copied out of the datagram by the caller
 * @param index place of the leaf, 0 <= index < 2^depth
 * @param depth 0..8, from the batch header
 * @param proof depth * 16 bytes
 * @param out where the 20 bytes go; a new array if left out
 * @throws HeadwaterError MALFORMED where index, depth and the proof's length do not fit each other
 * @example
 * if (!equalBytes(rootFromProof(leaf, index, depth, proof, scratch), signedRoot)) drop('bad proof');
 */
export function rootFromProof(
  leaf: Uint8Array,
  index: number,
  depth: number,
  proof: Uint8Array,
  out: Uint8Array = new Uint8Array(ROOT_BYTES),
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
  return out.fill(0, MERKLE_HASH_BYTES);
}

/**
 * The root that the hashes of some leaves and the proof of the node above them lead to.
 *
 * @param hashes 16 bytes for each leaf; after the last, up to 2^level of them, places are empty
 * @param position place of the first leaf, a multiple of 2^level, level = treeDepth of their number
 * @param proof (depth - level) * 16 bytes
 * @returns 20 bytes in a new array
 * @example
 * if (!equalBytes(rootFromHashes(hashes, 32, proof), signedRoot)) drop('bad proof');
 */
export function rootFromHashes(hashes: Uint8Array, position: number, proof: Uint8Array): Uint8Array {
  const level = treeDepth(hashes.length / MERKLE_HASH_BYTES);
  const nodes = nodesOver(hashes, level);
  const out = rootOf(nodes.subarray(MERKLE_HASH_BYTES, 2 * MERKLE_HASH_BYTES));
  for (let i = 0; i < proof.length / MERKLE_HASH_BYTES; i++)
    climb(i, (position >> (level + i)) & 1, proof, out);
  return out;
}

/** The siblings on the way from one of these leaves to the node above all of them. */
export function proofFromHashes(hashes: Uint8Array, place: number): Uint8Array {
  const level = treeDepth(hashes.length / MERKLE_HASH_BYTES);
  return siblings(nodesOver(hashes, level), 2 ** level + place, 0, level);
}

/** Of the nodes on the way up from `node`, from so many levels above it on. */
function siblings(nodes: Uint8Array, node: number, from: number, to: number): Uint8Array {
  const out = new Uint8Array((to - from) * MERKLE_HASH_BYTES);
  for (let level = from; level < to; level++) {
    const sibling = ((node >> level) ^ 1) * MERKLE_HASH_BYTES;
    out.set(nodes.subarray(sibling, sibling + MERKLE_HASH_BYTES), (level - from) * MERKLE_HASH_BYTES);
  }
  return out;
}

function nodesOver(hashes: Uint8Array, level: number): Uint8Array {
  const nodes = new Uint8Array(2 ** (level + 1) * MERKLE_HASH_BYTES);
  nodes.set(hashes, 2 ** level * MERKLE_HASH_BYTES);
  hashUp(nodes, 2 ** level);
  return nodes;
}

function hashUp(nodes: Uint8Array, firstLeaf: number): void {
  for (let i = firstLeaf - 1; i >= 1; i--) {
    const left = 2 * i * MERKLE_HASH_BYTES;
    nodeHash(nodes, left, nodes, left + MERKLE_HASH_BYTES, nodes, i * MERKLE_HASH_BYTES);
  }
}

function rootOf(node: Uint8Array): Uint8Array {
  const root = new Uint8Array(ROOT_BYTES);
  root.set(node);
  return root;
}

/** Replaces the node at the start of `out` by its parent; its sibling is the `level`-th of the proof. */
function climb(level: number, isRight: number, proof: Uint8Array, out: Uint8Array): void {
  const sibling = level * MERKLE_HASH_BYTES;
  if (isRight) nodeHash(proof, sibling, out, 0, out, 0);
  else nodeHash(out, 0, proof, sibling, out, 0);
}

/** Levels of the tree over so many places (1..256): the least depth with 2^depth >= places. */
export function treeDepth(places: number): number {
  return 32 - Math.clz32(places - 1);
}
