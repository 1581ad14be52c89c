/** The constants of the wire format against the real sizes of what is written, and against those of crypto. */
import { describe, expect, test } from 'vitest';
import { signBatch } from '../../src/broadcast/proof/batch.js';
import { AEAD_TAG_BYTES } from '../../src/crypto/aead.js';
import { SIGNATURE_BYTES } from '../../src/crypto/ed25519.js';
import { MERKLE_HASH_BYTES, sha256 } from '../../src/crypto/hash.js';
import { MAX_DEPTH, MAX_LEAVES } from '../../src/crypto/merkle.js';
import { FRAMES_ROOM, parseContents, writeDatagram } from '../../src/wire/datagram.js';
import { ACK_SPAN, type Ack } from '../../src/wire/frames/ack.js';
import { ACK_POLICY_SIZE } from '../../src/wire/frames/ack-policy.js';
import { type Frame, frameSize } from '../../src/wire/frames.js';
import {
  CERTIFICATE_SIZE,
  DATAGRAM_SIZE,
  DESCRIPTOR_SIZE,
  ETHERNET_DATAGRAM,
  HASH_SIZE,
  LEAF_HEADER_SIZE,
  MAX_AHEAD,
  MAX_BATCH,
  MAX_DATAGRAM,
  MAX_INLINE_BATCH,
  MAX_INLINE_SYMBOL,
  MAX_PROGRESS_ENTRIES,
  MAX_PROOF_DEPTH,
  MAX_SHARE,
  MAX_SOURCE_BLOCKS,
  MAX_SYMBOL_BODY,
  MAX_SYMBOL_SIZE,
  MAX_TRANSFER_AHEAD,
  MAX_TRANSFER_REASON,
  NODE_SIZE,
  PROTECTED_HEADER,
  PROTECTED_OVERHEAD,
  PROTECTED_TAG,
  SIGNATURE_SIZE,
  SYMBOL_ALIGNMENT,
  symbolSizeFor,
} from '../../src/wire/limits.js';
import { shareManifest } from '../../src/wire/manifest.js';
import { TRANSFER_BIT, writeDescriptor, writeLeaf } from '../../src/wire/symbol.js';
import { servedSymbol } from '../broadcast/objects.js';
import { smallGroup } from '../broadcast/small-group.js';

describe('a SYMBOL of a full batch', () => {
  const { group, keys } = smallGroup(3);
  const symbol = new Uint8Array(MAX_INLINE_SYMBOL);
  const descriptor = {
    origin: 0,
    incarnation: 1,
    seq: 0,
    length: 1e6,
    symbolSize: MAX_INLINE_SYMBOL,
    sourceBlocks: 1,
    hash: sha256(symbol),
  };
  const leaves = Array.from({ length: MAX_INLINE_BATCH }, (_, esi) => ({ sbn: 0, esi, firstHop: 1, symbol }));
  const bodies = signBatch(group, writeDescriptor(descriptor), leaves, keys[0].sign);

  test('fits a datagram with MAX_INLINE_SYMBOL bytes, and not with one alignment more', () => {
    expect(MAX_INLINE_SYMBOL % SYMBOL_ALIGNMENT).toBe(0);
    for (const { length } of bodies) {
      expect(length).toBeLessThanOrEqual(MAX_SYMBOL_BODY);
      expect(length + SYMBOL_ALIGNMENT).toBeGreaterThan(MAX_SYMBOL_BODY);
    }
    expect(MAX_INLINE_SYMBOL).toBe(992);
  });

  test('leaves room for an ack policy beside it', () => {
    const policy: Frame = { kind: 'ack-policy', packets: 1, delay: 1 };
    expect(frameSize(policy)).toBe(ACK_POLICY_SIZE);
    expect(writeDatagram([policy], bodies[0]).length).toBeLessThanOrEqual(DATAGRAM_SIZE);
  });

  test('has a descriptor and a leaf header of the sizes that are stated', () => {
    expect(writeDescriptor(descriptor)).toHaveLength(DESCRIPTOR_SIZE);
    expect(writeLeaf(leaves[0])).toHaveLength(LEAF_HEADER_SIZE + MAX_INLINE_SYMBOL);
  });
});

