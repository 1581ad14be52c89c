/**
 * Signed batches: up to 32 symbols under one Merkle root and one signature of their origin. `signBatch` makes the
 * SYMBOL bodies; a `BatchVerifier` checks received ones, one signature check a batch, thanks to its cache of roots.
 */
import { equalBytes, Writer } from '../../core/bytes.js';
import type { Micros } from '../../core/time.js';
import { defaultProvider } from '../../crypto/ed25519.js';
import { buildTree, rootFromProof } from '../../crypto/merkle.js';
import type { Group } from '../../group/group.js';
import { DESCRIPTOR_SIZE, HASH_SIZE, NODE_SIZE } from '../../wire/limits.js';
import { type Leaf, SERVED, type SymbolFrame, writeLeaf, writeSymbol } from '../../wire/symbol.js';
import { SharedRate } from './shares.js';

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
  /** By origin: verified batches by signature, with all that it covers. Insertion order is age. */
  private readonly known: Map<string, Batch>[];
  private size = 0;
  private latest: Batch | undefined;
  root: Uint8Array = new Uint8Array(NODE_SIZE);
  private readonly scratch = new Uint8Array(NODE_SIZE);
  private readonly checks: SharedRate;

  constructor(group: Group) {
    this.group = group;
    const members = group.members.length;
    this.known = group.members.map(() => new Map());
    this.checks = new SharedRate(members, { common: COMMON_CHECKS, own: OWN_CHECKS / members });
  }

  /**
   * Checks one symbol; `frame.descriptor.origin` must be a member of the group. Of a served symbol only the certificate.
   * `root` is then the batch's, valid until the next call. A check counts against the origin if it holds, and if not against
   * `hop`, the member that sent it: honest ones send nothing that does not.
   */
  verify(now: Micros, hop: number, frame: SymbolFrame): BatchVerdict {
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
    const { origin } = frame.descriptor;
    const known = this.known[origin].get(key);
    if (known && equalBytes(known.root, root) && equalBytes(known.descriptorBytes, descriptorBytes)) {
      this.latest = known;
      return 'valid';
    }
    const { checks } = this;
    if (!checks.allows(now, hop) || !checks.allows(now, origin)) return 'signature-budget';
    const { publicKey } = this.group.members[origin];
    const message = batchMessage(this.group, descriptorBytes, root);
    const isValid = this.provider.verify(publicKey, message, signature);
    checks.spend(now, isValid ? origin : hop);
    if (!isValid) return 'bad-signature';
    // Copies: the frame is a view of a datagram that should not be kept alive.
    this.latest = {
      signature: signature.slice(),
      descriptorBytes: descriptorBytes.slice(),
      root: root.slice(),
    };
    this.remember(origin, key, this.latest);
    return 'valid';
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
  return new Writer(BATCH_DOMAIN.length + HASH_SIZE + DESCRIPTOR_SIZE + NODE_SIZE)
    .put(BATCH_DOMAIN)
    .put(group.id)
    .put(descriptorBytes)
    .put(root)
    .finish();
}

const BATCH_DOMAIN = new TextEncoder().encode('headwater batch v1\0');
/**
 * Of all origins: some 80 MB of symbols, or 2048 small objects: more than is under way. Each takes the better part of a
 * kilobyte.
 */
export const MAX_KNOWN = 2048;
/** A second: a third of what one core can check, for whoever comes first; and a sixth, of which each member has its part. */
export const COMMON_CHECKS = 4_000;
export const OWN_CHECKS = 2_000;
