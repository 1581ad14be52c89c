/**
 * Signed batches: up to 32 symbols under one Merkle root and one signature of their origin. `signBatch` makes the
 * SYMBOL bodies; a `BatchVerifier` checks received ones, one signature check a batch, thanks to its cache of roots.
 */
import { equalBytes, Writer } from '../core/bytes.js';
import { type Micros, SECOND } from '../core/time.js';
import { defaultProvider } from '../crypto/ed25519.js';
import { buildTree, rootFromProof } from '../crypto/merkle.js';
import { DESCRIPTOR_SIZE, HASH_SIZE, NODE_SIZE } from '../wire/limits.js';
import { type Leaf, SERVED, type SymbolFrame, writeLeaf, writeSymbol } from '../wire/symbol.js';
import type { Group } from './group.js';

/** SYMBOL bodies for 1 to 32 leaves of one object, in the order of `leaves`. */
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
  /** Verified batches by signature, with all that it covers. Insertion order is age. */
  private readonly known = new Map<string, Batch>();
  private latest: Batch | undefined;
  root: Uint8Array = new Uint8Array(NODE_SIZE);
  private readonly scratch = new Uint8Array(NODE_SIZE);
  private budget = MAX_CHECKS_PER_SECOND;
  private budgetAt: Micros | undefined;

  constructor(group: Group) {
    this.group = group;
  }

  /**
   * Checks one symbol; `frame.descriptor.origin` must be a member of the group. Of a served symbol only the certificate.
   * `root` is then the batch's, valid until the next call.
   */
  verify(now: Micros, frame: SymbolFrame): BatchVerdict {
    const root =
      frame.depth === SERVED
        ? frame.proof
        : rootFromProof(frame.leafBytes, frame.index, frame.depth, frame.proof, this.scratch);
    this.root = root;
    const { signature, descriptorBytes } = frame;
    const { latest } = this;
    // Most come in a row, and to make a key of a signature takes longer than to compare.
    if (
      latest &&
      equalBytes(latest.root, root) &&
      equalBytes(latest.signature, signature) &&
      equalBytes(latest.descriptorBytes, descriptorBytes)
    )
      return 'valid';
    // By signature, not by root: equal contents of two objects give equal roots.
    const key = Buffer.from(signature.buffer, signature.byteOffset, signature.length).toString('latin1');
    const known = this.known.get(key);
    if (known && equalBytes(known.root, root) && equalBytes(known.descriptorBytes, descriptorBytes)) {
      this.latest = known;
      return 'valid';
    }
    if (!this.spend(now)) return 'signature-budget';
    const { publicKey } = this.group.members[frame.descriptor.origin];
    const message = batchMessage(this.group, descriptorBytes, root);
    if (!this.provider.verify(publicKey, message, signature)) return 'bad-signature';
    if (this.known.size >= MAX_KNOWN) this.known.delete(this.known.keys().next().value!);
    // Copies: the frame is a view of a datagram that should not be kept alive.
    this.latest = {
      signature: signature.slice(),
      descriptorBytes: descriptorBytes.slice(),
      root: root.slice(),
    };
    this.known.set(key, this.latest);
    return 'valid';
  }

  private spend(now: Micros): boolean {
    const elapsed = now - (this.budgetAt ?? now);
    this.budgetAt = now;
    this.budget = Math.min(MAX_CHECKS_PER_SECOND, this.budget + (elapsed / SECOND) * MAX_CHECKS_PER_SECOND);
    if (this.budget < 1) return false;
    this.budget--;
    return true;
  }
}

/** What an origin signs: the group, the object and the root of a batch of its symbols. */
export function batchMessage(group: Group, descriptorBytes: Uint8Array, root: Uint8Array): Uint8Array {
  return new Writer(BATCH_DOMAIN.length + HASH_SIZE + DESCRIPTOR_SIZE + NODE_SIZE)
    .put(BATCH_DOMAIN)
    .put(group.id)
    .put(descriptorBytes)
    .put(root)
    .finish();
}

const BATCH_DOMAIN = new TextEncoder().encode('headwater batch v1\0');
/** Some 80 MB of symbols, or 2048 small objects: more than is under way. Each takes the better part of a kilobyte. */
const MAX_KNOWN = 2048;
/** A third of what one core can check; forgeries cannot take more of it than that. */
const MAX_CHECKS_PER_SECOND = 4_000;
