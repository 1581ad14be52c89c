/**
 * The format itself, byte for byte: the texts of datagrams with a SYMBOL and of one with every kind of frame, as hex. If
 * one of these must change, so must SESSION_VERSION, or members of two versions of the program will misread each other.
 */
import { describe, expect, test } from 'vitest';
import { writeCertificate } from '../../src/broadcast/proof/certificate.js';
import { toHex } from '../../src/core/bytes.js';
import { parseContents, SymbolWriter, writeDatagram } from '../../src/wire/datagram.js';
import type { Ack } from '../../src/wire/frames/ack.js';
import { type Frame, frameSize } from '../../src/wire/frames.js';
import { DATAGRAM_SIZE, PROTECTED_HEADER, PROTECTED_TAG } from '../../src/wire/limits.js';
import { listedFrame, servedFrame, servedManifest, shareManifest } from '../../src/wire/manifest.js';
import {
  parseDescriptor,
  parseSymbol,
  SERVED,
  writeDescriptor,
  writeLeaf,
  writeSymbol,
} from '../../src/wire/symbol.js';
import { servedSymbol } from '../broadcast/objects.js';
import { Numbers } from '../broadcast/way.js';
import { textOf } from './arbitrary.js';

const signature = new Uint8Array(64).fill(0x51);
const hash = new Uint8Array(32).fill(0x44);

const symbolHex = [
  '06', // ACK_POLICY
  '0102', // packets
  '030405', // delay
  '01', // SYMBOL
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101112', // seq
  '00000f1617', // length
  '0010', // T
  'ff', // Z
  '44'.repeat(32), // object hash
  '01', // proof depth
  '01', // leaf index
  '51'.repeat(64), // signature
  '66'.repeat(16), // proof
  'fe', // SBN
  '18191a', // ESI
  '1b1c', // first hop
  '77'.repeat(16), // symbol
].join('');

const servedHex = [
  '01', // SYMBOL
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101112', // seq
  '0000000020', // length
  '0010', // T
  '02', // Z
  '44'.repeat(32), // object hash
  'ff', // depth: served
  '01', // one more symbol behind the first
  '51'.repeat(64), // signature
  '66'.repeat(20), // root
  '01', // SBN
  '18191a', // ESI of the first
  'ffff', // first hop: none
  '77'.repeat(16), // symbol
  '78'.repeat(16), // the next one
].join('');

const descriptorHex = [
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101112', // seq
  '0000000020', // length
  '0010', // T
  '02', // Z
  '44'.repeat(32), // object hash
].join('');

const manifestsHex = [
  '0c', // MANIFEST
  '1112', // number
  descriptorHex,
  '05', // depth
  '51'.repeat(64), // signature
  '08', // position
  '03', // three symbols, so four places
  '01', // SBN
  '18191a', // ESI of the first
  '1b1c', // first hop
  '71'.repeat(16), // hashes
  '72'.repeat(16),
  '73'.repeat(16),
  '66'.repeat(3 * 16), // proof: of the depth of 5 two levels are the share's
  '0c', // MANIFEST
  'fffe', // number
  descriptorHex,
  'ff', // depth: served
  '51'.repeat(64), // signature
  '66'.repeat(20), // root
].join('');

