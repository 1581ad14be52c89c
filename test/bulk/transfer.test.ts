/** One transfer as a member sees it: which objects can be its own, and when it is whole. */
import { expect, test } from 'vitest';
import { parseManifest, sliceHash, transferId } from '../../src/bulk/manifest.js';
import { BulkTransfer, MANIFEST } from '../../src/bulk/transfer.js';
import { sha256 } from '../../src/crypto/hash.js';
import { SLICE, treeOf } from './crowd.js';

const { manifest } = treeOf([2 * SLICE + 5]);
const parsed = parseManifest(manifest);
const CERTIFICATE = new Uint8Array(1);

function admits(transfer: BulkTransfer, seq: number, hash: Uint8Array): boolean {
  return transfer.following.admits(0, false, { seq, hash });
}

/** One whose manifest has come. */
function opened(): BulkTransfer {
  const transfer = new BulkTransfer(transferId(0, sha256(manifest)));
  transfer.open(manifest, CERTIFICATE);
  return transfer;
}

test('a manifest is what the number of the transfer says', () => {
  const transfer = new BulkTransfer(transferId(0, sha256(manifest)));
  expect(admits(transfer, MANIFEST, sha256(manifest))).toBe(true);
  expect(admits(transfer, MANIFEST, sha256(treeOf([5]).manifest))).toBe(false);
});

test('a slice is what the manifest says, be another one signed or not', () => {
  const transfer = opened();
  expect(admits(transfer, 1, sliceHash(parsed, 0))).toBe(true);
  expect(admits(transfer, 1, sliceHash(parsed, 1))).toBe(false);
});

test('behind the last slice there is none', () => {
  expect(admits(opened(), parsed.slices + 1, new Uint8Array(0))).toBe(false);
});

test('it is whole with its last slice, not before', () => {
  const transfer = opened();
  for (let seq = 1; seq <= parsed.slices; seq++) {
    expect(transfer.isWhole).toBe(false);
    transfer.hold(seq, CERTIFICATE);
  }
  expect(transfer.isWhole).toBe(true);
});
