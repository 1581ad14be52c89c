/** The constants of the wire format against the real sizes of what is written, and against those of crypto. */
import { describe, expect, test } from 'vitest';
import { signBatch } from '../../src/broadcast/batch.js';
import { SIGNATURE_BYTES } from '../../src/crypto/ed25519.js';
import { MERKLE_HASH_BYTES, sha256 } from '../../src/crypto/hash.js';
import { MAX_DEPTH, MAX_LEAVES } from '../../src/crypto/merkle.js';
import {
  CONTROL_ROOM,
  type Control,
  type ControlFrame,
  frameSize,
  writeControl,
} from '../../src/wire/control.js';
import { datagramOf, type Header } from '../../src/wire/header.js';
import {
  DATAGRAM_SIZE,
  DESCRIPTOR_SIZE,
  GROUP_TAG_SIZE,
  HASH_SIZE,
  HEADER_SIZE,
  LEAF_HEADER_SIZE,
  MAX_BATCH,
  MAX_MEMBERS,
  MAX_PROGRESS_ENTRIES,
  MAX_PROOF_DEPTH,
  MAX_SOURCE_BLOCKS,
  MAX_SYMBOL_SIZE,
  NODE_SIZE,
  SIGNATURE_SIZE,
  SYMBOL_ALIGNMENT,
  SYMBOL_OVERHEAD,
} from '../../src/wire/limits.js';
import { writeDescriptor, writeLeaf } from '../../src/wire/symbol.js';
import { smallGroup } from '../broadcast/small-group.js';

const outer: Header = {
  type: 'symbol',
  groupTag: new Uint8Array(GROUP_TAG_SIZE),
  sender: 0,
  packetNumber: 1,
};

describe('a symbol of a full batch', () => {
  const { group, keys } = smallGroup(3);
  const symbol = new Uint8Array(MAX_SYMBOL_SIZE);
  const descriptor = {
    origin: 0,
    incarnation: 1,
    seq: 0,
    length: 1e6,
    symbolSize: MAX_SYMBOL_SIZE,
    sourceBlocks: 1,
    hash: sha256(symbol),
  };
  const leaves = Array.from({ length: MAX_BATCH }, (_, esi) => ({ sbn: 0, esi, firstHop: 1, symbol }));
  const bodies = signBatch(group, writeDescriptor(descriptor), leaves, keys[0].sign);

  test('is surrounded by SYMBOL_OVERHEAD bytes', () => {
    for (const body of bodies) expect(datagramOf(outer, body).length - MAX_SYMBOL_SIZE).toBe(SYMBOL_OVERHEAD);
  });

  test('fits a datagram if it is of MAX_SYMBOL_SIZE, and not if it is one alignment larger', () => {
    expect(MAX_SYMBOL_SIZE % SYMBOL_ALIGNMENT).toBe(0);
    expect(MAX_SYMBOL_SIZE + SYMBOL_OVERHEAD).toBeLessThanOrEqual(DATAGRAM_SIZE);
    expect(MAX_SYMBOL_SIZE + SYMBOL_ALIGNMENT + SYMBOL_OVERHEAD).toBeGreaterThan(DATAGRAM_SIZE);
  });

  test('has a descriptor and a leaf header of the sizes that are stated', () => {
    expect(writeDescriptor(descriptor)).toHaveLength(DESCRIPTOR_SIZE);
    expect(writeLeaf(leaves[0])).toHaveLength(LEAF_HEADER_SIZE + MAX_SYMBOL_SIZE);
  });
});

describe('a control datagram', () => {
  const id = { origin: 0, incarnation: 1, seq: 0 };
  const largestConfirm: ControlFrame = {
    kind: 'confirm',
    id,
    hash: new Uint8Array(HASH_SIZE),
    wantsAck: true,
    confirmed: new Uint8Array(MAX_MEMBERS / 8),
  };
  const largestProgress: ControlFrame = {
    kind: 'progress',
    id,
    sourceBlocks: MAX_SOURCE_BLOCKS,
    complete: new Uint8Array(Math.ceil(MAX_SOURCE_BLOCKS / 8)),
    missing: Array.from({ length: MAX_PROGRESS_ENTRIES }, (_, sbn) => ({ sbn, symbols: 65535 })),
  };

  test('has CONTROL_ROOM bytes left for frames', () => {
    expect(write([]).length + CONTROL_ROOM).toBe(DATAGRAM_SIZE);
  });

  test('has room for the largest frame of either kind', () => {
    for (const frame of [largestConfirm, largestProgress]) {
      expect(frameSize(frame)).toBeLessThanOrEqual(CONTROL_ROOM);
      expect(write([frame]).length).toBeLessThanOrEqual(DATAGRAM_SIZE);
    }
  });

  function write(frames: ControlFrame[]): Uint8Array {
    const content: Control = {
      receiver: 1,
      incarnation: 1,
      timestamp: 0,
      echo: undefined,
      ackedIncarnation: 0,
      received: 0,
      highest: 0,
      frames,
    };
    return writeControl(outer, content, () => new Uint8Array(SIGNATURE_SIZE));
  }
});

test('wire and crypto agree on sizes', () => {
  expect(datagramOf(outer, new Uint8Array(0))).toHaveLength(HEADER_SIZE);
  expect(HASH_SIZE).toBe(sha256(new Uint8Array(0)).length);
  expect([NODE_SIZE, SIGNATURE_SIZE]).toEqual([MERKLE_HASH_BYTES, SIGNATURE_BYTES]);
  expect([MAX_BATCH, MAX_PROOF_DEPTH]).toEqual([MAX_LEAVES, MAX_DEPTH]);
});