const framesHex = [
  '02', // ACK
  '00', // ranges
  '202122232425', // largest
  '262728', // delay, in 8 us
  '292a2b2c2d2e', // received
  '0003', // three ranges
  '00', // the largest alone
  '7f', // then 128 missing
  '80c8', // 201 numbers
  '8080', // then 129 missing
  '01', // two numbers
  '02', // ACK
  '01', // bitmap
  '0000000000c8', // largest: 200
  '000000', // delay
  '000000000065', // received: 101
  '0019', // 25 bytes
  'aa'.repeat(25), // each second number: 198, 196 ... 0
  '03', // VECTOR
  '41424344', // version
  '45464748', // heard
  '80000001', // heard before: the version one before, and the one 32 before
  '0002', // two entries
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '00000005', // base
  '0f101112', // count
  '61'.repeat(32), // chain
  '03', // READY follows, ENDED
  '0f101100', // READY
  '02', // bitmap length
  '8103', // ahead: objects count + 1, count + 8, 9, 10
  '0001', // another origin
  '000000000002', // incarnation
  '00000000', // base
  '00000000', // count
  '62'.repeat(32), // chain
  '00', // no flags
  '00', // no bitmap
  '04', // PROGRESS
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101113', // seq
  '09', // Z
  '4001', // complete: blocks 6 and 8
  '02', // two entries
  '000100', // block 0 misses 256
  '05ffff', // block 5 misses 65535
  '05', // PING
  '06', // ACK_POLICY
  '3031', // packets
  '323334', // delay
  '07', // MTU_PROBE
  '3536', // size
  '08', // MTU_REPORT
  '3738', // size
  '09', // PULL
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101114', // seq
  '02', // two entries
  '000001', // of block 0 one symbol
  'fe1234', // of block 254 so many
  '09', // PULL
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '0f101115', // seq
  '00', // all of it
  '0a', // GONE
  '0708', // origin
  '090a0b0c0d0e', // incarnation
  '393a3b3c', // base
  '63'.repeat(32), // chain
  '0b', // SIZED_SYMBOL
  '0002', // length
  '393a', // body
  '0d', // LISTED
  '3b3c', // manifest
  '1f', // place
  '0002', // length
  '3d3e', // symbol
  '0e', // SERVED, to the end
  '3f40', // manifest
  '41', // SBN
  '424344', // ESI
  '454647', // symbols
].join('');

const id = { origin: 0x0708, incarnation: 0x090a0b0c0d0e };
const LARGEST = 0x202122232425;
const frames: Frame[] = [
  {
    kind: 'ack',
    ack: {
      ranges: [LARGEST, LARGEST, LARGEST - 129, LARGEST - 329, LARGEST - 459, LARGEST - 460],
      delay: 0x262728 * 8,
      received: 0x292a2b2c2d2e,
    },
  },
  {
    kind: 'ack',
    ack: {
      ranges: Array.from({ length: 101 }, (_, i) => [200 - 2 * i, 200 - 2 * i]).flat(),
      delay: 0,
      received: 101,
    },
  },
  {
    kind: 'vector',
    version: 0x41424344,
    heard: 0x45464748,
    heardBefore: 0x80000001,
    entries: [
      {
        ...id,
        base: 5,
        count: 0x0f101112,
        ready: 0x0f101100,
        ended: true,
        first: false,
        over: false,
        chain: new Uint8Array(32).fill(0x61),
        ahead: Uint8Array.of(0x81, 0x03),
      },
      {
        origin: 1,
        incarnation: 2,
        base: 0,
        count: 0,
        ready: 0,
        ended: false,
        first: false,
        over: false,
        chain: new Uint8Array(32).fill(0x62),
        ahead: new Uint8Array(0),
      },
    ],
  },
  {
    kind: 'progress',
    id: { ...id, seq: 0x0f101113 },
    sourceBlocks: 9,
    complete: Uint8Array.of(0x40, 0x01),
    missing: [
      { sbn: 0, symbols: 256 },
      { sbn: 5, symbols: 65535 },
    ],
  },
  { kind: 'ping' },
  { kind: 'ack-policy', packets: 0x3031, delay: 0x323334 },
  { kind: 'mtu-probe', size: 0x3536 },
  { kind: 'mtu-report', size: 0x3738 },
  {
    kind: 'pull',
    id: { ...id, seq: 0x0f101114 },
    missing: [
      { sbn: 0, symbols: 1 },
      { sbn: 254, symbols: 0x1234 },
    ],
  },
  { kind: 'pull', id: { ...id, seq: 0x0f101115 }, missing: [] },
  { kind: 'gone', ...id, base: 0x393a3b3c, chain: new Uint8Array(32).fill(0x63) },
  { kind: 'sized-symbol', body: Uint8Array.of(0x39, 0x3a) },
  { kind: 'listed', number: 0x3b3c, place: 31, symbol: Uint8Array.of(0x3d, 0x3e) },
  { kind: 'served', number: 0x3f40, sbn: 0x41, esi: 0x424344, symbols: Uint8Array.of(0x45, 0x46, 0x47) },
];