describe('a datagram of frames', () => {
  const id = { origin: 0, incarnation: 1, seq: 0 };
  const { origin, incarnation } = id;
  /** Vectors hold as many entries as there is room for, at least one of the largest. */
  const largestEntry = {
    origin,
    incarnation,
    base: 0,
    count: 1,
    ready: 1,
    ended: true,
    first: false,
    over: false,
    chain: new Uint8Array(HASH_SIZE),
    ahead: new Uint8Array(MAX_AHEAD),
  };
  const vector: Frame = { kind: 'vector', version: 1, heard: 0, heardBefore: 0, entries: [largestEntry] };
  const largestPull: Frame = {
    kind: 'pull',
    id,
    missing: Array.from({ length: MAX_PROGRESS_ENTRIES }, (_, sbn) => ({ sbn, symbols: 65535 })),
  };
  const gone: Frame = { kind: 'gone', origin, incarnation, base: 1, chain: new Uint8Array(HASH_SIZE) };
  const largestProgress: Frame = {
    kind: 'progress',
    id,
    sourceBlocks: MAX_SOURCE_BLOCKS,
    complete: new Uint8Array(Math.ceil(MAX_SOURCE_BLOCKS / 8)),
    missing: Array.from({ length: MAX_PROGRESS_ENTRIES }, (_, sbn) => ({ sbn, symbols: 65535 })),
  };
  const largestTransfer: Frame = {
    ...{ kind: 'transfer', origin, incarnation: TRANSFER_BIT, version: 1, heard: 1, state: 'failed' },
    ...{ count: 1, sent: 1, reason: new Uint8Array(MAX_TRANSFER_REASON) },
    ahead: new Uint8Array(MAX_TRANSFER_AHEAD),
  };
  /** Each second number of all that an ack may reach back. */
  const largestAck: Ack = {
    ranges: Array.from({ length: ACK_SPAN / 2 }, (_, i) => [ACK_SPAN - 2 * i, ACK_SPAN - 2 * i]).flat(),
    delay: 0,
    received: ACK_SPAN / 2,
  };

  test('has FRAMES_ROOM bytes for them', () => {
    expect(writeDatagram([]).length + FRAMES_ROOM).toBe(DATAGRAM_SIZE);
  });

  test('has room for the largest frame of messages beside the largest ack', () => {
    const ack: Frame = { kind: 'ack', ack: largestAck };
    expect(frameSize(ack)).toBe(1 + 16 + 2 + ACK_SPAN / 8);
    for (const frame of [vector, largestProgress, largestPull, gone]) {
      expect(frameSize(frame)).toBeLessThanOrEqual(FRAMES_ROOM);
      expect(writeDatagram([ack, frame]).length).toBeLessThanOrEqual(DATAGRAM_SIZE);
    }
  });

  test('may hold the largest frame of any kind: it is read as it was written', () => {
    const ack: Frame = { kind: 'ack', ack: largestAck };
    for (const frame of [ack, vector, largestProgress, largestPull, gone, largestTransfer]) {
      const text = writeDatagram([frame]).slice(PROTECTED_HEADER, -PROTECTED_TAG);
      expect(parseContents(text)).toEqual({ frames: [frame], symbol: undefined });
    }
  });
});

test.each([
  [32, 1, true],
  [33, 1, false],
  [1100, 1100, true],
])('a VECTOR of %i entries of %i streams is read: %s', (count, streams, isRead) => {
  const [chain, ahead] = [new Uint8Array(HASH_SIZE), new Uint8Array()];
  const entries = Array.from({ length: count }, (_, i) => ({
    ...{ origin: 0, incarnation: 1 + (i % streams), base: 0, count: 1 + i, ready: 0 },
    ...{ ended: false, first: false, over: false, chain, ahead },
  }));
  const frame: Frame = { kind: 'vector', version: 1, heard: 0, heardBefore: 0, entries };
  const text = writeDatagram([frame]).slice(PROTECTED_HEADER, -PROTECTED_TAG);
  const read = () => parseContents(text);
  if (isRead) expect(read().frames).toEqual([frame]);
  else expect(read).toThrow('at most 32 entries of one stream');
});

