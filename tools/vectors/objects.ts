/** Test vectors of frames and objects. In: fixed seeds. Out: plain values, bytes as hex. */

import { Ledger } from '../../src/broadcast/agreement/ledger.js';
import { writeParcel } from '../../src/broadcast/delivery/parcel.js';
import { batchMessage, signBatch, signShares } from '../../src/broadcast/proof/batch.js';
import { servedBody, signCertificate } from '../../src/broadcast/proof/certificate.js';
import { cutObject, esiOf, symbolsPerPeer } from '../../src/broadcast/spread/plan.js';
import { Encoder, Oti } from '../../src/codec/index.js';
import { toHex } from '../../src/core/bytes.js';
import { sha256 } from '../../src/crypto/hash.js';
import { keyPair } from '../../src/crypto/keys.js';
import { buildTree } from '../../src/crypto/merkle.js';
import { signRecord } from '../../src/locators/record.js';
import { writeDatagram } from '../../src/wire/datagram.js';
import type { Frame } from '../../src/wire/frames.js';
import { maxBlockSymbols, PROTECTED_HEADER, PROTECTED_TAG, ROOT_SIZE } from '../../src/wire/limits.js';
import { servedManifest } from '../../src/wire/manifest.js';
import { type Descriptor, TRANSFER_BIT, writeDescriptor, writeLeaf } from '../../src/wire/symbol.js';
import { seedOf, vectorGroup } from './sessions.js';

const INCARNATION = 0x0190_0000_0003;