test('a policy and a symbol', () => {
  const descriptor = {
    origin: 0x0708,
    incarnation: 0x090a0b0c0d0e,
    seq: 0x0f101112,
    length: 0x00000f1617,
    symbolSize: 16,
    sourceBlocks: 255,
    hash,
  };
  const leaf = { sbn: 254, esi: 0x18191a, firstHop: 0x1b1c, symbol: new Uint8Array(16).fill(0x77) };
  const body = writeSymbol({
    descriptorBytes: writeDescriptor(descriptor),
    depth: 1,
    index: 1,
    signature,
    proof: new Uint8Array(16).fill(0x66),
    leafBytes: writeLeaf(leaf),
  });
  const policy: Frame = { kind: 'ack-policy', packets: 0x0102, delay: 0x030405 };
  expect(toHex(textOf({ frames: [policy], symbol: body }))).toBe(symbolHex);
  expect(parseContents(fromHex(symbolHex))).toEqual({ frames: [policy], symbol: body });
});

test('two symbols served together', () => {
  const two = new Uint8Array(32).fill(0x77, 0, 16).fill(0x78, 16);
  const body = servedSymbol(
    writeCertificate(
      writeDescriptor({
        origin: 0x0708,
        incarnation: 0x090a0b0c0d0e,
        seq: 0x0f101112,
        length: 32,
        symbolSize: 16,
        sourceBlocks: 2,
        hash,
      }),
      new Uint8Array(20).fill(0x66),
      signature,
    ),
    { sbn: 1, esi: 0x18191a },
    two,
    2,
  );
  expect(toHex(textOf({ frames: [], symbol: body }))).toBe(servedHex);
  expect(parseSymbol(body)).toMatchObject({
    depth: SERVED,
    index: 1,
    proof: new Uint8Array(20).fill(0x66),
    leaf: { sbn: 1, esi: 0x18191a, symbol: two },
  });
});

