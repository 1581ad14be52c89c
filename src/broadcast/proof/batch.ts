/**
 * Signed batches: up to 256 symbols under one Merkle root and one signature of their origin. `signShares` makes the shares of
 * first hops, with their manifests, `signBatch` the SYMBOL bodies of what is too small for that; a `BatchVerifier` checks
 * received ones, one signature check a batch, thanks to its cache of roots.
 */

import { equalBytes, Writer } from '../../core/bytes.js';
import { SparseMap } from '../../core/sparse.js';
import type { Micros } from '../../core/time.js';
import { defaultProvider } from '../../crypto/ed25519.js';
import { leafHash } from '../../crypto/hash.js';
import {
  buildTree,
  proofFromHashes,
  rootFromHashes,
  rootFromProof,
  type Leaf as TreeLeaf,
  treeDepth,
} from '../../crypto/merkle.js';
import type { Group } from '../../group/group.js';
import { DESCRIPTOR_SIZE, HASH_SIZE, LEAF_HEADER_SIZE, NODE_SIZE, ROOT_SIZE } from '../../wire/limits.js';
import { type ListedSymbol, type Manifest, shareManifest } from '../../wire/manifest.js';
import {
  type Leaf,
  SERVED,
  type SymbolFrame,
  writeLeaf,
  writeLeafHeader,
  writeSymbol,
} from '../../wire/symbol.js';
import { SharedRate } from './shares.js';