export function frameVectors(): unknown {
  const stream = { origin: 2, incarnation: INCARNATION };
  const mark = { has: 3, active: 2, id: new Uint8Array(16).fill(0xe5) };
  const chain = new Uint8Array(32).fill(0xc1);
  const open = { ended: false, first: false, over: false };
  const frames: [string, Frame][] = [
    [
      'ACK, ranges: 70000 to 69001, 69000 missing, 68999 alone, 200 missing, 68798 and 68797',
      {
        kind: 'ack',
        ack: {
          ranges: [70_000, 69_001, 68_999, 68_999, 68_798, 68_797],
          delay: 1_000,
          received: 69_000,
        },
      },
    ],
    [
      'ACK, bitmap: every second number from 40 down to 0',
      {
        kind: 'ack',
        ack: {
          ranges: Array.from({ length: 42 }, (_, i) => 40 - 2 * Math.floor(i / 2)),
          delay: 0,
          received: 21,
        },
      },
    ],
    [
      'VECTOR: one claim, with objects 9, 11 and 18 held beyond 8',
      {
        kind: 'vector',
        version: 7,
        heard: 5,
        heardBefore: 0x8000_0001,
        entries: [
          {
            ...stream,
            base: 3,
            count: 8,
            ready: 0,
            ...open,
            chain,
            ahead: Uint8Array.of(0b0000_0101, 0b0000_0010),
          },
        ],
      },
    ],
    [
      'VECTOR: a digest of fewer objects before the claim of the same stream',
      {
        kind: 'vector',
        version: 8,
        heard: 0,
        heardBefore: 0,
        entries: [
          {
            ...stream,
            base: 3,
            count: 6,
            ready: 0,
            ...open,
            chain: chain.map((byte) => byte + 1),
            ahead: new Uint8Array(0),
          },
          { ...stream, base: 3, count: 8, ready: 0, ...open, chain, ahead: new Uint8Array(0) },
        ],
      },
    ],
    [
      'VECTOR: READY for 6 of 8 objects, with objects 9 and 11 held beyond',
      {
        kind: 'vector',
        version: 9,
        heard: 0,
        heardBefore: 0,
        entries: [
          { ...stream, base: 3, count: 8, ready: 6, ...open, chain, ahead: Uint8Array.of(0b0000_0101) },
        ],
      },
    ],
    [
      'VECTOR: of a stream that has ended, the first that is known, 8 objects held and 3 kept; of an earlier one, retired, all 5 once held',
      {
        kind: 'vector',
        version: 10,
        heard: 0,
        heardBefore: 0,
        entries: [
          {
            ...stream,
            base: 5,
            count: 8,
            ready: 0,
            ended: true,
            first: true,
            over: false,
            chain,
            ahead: new Uint8Array(0),
          },
          {
            ...stream,
            incarnation: stream.incarnation - 1000,
            base: 5,
            count: 5,
            ready: 0,
            ended: true,
            first: false,
            over: true,
            chain,
            ahead: new Uint8Array(0),
          },
        ],
      },
    ],
    [
      'VECTOR: nothing but what was heard',
      { kind: 'vector', version: 0, heard: 9, heardBefore: 1, entries: [] },
    ],
    [
      'PROGRESS: of 10 blocks 0, 2 and 9 complete, 13 and 1 symbols missing of 1 and 3',
      {
        kind: 'progress',
        id: { ...stream, seq: 77 },
        sourceBlocks: 10,
        complete: Uint8Array.of(0b0000_0101, 0b0000_0010),
        missing: [
          { sbn: 1, symbols: 13 },
          { sbn: 3, symbols: 1 },
        ],
      },
    ],
    ['PING', { kind: 'ping' }],
    ['ACK_POLICY', { kind: 'ack-policy', packets: 12, delay: 5_000 }],
    ['MTU_PROBE', { kind: 'mtu-probe', size: 1452 }],
    ['MTU_REPORT', { kind: 'mtu-report', size: 1452 }],
    ['PULL: all of it', { kind: 'pull', id: { ...stream, seq: 77 }, missing: [] }],
    [
      'PULL: 300 symbols of block 4',
      { kind: 'pull', id: { ...stream, seq: 77 }, missing: [{ sbn: 4, symbols: 300 }] },
    ],
    ['PART: the second half', { kind: 'part', number: 7, half: 1, bytes: Uint8Array.of(1, 2, 3) }],
    ['PATH_SIZE', { kind: 'path-size', size: 1452 }],
    [
      'TRANSFER: failed, with some of it',
      {
        kind: 'transfer',
        ...{ origin: 2, incarnation: TRANSFER_BIT + 77, version: 5, heard: 3 },
        ...{ state: 'failed', count: 4, sent: 0 },
        reason: new TextEncoder().encode('its disk is full'),
        ahead: Uint8Array.of(0b101),
      },
    ],
    [
      'CAST: to 239.255.0.77, port 7810, from any source',
      {
        kind: 'cast',
        ...{ origin: 2, incarnation: TRANSFER_BIT + 77, open: true, key: new Uint8Array(32).fill(9) },
        ...{ port: 7810, address: Uint8Array.of(239, 255, 0, 77), source: new Uint8Array(0) },
        ...{ sent: 4711, packets: 16, delay: 5000 },
      },
    ],
    [
      'CAST_REPORT: it hears, 9 to 7 and 5, and lacks a manifest',
      {
        kind: 'cast-report',
        ...{ origin: 2, incarnation: TRANSFER_BIT + 77, state: 'hearing', reason: new Uint8Array(0) },
        ...{ ack: { ranges: [9, 7, 5, 5], delay: 800, received: 4 }, lacking: [0x0102_0304_0506] },
      },
    ],
    [
      'CAST_REPORT: it does not listen',
      {
        kind: 'cast-report',
        ...{ origin: 2, incarnation: TRANSFER_BIT + 77, state: 'off', ack: undefined, lacking: [] },
        reason: new TextEncoder().encode('it takes no multicast'),
      },
    ],
    ['LOCATORS: two addresses of member 1 of group "vectors", signed by it', locatorsVector()],
    [
      'LOCATORS_HEARD',
      { kind: 'locators-heard', records: [{ member: 1, incarnation: INCARNATION, number: 3 }] },
    ],
    ['OBSERVED_ADDRESS', { kind: 'observed-address', address: '203.0.113.9:40001' }],
    [
      'OWED: 300 symbols of files wait for member 1, the oldest of block 2 of slice 7; and 9 for member 3',
      {
        kind: 'owed',
        files: true,
        debts: [
          { member: 1, symbols: 300, delay: 120, incarnation: TRANSFER_BIT + 77, seq: 7, sbn: 2 },
          { member: 3, symbols: 9, delay: 11, incarnation: TRANSFER_BIT + 77, seq: 9, sbn: 0 },
        ],
      },
    ],
    ['OWED: nothing any more', { kind: 'owed', files: false, debts: [] }],
    [
      'ROUTES: its sender lacks member 3; member 5 is two sessions away, 120 ms and 5 % loss',
      { kind: 'routes', number: 7, lacking: [3], routes: [{ member: 5, hops: 2, rtt: 120, loss: 13 }] },
    ],
    ['ROUTES: nobody is lacked', { kind: 'routes', number: 8, lacking: [], routes: [] }],
    [
      'FORWARD: from member 1 for member 3, in two more sessions',
      { kind: 'forward', from: 1, to: 3, hops: 2, datagram: Uint8Array.of(0x34, 1, 2, 3, 4) },
    ],
    [
      'PUNCH: member 3 is asked to try two addresses of member 1 in 20 ms',
      {
        ...{ kind: 'punch', from: 1, to: 3, isAnswer: false, wait: 20 },
        addresses: ['203.0.113.1:40000', '[2001:db8::7]:7001'],
      },
    ],
    ['PUNCH: an answer', { kind: 'punch', from: 3, to: 1, isAnswer: true, wait: 0, addresses: [] }],
    [
      'EPOCH: a seal, from the second stream on',
      {
        ...{ kind: 'epoch', ...mark, heard: 5, list: 'seal', of: 2, next: new Uint8Array(16).fill(0xd4) },
        ...{ total: 3, first: 1 },
        streams: [
          { ...stream, count: 70, base: 64 },
          { ...stream, origin: 4, count: 1, base: 0 },
        ],
      },
    ],
    [
      'EPOCH: nothing but where its sender is',
      {
        ...{ kind: 'epoch', ...mark, heard: 0, list: 'none', of: 0, next: new Uint8Array(16) },
        ...{ total: 0, first: 0, streams: [] },
      },
    ],
    [
      'SAID',
      {
        ...{ kind: 'said', ...mark },
        vector: {
          ...{ kind: 'vector', version: 9, heard: 4, heardBefore: 1 },
          entries: [
            {
              ...{ ...stream, base: 64, count: 70, ready: 0, ended: false, first: false, over: false },
              ...{ chain: new Uint8Array(32).fill(0xc2), ahead: Uint8Array.of(5) },
            },
          ],
        },
      },
    ],
    ['an optional frame of no known type', { kind: 'unknown', type: 200, body: Uint8Array.of(1, 2, 3) }],
    ['GONE', { kind: 'gone', ...stream, base: 64, chain: new Uint8Array(32).fill(0xc2) }],
  ];
  return frames.map(([name, frame]) => ({ name, frame: plain(frame), text: toHex(textOf([frame])) }));
}