describe('manifests', () => {
  const descriptor = parseDescriptor(fromHex(descriptorHex));
  const descriptorBytes = writeDescriptor(descriptor);
  const share = shareManifest({
    ...{ descriptorBytes, depth: 5, signature, position: 8, sbn: 1, esi: 0x18191a, firstHop: 0x1b1c },
    hashes: fromHex('71'.repeat(16) + '72'.repeat(16) + '73'.repeat(16)),
    proof: new Uint8Array(48).fill(0x66),
  });
  const root = new Uint8Array(20).fill(0x66);

  test('of a share and of what is served', () => {
    const served = servedManifest(writeCertificate(descriptorBytes, root, signature));
    const frames: Frame[] = [
      { kind: 'manifest', number: 0x1112, manifest: share },
      { kind: 'manifest', number: 0xfffe, manifest: served },
    ];
    expect(toHex(textOf({ frames, symbol: undefined }))).toBe(manifestsHex);
    expect(parseContents(fromHex(manifestsHex))).toEqual({ frames, symbol: undefined });
    expect([share.count, served.count, share.firstHop, served.depth]).toEqual([3, 0, 0x1b1c, SERVED]);
  });

  const at = 3 + 52 + 1 + 64;
  test.each([
    ['a tree deeper than 8', [[3 + 52, 9]], 'depth: expected 0 to 8 or 255, got 9'],
    ['no symbols', [[at + 1, 0]], 'count: expected 1 to 32, got 0'],
    [
      'more symbols than 32',
      [
        [3 + 52, 8],
        [at + 1, 33],
      ],
      'count: expected 1 to 32, got 33',
    ],
    ['more symbols than its tree has places', [[3 + 52, 1]], 'count: expected 1 to 2, got 3'],
    ['a place between those of shares', [[at, 6]], 'position: expected a multiple of 4 below 32, got 6'],
    ['a place beyond its tree', [[at, 32]], 'position: expected a multiple of 4 below 32, got 32'],
    ['a block that its object does not have', [[at + 2, 2]], 'SBN: expected less than 2, got 2'],
    ['ESIs beyond 24 bits', [[at + 3, 255, 255, 254]], 'ESI: expected at most 16777213, got 16777214'],
    [
      'fewer hashes than symbols',
      [
        [3 + 52, 8],
        [at, 0, 32],
      ],
      'hashes: expected 512 bytes, got 236',
    ],
  ])('are malformed with %s', (_what, changes, message) => {
    const text = fromHex(manifestsHex);
    for (const [offset, ...values] of changes) text.set(values, offset);
    expect(() => parseContents(text)).toThrow(malformed(message));
  });

  test('are made symbols by what refers to them', () => {
    const symbol = new Uint8Array(16).fill(9);
    const frame = listedFrame(share, 2, symbol);
    expect(frame).toMatchObject({ depth: 5, index: 10, manifest: share });
    expect(frame.leaf).toEqual({ sbn: 1, esi: 0x18191c, firstHop: 0x1b1c, symbol });
    expect(() => listedFrame(share, 3, symbol)).toThrow(malformed('place: expected less than 3, got 3'));
    expect(() => listedFrame(share, 0, symbol.subarray(1))).toThrow(
      malformed('symbol: expected 16 bytes, got 15'),
    );
    expect(() => servedFrame(share, 1, 0, symbol)).toThrow(
      malformed('manifest: expected that of a certificate'),
    );
  });

  test('of what is served are made symbols by runs of them', () => {
    const served = servedManifest(writeCertificate(descriptorBytes, root, signature));
    const two = new Uint8Array(32).fill(9);
    expect(servedFrame(served, 1, 7, two)).toMatchObject({
      depth: SERVED,
      index: 1,
      proof: root,
      leaf: { sbn: 1, esi: 7, firstHop: 0xffff, symbol: two },
    });
    for (const length of [0, 15, 17])
      expect(() => servedFrame(served, 1, 7, new Uint8Array(length))).toThrow(
        malformed(`symbols: expected a multiple of 16 bytes, got ${length}`),
      );
    expect(() => servedFrame(served, 2, 7, two)).toThrow(malformed('SBN: expected less than 2, got 2'));
    expect(() => listedFrame(served, 0, two)).toThrow(malformed('place: expected less than 0, got 0'));
  });
});

test('every kind of frame', () => {
  expect(toHex(textOf({ frames, symbol: undefined }))).toBe(framesHex);
  expect(parseContents(fromHex(framesHex))).toEqual({ frames, symbol: undefined });
});

test('a datagram to be sealed: room for header and tag around the text, zeros up to the size asked for', () => {
  const datagram = writeDatagram([{ kind: 'mtu-probe', size: 1312 }], undefined, 1312);
  expect(datagram).toHaveLength(1312);
  const text = datagram.subarray(PROTECTED_HEADER, datagram.length - PROTECTED_TAG);
  expect(toHex(text)).toBe(`070520${'00'.repeat(1312 - 9 - 16 - 3)}`);
  expect(parseContents(text)).toEqual({ frames: [{ kind: 'mtu-probe', size: 1312 }], symbol: undefined });
});