/** SYMBOL bodies for 1 to 256 leaves of one object, in the order of `leaves`. */
export function signBatch(
  group: Group,
  descriptorBytes: Uint8Array,
  leaves: readonly Leaf[],
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array[] {
  const leafBytes = leaves.map(writeLeaf);
  const tree = buildTree(leafBytes);
  const signature = sign(batchMessage(group, descriptorBytes, tree.root));
  return leafBytes.map((bytes, index) =>
    writeSymbol({
      descriptorBytes,
      depth: tree.depth,
      index,
      signature,
      proof: tree.proof(index),
      leafBytes: bytes,
    }),
  );
}

/** Symbols of one block in a row, from `esi` on, for one first hop. */
export interface ShareOf {
  sbn: number;
  esi: number;
  firstHop: number;
  symbols: readonly Uint8Array[];
}

/**
 * The symbols of shares under one signature, in the order of `shares`. Each takes as many places of the 256 as the next power
 * of two has, in the order of their sizes.
 */
export function signShares(
  group: Group,
  descriptorBytes: Uint8Array,
  shares: readonly ShareOf[],
  sign: (message: Uint8Array) => Uint8Array,
): ListedSymbol[][] {
  // The largest first: so each begins at a multiple of its places.
  const order = shares.map((_, i) => i).sort((a, b) => shares[b].symbols.length - shares[a].symbols.length);
  const positions: number[] = [];
  const leaves: (TreeLeaf | undefined)[] = [];
  for (const i of order) {
    const { sbn, esi, firstHop, symbols } = shares[i];
    positions[i] = leaves.length;
    symbols.forEach((symbol, place) => {
      const writer = new Writer(LEAF_HEADER_SIZE);
      leaves.push({ header: writeLeafHeader(writer, { sbn, esi: esi + place, firstHop }).finish(), symbol });
    });
    const places = positions[i] + 2 ** treeDepth(symbols.length);
    while (leaves.length < places) leaves.push(undefined);
  }
  const { root, depth, hashes, proof } = buildTree(leaves);
  const signature = sign(batchMessage(group, descriptorBytes, root));
  return shares.map(({ symbols, ...of }, i) => {
    const position = positions[i];
    const manifest = shareManifest({
      ...of,
      ...{ descriptorBytes, depth, signature, position },
      hashes: hashes(position, symbols.length),
      proof: proof(position, treeDepth(symbols.length)),
    });
    manifest.root = root;
    return symbols.map((symbol, place) => ({ manifest, place, symbol }));
  });
}

/** A signed SYMBOL as one that a manifest lists, which has it alone. */
export function listedAlone({
  descriptorBytes,
  depth,
  index,
  signature,
  proof,
  leafBytes,
  leaf,
}: SymbolFrame): ListedSymbol {
  const hashes = new Uint8Array(NODE_SIZE);
  leafHash(index, leafBytes, hashes, 0);
  const { symbol, ...of } = leaf;
  const manifest = shareManifest({
    ...of,
    descriptorBytes,
    depth,
    signature,
    position: index,
    hashes,
    proof,
  });
  return { manifest, place: 0, symbol };
}

/** The body of a SYMBOL that says all that a listed symbol and its manifest do. */
export function inlineBody({ manifest, place, symbol }: ListedSymbol): Uint8Array {
  const { descriptorBytes, depth, signature, position, sbn, esi, firstHop, hashes } = manifest;
  return writeSymbol({
    ...{ descriptorBytes, depth, signature },
    index: position + place,
    proof: Buffer.concat([proofFromHashes(hashes, place), manifest.proof]),
    leafBytes: writeLeaf({ sbn, esi: esi + place, firstHop, symbol }),
  });
}

export type BatchVerdict = 'valid' | 'bad-signature' | 'signature-budget';

/** All that a signature covers, and the signature. */
interface Batch {
  signature: Uint8Array;
  descriptorBytes: Uint8Array;
  root: Uint8Array;
}

export class BatchVerifier {
  private readonly group: Group;
  private readonly provider = defaultProvider();
  /** By origin: verified batches by signature, with all that it covers. Insertion order is age. */
  private readonly known: SparseMap<string, Batch>[];
  private size = 0;
  private latest: Batch | undefined;
  root: Uint8Array = new Uint8Array(ROOT_SIZE);
  private readonly scratch = new Uint8Array(ROOT_SIZE);
  private readonly leafHeader = new Writer(new Uint8Array(LEAF_HEADER_SIZE));
  private readonly leafHash = new Uint8Array(NODE_SIZE);
  private readonly checks: SharedRate;

  constructor(group: Group) {
    this.group = group;
    const members = group.members.length;
    this.known = group.members.map(() => new SparseMap());
    this.checks = new SharedRate(members, { common: COMMON_CHECKS, own: OWN_CHECKS / members });
  }

  /**
   * Checks one symbol; `frame.descriptor.origin` must be a member of the group. Of a served symbol only the certificate.
   * `root` is then the batch's, valid until the next call. A check counts against the origin if it holds, and if not against
   * `hop`, the member that sent it: honest ones send nothing that does not.
   *
   * @param mayCharge whether `hop` may pay for it where the origin has nothing left
   */
  verify(now: Micros, hop: number, frame: SymbolFrame, mayCharge = () => false): BatchVerdict {
    const { manifest } = frame;
    if (manifest && frame.depth !== SERVED && !this.isListed(manifest, frame)) return 'bad-signature';
    return this.verifySigned(now, hop, frame, mayCharge);
  }

  /** The same of a manifest of a share, before any symbol of it has come. */
  verifyManifest(now: Micros, hop: number, manifest: Manifest): BatchVerdict {
    const { descriptor, descriptorBytes, depth, position, signature, proof } = manifest;
    const frame = { descriptor, descriptorBytes, depth, index: position, signature, proof, manifest };
    return this.verifySigned(now, hop, { ...frame, leafBytes: NOTHING }, () => false);
  }

  private verifySigned(
    now: Micros,
    hop: number,
    frame: Omit<SymbolFrame, 'leaf'>,
    mayCharge: () => boolean,
  ): BatchVerdict {
    const { manifest, descriptorBytes, signature } = frame;
    if (manifest?.root) {
      this.root = manifest.root;
      return 'valid';
    }
    const { latest } = this;
    // Most come in a row, and to make a key of a signature takes longer than to compare.
    if (latest && !manifest && equalBytes(latest.signature, signature)) {
      this.root = this.rootOf(frame);
      if (equalBytes(latest.root, this.root) && equalBytes(latest.descriptorBytes, descriptorBytes))
        return 'valid';
    }
    // By signature, not by root: equal contents of two objects give equal roots.
    const key = Buffer.from(signature.buffer, signature.byteOffset, signature.length).toString('latin1');
    const { origin } = frame.descriptor;
    const known = this.known[origin].get(key);
    const { checks } = this;
    const pays = known || checks.allows(now, origin) || !mayCharge() ? origin : hop;
    const mayCheck = checks.allows(now, hop) && checks.allows(now, pays);
    // Not even the hashes of what there is no room to check are worth while.
    if (!known && !mayCheck) return 'signature-budget';
    this.root = this.rootOf(frame);
    if (known && equalBytes(known.root, this.root) && equalBytes(known.descriptorBytes, descriptorBytes)) {
      this.latest = known;
      if (manifest) manifest.root = known.root;
      return 'valid';
    }
    if (!mayCheck) return 'signature-budget';
    const { publicKey } = this.group.members[origin];
    const message = batchMessage(this.group, descriptorBytes, this.root);
    const isValid = this.provider.verify(publicKey, message, signature);
    checks.spend(now, isValid ? pays : hop);
    if (!isValid) return 'bad-signature';
    // Copies: the frame is a view of a datagram that should not be kept alive.
    this.latest = {
      signature: signature.slice(),
      descriptorBytes: descriptorBytes.slice(),
      root: this.root.slice(),
    };
    this.remember(origin, key, this.latest);
    if (manifest) manifest.root = this.latest.root;
    return 'valid';
  }

  /** Whether it is the symbol that its manifest lists there. */
  private isListed({ hashes, position }: Manifest, { index, leaf }: SymbolFrame): boolean {
    const header = this.leafHeader;
    header.offset = 0;
    writeLeafHeader(header, leaf);
    leafHash(index, header.bytes, this.leafHash, 0, leaf.symbol);
    const at = (index - position) * NODE_SIZE;
    for (let i = 0; i < NODE_SIZE; i++) if (hashes[at + i] !== this.leafHash[i]) return false;
    return true;
  }

  /** What hashes and proof lead to, whether it is signed or not. */
  private rootOf({ depth, manifest, proof, leafBytes, index }: Omit<SymbolFrame, 'leaf'>): Uint8Array {
    if (depth === SERVED) return proof;
    if (manifest) return rootFromHashes(manifest.hashes, manifest.position, manifest.proof);
    return rootFromProof(leafBytes, index, depth, proof, this.scratch);
  }

  /** At the bound, who has most of it makes room. */
  private remember(origin: number, key: string, batch: Batch): void {
    const mine = this.known[origin];
    this.size -= mine.size;
    mine.set(key, batch);
    this.size += mine.size;
    if (this.size <= MAX_KNOWN) return;
    let largest = mine;
    for (const of of this.known) if (of.size > largest.size) largest = of;
    largest.delete(largest.keys().next().value!);
    this.size--;
  }
}

/** What an origin signs: the group, the object and the root of a batch of its symbols. */
export function batchMessage(group: Group, descriptorBytes: Uint8Array, root: Uint8Array): Uint8Array {
  return new Writer(BATCH_DOMAIN.length + HASH_SIZE + DESCRIPTOR_SIZE + ROOT_SIZE)
    .put(BATCH_DOMAIN)
    .put(group.id)
    .put(descriptorBytes)
    .put(root)
    .finish();
}

const NOTHING = new Uint8Array(0);
const BATCH_DOMAIN = new TextEncoder().encode('headwater batch v1\0');
/**
 * Of all origins: some 80 MB of symbols, or 2048 small objects: more than is under way. Each takes the better part of a
 * kilobyte.
 */
export const MAX_KNOWN = 2048;
/** A second: a third of what one core can check, for whoever comes first; and a sixth, of which each member has its part. */
export const COMMON_CHECKS = 4_000;
export const OWN_CHECKS = 2_000;