function locatorsVector(): Frame {
  const group = vectorGroup('vectors', [1, 2, 3]);
  const keys = [1, 2, 3]
    .map((number) => keyPair(seedOf(number)))
    .find(({ publicKey }) => toHex(publicKey) === toHex(group.members[1].publicKey))!;
  const addresses = ['192.0.2.7:7001', '[2001:db8::7]:7001'];
  const said = { member: 1, incarnation: INCARNATION, number: 3, time: 1_800_000_000_000, addresses };
  return { kind: 'locators', ...signRecord(keys, group.id, said) };
}

export function objectVectors(): unknown {
  const group = vectorGroup('vectors', [1, 2, 3]);
  const keys = keyPair(seedOf(2));
  const origin = group.members.findIndex(({ publicKey }) => toHex(publicKey) === toHex(keys.publicKey));
  const stream = { origin, incarnation: INCARNATION };
  const parcels = [
    { dependencies: [], messages: [bytes(5), new Uint8Array(0)] },
    {
      dependencies: [
        { origin: (origin + 1) % 3, incarnation: INCARNATION + 1, count: 4 },
        { origin: (origin + 2) % 3, incarnation: INCARNATION - 1, count: 0xffff_fffe },
      ],
      messages: [bytes(2000)],
    },
    { dependencies: [], messages: [bytes(900)] },
  ];
  const held = new Ledger();
  const digests = [toHex(held.chainAt(0)!)];
  const objects = parcels.map((parcel, seq) => {
    const object = writeParcel(parcel);
    const hash = sha256(object);
    held.hold(seq, hash, 0);
    digests.push(toHex(held.chainAt(seq + 1)!));
    const cut = cutObject(object.length);
    const descriptor: Descriptor = { ...stream, seq, length: object.length, ...cut, hash };
    const descriptorBytes = writeDescriptor(descriptor);
    const noRoot = new Uint8Array(ROOT_SIZE);
    const certificate = signCertificate(group, descriptorBytes, keys.sign);
    using encoder = new Encoder(object, cut);
    const k = encoder.oti.blockSymbols(0);
    // All source symbols and, where the code has any that differ, two repair symbols.
    const leaves = Array.from({ length: k === 1 ? 1 : k + 2 }, (_, i) => {
      const esi = esiOf(i, k);
      return { sbn: 0, esi, firstHop: (origin + 1 + (i % 2)) % 3, symbol: encoder.symbol(0, esi) };
    });
    const tree = buildTree(leaves.map(writeLeaf));
    const served = servedBody(certificate, encoder, { sbn: 0, esi: 0, most: 1 });
    // One first hop has all but the last, the other one that.
    const first = Math.max(1, leaves.length - 1);
    const parts = [leaves.slice(0, first), leaves.slice(first)].filter(({ length }) => length > 0);
    const shares = parts.map((part, i) => ({
      sbn: 0,
      esi: part[0].esi,
      firstHop: (origin + 1 + i) % 3,
      symbols: part.map(({ symbol }) => symbol),
    }));
    const listed = signShares(group, descriptorBytes, shares, keys.sign);
    return {
      parcel: {
        dependencies: parcel.dependencies,
        messages: parcel.messages.map(toHex),
        bytes: toHex(object),
      },
      descriptor: { ...plain(descriptor), bytes: toHex(descriptorBytes) },
      certificate: {
        root: toHex(noRoot),
        signed: toHex(batchMessage(group, descriptorBytes, noRoot)),
        bytes: toHex(certificate),
      },
      batch: {
        leaves: leaves.map(plain),
        depth: tree.depth,
        root: toHex(tree.root),
        bodies: signBatch(group, descriptorBytes, leaves, keys.sign).map(toHex),
      },
      served: { ...plain(leaves[0]), firstHop: 0xffff, body: toHex(served) },
      shares: listed.map((symbols, i) => ({
        ...{ sbn: 0, esi: shares[i].esi, firstHop: shares[i].firstHop, count: symbols.length },
        position: symbols[0].manifest.position,
        root: toHex(symbols[0].manifest.root!),
        manifest: toHex(textOf([{ kind: 'manifest', number: 7 + i, manifest: symbols[0].manifest }])),
        last: toHex(
          textOf([
            {
              kind: 'listed',
              number: 7 + i,
              place: symbols.length - 1,
              symbol: symbols[symbols.length - 1].symbol,
            },
          ]),
        ),
      })),
      run: {
        manifest: toHex(
          textOf([{ kind: 'manifest', number: 0xfffe, manifest: servedManifest(certificate) }]),
        ),
        text: toHex(
          textOf([{ kind: 'served', number: 0xfffe, sbn: 0, esi: 0, symbols: encoder.symbol(0, 0) }]),
        ),
      },
    };
  });
  const [small] = objects;
  const body = Uint8Array.from(Buffer.from(small.served.body, 'hex'));
  return {
    groupId: toHex(group.id),
    seed: toHex(seedOf(2)),
    objects,
    digests,
    datagrams: [
      { name: 'PING, SYMBOL', text: toHex(textOf([{ kind: 'ping' }], body)) },
      { name: 'SIZED_SYMBOL, SYMBOL', text: toHex(textOf([{ kind: 'sized-symbol', body }], body)) },
    ],
    cuts: [1, 16, 17, 992, 993, 1984, 1985, 2400, 3600, 3601, 614_400, 614_401, 5_000_000, 2 ** 28].map(
      (length) => {
        const cut = cutObject(length);
        const oti = new Oti({ transferLength: length, ...cut });
        const last = cut.sourceBlocks - 1;
        const mostK = maxBlockSymbols(length);
        return { length, ...cut, firstK: oti.blockSymbols(0), lastK: oti.blockSymbols(last), mostK };
      },
    ),
    shares: [
      [1, 5, 1],
      [2, 5, 1],
      [3, 5, 1],
      [512, 5, 1],
      [512, 2, 0],
      [1075, 16, 5],
    ].map(([k, members, faulty]) => {
      return { k, members, faulty, pessimism: 2, each: symbolsPerPeer(k, members, { faulty, pessimism: 2 }) };
    }),
  };
}

function textOf(frames: readonly Frame[], symbol?: Uint8Array): Uint8Array {
  const datagram = writeDatagram(frames, symbol);
  return datagram.subarray(PROTECTED_HEADER, datagram.length - PROTECTED_TAG);
}

/** Recognisable, and never the same for long. */
function bytes(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + (i >>> 8)) & 0xff);
}

/** The same value with hex in place of bytes. */
function plain<T>(value: T): Record<string, unknown> {
  return JSON.parse(JSON.stringify(value, (_, part) => (part instanceof Uint8Array ? toHex(part) : part)));
}