test.each([
  ['reason', MAX_TRANSFER_REASON, 'a reason of at most 200 bytes'],
  ['ahead', MAX_TRANSFER_AHEAD, 'a bitmap of at most 512 bytes'],
] as const)('a TRANSFER with a longer %s is malformed', (field, most, expected) => {
  const frame: Frame = {
    ...{ kind: 'transfer', origin: 0, incarnation: TRANSFER_BIT, version: 1, heard: 1, state: 'failed' },
    ...{ count: 1, sent: 1, reason: new Uint8Array(0), ahead: new Uint8Array(0) },
    [field]: new Uint8Array(most + 1),
  };
  const text = writeDatagram([frame]).slice(PROTECTED_HEADER, -PROTECTED_TAG);
  expect(() => parseContents(text)).toThrow(expected);
});

test('a SYMBOL that is served fits where one of a full batch does', () => {
  const symbol = new Uint8Array(MAX_INLINE_SYMBOL);
  const body = servedSymbol(new Uint8Array(CERTIFICATE_SIZE), { sbn: 0, esi: 0 }, symbol);
  expect(body.length).toBeLessThanOrEqual(MAX_SYMBOL_BODY);
});

test.each([
  [1232, 1200],
  [1312, 1280],
  [1392, 1360],
  [1452, 1408],
])(
  'a datagram of %i bytes holds a symbol of %i that refers to a manifest, and none that is larger',
  (size, most) => {
    expect(symbolSizeFor(size)).toBe(most);
    for (const [bytes, fits] of [
      [most, true],
      [most + SYMBOL_ALIGNMENT, false],
    ] as const) {
      const listed: Frame = { kind: 'listed', number: 1, place: 1, symbol: new Uint8Array(bytes) };
      const served: Frame = { kind: 'served', number: 1, sbn: 0, esi: 0, symbols: new Uint8Array(bytes) };
      for (const frame of [listed, served]) expect(writeDatagram([frame]).length <= size).toBe(fits);
    }
    expect(MAX_SYMBOL_SIZE).toBe(symbolSizeFor(ETHERNET_DATAGRAM));
  },
);

test('the largest manifest fits a datagram', () => {
  const manifest = shareManifest({
    descriptorBytes: writeDescriptor({
      ...{ origin: 0, incarnation: 1, seq: 0, length: 1e5, symbolSize: 1200, sourceBlocks: 1 },
      hash: new Uint8Array(HASH_SIZE),
    }),
    ...{ depth: MAX_PROOF_DEPTH, signature: new Uint8Array(SIGNATURE_SIZE), position: 0 },
    ...{ sbn: 0, esi: 0, firstHop: 1, hashes: new Uint8Array(MAX_SHARE * NODE_SIZE) },
    proof: new Uint8Array(3 * NODE_SIZE),
  });
  const frame: Frame = { kind: 'manifest', number: 1, manifest };
  expect(writeDatagram([frame]).length).toBeLessThanOrEqual(DATAGRAM_SIZE);
});

test('wire, session and crypto agree on sizes', () => {
  expect(writeDatagram([])).toHaveLength(PROTECTED_OVERHEAD);
  expect(PROTECTED_TAG).toBe(AEAD_TAG_BYTES);
  expect(MAX_DATAGRAM).toBeGreaterThan(DATAGRAM_SIZE);
  expect(HASH_SIZE).toBe(sha256(new Uint8Array(0)).length);
  expect([NODE_SIZE, SIGNATURE_SIZE]).toEqual([MERKLE_HASH_BYTES, SIGNATURE_BYTES]);
  expect([MAX_BATCH, MAX_PROOF_DEPTH]).toEqual([MAX_LEAVES, MAX_DEPTH]);
});