test.each<[string, Frame[]]>([
  ['nothing else', []],
  ['a policy', [{ kind: 'ack-policy', packets: 2, delay: 25_000 }]],
  ['a policy and a ping', [{ kind: 'ack-policy', packets: 2, delay: 25_000 }, { kind: 'ping' }]],
])('the first symbol of a datagram has all the room that it can use beside %s', (_what, frames) => {
  const before = PROTECTED_HEADER + frames.reduce((sum, frame) => sum + frameSize(frame), 0) + PROTECTED_TAG;
  const most = DATAGRAM_SIZE - before - 1;
  const isWritten = (length: number) =>
    new SymbolWriter(new Uint8Array(DATAGRAM_SIZE), frames, new Numbers()).signed(new Uint8Array(length));
  expect([isWritten(most), isWritten(most + 1)]).toEqual([true, false]);
  const full = new SymbolWriter(new Uint8Array(DATAGRAM_SIZE), frames, new Numbers());
  full.signed(new Uint8Array(most));
  expect(full.finish()).toHaveLength(DATAGRAM_SIZE);
});

describe('a symbol is malformed', () => {
  const good = fromHex(symbolHex).subarray(7);

  test.each([
    ['an object of no bytes', [[12, 0, 0, 0, 0, 0]], 'length: expected at least 1, got 0'],
    ['symbols of no bytes', [[17, 0, 0]], 'T: expected a multiple of 16, got 0'],
    ['symbols of 17 bytes', [[17, 0, 17]], 'T: expected a multiple of 16, got 17'],
    ['symbols that fit no datagram', [[17, 5, 144]], 'T: expected at most 1408, got 1424'],
    [
      'blocks of 513 symbols',
      [
        [12, 0, 0, 0, 32, 16],
        [19, 1],
      ],
      'K: expected at most 512, got 513',
    ],
    [
      'blocks larger than 255 of the largest symbols have to be',
      [
        [12, 0, 16, 0, 0, 0],
        [17, 3, 192],
      ],
      'K: expected at most 878, got 1097',
    ],
    ['no source block', [[19, 0]], 'Z: expected 1 to the number of symbols, got 0'],
    [
      'more source blocks than symbols',
      [
        [12, 0, 0, 0, 0, 32],
        [19, 3],
      ],
      'Z: expected 1 to the number of symbols, got 3',
    ],
    ['a batch deeper than 8', [[52, 9]], 'proof depth: expected 0 to 8, got 9'],
    ['a place that its batch does not have', [[53, 2]], 'leaf index: expected less than 2, got 2'],
    [
      'fewer symbols served than it says',
      [
        [52, 255],
        [53, 1],
      ],
      'symbol: expected 32 bytes, got 12',
    ],
    ['a block that its object does not have', [[134, 255]], 'SBN: expected less than 255, got 255'],
  ])('with %s', (_what, changes, message) => {
    const body = good.slice();
    for (const [offset, ...values] of changes) body.set(values, offset);
    expect(() => parseSymbol(body)).toThrow(malformed(message));
  });

  test('with more bytes than its symbol has', () => {
    expect(() => parseSymbol(Uint8Array.from([...good, 0]))).toThrow(
      malformed('leaf: expected its end, got 1 more bytes'),
    );
  });
});

describe('an ack is written', () => {
  const hexOf = (ack: Ack): string =>
    toHex(textOf({ frames: [{ kind: 'ack', ack }], symbol: undefined })).slice(34);

  test('as ranges where that is no longer than the bitmap', () => {
    expect(hexOf({ ranges: [99, 0], delay: 0, received: 100 })).toBe('000163');
  });

  test('as a bitmap where that is shorter', () => {
    const ranges = Array.from({ length: 8 }, (_, i) => [14 - 2 * i, 14 - 2 * i]).flat();
    expect(hexOf({ ranges, delay: 0, received: 8 })).toBe('0002aa2a');
  });

  test('with a delay of at most 134 s', () => {
    const ack: Ack = { ranges: [5, 5], delay: 1e12, received: 1 };
    const [read] = parseContents(textOf({ frames: [{ kind: 'ack', ack }], symbol: undefined })).frames;
    expect(read).toEqual({ kind: 'ack', ack: { ...ack, delay: 0xffffff * 8 } });
  });
});

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

function malformed(message: string): unknown {
  return expect.objectContaining({ name: 'HeadwaterError', code: 'MALFORMED', message });
}
